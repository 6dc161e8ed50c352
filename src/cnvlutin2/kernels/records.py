"""What the compiled kernels for many layers take: tables of small integers and of arrays' addresses, a record a piece of work.

An address is that of a C-contiguous array's first element, whose owner must outlive the call. Passing arrays themselves costs
more than a small layer takes.
"""

from __future__ import annotations

import numpy as np

WAITING, FREE = range(2)
"""Whether the filters of a tile wait for each other at every run, or walk the runs of their lane on their own."""
TILE_SYNCS = ("window", "brick", "layer")
"""Where tiles wait for each other."""

_GEOMETRY = ("geometry", np.int64, (10,))  # as in `numba_path.windows.sliced_cycles`


def _record(*fields: str | tuple[str, type[np.int64], tuple[int, ...]]) -> np.dtype[np.void]:
    return np.dtype([(field, np.int64) if isinstance(field, str) else field for field in fields])


LAYER = _record(
    "activations",  # address, int16 [images * maps of an image * channels * places]
    "images",
    "groups",
    "channels",  # of a group
    "places",  # height times width
    "width",
    "threshold",
    _GEOMETRY,
    "reads",  # address, uint64 [places in the kernel + 1, words]: the places that some window reads there; all places
    "filters",  # addresses, int32 [places in the kernel, channels up to a multiple of 8]: filters whose weight is effectual
    "busy_filters",  # those whose tile has an effectual weight, or 0 if nobody asks for them
    "bits",  # where its bits begin among those of all layers
    "sums",  # which of the layers it is whose sums are found
    "measured",  # which of all results is its first
    "results",  # how many results it has
    "first_lanes",  # which of `LANES` are about it
    "last_lanes",
)
"""A layer: its values, and where what is found of it goes."""

LANES = _record(
    "row_packed",  # whether a step is what a window reads of a row
    "values",
    "height",
    "width",
    _GEOMETRY,
    "alone",  # whether every place is a window, and a byte holds a lane's cycles
    "room",  # bytes of a plane: places, what windows read above and below, and at least 64 more
    "uses",  # address, uint16 [room]: windows that read a place
    "above",  # places before and behind the map that windows read, with rows as wide as the map's
    "below",
    "window_room",  # places that are a window's first or lie between such, and at most 63 more
    "windows",  # address, uint8 [window_room]: 255 where a window begins
    "inside",  # address, uint8 [places across the kernel, window_room]: 255 where what a window reads is not beside the map
    "piece_count",  # what runs and storage bricks have in common
    "pieces",  # addresses, int32 [pieces + 1]: the first value of each, and the end
    "piece_of",  # int32 [values]
    "brick_of",  # int32 [pieces]
    "run_pieces",  # int32 [runs + 1]: the first piece of each run, and the end
    "brick_pieces",  # int32 [bricks + 1]
    "runs",
    "bricks",
    "brick",  # values of a brick
    "run_bricks",  # address, int32 [runs, 2]
    "longest",  # values of the longest run
    "overhead",  # cycles of a run
    "parts",  # address, int32 [lanes in use + 1]: the first run of each lane
    "lanes",  # in use
    "load_bytes",  # of a number that holds a lane's cycles in any window
    "unit_slowest",  # of a map where every run takes one cycle: the slowest lane's cycles and all lanes' cycles
    "unit_every",
    "idle",  # whether that is so in all ways, and no brick is stored raw
    "has_bricks",  # whether it matters in some way what is in them
    "ways",  # in which bricks are stored
    "counts",  # values of a brick, and 1
    "mixed",  # address, int64 [ways]: whether some bricks are stored raw
    "raw",  # address, uint8 [ways, counts]: whether a brick of so many effectual values is stored raw
    "sizes",  # address, int64 [ways, counts]: bits of its record
    "row_bits",  # address, int64 [ways]: bits of an NM row, or 0 if every brick has rows of its own
    "row_units",  # address, int64 [ways]: see `numba_path.many_lanes`
    "counts_at",  # where in the scratch space lie the effectual values of pieces,
    "bricks_at",  # and of bricks,
    "flags_at",  # flags of raw bricks,
    "rows_at",  # rows of bricks,
    "loads_at",  # cycles of lanes at every place,
    "columns_at",  # and over the kernel's height, padded
    "column_room",  # numbers of a lane
    "result",  # which of the layer's results is the first way's
)
"""Organisations that skip no weights and share their lanes."""

PAIRS = _record(
    "layer",  # which one it is of
    "kind",  # `WAITING` or `FREE`
    "tile_sync",  # which of `TILE_SYNCS`
    "values",  # of a step, which is a position
    "height",
    "width",
    _GEOMETRY,
    "runs",
    "starts",  # addresses, int32 [runs]
    "stops",
    "planes",  # bytes of a run's mask
    "longest",  # values of the longest run
    "overhead",  # cycles of a run
    "passes",
    "tiles",
    "filters",  # of a tile
    "digits",  # of a run's mask
    "walk",  # runs of all lanes
    "lanes",  # in use
    "weights",  # address, uint8: `PreparedWeights.leads` or `walks`
    "leaders",  # address, uint16, or 0 where filters are free
    "tile_filters",  # address, int32 [passes, tiles]
    "lane_order",  # address, int32 [lanes + 1]
    "step_of",  # addresses, int32 [walk]
    "run_of",
    "result",  # which of the layer's results it is
)
"""An organisation that skips ineffectual weights."""
