"""The functional check's kernel: multiply exactly what the lanes multiply."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd.jit import kernel

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


@kernel
def execute(
    masks: Bytes,
    weight_masks: Bytes,
    filters_per_tile: int,
    lane_order: NDArray[np.int32],
    step_of: NDArray[np.int32],
    run_of: NDArray[np.int32],
    starts: NDArray[np.int32],
    values: NDArray[np.int16],
    weights: NDArray[np.int16],
    source: NDArray[np.int32],
    image_windows: int,
    first: int,
    last: int,
    out: Ints,
    products: Ints,
) -> None:
    """Walk every lane's runs and accumulate the products of the offsets that its masks hold.

    Parameters
    ----------
    masks : uint8 ``[groups, runs, bytes, places + 1]``
        What the lanes take for effectual.
    weight_masks : uint8 ``[groups, passes, steps * runs, tiles, filters, bytes]`` or all sizes 0
        Effectual weights; a single filter stands for its tile. Empty: no weight is skipped.
    filters_per_tile : int
    lane_order, step_of, run_of : int32
        As in `weighted_cycles`.
    starts : int32 ``[runs]``
        The first value of each run.
    values : int16 ``[groups, step values, places + 1]``
        Activations by step, ineffectual ones 0; 0 in the padding.
    weights : int16 ``[groups, steps, step values, filters]``
        Ineffectual ones 0.
    source : int32 ``[steps, windows]``
        The place that each step reads.
    image_windows : int
        Windows of an image.
    first, last : int
        Which windows to do, over all images.
    out : int64 ``[groups, windows, filters]``
        Added to.
    products : int64 ``[images]``
        Added to: products executed.
    """
    groups, runs, planes = masks.shape[:3]
    filters = weights.shape[3]
    skip = weight_masks.size > 0
    tiles, slots = weight_masks.shape[3:5]
    for g in range(groups):
        for window in range(first, last):
            sums = out[g, window]
            count = 0
            for lane in range(lane_order.size - 1):
                for k in range(lane_order[lane], lane_order[lane + 1]):
                    step, run = step_of[k], run_of[k]
                    place = source[step, window]
                    for offset in range(8 * planes):
                        byte, bit = offset >> 3, offset & 7
                        if not (masks[g, run, byte, place] >> bit) & 1:
                            continue
                        value = starts[run] + offset
                        a = np.int64(values[g, value, place])
                        w = weights[g, step, value]
                        if not skip:
                            for f in range(filters):
                                sums[f] += a * np.int64(w[f])
                            count += filters
                            continue
                        for f in range(filters):
                            p, inside = f // (tiles * filters_per_tile), f % (tiles * filters_per_tile)
                            t, slot = inside // filters_per_tile, inside % filters_per_tile
                            mask = weight_masks[g, p, step * runs + run, t, slot if slots > 1 else 0, byte]
                            if (mask >> bit) & 1:
                                sums[f] += a * np.int64(w[f])
                                count += 1
            products[window // image_windows] += count
