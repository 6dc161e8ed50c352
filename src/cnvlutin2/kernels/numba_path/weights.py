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
from cnvlutin2.kernels.vectors import SIZE, load, load_splat, splat, store

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


@njit(nogil=True, cache=True)
def _add_run(a: Bytes, r: Bytes, weights: Bytes, filters: int, work: Bytes, cost: Bytes, most_all: Bytes) -> None:
    """Find, for each window, the most products that one of the first filters of a tile has in a run, and its cycles.

    Parameters
    ----------
    a : uint8 ``[bytes, windows]``
    r : uint8 ``[windows]``
    weights : uint8 ``[filters, bytes]``
    work, cost : uint8 ``[windows]``
        Added to: the products and the cycles.
    most_all : uint8 ``[windows]``
        Raised to the products.
    """
    planes, size = a.shape
    for x in range(0, size, SIZE):
        most, other = splat(np.uint8(0)), splat(np.uint8(0))
        if planes == 1:
            front = load(a, x)
            for f in range(0, filters - 1, 2):  # two maxima: neither waits for the other
                most = larger(most, and_popcount(front, load_splat(weights, f)))
                other = larger(other, and_popcount(front, load_splat(weights, f + 1)))
            if filters % 2:
                most = larger(most, and_popcount(front, load_splat(weights, filters - 1)))
        elif planes == 2:
            front, back = load(a, x), load(a, size + x)
            for f in range(filters):
                products = and_popcount(front, load_splat(weights, 2 * f))
                most = larger(most, plus(products, and_popcount(back, load_splat(weights, 2 * f + 1))))
        else:
            for f in range(filters):
                products = splat(np.uint8(0))
                for b in range(planes):
                    products = plus(products, and_popcount(load(a, b * size + x), load_splat(weights, f * planes + b)))
                most = larger(most, products)
        most = larger(most, other)
        store(work, x, plus(load(work, x), most))
        store(cost, x, plus(load(cost, x), larger(most, load(r, x))))
        store(most_all, x, larger(most, load(most_all, x)))


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
    once = int(np.int64(1))  # a literal would have callees compiled for it as well
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
    most_all = np.empty(size, np.uint8)
    # Sums of a burst of runs, then of a lane, then of a window.
    some_work = np.empty((most_tiles, size), np.uint8)
    some_cost = np.empty((most_tiles + 1, size), np.uint8)  # the last one: with all tiles waiting
    lane_cost = np.empty((most_tiles + 1, size), np.uint32)
    slowest = np.empty((most_tiles + 1, size), np.int64)
    window_work = np.empty((most_tiles, size), np.uint32)
    window_cost = np.empty((most_tiles, size), np.uint32)
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
                        _add_run(a, r, weights[g, p, q, t], leaders[g, p, q, t], some_work[t], some_cost[t], most_all)
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
        for t in range(tiles):
            filters = int(tile_filters[p, t])
            add_by_image(window_work[t], start, count, per_image, filters, work)
            add_by_image(window_cost[t], start, count, per_image, filters, costs)
        add_by_image(slowest[most_tiles if tiles > 1 else 0], start, count, per_image, once, bricks[g, p])
        slowest_tiles(slowest[:most_tiles], start, count, per_image, windows[g, p], tile_totals[g, p])
