"""The compiled kernels (Numba). Each has a twin of the same name and numbers in `numpy_path`.

Arrays are C-contiguous. A *map* is one group of one image; the positions of a map are its steps' places, flattened (`y`, then
`x`). All kernels release the interpreter's lock, so that threads can share a layer.
"""

from cnvlutin2.kernels.numba_path.blocks import BLOCK
from cnvlutin2.kernels.numba_path.execute import execute
from cnvlutin2.kernels.numba_path.free import free_filter_cycles
from cnvlutin2.kernels.numba_path.many import address_of, count_layers
from cnvlutin2.kernels.numba_path.many_pairs import walk_free_pairs, walk_waiting_pairs
from cnvlutin2.kernels.numba_path.masks import (
    lead_filters,
    run_counts,
    run_masks,
    weight_counts,
    weight_masks,
    with_raw_bricks,
)
from cnvlutin2.kernels.numba_path.weights import weighted_cycles
from cnvlutin2.kernels.numba_path.windows import (
    dot,
    interleaved_cycles,
    position_counts,
    run_cycles,
    sliced_cycles,
    sum_over_windows,
)
from cnvlutin2.simd.lookups import DIGIT_BITS

MANY_LAYERS = True
"""Whether there are kernels that do many layers in one call."""

__all__ = [
    "BLOCK",
    "DIGIT_BITS",
    "MANY_LAYERS",
    "address_of",
    "count_layers",
    "dot",
    "execute",
    "free_filter_cycles",
    "interleaved_cycles",
    "lead_filters",
    "position_counts",
    "run_counts",
    "run_cycles",
    "run_masks",
    "sliced_cycles",
    "sum_over_windows",
    "walk_free_pairs",
    "walk_waiting_pairs",
    "weight_counts",
    "weight_masks",
    "weighted_cycles",
    "with_raw_bricks",
]
