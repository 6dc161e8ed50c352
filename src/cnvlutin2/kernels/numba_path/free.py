"""Cycles where ineffectual weights are skipped and every filter walks the runs of its lane on its own."""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cnvlutin2.kernels.narrow import and_popcount, larger, plus
from cnvlutin2.kernels.numba_path.blocks import (
    BLOCK,
    add_by_image,
    block_size,
    burst_runs,
    gather,
    segments,
    slowest_tiles,
    sources,
)

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


@njit(nogil=True, cache=True)
def _filter_cycles(a: NDArray[np.uint8], r: Bytes, with_rows: bool, words: Bytes, scratch: Bytes, some: Bytes) -> None:
    """Add up one filter's cycles over a burst of runs, for each window.

    Parameters
    ----------
    a : uint8 ``[runs, bytes, windows]``
    r : uint8 ``[runs, windows]``
        Not looked at unless `with_rows`.
    words : uint8 ``[runs, bytes]``
        The filter's weights.
    some : uint8 ``[windows]``
    """
    size, length, planes = some.size, a.shape[0], a.shape[1]
    one = np.uint8(1)
    some[:] = 0
    if planes > 2 or with_rows:
        for k in range(length):
            scratch[:] = 0
            for b in range(planes):
                ab, w = a[k, b], words[k, b]
                for x in range(size):
                    scratch[x] = plus(scratch[x], and_popcount(ab[x], w))
            if with_rows:
                rk = r[k]
                for x in range(size):
                    some[x] = plus(some[x], larger(rk[x], scratch[x]))
            else:
                for x in range(size):
                    some[x] = plus(some[x], larger(one, scratch[x]))
        return
    # Several runs at a time: the sum stays in registers between them.
    if planes == 1:
        whole = length - length % 4
        for k in range(0, whole, 4):
            a0, a1, a2, a3 = a[k, 0], a[k + 1, 0], a[k + 2, 0], a[k + 3, 0]
            w0, w1, w2, w3 = words[k, 0], words[k + 1, 0], words[k + 2, 0], words[k + 3, 0]
            for x in range(size):
                front = plus(larger(one, and_popcount(a0[x], w0)), larger(one, and_popcount(a1[x], w1)))
                back = plus(larger(one, and_popcount(a2[x], w2)), larger(one, and_popcount(a3[x], w3)))
                some[x] = plus(some[x], plus(front, back))
        for k in range(whole, length):
            a0, w0 = a[k, 0], words[k, 0]
            for x in range(size):
                some[x] = plus(some[x], larger(one, and_popcount(a0[x], w0)))
    else:
        whole = length - length % 2
        for k in range(0, whole, 2):
            a0, a1, a2, a3 = a[k, 0], a[k, 1], a[k + 1, 0], a[k + 1, 1]
            w0, w1, w2, w3 = words[k, 0], words[k, 1], words[k + 1, 0], words[k + 1, 1]
            for x in range(size):
                front = larger(one, plus(and_popcount(a0[x], w0), and_popcount(a1[x], w1)))
                back = larger(one, plus(and_popcount(a2[x], w2), and_popcount(a3[x], w3)))
                some[x] = plus(some[x], plus(front, back))
        for k in range(whole, length):
            a0, a1, w0, w1 = a[k, 0], a[k, 1], words[k, 0], words[k, 1]
            for x in range(size):
                some[x] = plus(some[x], larger(one, plus(and_popcount(a0[x], w0), and_popcount(a1[x], w1))))


@njit(nogil=True, cache=True)
def free_filter_cycles(
    masks: Bytes,
    rows: Bytes,
    weights: Bytes,
    tile_filters: NDArray[np.int32],
    lane_order: NDArray[np.int32],
    step_of: NDArray[np.int32],
    run_of: NDArray[np.int32],
    longest: int,
    run_overhead: int,
    geometry: tuple[int, ...],
    height: int,
    width: int,
    first: int,
    last: int,
    windows: Ints,
    tile_totals: Ints,
    waits: Ints,
    costs: Ints,
) -> None:
    """Add up cycles where every filter walks its lane's runs on its own until the window ends.

    Parameters are those of `weighted_cycles`, but for

    waits : int64 ``[images]``
        Added to: cycles that filters wait for the slowest filter of their tile and lane.
    costs : int64 ``[images]``
        Added to: cycles of all runs, over the filters.
    """
    per_image = geometry[8] * geometry[9]
    passes, images = windows.shape[1:]
    total = images * per_image
    blocks = -(-total // BLOCK)
    runs, planes, pad = masks.shape[1], masks.shape[2], masks.shape[3] - 1
    steps = geometry[0] * geometry[1]
    size = block_size(total)
    most_tiles = weights.shape[3]
    most_runs = 0
    for lane in range(lane_order.size - 1):
        most_runs = max(most_runs, lane_order[lane + 1] - lane_order[lane])
    burst = burst_runs(longest, rows)
    source = np.empty((steps, size), np.int32)
    cuts = np.empty((steps, size + 2), np.int32)
    a = np.zeros((most_runs, planes, size), np.uint8)
    r = np.empty((most_runs if rows.size else 1, size), np.uint8)
    words = np.empty((weights.shape[4], most_runs, planes), np.uint8)
    some = np.empty(size, np.uint8)
    scratch = np.empty(size, np.uint8)
    cost = np.empty(size, np.uint32)
    lane_sum = np.empty(size, np.int64)
    lane_most = np.empty(size, np.uint32)
    short_sum = np.empty(size, np.uint16)
    short_most = np.empty(size, np.uint8)
    slowest = np.empty((most_tiles, size), np.int64)
    every_wait = np.empty(size, np.int64)
    every_cost = np.empty(size, np.int64)
    for item in range(first, last):
        g, p, start = item // (passes * blocks), item // blocks % passes, item % blocks * size
        count = min(size, total - start)
        sources(geometry, height, width, start, count, pad, source)
        segments(source, count, cuts)
        slowest[:] = 0
        every_wait[:] = 0
        every_cost[:] = 0
        for lane in range(lane_order.size - 1):
            begin, length = lane_order[lane], lane_order[lane + 1] - lane_order[lane]
            for k in range(length):
                step, run = step_of[begin + k], run_of[begin + k]
                gather(masks[g, run], source[step], cuts[step], a[k])
                if rows.size:
                    gather(rows[g, run : run + 1], source[step], cuts[step], r[k : k + 1])
            lane_masks = a[:length]
            overhead = np.int64(run_overhead) * length
            for t in range(most_tiles):
                filters = tile_filters[p, t]
                if filters == 0:
                    break
                lane_sum[:] = 0
                lane_most[:] = 0
                short_sum[:] = 0
                short_most[:] = 0
                for k in range(length):
                    q = step_of[begin + k] * runs + run_of[begin + k]
                    for f in range(filters):
                        for b in range(planes):
                            words[f, k, b] = weights[g, p, q, t, f, b]
                for f in range(filters):
                    if length <= burst:  # a byte holds the filter's cycles
                        _filter_cycles(lane_masks, r, rows.size > 0, words[f], scratch, some)
                        for x in range(size):
                            short_sum[x] += some[x]
                            short_most[x] = larger(short_most[x], some[x])
                        if f % 256 == 255:  # before it overflows
                            for x in range(size):
                                lane_sum[x] += short_sum[x]
                            short_sum[:] = 0
                        continue
                    cost[:] = 0
                    for k in range(0, length, burst):
                        stop = min(k + burst, length)
                        _filter_cycles(a[k:stop], r[k:stop], rows.size > 0, words[f, k:stop], scratch, some)
                        for x in range(size):
                            cost[x] += some[x]
                    for x in range(size):
                        lane_sum[x] += cost[x]
                        lane_most[x] = larger(lane_most[x], cost[x])
                for x in range(size):
                    lane_sum[x] += short_sum[x]
                    lane_most[x] = max(lane_most[x], short_most[x])
                    every_wait[x] += filters * np.int64(lane_most[x]) - lane_sum[x]
                    every_cost[x] += lane_sum[x]
                    slowest[t, x] = max(slowest[t, x], np.int64(lane_most[x]) + overhead)
        add_by_image(every_wait, start, count, per_image, waits)
        add_by_image(every_cost, start, count, per_image, costs)
        slowest_tiles(slowest, start, count, per_image, windows[g, p], tile_totals[g, p])
