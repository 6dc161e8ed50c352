"""The compiled kernels (Numba). Each has a twin of the same name and numbers in `numpy_path`.

Arrays are C-contiguous. A *map* is one group of one image; the positions of a map are its steps' places, flattened (`y`, then
`x`). All kernels release the interpreter's lock, so that threads can share a layer.
"""

from cnvlutin2.kernels.numba_path.execute import execute
from cnvlutin2.kernels.numba_path.masks import (
    row_run_counts,
    row_run_masks,
    run_counts,
    run_masks,
    weight_counts,
    weight_masks,
)
from cnvlutin2.kernels.numba_path.weights import BLOCK, free_filter_cycles, weighted_cycles
from cnvlutin2.kernels.numba_path.windows import (
    interleaved_window_cycles,
    position_counts,
    run_costs,
    sliced_window_cycles,
)

__all__ = [
    "BLOCK",
    "execute",
    "free_filter_cycles",
    "interleaved_window_cycles",
    "position_counts",
    "row_run_counts",
    "row_run_masks",
    "run_costs",
    "run_counts",
    "run_masks",
    "sliced_window_cycles",
    "weight_counts",
    "weight_masks",
    "weighted_cycles",
]
