"""How the filters of a tile walk the runs of a lane, for 64 windows at a time; for compiled code.

Three ways: they wait for each other at every run, walk on their own, or drift some runs apart (docs/model.md).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd import VECTOR, Bytes64
from cnvlutin2.simd.jit import helper, inlined_helper
from cnvlutin2.simd.lookups import free_cycles, most_products, products
from cnvlutin2.simd.narrow import both, larger, plus
from cnvlutin2.simd.sizes import Integer
from cnvlutin2.simd.vectors import add_up, chosen, first_places, load, load_as, no_sums, splat, splat_as, store, total, widened
from cnvlutin2.timing.compiled.records import COSTS, WAITS, WORK, Bytes, Edges, Ints, WalkRecord

Units = NDArray[Any]
"""Bytes, or words of 16 bits where a lane's cycles in a window may take more than a byte."""


class Lane(NamedTuple):
    """The runs of a lane, and what a block of windows reads of each.

    Parameters
    ----------
    digits : uint8 ``[windows / 64, most runs, digits, 64]``
        Digits of the activations' masks.
    least : uint8 ``[runs or 1, windows]``
        Cycles that fetching each run takes at least; one row of ones if they are `plain`.
    plain : bool
        Whether fetching a run always takes one.
    length : int
        Runs.
    worst : int
        Cycles that no run takes more than, without overhead.
    windows : int
        Of the block.
    """

    digits: Bytes
    least: Bytes
    plain: bool
    length: Integer
    worst: Integer
    windows: Integer


class Tiles(NamedTuple):
    """The tiles that walk a lane, and what they find.

    Parameters
    ----------
    filters : int32 ``[passes, tiles]``
    first : int
        Which of the tiles of all groups and passes is the first one.
    begin : int
        Which of the runs of a window is the lane's first one.
    lane : int
        Which of the lanes it is.
    most : uint8 or uint16 ``[passes, tiles + 1, windows]``
        Raised to the cycles of the lane in each window; last, of all tiles together.
    found : int64 ``[quantities]``
        Added to: `COSTS`, `WORK` and `WAITS` over all windows, tiles and filters.
    """

    filters: Edges
    first: Integer
    begin: Integer
    lane: Integer
    most: Units
    found: Ints


class Rooms(NamedTuple):
    """What is kept while a block of windows is walked.

    Parameters
    ----------
    digits, least
        As of `Lane`.
    some : uint8 ``[windows]``
        Scratch.
    together : uint8 ``[runs, windows]``
        Cycles of each run in the slowest tile; of size 0 unless a run is replaced in all tiles at once.
    same : uint8 or uint16 ``[2, windows]``
        The cycles of a tile that is `full`, and scratch for those of others.
    ends, reached : uint8 or uint16 ``[filters, 64]`` and ``[runs, 64]``
        The cycle at which each filter has ended its run, and at which all have ended each run; of size 0 unless filters drift.
    most : uint8 or uint16 ``[passes, tiles + 1, windows]``
        As of `Tiles`; zeros between lanes of different lengths.
    slowest : int64 ``[passes, tiles + 1, windows]``
        The slowest lane's cycles in each tile; last, with a barrier at every run over all tiles.
    """

    digits: Bytes
    least: Bytes
    some: Bytes
    together: Bytes
    same: Units
    ends: Units
    reached: Units
    most: Units
    slowest: Ints


@inlined_helper
def walk_waiting(walk: WalkRecord, _drift: tuple[Integer, Integer], lane: Lane, tiles: Tiles, rooms: Rooms) -> None:
    """Walk a lane where the filters of a tile wait for each other at every run; weights are those of runs before filters."""
    # Arrays are taken out of the tuples before the loops, which would count their owners again and again.
    weights, leaders, together = walk.weights, walk.leaders, rooms.together
    masks, least, tile_filters, most = lane.digits, lane.least, tiles.filters, tiles.most
    (passes, count), unit, size, burst = tile_filters.shape, most.dtype.type(0), least.shape[1], 255 // lane.worst
    slots, digits, runs, each = weights.shape[4], masks.shape[2], masks.shape[1], np.int64(not lane.plain) * size
    all_costs, all_work, full_costs, full_work = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    full, same, lanes, is_known = walk.full, rooms.same, walk.begins.size - 1, False
    for tile in range(passes * count):
        p, t, is_full = tile // count, tile % count, full[(tiles.first + tile) * lanes + tiles.lane]
        first_run, at, filters = (tiles.first + tile) * weights.shape[3] + tiles.begin, (tile + p) * size, tile_filters[p, t]
        if is_full and is_known:
            _repeat(same, most, at, lane.windows)
            all_work += filters * full_work
            all_costs += filters * full_costs
            continue
        works, costs = no_sums(), no_sums()
        for x in range(0, lane.windows if filters else 0, VECTOR):
            here, end = first_places(lane.windows - x), splat_as(np.int64(0), unit)
            for first in range(0, lane.length, burst):
                busy, cycles = splat(np.uint8(0)), splat(np.uint8(0))
                for k in range(first, min(first + burst, lane.length)):
                    w, leading = (first_run + k) * slots * digits, np.int64(leaders[first_run + k])
                    busiest = _most_products(weights, w, leading, masks, (x * runs + k * VECTOR) * digits)
                    busy, busiest = plus(busy, busiest), larger(busiest, load(least, k * each + x))
                    cycles = plus(cycles, busiest)
                    if together.size:
                        store(together, k * size + x, larger(busiest, load(together, k * size + x)))
                works, costs = add_up(works, both(busy, here)), add_up(costs, both(cycles, here))
                end = plus(end, widened(cycles, unit))
            store(most, at + x, larger(end, load_as(most, at + x, unit)))
            store(same, np.int64(not is_full) * size + x, end)
        if is_full and filters:
            is_known, full_work, full_costs = not together.size, total(works), total(costs)
        all_work += filters * total(works)
        all_costs += filters * total(costs)
        if together.size and t == count - 1:
            _walk_together(lane, together, most, at + size)
    tiles.found[WORK] += all_work
    tiles.found[COSTS] += all_costs


@helper
def _repeat(same: Units, most: Units, at: Integer, windows: Integer) -> None:
    """Raise the cycles of a tile to those of another that does the same; its own begin at `at`."""
    unit = most.dtype.type(0)
    for x in range(0, windows, VECTOR):  # what a longer block has left behind it is not of these windows
        store(most, at + x, larger(load_as(same, x, unit), load_as(most, at + x, unit)))


@inlined_helper
def _most_products(weights: Bytes, w: Integer, filters: Integer, digits: Bytes, at: Integer) -> Any:
    """Return the most products that one of some filters has in a run; its weights begin at `w`, the windows' masks at `at`."""
    count = digits.shape[2]
    if count <= 4:
        return most_products(weights, w, filters, digits, at, count)
    most = splat(np.uint8(0))
    for f in range(filters):
        most = larger(most, _products(weights, w + f * count, digits, at))
    return most


@inlined_helper
def _products(weights: Bytes, w: Integer, digits: Bytes, at: Integer) -> Any:
    """Return the products of one filter in a run."""
    found = products(weights, w, digits, at)
    for i in range(1, digits.shape[2]):
        found = plus(found, products(weights, w + i, digits, at + i * VECTOR))
    return found


@helper
def _walk_together(lane: Lane, together: Bytes, most: Units, at: Integer) -> None:
    """Walk a lane whose runs are replaced in all tiles at once; the slowest tile's cycles are at hand, and then forgotten."""
    size, unit, nothing = together.shape[1], most.dtype.type(0), splat(np.uint8(0))
    for x in range(0, lane.windows, VECTOR):
        end = splat_as(np.int64(0), unit)
        for k in range(lane.length):
            end = plus(end, widened(load(together, k * size + x), unit))
            store(together, k * size + x, nothing)
        store(most, at + x, larger(end, load_as(most, at + x, unit)))


@inlined_helper
def walk_free(walk: WalkRecord, _drift: tuple[Integer, Integer], lane: Lane, tiles: Tiles, _rooms: Rooms) -> None:
    """Walk a lane where every filter does so on its own; weights are those of filters before runs."""
    weights = walk.weights
    masks, rows, tile_filters, most, digits = lane.digits, lane.least, tiles.filters, tiles.most, lane.digits.shape[2]
    (passes, count), unit, size, burst = tile_filters.shape, most.dtype.type(0), rows.shape[1], 255 // lane.worst
    nothing, spent, all_held = splat_as(np.int64(0), unit), no_sums(), np.int64(0)
    stride, quick, next_row = weights.shape[4] * digits, lane.plain and digits <= 4, np.int64(not lane.plain) * size
    # As many filters at a time as a byte holds the cycles of; one, if their cycles are more than a burst.
    group = max(1, 255 // (lane.length * lane.worst)) if lane.length <= burst else 1
    for tile in range(passes * count):
        filters, at_most = np.int64(tile_filters[tile // count, tile % count]), (tile + tile // count) * size
        place, held = ((tiles.first + tile) * weights.shape[3] * weights.shape[4] + tiles.begin) * digits, no_sums()
        for x in range(0, lane.windows if filters else 0, VECTOR):
            here, slowest, least = first_places(lane.windows - x), nothing, load(rows, x)
            for begin in range(0, filters, group):
                end, some = nothing, min(group, filters - begin)
                for first in range(0, lane.length, burst):
                    length, w = min(burst, lane.length - first), place + begin * stride + first * digits
                    at = (x * masks.shape[1] + first * VECTOR) * digits
                    if quick:  # `least` is loaded, lest the compiler knows it to be 1 and takes a comparison for the maximum
                        every, longest = free_cycles(weights, w, stride, some, masks, at, length, digits, least)
                    else:
                        fetched = first * next_row + x, next_row
                        every, longest = _free_filters(weights, (w, stride), some, masks, at, length, rows, fetched)
                    end, spent = plus(end, widened(longest, unit)), add_up(spent, both(every, here))
                slowest = larger(slowest, end)
            held = add_up(held, chosen(here, slowest, nothing))
            store(most, at_most + x, larger(slowest, load_as(most, at_most + x, unit)))
        all_held += filters * total(held)
    tiles.found[COSTS] += total(spent)
    tiles.found[WAITS] += all_held - total(spent)


@inlined_helper
def _free_filters(
    weights: Bytes,
    filter_at: tuple[Integer, Integer],
    filters: Integer,
    masks: Bytes,
    at: Integer,
    runs: Integer,
    rows: Bytes,
    rows_at: tuple[Integer, Integer],
) -> tuple[Bytes64, Bytes64]:
    """Do what `free_cycles` does where runs have more digits, or take more than a cycle to fetch.

    `filter_at` and `rows_at` say where the first filter's (run's) begin, and how far the next one's lie from them.
    """
    (w, stride), (row, next_row), digits = filter_at, rows_at, masks.shape[2]
    spent, longest = splat(np.uint8(0)), splat(np.uint8(0))
    for f in range(filters):
        cycles = splat(np.uint8(0))
        for k in range(runs):
            work = _products(weights, w + f * stride + k * digits, masks, at + k * VECTOR * digits)
            cycles = plus(cycles, larger(load(rows, row + k * next_row), work))
        spent, longest = plus(spent, cycles), larger(longest, cycles)
    return spent, longest


@inlined_helper
def walk_drifting(walk: WalkRecord, drift: tuple[Integer, Integer], lane: Lane, tiles: Tiles, rooms: Rooms) -> None:
    """Walk a lane where no filter gets more than some runs ahead of the slowest of its tile; weights as for `walk_waiting`.

    `drift` is how many runs that is, and the overhead of a run.
    """
    weights, ends, reached, (ahead, overhead) = walk.weights, rooms.ends, rooms.reached, drift
    masks, rows, tile_filters, most, digits = lane.digits, lane.least, tiles.filters, tiles.most, lane.digits.shape[2]
    (passes, count), unit, size = tile_filters.shape, most.dtype.type(0), rows.shape[1]
    nothing, extra, each = splat_as(np.int64(0), unit), splat_as(np.int64(overhead), unit), np.int64(not lane.plain) * size
    all_spent, all_held, full_spent, full_held = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    alike, full, same, lanes, is_known = walk.alike, walk.full, rooms.same, walk.begins.size - 1, False
    for tile in range(passes * count):
        is_full = full[(tiles.first + tile) * lanes + tiles.lane]
        filters, at = np.int64(tile_filters[tile // count, tile % count]), (tile + tile // count) * size
        more, spent, spent_first = np.int64(alike[(tiles.first + tile) * lanes + tiles.lane]) - 1, no_sums(), no_sums()
        if is_full and is_known:
            _repeat(same, most, at, lane.windows)
            all_spent += filters * full_spent
            all_held += filters * full_held
            continue
        place, held = (tiles.first + tile) * weights.shape[3] + tiles.begin, no_sums()
        for x in range(0, lane.windows if filters else 0, VECTOR):
            here, slowest = first_places(lane.windows - x), nothing
            for f in range(filters - more):
                store(ends, f * VECTOR, nothing)
            for k in range(lane.length):
                least, begins = load(rows, k * each + x), nothing
                if k > ahead:
                    begins = load_as(reached, (k - 1 - ahead) * VECTOR, unit)
                w, a = (place + k) * weights.shape[4] * digits, (x * masks.shape[1] + k * VECTOR) * digits
                slowest = nothing
                for f in range(filters - more):
                    cost = larger(_products(weights, w + f * digits, masks, a), least)
                    end = plus(larger(load_as(ends, f * VECTOR, unit), begins), plus(widened(cost, unit), extra))
                    store(ends, f * VECTOR, end)
                    slowest, spent = larger(slowest, end), add_up(spent, both(cost, here))
                    if f == 0:
                        spent_first = add_up(spent_first, both(cost, here))
                store(reached, k * VECTOR, slowest)
            held = add_up(held, chosen(here, slowest, nothing))
            store(most, at + x, larger(slowest, load_as(most, at + x, unit)))
            store(same, np.int64(not is_full) * size + x, slowest)
        own_held = total(held) - lane.windows * lane.length * overhead
        if is_full and filters:
            is_known, full_spent, full_held = True, total(spent_first), own_held
        all_held += filters * own_held
        all_spent += total(spent) + more * total(spent_first)
    tiles.found[COSTS] += all_spent
    tiles.found[WAITS] += all_held - all_spent
