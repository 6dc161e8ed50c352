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
from cnvlutin2.kernels.vectors import SIZE, add_back, add_front, load, load_splat, no_words, splat, store

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

FILTERS = 256  # whose cycles a word holds where a byte holds one's


@njit(nogil=True, cache=True)
def _add_filters(
    a: Bytes,
    r: Bytes,
    words: Bytes,
    filters: tuple[int, int],
    runs: tuple[int, int],
    total: NDArray[np.uint16],
    most: Bytes,
) -> None:
    """Find, for each window, what some filters' cycles over some runs add up to, and the slowest filter's.

    Parameters
    ----------
    a : uint8 ``[runs, bytes, windows]``
    r : uint8 ``[runs, windows]``
        Rows of each run, or of all, which is 1.
    words : uint8 ``[runs, filters, bytes]``
    filters, runs : tuple of int
        The first and the end; the cycles of a filter fit a byte, those of all of them a word.
    total : uint16 ``[windows]``
    most : uint8 ``[windows]``
    """
    planes, size = a.shape[1:]
    step = words.shape[1] * planes
    plain = r.shape[0] == 1
    for x in range(0, size, SIZE):
        front, back, slowest = no_words(), no_words(), splat(np.uint8(0))
        # Loaded, lest the compiler knows it to be 1 and takes a comparison and a choice for the maximum.
        least = load(r, x)
        for f in range(filters[0], filters[1]):
            cycles = splat(np.uint8(0))
            if planes == 1 and plain:
                for k in range(runs[0], runs[1]):
                    work = and_popcount(load(a, k * size + x), load_splat(words, k * step + f))
                    cycles = plus(cycles, larger(least, work))
            elif planes == 2 and plain:
                for k in range(runs[0], runs[1]):
                    work = and_popcount(load(a, 2 * k * size + x), load_splat(words, k * step + 2 * f))
                    work = plus(work, and_popcount(load(a, (2 * k + 1) * size + x), load_splat(words, k * step + 2 * f + 1)))
                    cycles = plus(cycles, larger(least, work))
            else:
                for k in range(runs[0], runs[1]):
                    work = splat(np.uint8(0))
                    for b in range(planes):
                        values = load(a, (k * planes + b) * size + x)
                        work = plus(work, and_popcount(values, load_splat(words, k * step + f * planes + b)))
                    cycles = plus(cycles, larger(least if plain else load(r, k * size + x), work))
            front, back, slowest = add_front(front, cycles), add_back(back, cycles), larger(slowest, cycles)
        store(total, x, front)
        store(total, x + SIZE // 2, back)
        store(most, x, slowest)


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
    once = int(np.int64(1))  # a literal would have callees compiled for it as well
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
    r = np.ones((most_runs if rows.size else 1, size), np.uint8)
    words = np.empty((most_runs, weights.shape[4], planes), np.uint8)
    cost = np.empty(size, np.uint32)
    lane_most = np.empty(size, np.uint32)
    short_sum = np.empty(size, np.uint16)
    short_most = np.empty(size, np.uint8)
    slowest = np.empty((most_tiles, size), np.int64)
    spent = np.zeros(images, np.int64)  # cycles of all filters
    held = np.zeros(images, np.int64)  # the same if each took as long as the slowest of its tile and lane
    for item in range(first, last):
        g, p, start = item // (passes * blocks), item // blocks % passes, item % blocks * size
        count = min(size, total - start)
        sources(geometry, height, width, start, count, pad, source)
        segments(source, count, cuts)
        slowest[:] = 0
        for lane in range(lane_order.size - 1):
            begin, length = lane_order[lane], lane_order[lane + 1] - lane_order[lane]
            for k in range(length):
                step, run = step_of[begin + k], run_of[begin + k]
                gather(masks[g, run], source[step], cuts[step], a[k])
                if rows.size:
                    gather(rows[g, run : run + 1], source[step], cuts[step], r[k : k + 1])
            overhead = np.int64(run_overhead) * length
            for t in range(most_tiles):
                filters = tile_filters[p, t]
                if filters == 0:
                    break
                lane_most[:] = 0
                for k in range(length):
                    q = step_of[begin + k] * runs + run_of[begin + k]
                    for f in range(filters):
                        for b in range(planes):
                            words[k, f, b] = weights[g, p, q, t, f, b]
                if length <= burst:  # a byte holds a filter's cycles, and a word those of as many filters
                    for f in range(0, filters, FILTERS):
                        _add_filters(a, r, words, (f, min(f + FILTERS, filters)), (0, length), short_sum, short_most)
                        add_by_image(short_sum, start, count, per_image, once, spent)
                        for x in range(size):
                            lane_most[x] = max(lane_most[x], short_most[x])
                else:
                    for f in range(filters):
                        cost[:] = 0
                        for k in range(0, length, burst):
                            _add_filters(a, r, words, (f, f + 1), (k, min(k + burst, length)), short_sum, short_most)
                            for x in range(size):
                                cost[x] += short_most[x]
                        add_by_image(cost, start, count, per_image, once, spent)
                        for x in range(size):
                            lane_most[x] = larger(lane_most[x], cost[x])
                add_by_image(lane_most, start, count, per_image, filters, held)
                for x in range(size):
                    slowest[t, x] = max(slowest[t, x], np.int64(lane_most[x]) + overhead)
        slowest_tiles(slowest, start, count, per_image, windows[g, p], tile_totals[g, p])
    for n in range(images):
        costs[n] += spent[n]
        waits[n] += held[n] - spent[n]
