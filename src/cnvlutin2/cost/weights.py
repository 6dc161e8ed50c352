"""What weights take in SB and off chip (docs/cost.md, "Weights")."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost.events import Counts
from cnvlutin2.layer import Layer
from cnvlutin2.numeric import effectual
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing import PreparedLayer
from cnvlutin2.timing.weights import PreparedWeights

_CHUNK = 1 << 24  # weights looked at a time


@dataclass(frozen=True)
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


def sb_capacity_bits(organisation: Organisation) -> int:
    """Return the bits of a tile's SB; formats with a bit a weight have room for these bits besides."""
    bits = 8 * organisation.sb_bytes_per_tile
    return bits if organisation.weight_format == "dense" else bits + bits // organisation.data_bits


def store_weights(prepared: PreparedLayer, organisation: Organisation) -> WeightStorage:
    """Count what a layer's weights take."""
    o, layer, places = organisation, prepared.layer, prepared.layer.weights[0].size
    machine = (o.tiles, o.filters_per_tile, sb_capacity_bits(o))
    if o.weight_format == "packed":
        return _store(places + o.data_bits * _effectual_by_filter(prepared), layer.groups, *machine)
    return _store_alike(places * (o.data_bits + (o.weight_format == "bit_vector")), layer.filters, layer.groups, *machine)


@lru_cache(maxsize=1024)
def _store_alike(filter_bits: int, filters: int, groups: int, tiles: int, per_tile: int, capacity_bits: int) -> WeightStorage:
    """Store filters that take the same, as `_store` does."""
    return _store(np.full(filters, filter_bits, np.int64), groups, tiles, per_tile, capacity_bits)


def _store(filter_bits: Counts, groups: int, tiles: int, per_tile: int, capacity_bits: int) -> WeightStorage:
    """Give filters of so many bits, ``[Co]``, to the tiles, pass by pass."""
    by_group = filter_bits.reshape(groups, -1)
    # Of each group, the tiles in use over its passes; only these take room.
    loads = np.add.reduceat(by_group, np.arange(0, by_group.shape[1], per_tile), axis=1)
    tile_bits = np.zeros(tiles, np.int64)
    np.add.at(tile_bits, np.arange(loads.shape[1]) % tiles, loads.sum(axis=0))
    tile_bits.setflags(write=False)  # layers of the same shape share it
    return WeightStorage(tile_bits, int(np.maximum(0, loads - capacity_bits).sum()))


_effectual: WeakKeyDictionary[PreparedWeights, Counts] = WeakKeyDictionary()


def _effectual_by_filter(prepared: PreparedLayer) -> Counts:
    """Return how many weights of each filter are effectual, ``[Co]``; counted once for all organisations."""
    found = _effectual.get(prepared.weights)
    if found is None:
        found = _effectual[prepared.weights] = _count_effectual(prepared.layer)
    return found


def _count_effectual(layer: Layer) -> Counts:
    weights = layer.weights.reshape(layer.filters, -1)
    step = max(1, _CHUNK // weights.shape[1])
    counts = [
        np.count_nonzero(effectual(weights[start : start + step], layer.weight_threshold), axis=1)
        for start in range(0, layer.filters, step)
    ]
    return np.concatenate(counts).astype(np.int64)


def tile_counts(prepared: PreparedLayer, organisation: Organisation) -> NDArray[np.int32]:
    """Return how many tiles (of all passes) have an effectual weight at each place, ``[C, Kh, Kw]``."""
    layer, per_tile = prepared.layer, organisation.filters_per_tile
    # Filters of such tiles are known; they count `per_tile` for a tile but in a group's last one.
    filters = prepared.weights.shared_filter_counts(per_tile)
    rest = layer.group_filters % per_tile
    if not rest:
        return filters // np.int32(per_tile)
    grouped = layer.weights.reshape(layer.groups, layer.group_filters, *layer.weights.shape[1:])
    last = effectual(grouped[:, -rest:], layer.weight_threshold).any(axis=1).reshape(filters.shape).astype(np.int32)
    return (filters - last * np.int32(rest)) // np.int32(per_tile) + last
