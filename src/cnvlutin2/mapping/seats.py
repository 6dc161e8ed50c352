"""`Seats`: which filter is computed in which pass, tile and slot (docs/model.md, "Passes, tiles and seats")."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Seats:
    """Where the filters of a group sit; the one place that knows.

    Parameters
    ----------
    filters : int
        Of a group.
    tiles, filters_per_tile : int
    filter_map : {"blocked", "spread"}
        Filter `r` of a pass sits in tile ``r // F``, slot ``r % F``; or in tile ``r % T``, slot ``r // T``.
    """

    filters: int
    tiles: int
    filters_per_tile: int
    filter_map: str

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, filters: int, tiles: int, filters_per_tile: int, filter_map: str) -> Seats:
        """Return the one object of these numbers: what it works out is kept."""
        return cls(filters, tiles, filters_per_tile, filter_map)

    @property
    def at_a_time(self) -> int:
        """Filters of a full pass."""
        return self.tiles * self.filters_per_tile

    @property
    def passes(self) -> int:
        """Passes of a group."""
        return -(-self.filters // self.at_a_time)

    @cached_property
    def pass_of(self) -> NDArray[np.int32]:
        """The pass of each filter, ``[filters]``."""
        return np.arange(self.filters, dtype=np.int32) // np.int32(self.at_a_time)

    @cached_property
    def tile_of(self) -> NDArray[np.int32]:
        """The tile of each filter, ``[filters]``."""
        inside = np.arange(self.filters, dtype=np.int32) % np.int32(self.at_a_time)
        return inside // np.int32(self.filters_per_tile) if self.filter_map == "blocked" else inside % np.int32(self.tiles)

    @cached_property
    def slot_of(self) -> NDArray[np.int32]:
        """The slot of each filter in its tile, ``[filters]``."""
        inside = np.arange(self.filters, dtype=np.int32) % np.int32(self.at_a_time)
        return inside % np.int32(self.filters_per_tile) if self.filter_map == "blocked" else inside // np.int32(self.tiles)

    @cached_property
    def tile_filters(self) -> NDArray[np.int32]:
        """Filters that each tile has in each pass, ``[passes, tiles in use]``; tiles in use come first."""
        counts = np.zeros((self.passes, int(self.tile_of.max()) + 1), np.int32)
        np.add.at(counts, (self.pass_of, self.tile_of), 1)
        return counts

    @cached_property
    def pass_filters(self) -> NDArray[np.int64]:
        """Filters of each pass, ``[passes]``."""
        filters: NDArray[np.int64] = self.tile_filters.sum(axis=1, dtype=np.int64)
        return filters

    @cached_property
    def tiles_used(self) -> int:
        """Tiles with a filter, added up over the passes."""
        return int(np.count_nonzero(self.tile_filters))

    @cached_property
    def busiest_tile_filters(self) -> int:
        """Filters of the busiest tile, over all passes."""
        return int(self.tile_filters.sum(axis=0).max())
