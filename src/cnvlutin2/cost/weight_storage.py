"""What weights take in SB and off chip (docs/cost.md, "Weights")."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from cnvlutin2.machine import Machine
from cnvlutin2.mapping import Schedule, Seats
from cnvlutin2.timing.engine import Counts
from cnvlutin2.timing.observed import ObservedWeights


@dataclass(frozen=True, eq=False)
class WeightStorage:
    """The weights of a layer as an organisation stores them.

    Parameters
    ----------
    tile_bits : int64 ``[tiles]``
        Stored bits of each tile's filters.
    excess_bits : int
        Bits of single passes that do not fit their tile's SB: they come from DRAM again for every window.
    """

    tile_bits: Counts
    excess_bits: int

    @cached_property
    def bits(self) -> int:
        """Bits of all weights."""
        return int(self.tile_bits.sum())


def store_weights(weights: ObservedWeights, schedule: Schedule) -> WeightStorage:
    """Count what a layer's weights take.

    Of groups side by side, filters have the zeros outside of their block too: as values where all of them are stored, as bits
    of the vector where only the effectual ones follow.
    """
    o, geometry, seats = schedule.organisation, schedule.geometry, schedule.seats
    capacity_bits, places = Machine.of(o).tile_weight_bits, geometry.filter_weights
    if o.weight_format == "packed":
        filter_bits = (places + o.data_bits * weights.effectual_by_filter).reshape(geometry.groups, seats.filters)
        return _store(_tile_loads(filter_bits, seats), capacity_bits, seats)
    bits = places * (o.data_bits + (o.weight_format == "bit_vector"))
    return _store_alike(bits, geometry.groups, capacity_bits, seats)


@lru_cache(maxsize=1024)
def _store_alike(filter_bits: int, groups: int, capacity_bits: int, seats: Seats) -> WeightStorage:
    """Store filters that take the same."""
    loads = np.broadcast_to(seats.tile_filters.astype(np.int64) * filter_bits, (groups, *seats.tile_filters.shape))
    return _store(loads, capacity_bits, seats)


def _tile_loads(filter_bits: Counts, seats: Seats) -> Counts:
    """Return the bits that each tile's filters have in each pass, ``[groups, passes, tiles in use]``."""
    loads = np.zeros((*seats.tile_filters.shape, len(filter_bits)), np.int64)
    np.add.at(loads, (seats.pass_of, seats.tile_of), filter_bits.T)
    return np.moveaxis(loads, -1, 0)


def _store(loads: Counts, capacity_bits: int, seats: Seats) -> WeightStorage:
    """Put the filters of every pass of every group into their tiles."""
    tile_bits = np.zeros(seats.tiles, np.int64)
    tile_bits[: loads.shape[2]] = loads.sum(axis=(0, 1))
    tile_bits.setflags(write=False)  # layers of the same shape share it
    return WeightStorage(tile_bits, int(np.maximum(0, loads - capacity_bits).sum()))
