"""Counts are 64-bit integers: what could go beyond them is refused before it is counted."""

from __future__ import annotations

import math
from collections import defaultdict

from cnvlutin2.errors import ConfigError
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation

MOST_SLOTS = 1 << 57
"""Multiplier slots of a run of a network: a slot stands for at most 64 events or bits, so every count stays below 2 to the 63."""
_ROWS = 4
"""Cycles that a value costs at most: those of fetching its run, of which it may be the only one, and its own."""


class CountLimits:
    """Adds up what the layers of a run could come to, organisation by organisation, in integers without limits."""

    def __init__(self) -> None:
        self._slots: dict[str, int] = defaultdict(int)

    def add(self, layer: Layer, organisation: Organisation) -> None:
        """Add a batch of a layer.

        Raises
        ------
        ConfigError
            If the counts could go beyond 64 bits; names the layer and the organisation.
        """
        self._slots[organisation.name] += layer.images * most_slots(layer, organisation)
        if self._slots[organisation.name] > MOST_SLOTS:
            message = (
                f"layer {layer.name!r} under {organisation.name!r} could take the count of multiplier slots beyond 64 bits; "
                "use fewer tiles, filters_per_tile, lanes or images, or shorter overheads"
            )
            raise ConfigError(message)


def most_slots(layer: Layer, organisation: Organisation) -> int:
    """Return a bound of a layer's multiplier slots, an image, as if one lane had all the work and every value were a run."""
    geometry, o = layer.geometry, organisation
    values = geometry.group_channels * math.prod(geometry.kernel)
    window = values * (_ROWS + o.run_overhead) + o.window_overhead
    passes = geometry.groups * -(-geometry.group_filters // (o.tiles * o.filters_per_tile))
    return layer.windows * passes * window * o.tiles * o.filters_per_tile * o.lanes
