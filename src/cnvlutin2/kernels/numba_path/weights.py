"""Cycles where ineffectual weights are skipped: the pairs of activation runs and filters."""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cnvlutin2.kernels.bytewise import and_popcount, larger, plus

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

BLOCK = 512  # windows held at a time: their sums stay in the second-level cache
VECTOR = 32  # bytes in a vector register; blocks are filled up to a multiple


@njit(nogil=True, cache=True)
def _sources(
    geometry: tuple[int, ...], height: int, width: int, start: int, count: int, pad: int, out: NDArray[np.int32]
) -> None:
    """Find the position that each step of `count` windows reads; `pad` stands for the padding (and fills the block)."""
    kh, kw, sy, sx, top, left, dy, dx, oh, ow = geometry
    out[:] = pad
    for i in range(count):
        image, place = (start + i) // (oh * ow), (start + i) % (oh * ow)
        oy, ox = place // ow, place % ow
        for ky in range(kh):
            y = oy * sy - top + ky * dy
            if y < 0 or y >= height:
                continue
            for kx in range(kw):
                x = ox * sx - left + kx * dx
                if 0 <= x < width:
                    out[ky * kw + kx, i] = (image * height + y) * width + x


@njit(nogil=True, cache=True)
def _gather(masks: Bytes, source: NDArray[np.int32], out: Bytes) -> None:
    for b in range(masks.shape[0]):
        row, target = masks[b], out[b]
        for x in range(target.size):
            target[x] = row[source[x]]


@njit(nogil=True, cache=True)
def _most_work(a: Bytes, weights: Bytes, scratch: Bytes, most: Bytes) -> None:
    """Find, for each window, the most products that a filter of the tile has in this run.

    Four filters at a time: the mask and the maximum stay in registers between them.
    """
    filters, size = weights.shape[0], most.size
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
    else:
        quads = 0
    for f in range(quads, filters):
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
    tile_filters: NDArray[np.int32],
    lane_order: NDArray[np.int32],
    step_of: NDArray[np.int32],
    run_of: NDArray[np.int32],
    run_overhead: int,
    geometry: tuple[int, ...],
    height: int,
    width: int,
    items: Ints,
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
    tile_filters : int32 ``[passes, tiles]``
        Filters in use.
    lane_order : int32 ``[lanes in use + 1]``
        Where each lane begins in `step_of` and `run_of`, the step and run of its work, in order.
    run_overhead : int
    geometry : tuple
        As in `position_counts`.
    items : int64 ``[items, 3]``
        Group, pass and first window (over all images) of a block of `BLOCK` windows.
    windows : int64 ``[images, groups, passes]``
        Added to: cycles with tiles waiting at every window (the window's slowest tile).
    bricks : int64 ``[images, groups, passes]``
        Added to: cycles with tiles waiting at every run.
    tile_totals : int64 ``[images, groups, passes, tiles]``
        Added to: each tile's own cycles.
    work, costs : int64 ``[images]``
        Added to: over all runs, tiles and their filters, the products of the tile's busiest filter, and the tile's cycles.
    """
    oh, ow = geometry[8:10]
    images = windows.shape[0]
    total = images * oh * ow
    runs, planes, pad = masks.shape[1], masks.shape[2], masks.shape[3] - 1
    steps = geometry[0] * geometry[1]
    size = min(BLOCK, -(-total // VECTOR) * VECTOR)
    tiles_most = weights.shape[3]
    source = np.empty((steps, size), np.int32)
    a = np.empty((planes, size), np.uint8)
    r = np.ones(size, np.uint8)
    most = np.empty(size, np.uint8)
    most_all = np.empty(size, np.uint8)
    scratch = np.empty(size, np.uint8)
    lane_work = np.empty((tiles_most, size), np.uint32)
    lane_cost = np.empty((tiles_most, size), np.uint32)
    lane_brick = np.empty(size, np.uint32)
    tile_most = np.empty((tiles_most, size), np.int64)
    brick_most = np.empty(size, np.int64)
    for item in range(items.shape[0]):
        g, p, start = items[item]
        count = min(size, total - start)
        _sources(geometry, height, width, start, count, pad, source)
        tiles = 0
        while tiles < tiles_most and tile_filters[p, tiles] > 0:
            tiles += 1
        tile_most[:] = 0
        brick_most[:] = 0
        for lane in range(lane_order.size - 1):
            lane_work[:] = 0
            lane_cost[:] = 0
            lane_brick[:] = 0
            for k in range(lane_order[lane], lane_order[lane + 1]):
                step, run = step_of[k], run_of[k]
                _gather(masks[g, run], source[step], a)
                if rows.size:
                    fetched = rows[g, run]
                    for x in range(size):
                        r[x] = fetched[source[step, x]]
                most_all[:] = 0
                for t in range(tiles):
                    _most_work(a, weights[g, p, step * runs + run, t], scratch, most)
                    works, cost = lane_work[t], lane_cost[t]
                    for x in range(size):
                        works[x] += most[x]
                        cost[x] += larger(most[x], r[x])
                        most_all[x] = larger(most_all[x], most[x])
                for x in range(size):
                    lane_brick[x] += larger(most_all[x], r[x])
            overhead = np.int64(run_overhead) * (lane_order[lane + 1] - lane_order[lane])
            for x in range(count):
                brick_most[x] = max(brick_most[x], np.int64(lane_brick[x]) + overhead)
            for t in range(tiles):
                filters = np.int64(tile_filters[p, t])
                for x in range(count):
                    image = (start + x) // (oh * ow)
                    work[image] += filters * np.int64(lane_work[t, x])
                    costs[image] += filters * np.int64(lane_cost[t, x])
                    tile_most[t, x] = max(tile_most[t, x], np.int64(lane_cost[t, x]) + overhead)
        for x in range(count):
            image = (start + x) // (oh * ow)
            slowest = np.int64(0)
            for t in range(tiles):
                slowest = max(slowest, tile_most[t, x])
                tile_totals[image, g, p, t] += tile_most[t, x]
            windows[image, g, p] += slowest
            bricks[image, g, p] += brick_most[x]


@njit(nogil=True, cache=True)
def free_filter_cycles(
    masks: Bytes,
    rows: Bytes,
    weights: Bytes,
    tile_filters: NDArray[np.int32],
    lane_order: NDArray[np.int32],
    step_of: NDArray[np.int32],
    run_of: NDArray[np.int32],
    run_overhead: int,
    geometry: tuple[int, ...],
    height: int,
    width: int,
    items: Ints,
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
    oh, ow = geometry[8:10]
    images = windows.shape[0]
    total = images * oh * ow
    runs, planes, pad = masks.shape[1], masks.shape[2], masks.shape[3] - 1
    steps = geometry[0] * geometry[1]
    size = min(BLOCK, -(-total // VECTOR) * VECTOR)
    tiles_most = weights.shape[3]
    longest = 0
    for lane in range(lane_order.size - 1):
        longest = max(longest, lane_order[lane + 1] - lane_order[lane])
    # A byte holds the cycles of a few runs: no run takes more than its values or its rows.
    worst = 8 * planes
    if rows.size:
        worst = max(worst, np.int64(rows.max()))
    burst = max(1, 255 // worst)
    source = np.empty((steps, size), np.int32)
    a = np.empty((longest, planes, size), np.uint8)
    r = np.ones((longest, size), np.uint8)
    some = np.empty(size, np.uint8)
    scratch = np.empty(size, np.uint8)
    cost = np.empty(size, np.uint32)
    cost_sum = np.empty(size, np.int64)
    cost_most = np.empty(size, np.uint32)
    tile_most = np.empty((tiles_most, size), np.int64)
    for item in range(items.shape[0]):
        g, p, start = items[item]
        count = min(size, total - start)
        _sources(geometry, height, width, start, count, pad, source)
        tile_most[:] = 0
        for lane in range(lane_order.size - 1):
            begin, length = lane_order[lane], lane_order[lane + 1] - lane_order[lane]
            for k in range(length):
                step, run = step_of[begin + k], run_of[begin + k]
                _gather(masks[g, run], source[step], a[k])
                if rows.size:
                    fetched = rows[g, run]
                    for x in range(size):
                        r[k, x] = fetched[source[step, x]]
            overhead = np.int64(run_overhead) * length
            for t in range(tiles_most):
                filters = tile_filters[p, t]
                if filters == 0:
                    break
                cost_sum[:] = 0
                cost_most[:] = 0
                for f in range(filters):
                    cost[:] = 0
                    for k0 in range(0, length, burst):
                        some[:] = 0
                        for k in range(k0, min(k0 + burst, length)):
                            word = weights[g, p, step_of[begin + k] * runs + run_of[begin + k], t, f]
                            ak, rk = a[k], r[k]
                            if planes == 1:
                                a0, w0 = ak[0], word[0]
                                for x in range(size):
                                    some[x] = plus(some[x], larger(rk[x], and_popcount(a0[x], w0)))
                            elif planes == 2:
                                a0, a1, w0, w1 = ak[0], ak[1], word[0], word[1]
                                for x in range(size):
                                    products = plus(and_popcount(a0[x], w0), and_popcount(a1[x], w1))
                                    some[x] = plus(some[x], larger(rk[x], products))
                            else:
                                scratch[:] = 0
                                for b in range(planes):
                                    ab, wb = ak[b], word[b]
                                    for x in range(size):
                                        scratch[x] = plus(scratch[x], and_popcount(ab[x], wb))
                                for x in range(size):
                                    some[x] = plus(some[x], larger(rk[x], scratch[x]))
                        for x in range(size):
                            cost[x] += some[x]
                    for x in range(size):
                        cost_sum[x] += cost[x]
                        cost_most[x] = max(cost_most[x], cost[x])
                for x in range(count):
                    image = (start + x) // (oh * ow)
                    slowest = np.int64(cost_most[x])
                    waits[image] += filters * slowest - cost_sum[x]
                    costs[image] += cost_sum[x]
                    tile_most[t, x] = max(tile_most[t, x], slowest + overhead)
        for x in range(count):
            image = (start + x) // (oh * ow)
            slowest = np.int64(0)
            for t in range(tiles_most):
                slowest = max(slowest, tile_most[t, x])
                tile_totals[image, g, p, t] += tile_most[t, x]
            windows[image, g, p] += slowest
