"""Cycles where ineffectual weights are skipped and the filters of a tile wait for each other at every run."""

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
def _most_work(a: Bytes, weights: Bytes, filters: int, scratch: Bytes, most: Bytes) -> None:
    """Find, for each window, the most products that one of the first filters has in this run.

    Four filters at a time: the mask and the maximum stay in registers between them.
    """
    size = most.size
    most[:] = 0
    quads = filters - filters % 4
    if a.shape[0] == 1:
        a0 = a[0]
        for f in range(0, quads, 4):
            w0, w1, w2, w3 = weights[f, 0], weights[f + 1, 0], weights[f + 2, 0], weights[f + 3, 0]
            for x in range(size):
                low = larger(and_popcount(a0[x], w0), and_popcount(a0[x], w1))
                high = larger(and_popcount(a0[x], w2), and_popcount(a0[x], w3))
                most[x] = larger(most[x], larger(low, high))
        for f in range(quads, filters):
            w0 = weights[f, 0]
            for x in range(size):
                most[x] = larger(most[x], and_popcount(a0[x], w0))
    elif a.shape[0] == 2:
        a0, a1 = a[0], a[1]
        for f in range(0, quads, 4):
            w0, w1, w2, w3 = weights[f, 0], weights[f + 1, 0], weights[f + 2, 0], weights[f + 3, 0]
            v0, v1, v2, v3 = weights[f, 1], weights[f + 1, 1], weights[f + 2, 1], weights[f + 3, 1]
            for x in range(size):
                p0 = plus(and_popcount(a0[x], w0), and_popcount(a1[x], v0))
                p1 = plus(and_popcount(a0[x], w1), and_popcount(a1[x], v1))
                p2 = plus(and_popcount(a0[x], w2), and_popcount(a1[x], v2))
                p3 = plus(and_popcount(a0[x], w3), and_popcount(a1[x], v3))
                most[x] = larger(most[x], larger(larger(p0, p1), larger(p2, p3)))
        for f in range(quads, filters):
            w0, v0 = weights[f, 0], weights[f, 1]
            for x in range(size):
                most[x] = larger(most[x], plus(and_popcount(a0[x], w0), and_popcount(a1[x], v0)))
    else:
        for f in range(filters):
            scratch[:] = 0
            for b in range(a.shape[0]):
                ab, w = a[b], weights[f, b]
                for x in range(size):
                    scratch[x] = plus(scratch[x], and_popcount(ab[x], w))
            for x in range(size):
                most[x] = larger(most[x], scratch[x])


@njit(nogil=True, cache=True)
def weighted_cycles(
    masks: Bytes,
    rows: Bytes,
    weights: Bytes,
    leaders: NDArray[np.uint16],
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
    bricks: Ints,
    tile_totals: Ints,
    work: Ints,
    costs: Ints,
) -> None:
    """Add up cycles where ineffectual weights are skipped and the filters of a tile wait for each other at every run.

    One pass over the data serves the three ways in which tiles wait for each other.

    Parameters
    ----------
    masks : uint8 ``[groups, runs, bytes, images * height * width + 1]``
        Effectual activations of each run; the last position is the padding.
    rows : uint8 ``[groups, runs, images * height * width + 1]`` or ``[0, 0, 0]``
        NM rows that fetching the run touches; 1 everywhere if empty.
    weights : uint8 ``[groups, passes, steps * runs, tiles, filters, bytes]``
    leaders : uint16 ``[groups, passes, steps * runs, tiles]``
        How many filters of the tile come into question as its busiest; they are the first ones.
    tile_filters : int32 ``[passes, tiles]``
        Filters in use.
    lane_order : int32 ``[lanes in use + 1]``
        Where each lane begins in `step_of` and `run_of`, the step and run of its work, in order.
    longest : int
        Values of the longest run.
    run_overhead : int
    geometry : tuple
        As in `position_counts`.
    first, last : int
        Which blocks of `BLOCK` windows (over all images) to do, of all groups and passes one after another.
    windows : int64 ``[groups, passes, images]``
        Added to: cycles with tiles waiting at every window (the window's slowest tile).
    bricks : int64 ``[groups, passes, images]``
        Added to: cycles with tiles waiting at every run.
    tile_totals : int64 ``[groups, passes, images, tiles]``
        Added to: each tile's own cycles.
    work, costs : int64 ``[images]``
        Added to: over all runs, tiles and their filters, the products of the tile's busiest filter, and the tile's cycles.
    """
    per_image = geometry[8] * geometry[9]
    passes, images = windows.shape[1:]
    total = images * per_image
    blocks = -(-total // BLOCK)
    runs, planes, pad = masks.shape[1], masks.shape[2], masks.shape[3] - 1
    steps = geometry[0] * geometry[1]
    size = block_size(total)
    most_tiles = weights.shape[3]
    burst = burst_runs(longest, rows)
    source = np.empty((steps, size), np.int32)
    cuts = np.empty((steps, size + 2), np.int32)
    a = np.zeros((planes, size), np.uint8)
    r = np.ones(size, np.uint8)
    most = np.empty(size, np.uint8)
    most_all = np.empty(size, np.uint8)
    scratch = np.empty(size, np.uint8)
    # Sums of a burst of runs, then of a lane, then of a window.
    some_work = np.empty((most_tiles, size), np.uint8)
    some_cost = np.empty((most_tiles + 1, size), np.uint8)  # the last one: with all tiles waiting
    lane_cost = np.empty((most_tiles + 1, size), np.uint32)
    slowest = np.empty((most_tiles + 1, size), np.int64)
    window_work = np.empty((most_tiles, size), np.uint32)
    window_cost = np.empty((most_tiles, size), np.uint32)
    every_work = np.empty(size, np.int64)
    every_cost = np.empty(size, np.int64)
    for item in range(first, last):
        g, p, start = item // (passes * blocks), item // blocks % passes, item % blocks * size
        count = min(size, total - start)
        sources(geometry, height, width, start, count, pad, source)
        segments(source, count, cuts)
        tiles = 0
        while tiles < most_tiles and tile_filters[p, tiles] > 0:
            tiles += 1
        slowest[:] = 0
        window_work[:] = 0
        window_cost[:] = 0
        for lane in range(lane_order.size - 1):
            begin, end = lane_order[lane], lane_order[lane + 1]
            if end - begin > burst:
                lane_cost[:] = 0
            for k0 in range(begin, end, burst):
                some_work[:] = 0
                some_cost[:] = 0
                for k in range(k0, min(k0 + burst, end)):
                    step, run = step_of[k], run_of[k]
                    gather(masks[g, run], source[step], cuts[step], a)
                    if rows.size:
                        gather(rows[g, run : run + 1], source[step], cuts[step], r.reshape(1, size))
                    most_all[:] = 0
                    for t in range(tiles):
                        q = step * runs + run
                        _most_work(a, weights[g, p, q, t], leaders[g, p, q, t], scratch, most)
                        works, cost = some_work[t], some_cost[t]
                        for x in range(size):
                            works[x] = plus(works[x], most[x])
                            cost[x] = plus(cost[x], larger(most[x], r[x]))
                            most_all[x] = larger(most_all[x], most[x])
                    if tiles > 1:
                        cost = some_cost[most_tiles]
                        for x in range(size):
                            cost[x] = plus(cost[x], larger(most_all[x], r[x]))
                for t in range(tiles):
                    for x in range(size):
                        window_work[t, x] += some_work[t, x]
                        window_cost[t, x] += some_cost[t, x]
                if end - begin > burst:
                    for t in range(most_tiles + 1):
                        for x in range(size):
                            lane_cost[t, x] += some_cost[t, x]
            overhead = np.int64(run_overhead) * (end - begin)
            for t in range(most_tiles + 1):
                if end - begin > burst:
                    for x in range(size):
                        slowest[t, x] = max(slowest[t, x], np.int64(lane_cost[t, x]) + overhead)
                elif t < tiles or t == most_tiles:
                    for x in range(size):
                        slowest[t, x] = max(slowest[t, x], np.int64(some_cost[t, x]) + overhead)
        every_work[:] = 0
        every_cost[:] = 0
        for t in range(tiles):
            filters = np.int64(tile_filters[p, t])
            for x in range(size):
                every_work[x] += filters * window_work[t, x]
                every_cost[x] += filters * window_cost[t, x]
        add_by_image(every_work, start, count, per_image, work)
        add_by_image(every_cost, start, count, per_image, costs)
        add_by_image(slowest[most_tiles if tiles > 1 else 0], start, count, per_image, bricks[g, p])
        slowest_tiles(slowest[:most_tiles], start, count, per_image, windows[g, p], tile_totals[g, p])
