"""How the filters of a tile walk the runs of a lane, for 64 windows at a time; for compiled code.

Three ways: they wait for each other at every run, walk on their own, or drift some runs apart (docs/model.md).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd import VECTOR
from cnvlutin2.simd.jit import helper
from cnvlutin2.simd.lookups import free_cycles, most_products, products
from cnvlutin2.simd.narrow import both, larger, plus
from cnvlutin2.simd.sizes import Integer
from cnvlutin2.simd.vectors import add_bytes, chosen, first_places, load, load_as, splat, splat_as, store, total, widened
from cnvlutin2.timing.compiled.records import Bytes

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


@helper
def walk_waiting(
    weights: Bytes, leaders: NDArray[np.uint16], lane: Lane, first_run: Integer, together: Bytes, most: Units, at: Integer
) -> tuple[np.int64, np.int64]:
    """Walk a lane where the filters of a tile wait for each other at every run.

    Parameters
    ----------
    weights, leaders
        As of `WalkRecord`.
    lane : Lane
    first_run : int
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
    unit, size, burst = most.dtype.type(0), lane.least.shape[1], 255 // lane.worst
    slots, digits, runs = weights.shape[4], lane.digits.shape[2], lane.digits.shape[1]
    masks, least, each = lane.digits, lane.least, np.int64(not lane.plain) * size
    work, cost = np.int64(0), np.int64(0)
    for x in range(0, size, VECTOR):
        here, end = first_places(lane.windows - x), splat_as(np.int64(0), unit)
        for first in range(0, lane.length, burst):
            works, cycles = splat(np.uint8(0)), splat(np.uint8(0))
            for k in range(first, min(first + burst, lane.length)):
                w, filters = (first_run + k) * slots * digits, np.int64(leaders[first_run + k])
                busiest = _most_products(weights, w, filters, masks, (x * runs + k * VECTOR) * digits)
                works, busiest = plus(works, busiest), larger(busiest, load(least, k * each + x))
                cycles = plus(cycles, busiest)
                if together.size:
                    store(together, k * size + x, larger(busiest, load(together, k * size + x)))
            work += total(both(works, here))
            cost += total(both(cycles, here))
            end = plus(end, widened(cycles, unit))
        store(most, at + x, larger(end, load_as(most, at + x, unit)))
    return work, cost


@helper
def _most_products(weights: Bytes, w: Integer, filters: Integer, digits: Bytes, at: Integer) -> Any:
    """Return the most products that one of some filters has in a run; its weights begin at `w`, the windows' masks at `at`."""
    count = digits.shape[2]
    if count <= 4:
        return most_products(weights, w, filters, digits, at, count)
    most = splat(np.uint8(0))
    for f in range(filters):
        most = larger(most, _products(weights, w + f * count, digits, at))
    return most


@helper
def _products(weights: Bytes, w: Integer, digits: Bytes, at: Integer) -> Any:
    """Return the products of one filter in a run."""
    found = products(weights, w, digits, at)
    for i in range(1, digits.shape[2]):
        found = plus(found, products(weights, w + i, digits, at + i * VECTOR))
    return found


@helper
def walk_together(lane: Lane, together: Bytes, most: Units, at: Integer) -> None:
    """Walk a lane whose runs are replaced in all tiles at once; the slowest tile's cycles are at hand, and then forgotten."""
    size, unit, nothing = together.shape[1], most.dtype.type(0), splat(np.uint8(0))
    for x in range(0, size, VECTOR):
        end = splat_as(np.int64(0), unit)
        for k in range(lane.length):
            end = plus(end, widened(load(together, k * size + x), unit))
            store(together, k * size + x, nothing)
        store(most, at + x, larger(end, load_as(most, at + x, unit)))


@helper
def walk_free(
    weights: Bytes, lane: Lane, place: Integer, filters: Integer, most: Units, at: Integer
) -> tuple[np.int64, np.int64]:
    """Walk a lane where every filter does so on its own.

    Parameters
    ----------
    weights
        As of `WalkRecord`, filters before runs.
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
    unit, no_words, burst = most.dtype.type(0), splat_as(np.int64(0), np.uint16(0)), 255 // lane.worst
    nothing, size = splat_as(np.int64(0), unit), lane.least.shape[1]
    spent, held = np.int64(0), np.int64(0)
    # As many filters at a time as a byte holds the cycles of; one, if their cycles are more than a burst.
    group = max(1, 255 // (lane.length * lane.worst)) if lane.length <= burst else 1
    for x in range(0, size, VECTOR):
        here, slowest, added, sums = first_places(lane.windows - x), nothing, 0, no_words
        for begin in range(0, filters, group):
            end, some = nothing, min(group, filters - begin)
            for first in range(0, lane.length, burst):
                last = min(first + burst, lane.length)
                every, longest = _free_filters(weights, lane, place, begin, some, first, last, x)
                end, sums, added = plus(end, widened(longest, unit)), add_bytes(sums, every), added + 1
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
    weights: Bytes, lane: Lane, place: Integer, begin: Integer, filters: Integer, first: Integer, last: Integer, x: Integer
) -> tuple[Any, Any]:
    """Return what some filters' cycles in some runs add up to, and the slowest one's, in 64 windows from `x` on."""
    digits, masks, rows = lane.digits.shape[2], lane.digits, lane.least
    stride, size = weights.shape[4] * digits, rows.shape[1]
    w, at = place + begin * stride + first * digits, (x * masks.shape[1] + first * VECTOR) * digits
    # Loaded, lest the compiler knows it to be 1 and takes a comparison and a choice for the maximum.
    least = load(rows, x)
    spent, longest = splat(np.uint8(0)), splat(np.uint8(0))
    if lane.plain and digits <= 4:
        spent, longest = free_cycles(weights, w, stride, filters, masks, at, last - first, digits, least)
        return spent, longest
    for f in range(filters):
        cycles = splat(np.uint8(0))
        for k in range(last - first):
            work = _products(weights, w + f * stride + k * digits, masks, at + k * VECTOR * digits)
            cycles = plus(cycles, larger(least if lane.plain else load(rows, (first + k) * size + x), work))
        spent, longest = plus(spent, cycles), larger(longest, cycles)
    return spent, longest


@helper
def walk_drifting(
    weights: Bytes,
    lane: Lane,
    place: Integer,
    filters: Integer,
    drift: tuple[Integer, Integer],
    rooms: tuple[Units, Units],
    most: Units,
    at: Integer,
) -> tuple[np.int64, np.int64]:
    """Walk a lane where no filter gets more than some runs ahead of the slowest one of its tile.

    Parameters are those of `walk_free`, but for

    weights
        As of `WalkRecord`, runs before filters.
    place : int
        Where the weights of the lane's first run begin.
    drift : (int, int)
        How many runs that is, and the overhead of a run.
    rooms : two arrays uint8 or uint16, ``[filters, 64]`` and ``[runs, 64]``
        Room for the cycle at which each filter has ended its run, and for that at which all have ended each run.
    """
    unit, no_words, (ahead, overhead), (ends, reached) = most.dtype.type(0), splat_as(np.int64(0), np.uint16(0)), drift, rooms
    slots, digits, size, masks, rows = weights.shape[4], lane.digits.shape[2], lane.least.shape[1], lane.digits, lane.least
    nothing, extra, each = splat_as(np.int64(0), unit), splat_as(np.int64(overhead), unit), np.int64(not lane.plain) * size
    spent, held = np.int64(0), np.int64(0)
    for x in range(0, size, VECTOR):
        here, slowest, added, sums = first_places(lane.windows - x), nothing, 0, no_words
        for f in range(filters):
            store(ends, f * VECTOR, nothing)
        for k in range(lane.length):
            least, begins = load(rows, k * each + x), nothing
            if k > ahead:
                begins = load_as(reached, (k - 1 - ahead) * VECTOR, unit)
            w, a, slowest = place + k * slots * digits, (x * masks.shape[1] + k * VECTOR) * digits, nothing
            for f in range(filters):
                cost = larger(_products(weights, w + f * digits, masks, a), least)
                end = plus(larger(load_as(ends, f * VECTOR, unit), begins), plus(widened(cost, unit), extra))
                store(ends, f * VECTOR, end)
                slowest, sums, added = larger(slowest, end), add_bytes(sums, cost), added + 1
                if added == BYTES_IN_WORD:
                    spent += total(chosen(here, sums, no_words))
                    sums, added = no_words, 0
            store(reached, k * VECTOR, slowest)
        spent += total(chosen(here, sums, no_words))
        held += filters * total(chosen(here, slowest, nothing))
        store(most, at + x, larger(slowest, load_as(most, at + x, unit)))
    return spent, held - filters * lane.windows * lane.length * overhead
