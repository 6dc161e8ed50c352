"""Cycles where ineffectual weights are skipped and every filter walks the runs of its lane on its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.kernels.numba_path.blocks import (
    BLOCK,
    add_by_image,
    find_inside,
    flush,
    gather,
    is_flat,
    raise_slowest,
    read_flat,
    segments,
    slowest_tiles,
    split,
)
from cnvlutin2.simd import VECTOR
from cnvlutin2.simd.jit import helper, kernel
from cnvlutin2.simd.lookups import free_cycles, products
from cnvlutin2.simd.narrow import larger, plus
from cnvlutin2.simd.vectors import add_bytes, load, load_words, splat, store

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


WORD = (1 << 16) - 1


@helper
def _add_filters(
    a: Bytes,
    r: Bytes,
    weights: Bytes,
    place: int,
    stride: int,
    filters: int,
    group: int,
    first: int,
    end: int,
    total: NDArray[np.uint16],
    held: NDArray[np.uint16],
    most: Bytes,
) -> None:
    """Find, for each window, what some filters' cycles over some runs add up to, and the slowest filter's.

    Parameters
    ----------
    a : uint8 ``[windows / VECTOR, runs, digits, VECTOR]``
    r : uint8 ``[1 + runs, windows]``
        First 1, then the rows of each run, unless they all are 1.
    weights : uint8
        Digits of weights' masks; first the run's, then the filter's.
    place, stride : int
        Where the first filter's weights of the lane begin, and how many there are of each filter.
    filters : int
    group : int
        How many filters' cycles a byte holds.
    first, end : int
        Which runs.
    total : uint16 ``[windows]``
        Added to: all filters' cycles.
    held : uint16 ``[windows]``
        Added to: the slowest filter's cycles.
    most : uint8 ``[windows]``
        Raised to the slowest filter's cycles.
    """
    runs, digits = a.shape[1:3]
    size = most.size
    plain = r.shape[0] == 1
    for x in range(0, size, VECTOR):
        slowest = splat(np.uint8(0))
        words = load_words(total, x)
        # Loaded, lest the compiler knows it to be 1 and takes a comparison and a choice for the maximum.
        least = load(r, x)
        here = x * runs * digits
        for begin in range(0, filters, group):
            some, w = min(group, filters - begin), place + begin * stride
            if plain and digits <= 4:
                w, at = w + first * digits, here + first * digits * VECTOR
                spent, longest = free_cycles(weights, w, stride, some, a, at, end - first, digits, least)
            else:
                spent, longest = splat(np.uint8(0)), splat(np.uint8(0))
                for f in range(some):
                    cycles = splat(np.uint8(0))
                    for k in range(first, end):
                        work = splat(np.uint8(0))
                        for i in range(k * digits, (k + 1) * digits):
                            work = plus(work, products(weights, w + f * stride + i, a, here + i * VECTOR))
                        cycles = plus(cycles, larger(least if plain else load(r, (k + 1) * size + x), work))
                    spent, longest = plus(spent, cycles), larger(longest, cycles)
            words, slowest = add_bytes(words, spent), larger(slowest, longest)
        store(total, x, words)
        store(held, x, add_bytes(load_words(held, x), slowest))
        store(most, x, larger(slowest, load(most, x)))


@kernel
def free_filter_cycles(
    masks: Bytes,
    rows: Bytes,
    weights: Bytes,
    tile_filters: NDArray[np.int32],
    lane_order: NDArray[np.int32],
    step_of: NDArray[np.int32],
    run_of: NDArray[np.int32],
    worst: int,
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

    weights : uint8 ``[groups, passes, tiles, filters, runs of all lanes, digits]``
        Digits of weights' masks; runs in the order of `step_of` and `run_of`.
    waits : int64 ``[images]``
        Added to: cycles that filters wait for the slowest filter of their tile and lane.
    costs : int64 ``[images]``
        Added to: cycles of all runs, over the filters.
    """
    per_image, stride_across = geometry[8] * geometry[9], geometry[3]
    none, once = int(np.int64(0)), int(np.int64(1))  # literals would have callees compiled for them as well
    passes, images = windows.shape[1:]
    total = images * per_image
    blocks = -(-total // BLOCK)
    _, runs, planes, places = masks.shape
    size = -(-total // (blocks * VECTOR)) * VECTOR  # whole vectors, all blocks about equally full
    most_tiles, slots, all_runs, digits = weights.shape[2:]
    stride = all_runs * digits
    burst = 255 // worst  # runs whose cycles a byte holds
    most_runs = 0
    for lane in range(lane_order.size - 1):
        most_runs = max(most_runs, lane_order[lane + 1] - lane_order[lane])
    read = np.zeros((planes, size + VECTOR), np.uint8)
    flat, all_masks, all_rows = is_flat(geometry, height, width, masks), masks.reshape(-1), rows.reshape(-1)
    inside = np.empty((geometry[0] * geometry[1], size + VECTOR if flat else 0), np.uint8)
    read_rows = np.ones((1, size + VECTOR), np.uint8)
    a = np.empty((size // VECTOR, most_runs, digits, VECTOR), np.uint8)
    r = np.ones((1 + most_runs if rows.size else 1, size), np.uint8)
    lane_most = np.zeros((passes, most_tiles, size), np.uint8)  # over lanes of as many runs
    long_most = np.zeros(size, np.uint32)
    cost = np.empty(size, np.uint32)
    some_spent = np.zeros(size, np.uint16)
    some_held = np.zeros(size, np.uint16)
    used, times = none, none  # of what these words hold at most, and the filters of the tiles that they are of
    unused = np.zeros(size, np.uint16)
    item = first
    while item < last:
        g, start, p0 = item // (blocks * passes), item // passes % blocks * size, item % passes
        p1 = min(passes, p0 + last - item)
        item += p1 - p0
        count = min(size, total - start)
        cuts = segments(geometry, height, width, start, count)
        if flat:
            find_inside(cuts, inside)
        slowest = np.zeros((passes, most_tiles, size), np.int64)
        spent = np.zeros(size, np.int64)  # cycles of all filters
        held = np.zeros(size, np.int64)  # the same if each took as long as the slowest of its tile and lane
        for lane in range(lane_order.size - 1):
            begin, length = lane_order[lane], lane_order[lane + 1] - lane_order[lane]
            for k in range(length):
                step, run = step_of[begin + k], run_of[begin + k]
                before = (g * runs + run) * planes * places
                at = before + start + cuts[step, 0, 1]
                if flat and at >= 0 and at + (planes - 1) * places + size <= all_masks.size:
                    read_flat(all_masks, at, places, planes, inside, step, a, k)
                else:
                    gather(all_masks, before, places, cuts, step, stride_across, read)
                    split(read, k, a)
                if rows.size:
                    gather(all_rows, (g * runs + run) * places, places, cuts, step, stride_across, read_rows)
                    for x in range(size):
                        r[k + 1, x] = read_rows[0, x]
            overhead = np.int64(run_overhead) * length
            ends = lane + 2 == lane_order.size or lane_order[lane + 2] - lane_order[lane + 1] != length
            for p in range(p0, p1):
                for t in range(most_tiles):
                    filters = int(np.int64(tile_filters[p, t]))
                    if filters == 0:
                        break
                    place = (((g * passes + p) * most_tiles + t) * slots * all_runs + begin) * digits
                    most = lane_most[p, t]
                    bound = filters * length * worst
                    if length <= burst and bound <= WORD:
                        if used + bound > WORD or times != filters:
                            flush(some_spent, once, spent)
                            flush(some_held, times, held)
                            used, times = none, filters
                        used += bound
                        group = 255 // (length * worst)
                        _add_filters(a, r, weights, place, stride, filters, group, none, length, some_spent, some_held, most)
                        if ends:
                            raise_slowest(most, overhead, slowest[p, t])
                        continue
                    for f in range(filters):
                        cost[:] = 0
                        for k in range(0, length, burst):
                            end, at = min(k + burst, length), place + f * stride
                            _add_filters(a, r, weights, at, stride, once, once, k, end, unused, unused, most)
                            for x in range(size):
                                cost[x] += most[x]
                                most[x] = 0
                        for x in range(size):
                            spent[x] += cost[x]
                            long_most[x] = larger(long_most[x], cost[x])
                    for x in range(size):
                        held[x] += long_most[x] * filters
                    raise_slowest(long_most, overhead, slowest[p, t])
        flush(some_spent, once, spent)
        flush(some_held, times, held)
        for p in range(p0, p1):
            slowest_tiles(slowest[p], start, count, per_image, windows[g, p], tile_totals[g, p])
        add_by_image(spent, start, count, per_image, once, costs)
        add_by_image(spent, start, count, per_image, -once, waits)
        add_by_image(held, start, count, per_image, once, waits)
