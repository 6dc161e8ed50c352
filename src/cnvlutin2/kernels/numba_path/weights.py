"""Cycles where ineffectual weights are skipped and the filters of a tile wait for each other at every run."""

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
from cnvlutin2.simd.lookups import most_products, products
from cnvlutin2.simd.narrow import larger, plus
from cnvlutin2.simd.vectors import add_bytes, load, load_words, splat, store

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

BURSTS = 256  # whose cycles a word holds where a byte holds one's


@helper
def _add_runs(
    a: Bytes,
    r: Bytes,
    weights: Bytes,
    leaders: NDArray[np.uint16],
    place: int,
    first: int,
    end: int,
    work: NDArray[np.uint16],
    cost: NDArray[np.uint16],
    lane: Bytes,
    most_all: Bytes,
) -> None:
    """Find, for each window, the most products that a filter of a tile has in each of some runs, and its cycles.

    Parameters
    ----------
    a : uint8 ``[windows / VECTOR, runs, digits, VECTOR]``
    r : uint8 ``[runs, windows]``
        Rows of each run, or of all, which is 1.
    weights : uint8 ``[groups, passes, tiles, runs of all lanes, filters, digits]``
        Digits of weights' masks.
    leaders : uint16 ``[groups * passes * tiles * runs of all lanes]``
        How many filters to look at.
    place : int
        Where the lane's runs begin among those of all tiles.
    first, end : int
        Which runs of the lane; a byte holds their cycles.
    work, cost : uint16 ``[windows]``
        Added to: the products and the cycles.
    lane : uint8 ``[windows]``
        Raised to the cycles.
    most_all : uint8 ``[runs, windows]``
        Raised to the cycles of each run.
    """
    runs, digits = a.shape[1:3]
    size = lane.size
    slots = weights.shape[4]
    each = np.int64(r.shape[0] > 1) * size
    for x in range(0, size, VECTOR):
        works, cycles = splat(np.uint8(0)), splat(np.uint8(0))
        for k in range(first, end):
            w, filters = (place + k) * slots * digits, np.int64(leaders[place + k])
            at = (x * runs + k * VECTOR) * digits
            if digits <= 4:
                most = most_products(weights, w, filters, a, at, digits)
            else:
                most = splat(np.uint8(0))
                for f in range(filters):
                    count = splat(np.uint8(0))
                    for i in range(digits):
                        count = plus(count, products(weights, w + f * digits + i, a, at + i * VECTOR))
                    most = larger(most, count)
            works = plus(works, most)
            most = larger(most, load(r, k * each + x))
            cycles = plus(cycles, most)
            store(most_all, k * size + x, larger(most, load(most_all, k * size + x)))
        store(work, x, add_bytes(load_words(work, x), works))
        store(cost, x, add_bytes(load_words(cost, x), cycles))
        store(lane, x, larger(cycles, load(lane, x)))


@helper
def _add_all(most_all: Bytes, first: int, end: int, lane: Bytes) -> None:
    """Do the same for all tiles, whose most cycles of each run are at hand and then forgotten."""
    size, nothing = lane.size, splat(np.uint8(0))
    for x in range(0, size, VECTOR):
        cycles = nothing
        for k in range(first, end):
            cycles = plus(cycles, load(most_all, k * size + x))
            store(most_all, k * size + x, nothing)
        store(lane, x, larger(cycles, load(lane, x)))


@kernel
def weighted_cycles(
    masks: Bytes,
    rows: Bytes,
    weights: Bytes,
    leaders: NDArray[np.uint16],
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
    weights : uint8 ``[groups, passes, tiles, runs of all lanes, filters, digits]``
        Digits of weights' masks; runs in the order of `step_of` and `run_of`.
    leaders : uint16 ``[groups * passes * tiles * runs of all lanes]``
        How many filters of the tile come into question as its busiest; they are the first ones.
    tile_filters : int32 ``[passes, tiles]``
        Filters in use.
    lane_order : int32 ``[lanes in use + 1]``
        Where each lane begins in `step_of` and `run_of`, the step and run of its work, in order.
    worst : int
        Cycles that no run takes more than: its values or its rows; at most 255.
    run_overhead : int
    geometry : tuple
        As in `position_counts`.
    first, last : int
        Which passes of the blocks of `BLOCK` windows (over all images) of the groups to do, one after another.
    windows : int64 ``[groups, passes, images]``
        Added to: cycles with tiles waiting at every window (the window's slowest tile).
    bricks : int64 ``[groups, passes, images]``
        Added to: cycles with tiles waiting at every run.
    tile_totals : int64 ``[groups, passes, images, tiles]``
        Added to: each tile's own cycles.
    work, costs : int64 ``[images]``
        Added to: over all runs, tiles and their filters, the products of the tile's busiest filter, and the tile's cycles.
    """
    per_image, stride_across = geometry[8] * geometry[9], geometry[3]
    none, once = int(np.int64(0)), int(np.int64(1))  # literals would have callees compiled for them as well
    passes, images = windows.shape[1:]
    total = images * per_image
    blocks = -(-total // BLOCK)
    _, runs, planes, places = masks.shape
    size = -(-total // (blocks * VECTOR)) * VECTOR  # whole vectors, all blocks about equally full
    most_tiles, all_runs, _, digits = weights.shape[2:]
    burst = 255 // worst  # runs whose cycles a byte holds
    most_runs = 0
    for lane in range(lane_order.size - 1):
        most_runs = max(most_runs, lane_order[lane + 1] - lane_order[lane])
    read = np.zeros((planes, size + VECTOR), np.uint8)
    flat, all_masks, all_rows = is_flat(geometry, height, width, masks), masks.reshape(-1), rows.reshape(-1)
    inside = np.empty((geometry[0] * geometry[1], size + VECTOR if flat else 0), np.uint8)
    read_rows = np.ones((1, size + VECTOR), np.uint8)
    a = np.empty((size // VECTOR, most_runs, digits, VECTOR), np.uint8)
    r = np.ones((most_runs if rows.size else 1, size), np.uint8)
    most_all = np.zeros((most_runs, size), np.uint8)  # of each run over all tiles
    lane_most = np.zeros((passes, most_tiles + 1, size), np.uint8)  # over lanes of as many runs
    lane_cost = np.zeros(size, np.uint32)  # of a longer lane
    some_work = np.zeros(size, np.uint16)
    some_cost = np.zeros(size, np.uint16)
    used, times = none, none  # how many bursts these words hold, and the filters of the tiles that they are of
    item = first
    while item < last:
        g, start, p0 = item // (blocks * passes), item // passes % blocks * size, item % passes
        p1 = min(passes, p0 + last - item)
        item += p1 - p0
        count = min(size, total - start)
        cuts = segments(geometry, height, width, start, count)
        if flat:
            find_inside(cuts, inside)
        slowest = np.zeros((passes, most_tiles + 1, size), np.int64)
        window_work = np.zeros(size, np.int64)
        window_cost = np.zeros(size, np.int64)
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
                        r[k, x] = read_rows[0, x]
            overhead = np.int64(run_overhead) * length
            ends = lane + 2 == lane_order.size or lane_order[lane + 2] - lane_order[lane + 1] != length
            for p in range(p0, p1):
                for t in range(most_tiles + 1):  # the last stands for all of them together
                    filters = int(np.int64(tile_filters[p, t])) if t < most_tiles else times
                    if filters == 0:
                        continue
                    place, most = ((g * passes + p) * most_tiles + t) * all_runs + begin, lane_most[p, t]
                    for k in range(0, length, burst):
                        end = min(k + burst, length)
                        if t == most_tiles:
                            _add_all(most_all, k, end, most)
                        else:
                            if used == BURSTS or times != filters:
                                flush(some_work, times, window_work)
                                flush(some_cost, times, window_cost)
                                used, times = none, filters
                            used += 1
                            _add_runs(a, r, weights, leaders, place, k, end, some_work, some_cost, most, most_all)
                        if length > burst:
                            for x in range(size):
                                lane_cost[x] += most[x]
                                most[x] = 0
                    if length > burst:
                        raise_slowest(lane_cost, overhead, slowest[p, t])
                    elif ends:
                        raise_slowest(most, overhead, slowest[p, t])
        flush(some_work, times, window_work)
        flush(some_cost, times, window_cost)
        add_by_image(window_work, start, count, per_image, once, work)
        add_by_image(window_cost, start, count, per_image, once, costs)
        for p in range(p0, p1):
            add_by_image(slowest[p, most_tiles], start, count, per_image, once, bricks[g, p])
            slowest_tiles(slowest[p, :most_tiles], start, count, per_image, windows[g, p], tile_totals[g, p])
