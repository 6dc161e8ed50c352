"""`LayerInfo` and `LayerResult`: a layer, and what it takes under an organisation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost.packed_rows import PackedRows
from cnvlutin2.timing.slots import SLOT_KINDS

if TYPE_CHECKING:
    from cnvlutin2.cost import LayerCost

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class LayerInfo:
    """What a layer is, whatever it runs on.

    Parameters
    ----------
    name, kind : str
        The kind is that of `Layer`.
    input_shape : (int, int, int)
        Channels, height, width of an image.
    output_shape : (int, int, int)
        Filters, height, width.
    kernel_shape : (int, int)
        Height, width.
    strides, pads, dilations : tuple of int
        As in `Layer`.
    groups : int
        A filter sees the channels of its group.
    threshold, weight_threshold : int
        Least effectual magnitudes, in LSBs.
    first : bool
        Whether it is its network's first layer.
    macs : int
        Multiply-accumulates of an image, padding included.
    weight_density : float
        Effectual part of the weights.
    synthetic : bool
        Whether its values were made up.
    """

    name: str
    kind: str
    input_shape: tuple[int, int, int]
    output_shape: tuple[int, int, int]
    kernel_shape: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    groups: int
    threshold: int
    weight_threshold: int
    first: bool
    macs: int
    weight_density: float
    synthetic: bool


@dataclass(frozen=True, eq=False)
class LayerResult:
    """A layer under one organisation, for all images.

    Parameters
    ----------
    layer : LayerInfo
    arch : str
        The organisation's name.
    mode : str
        ``skip`` or ``dense``: how it ran.
    cycles, effectual_macs : int64 ``[N]``
    dense_cycles : int
        Of the dense baseline of the same size without overheads, an image.
    packed_slots : PackedRows
        Multiplier slots, a row a kind.
    activation_density : float64 ``[N]``
        Effectual part of the stored activations.
    footprint_bits : mapping of str to int64 ``[N]``
        The layer's input under each format, pointers included.
    cost : LayerCost or None
        Traffic and energy, where they were accounted for.
    """

    layer: LayerInfo
    arch: str
    mode: str
    cycles: Counts
    effectual_macs: Counts
    dense_cycles: int
    packed_slots: PackedRows[np.int64]
    activation_density: NDArray[np.float64]
    footprint_bits: Mapping[str, Counts]
    cost: LayerCost | None = None

    def with_cost(self, cost: LayerCost) -> LayerResult:
        """Return the same with what it costs."""
        return LayerResult(**{**vars(self), "cost": cost})

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name

    @property
    def slots(self) -> Counts:
        """Multiplier slots by kind, int64 ``[N, len(SLOT_KINDS)]``; unpacked at each time."""
        return self.packed_slots.array().T

    @property
    def speedup(self) -> float:
        """Dense cycles by cycles, over all images."""
        return self.dense_cycles * self.cycles.size / int(self.cycles.sum())

    def runs(self) -> Iterator[dict[str, Any]]:
        """Yield one record an image, as in the JSON."""
        layer, slots = self.layer, self.slots
        costs = self.cost.records() if self.cost else repeat({}, self.cycles.size)
        for image, cost in enumerate(costs):
            yield {
                "layer": layer.name,
                "arch": self.arch,
                "image": image,
                "mode": self.mode,
                "cycles": int(self.cycles[image]),
                "dense_cycles": self.dense_cycles,
                "macs": layer.macs,
                "effectual_macs": int(self.effectual_macs[image]),
                "activation_density": float(self.activation_density[image]),
                "weight_density": layer.weight_density,
                "footprint_bits": {name: int(bits[image]) for name, bits in self.footprint_bits.items()},
                "slots": dict(zip(SLOT_KINDS, slots[image].tolist(), strict=True)),
                **cost,
            }
