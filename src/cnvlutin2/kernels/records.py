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
    "reads",  # address, uint64 [places in the kernel, words]
    "filters",  # addresses, int32 [channels, places in the kernel]: filters whose weight is effectual
    "busy_filters",  # those whose tile has an effectual weight, or 0 if nobody asks for them
    "bits",  # where its bits begin among those of all layers
    "sums",  # the row of its first image among the sums that are found of layers
    "measured",  # the row of its first result's first image
    "results",  # how many results it has
)
"""A layer: its values, and where what is found of it goes."""

LANES = _record(
    "layer",  # which one it is of
    "row_packed",  # whether a step is what a window reads of a row
    "values",
    "height",
    "width",
    _GEOMETRY,
    "uses_down",  # addresses, int32 [height], [width]: windows that read a row, a column
    "uses_across",
    "pieces",  # what runs and storage bricks have in common
    "starts",  # addresses, int32 [pieces]
    "stops",
    "run_of",
    "brick_of",
    "runs",
    "bricks",
    "run_bricks",  # address, int32 [runs, 2]
    "longest",  # values of the longest run
    "overhead",  # cycles of a run
    "parts",  # address, int32 [lanes in use + 1]
    "lanes",  # in use
    "pad_loads",  # address, [lanes in use] of `load_bytes` each
    "load_bytes",
    "flat_cycles",  # of a map, whatever its values
    "most_cycles",  # of a run
    "unit_slowest",  # of a map where every run takes one cycle: the slowest lane's cycles and all lanes' cycles
    "unit_every",
    "idle",  # whether that is so in all ways, and no brick is stored raw
    "ways",  # in which bricks are stored
    "counts",  # values of a brick, and 1
    "raw",  # address, uint8 [ways, counts]: whether a brick of so many effectual values is stored raw
    "sizes",  # address, int64 [ways, counts]: bits of its record
    "row_bits",  # address, int64 [ways]: bits of an NM row, or 0 if every brick has rows of its own
    "cycles",  # where its runs' cycles begin among those of all layers, way by way
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
    "nibbles",  # of a run's mask
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
