"""From what a run in floating point sees to the scales at which layers are quantised (docs/model.md, "Quantisation")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cnvlutin2.errors import NetworkError
from cnvlutin2.network.gathering import Captured, Feed
from cnvlutin2.network.quantisation import Numeric
from cnvlutin2.numeric import fraction_bits, largest_magnitude


@dataclass(frozen=True)
class Scales:
    """How a layer is quantised in a run.

    Parameters
    ----------
    frac, weight_frac : int
        Fraction bits of its input and of its weights.
    threshold, weight_threshold : int
        Their least effectual magnitudes, in LSBs.
    """

    frac: int
    weight_frac: int
    threshold: int
    weight_threshold: int

    @classmethod
    def of(cls, layer: str, frac: int, weight_frac: int, numeric: Numeric) -> Scales:
        """Return the scales of the layer of a name, with the thresholds that a run sets for it."""
        threshold, weight_threshold = (
            found.in_lsbs(bits) if found else 1
            for found, bits in ((numeric.thresholds.of(layer), frac), (numeric.weight_thresholds.of(layer), weight_frac))
        )
        return cls(frac, weight_frac, threshold, weight_threshold)

    @property
    def prunes(self) -> bool:
        """Whether a value other than 0 may be ineffectual."""
        return self.threshold > 1 or self.weight_threshold > 1


def executes_quantised(numeric: Numeric, scales: Iterable[Scales]) -> bool:
    """Whether a network is executed on quantised values: if that was asked for, or a layer's thresholds prune."""
    return numeric.quantised or any(each.prunes for each in scales)


class Ranges:
    """The largest magnitude of every tensor that feeds a layer, over the images seen so far.

    Parameters
    ----------
    readers : mapping of Feed to str
        A layer that each feeds, for messages.
    """

    def __init__(self, readers: Mapping[Feed, str]) -> None:
        self._readers = readers
        self._largest: dict[str, float] = {}

    def widen(self, captured: Captured, images: Sequence[str]) -> None:
        """Take in what was captured of the images with these names.

        Raises
        ------
        NetworkError
            If a layer's input is infinite or not a number; names the layer and the image.
        """
        for feed, values in captured.items():
            largest = largest_magnitude(values)
            if not np.isfinite(largest):
                image = images[int(np.isfinite(values).reshape(len(values), -1).all(axis=1).argmin())]
                what = f"its input is infinite or not a number for {image}"
                raise NetworkError(f"layer {self._readers[feed]!r}: {what}; check the model and the scale of what it is given")
            self._largest[feed[0]] = max(self._largest.get(feed[0], 0.0), largest)

    def fracs(self, data_bits: int) -> dict[str, int]:
        """Return the fraction bits of the tensors, by name."""
        return {tensor: fraction_bits(largest, data_bits) for tensor, largest in self._largest.items()}
