"""What the compiled kernels for many layers take: tables of small integers and of arrays' addresses, a record a piece of work.

An address is that of a C-contiguous array's first element, whose owner must outlive the call. Passing arrays themselves costs
more than a small layer takes.
"""

from __future__ import annotations

import numpy as np

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
    "filters",  # address, int32 [channels, places in the kernel]: filters whose weight is effectual
    "bits",  # where its bits begin among those of all layers
    "sums",  # the row of its first image among the sums that are found of layers
    "measured",  # the row of its first result's first image
    "results",  # how many results it has
    "lanes",  # its records in `LANES`: the first and the end
    "lanes_end",
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
