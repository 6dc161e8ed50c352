"""How the filters of a tile walk the runs of a lane, for 64 windows at a time; for compiled code.

Three ways: they wait for each other at every run, walk on their own, or drift some runs apart (docs/model.md).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.kernels.jit import helper
from cnvlutin2.kernels.lookups import free_cycles, most_products, products
from cnvlutin2.kernels.narrow import both, larger, plus
from cnvlutin2.kernels.vectors import SIZE, add_bytes, chosen, first_places, load, load_as, splat, splat_as, store, total, widened
from cnvlutin2.timing.compiled.records import Bytes, PairRecord

Units = NDArray[Any]
"""Bytes, or words of 16 bits where a lane's cycles in a window may take more than a byte."""

BYTES_IN_WORD = 256
"""How many bytes a word of 16 bits can add up, at least."""


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
    burst : int
        Runs whose cycles a byte holds.
    windows : int
        Of the block.
    """

    digits: Bytes
    least: Bytes
    plain: bool
    length: int
    burst: int
    windows: int


@helper
def walk_waiting(
    pairs: PairRecord, lane: Lane, unit_place: int, together: Bytes, most: Units, at: int
) -> tuple[np.int64, np.int64]:
    """Walk a lane where the filters of a tile wait for each other at every run.

    Parameters
    ----------
    pairs : PairRecord
    lane : Lane
    unit_place : int
        Which of the runs of all tiles is the lane's first one in this tile.
    together : uint8 ``[runs, windows]``, or of size 0
        Raised to the cycles of each run.
    most : uint8 or uint16
        Raised, from place `at` on, to the lane's cycles in each window.

    Returns
    -------
    work, cost : int64
        Over all windows and runs, the products of the busiest filter, and the cycles.
    """
    weights, unit = pairs.walk.weights, most.dtype.type(0)
    slots, digits, runs, size = weights.shape[4], lane.digits.shape[2], lane.digits.shape[1], lane.least.shape[1]
    each, work, cost = np.int64(not lane.plain) * size, np.int64(0), np.int64(0)
    for x in range(0, size, SIZE):
        here, end = first_places(lane.windows - x), splat_as(np.int64(0), unit)
        for first in range(0, lane.length, lane.burst):
            works, cycles = splat(np.uint8(0)), splat(np.uint8(0))
            for k in range(first, min(first + lane.burst, lane.length)):
                leaders, w = np.int64(pairs.walk.leaders[unit_place + k]), (unit_place + k) * slots * digits
                busiest = _most_products(weights, w, leaders, lane.digits, (x * runs + k * SIZE) * digits)
                works, busiest = plus(works, busiest), larger(busiest, load(lane.least, k * each + x))
                cycles = plus(cycles, busiest)
                if together.size:
                    store(together, k * size + x, larger(busiest, load(together, k * size + x)))
            work += total(both(works, here))
            cost += total(both(cycles, here))
            end = plus(end, widened(cycles, unit))
        store(most, at + x, larger(end, load_as(most, at + x, unit)))
    return work, cost


@helper
def _most_products(weights: Bytes, w: int, filters: int, digits: Bytes, at: int) -> Any:
    """Return the most products that one of some filters has in a run; its weights begin at `w`, the windows' masks at `at`."""
    count = digits.shape[2]
    if count <= 4:
        return most_products(weights, w, filters, digits, at, count)
    most = splat(np.uint8(0))
    for f in range(filters):
        most = larger(most, _products(weights, w + f * count, digits, at))
    return most


@helper
def _products(weights: Bytes, w: int, digits: Bytes, at: int) -> Any:
    """Return the products of one filter in a run."""
    found = products(weights, w, digits, at)
    for i in range(1, digits.shape[2]):
        found = plus(found, products(weights, w + i, digits, at + i * SIZE))
    return found


@helper
def walk_together(lane: Lane, together: Bytes, most: Units, at: int) -> None:
    """Walk a lane where every run is replaced in all tiles at once, its cycles in the slowest being at hand and then forgotten."""
    size, unit, nothing = together.shape[1], most.dtype.type(0), splat(np.uint8(0))
    for x in range(0, size, SIZE):
        end = splat_as(np.int64(0), unit)
        for k in range(lane.length):
            end = plus(end, widened(load(together, k * size + x), unit))
            store(together, k * size + x, nothing)
        store(most, at + x, larger(end, load_as(most, at + x, unit)))


@helper
def walk_free(pairs: PairRecord, lane: Lane, place: int, filters: int, most: Units, at: int) -> tuple[np.int64, np.int64]:
    """Walk a lane where every filter does so on its own.

    Parameters
    ----------
    pairs : PairRecord
    lane : Lane
    place : int
        Where the first filter's weights of the lane begin.
    filters : int
        Of the tile.
    most : uint8 or uint16
        Raised, from place `at` on, to the slowest filter's cycles in each window.

    Returns
    -------
    spent, held : int64
        Over all windows, all filters' cycles, and what they were if each took as long as the slowest.
    """
    unit, no_words = most.dtype.type(0), splat_as(np.int64(0), np.uint16(0))
    nothing, size = splat_as(np.int64(0), unit), lane.least.shape[1]
    spent, held = np.int64(0), np.int64(0)
    # As many filters at a time as a byte holds the cycles of; one, if their cycles are more than a burst.
    group = max(1, 255 // (lane.length * pairs.worst)) if lane.length <= lane.burst else 1
    for x in range(0, size, SIZE):
        here, slowest, added, sums = first_places(lane.windows - x), nothing, 0, no_words
        for begin in range(0, filters, group):
            end = nothing
            for first in range(0, lane.length, lane.burst):
                last = min(first + lane.burst, lane.length)
                some, longest = _free_filters(pairs, lane, place, begin, min(group, filters - begin), first, last, x)
                end, sums, added = plus(end, widened(longest, unit)), add_bytes(sums, some), added + 1
                if added == BYTES_IN_WORD:
                    spent += total(chosen(here, sums, no_words))
                    sums, added = no_words, 0
            slowest = larger(slowest, end)
        spent += total(chosen(here, sums, no_words))
        held += filters * total(chosen(here, slowest, nothing))
        store(most, at + x, larger(slowest, load_as(most, at + x, unit)))
    return spent, held


@helper
def _free_filters(
    pairs: PairRecord, lane: Lane, place: int, begin: int, filters: int, first: int, last: int, x: int
) -> tuple[Any, Any]:
    """Return what some filters' cycles in some runs add up to, and the slowest one's, in 64 windows from `x` on."""
    weights, digits = pairs.walk.weights, lane.digits.shape[2]
    stride, size = weights.shape[4] * digits, lane.least.shape[1]
    w, at = place + begin * stride + first * digits, (x * lane.digits.shape[1] + first * SIZE) * digits
    # Loaded, lest the compiler knows it to be 1 and takes a comparison and a choice for the maximum.
    least = load(lane.least, x)
    if lane.plain and digits <= 4:
        return free_cycles(weights, w, stride, filters, lane.digits, at, last - first, digits, least)
    spent, longest = splat(np.uint8(0)), splat(np.uint8(0))
    for f in range(filters):
        cycles = splat(np.uint8(0))
        for k in range(last - first):
            work = _products(weights, w + f * stride + k * digits, lane.digits, at + k * SIZE * digits)
            fetch = least if lane.plain else load(lane.least, (first + k) * size + x)
            cycles = plus(cycles, larger(fetch, work))
        spent, longest = plus(spent, cycles), larger(longest, cycles)
    return spent, longest


@helper
def walk_drifting(
    pairs: PairRecord, lane: Lane, place: int, filters: int, ends: Units, reached: Units, most: Units, at: int
) -> tuple[np.int64, np.int64]:
    """Walk a lane where no filter gets more than some runs ahead of the slowest one of its tile.

    Parameters are those of `walk_free`, but for

    place : int
        Where the weights of the lane's first run begin, filter by filter in each run.
    ends : uint8 or uint16 ``[filters, 64]``
        Room: the cycle at which each filter has ended its run.
    reached : uint8 or uint16 ``[runs, 64]``
        Room: the cycle at which all have ended each run.
    """
    weights, unit, no_words = pairs.walk.weights, most.dtype.type(0), splat_as(np.int64(0), np.uint16(0))
    digits, slots, size = lane.digits.shape[2], weights.shape[4], lane.least.shape[1]
    nothing, overhead, each = splat_as(np.int64(0), unit), splat_as(np.int64(pairs.overhead), unit), not lane.plain
    spent, held = np.int64(0), np.int64(0)
    for x in range(0, size, SIZE):
        here, slowest, added, sums = first_places(lane.windows - x), nothing, 0, no_words
        for f in range(filters):
            store(ends, f * SIZE, nothing)
        for k in range(lane.length):
            least = load(lane.least, (k * size if each else 0) + x)
            begins = load_as(reached, (k - 1 - pairs.drift) * SIZE, unit) if k > pairs.drift else nothing
            w, a, slowest = place + k * slots * digits, (x * lane.digits.shape[1] + k * SIZE) * digits, nothing
            for f in range(filters):
                cost = larger(_products(weights, w + f * digits, lane.digits, a), least)
                end = plus(larger(load_as(ends, f * SIZE, unit), begins), plus(widened(cost, unit), overhead))
                store(ends, f * SIZE, end)
                slowest, sums, added = larger(slowest, end), add_bytes(sums, cost), added + 1
                if added == BYTES_IN_WORD:
                    spent += total(chosen(here, sums, no_words))
                    sums, added = no_words, 0
            store(reached, k * SIZE, slowest)
        spent += total(chosen(here, sums, no_words))
        held += filters * total(chosen(here, slowest, nothing))
        store(most, at + x, larger(slowest, load_as(most, at + x, unit)))
    return spent, held - filters * lane.windows * lane.length * pairs.overhead
