"""`ExecutedLayer`: a layer in the order of execution, seen by its neighbours: what it reads, and how that is stored."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from cnvlutin2.encodings import Packing, get_format
from cnvlutin2.layer import Geometry
from cnvlutin2.mapping import Schedule, Seats
from cnvlutin2.timing.engine import RunMode
from cnvlutin2.timing.observed import InputTensor


@dataclass(frozen=True)
class ExecutedLayer:
    """A layer in its mode, without its counts.

    Parameters
    ----------
    geometry : Geometry
        Groups that are set side by side are one.
    seats : Seats
    packing : {"row", "brick"}
    format : str
        In which its input lies in NM: the organisation's, or ``dense`` for a layer that runs dense.
    tensor : InputTensor
        What it reads (`cnvlutin2.timing.observed.ObservedLayer.tensor`).
    """

    geometry: Geometry
    seats: Seats
    packing: Packing
    format: str
    tensor: InputTensor

    @classmethod
    def of(cls, schedule: Schedule, mode: RunMode, tensor: InputTensor) -> ExecutedLayer:
        """Return a layer on an organisation in a mode."""
        stored = schedule.organisation.format if mode == "skip" else "dense"
        return cls(schedule.geometry, schedule.seats, schedule.packing, stored, tensor)

    @property
    def encoded(self) -> bool:
        """Whether an encoder wrote its input."""
        return get_format(self.format).marks

    @property
    def stored_input(self) -> Hashable:
        """Equal for layers that read the same tensor, stored alike: it is written once for all of them.

        Where no marks are stored, the bits do not depend on the threshold.
        """
        threshold = self.tensor.threshold if self.encoded else None
        return self.tensor.source, threshold, self.geometry.groups, self.packing, self.format

    @property
    def input_values(self) -> int:
        """Activations of an image."""
        return self.geometry.channels * self.input_positions

    @property
    def input_positions(self) -> int:
        """Positions of its map."""
        return self.geometry.height * self.geometry.width

    @property
    def busiest_tile_filters(self) -> int:
        """Filters of the busiest tile, over all passes and groups."""
        return self.seats.busiest_tile_filters * self.geometry.groups


def first_readers(layers: Sequence[ExecutedLayer]) -> list[bool]:
    """Find the layers whose input no earlier one has read, stored alike; only for these is it written."""
    seen: set[Hashable] = set()
    first = []
    for layer in layers:
        first.append(layer.stored_input not in seen)
        seen.add(layer.stored_input)
    return first
