"""Pairs of a window's runs and the filters' weights, where ineffectual weights are skipped; for compiled code."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd import VECTOR
from cnvlutin2.simd.jit import helper, kernel
from cnvlutin2.simd.lookups import DIGIT_BITS, digit
from cnvlutin2.simd.narrow import both
from cnvlutin2.simd.sizes import Integer
from cnvlutin2.simd.vectors import load, store
from cnvlutin2.timing.compiled.filters import Lane, walk_drifting, walk_free, walk_together, walk_waiting
from cnvlutin2.timing.compiled.maps import add_planes, find_rows, row_packed_bits
from cnvlutin2.timing.compiled.masks import fill_runs, pack_runs, rows_of_runs
from cnvlutin2.timing.compiled.records import DRIFTING, WAITING, Bytes, Edges, Ints, PairRecord
from cnvlutin2.timing.compiled.tuning import BLOCK

Units = NDArray[Any]
IN_BYTE = 8 // DIGIT_BITS
CYCLES, FILTER_CYCLES, COSTS, WORK, WAITS = range(5)
"""Of `records.PAIR_QUANTITIES`."""


@kernel
def count_pairs(pairs: PairRecord, bits: Bytes, first: Integer, last: Integer, results: Ints, window_cycles: Ints) -> None:
    """Count the cycles of an organisation that skips ineffectual weights.

    Parameters
    ----------
    pairs : PairRecord
    bits : uint8
        As `count_sums` sets them.
    first, last : Integer
        Which images they are of.
    results : int64 ``[N, results, columns]``
        Added to.
    window_cycles : int64 ``[N, groups, passes, tiles, windows]``, or of size 0
        Set, unless it is empty: the cycles that each tile takes for each window.
    """
    if pairs.wide:
        _count_maps(pairs, bits, first, last, np.zeros(0, np.uint16), results, window_cycles)
    else:
        _count_maps(pairs, bits, first, last, np.zeros(0, np.uint8), results, window_cycles)


@helper
def _count_maps(
    pairs: PairRecord, bits: Bytes, first: Integer, last: Integer, unit: Units, results: Ints, window_cycles: Ints
) -> None:
    """Do the same map by map and block by block of windows, with sums of lanes of the unit's type."""
    steps, reads, tile_filters = pairs.steps, pairs.reads, pairs.walk.tile_filters
    places, stored = steps.rows * steps.columns, steps.channels * steps.rows * steps.width
    span, has_rows = places + 2 * reads.margin, pairs.storage.row_bits[0] > 0
    masks = np.zeros((pairs.starts.size, pairs.planes, span), np.uint8)
    by_step = np.empty(steps.values * places + VECTOR if steps.row_packed else 0, np.uint8)
    bricks = np.empty((pairs.pieces.bricks.size - 1 if has_rows else 0, (places + VECTOR - 1) // VECTOR * VECTOR), np.uint8)
    rows, run_rows = np.empty_like(bricks), np.zeros((pairs.starts.size if has_rows else 0, span), np.uint8)
    if pairs.sees_all:
        fill_runs(pairs, masks)
    begin, found = np.int64(0), np.zeros(5, np.int64)
    for m in range((last - first) * steps.groups):
        n, g = first + m // steps.groups, m % steps.groups
        if has_rows:
            edges = pairs.pieces.edges[pairs.pieces.bricks]
            add_planes(bits, m * stored, places, edges, places, bricks)
            begin = find_rows(pairs.storage, 0, begin if g else np.int64(0), bricks, places, rows)
            rows_of_runs(pairs, rows, run_rows)
        if not pairs.sees_all and steps.row_packed:
            row_packed_bits(steps, bits, m * stored, by_step)
            pack_runs(pairs, by_step, 0, masks)
        elif not pairs.sees_all:
            pack_runs(pairs, bits, m * stored, masks)
        found[:] = 0
        totals = np.zeros(tile_filters.shape, np.int64)
        for start in range(0, reads.windows, BLOCK):
            count = min(BLOCK, reads.windows - start)
            slowest = _walk_block(pairs, masks, run_rows, g, start, count, unit, found)
            _add_windows(pairs, slowest, count, totals, found)
            if window_cycles.size:
                for t in range(totals.shape[1]):
                    source = totals.shape[1] if pairs.barrier else t
                    window_cycles[n, g, :, t, start : start + count] = slowest[:, source, :count]
        for p in range(totals.shape[0] if pairs.apart else 0):
            found[CYCLES] += totals[p].max()
            found[FILTER_CYCLES] += totals[p].max() * np.int64(tile_filters[p].sum())
        result = results[n, pairs.result]
        for q in range(found.size):
            for column in range(result.size):
                result[column] += found[q] * pairs.factors[q, column]


@helper
def _walk_block(
    pairs: PairRecord, masks: Bytes, run_rows: Bytes, g: Integer, start: Integer, count: Integer, unit: Units, found: Ints
) -> Ints:
    """Walk the lanes of a block of windows in every pass and tile.

    Returns
    -------
    int64 ``[passes, tiles + 1, windows up to whole vectors]``
        The slowest lane's cycles in each tile; last, with a barrier at every run over all tiles.
    """
    walk, size = pairs.walk, (count + VECTOR - 1) // VECTOR * VECTOR
    passes, tiles = walk.tile_filters.shape
    lanes, most_runs = walk.begins.size - 1, pairs.most_runs
    digits = np.zeros((size // VECTOR, most_runs, walk.weights.shape[5], VECTOR), np.uint8)
    least = np.ones((most_runs if run_rows.size else 1, size), np.uint8)
    together = np.zeros((most_runs if pairs.barrier else 0, size), np.uint8)
    slots = walk.weights.shape[4] if pairs.kind == DRIFTING else 0
    ends, reached = np.zeros((slots, VECTOR), unit.dtype), np.zeros((most_runs, VECTOR), unit.dtype)
    most = np.zeros((passes, tiles + 1, size), unit.dtype)  # over lanes of as many runs
    slowest = np.zeros((passes, tiles + 1, size), np.int64)
    for number in range(lanes):
        begin, length = np.int64(walk.begins[number]), np.int64(walk.begins[number + 1] - walk.begins[number])
        _read_lane(pairs, masks, run_rows, begin, length, start, count, digits, least)
        lane = Lane(digits, least, run_rows.size == 0, length, pairs.worst, count)
        _walk_tiles(pairs, lane, g, begin, together, (ends, reached), most, found)
        if number + 1 == lanes or walk.begins[number + 2] - walk.begins[number + 1] != length:
            _raise_slowest(most, 0 if pairs.kind == DRIFTING else pairs.overhead * length, slowest)
    return slowest


@helper
def _walk_tiles(
    pairs: PairRecord,
    lane: Lane,
    g: Integer,
    begin: Integer,
    together: Bytes,
    rooms: tuple[Units, Units],
    most: Units,
    found: Ints,
) -> None:
    """Walk a lane in all tiles of all passes, and add up what its runs cost."""
    weights, leaders, tile_filters = pairs.walk.weights, pairs.walk.leaders, pairs.walk.tile_filters
    (passes, tiles), shape, size = tile_filters.shape, weights.shape, lane.least.shape[1]
    kind, drift, barrier = pairs.kind, (pairs.drift, pairs.overhead), pairs.barrier
    costs, works, waits = np.int64(0), np.int64(0), np.int64(0)
    for p in range(passes):
        for t in range(tiles):
            filters, tile, at = np.int64(tile_filters[p, t]), (g * passes + p) * tiles + t, (p * (tiles + 1) + t) * size
            if filters == 0:
                continue
            if kind == WAITING:
                work, cost = walk_waiting(weights, leaders, lane, tile * shape[3] + begin, together, most, at)
                costs, works = costs + filters * cost, works + filters * work
                continue
            if kind == DRIFTING:
                place = (tile * shape[3] + begin) * shape[4] * shape[5]
                spent, held = walk_drifting(weights, lane, place, filters, drift, rooms, most, at)
            else:
                place = (tile * shape[3] * shape[4] + begin) * shape[5]
                spent, held = walk_free(weights, lane, place, filters, most, at)
            costs, waits = costs + spent, waits + held - spent
        if barrier:
            walk_together(lane, together, most, (p * (tiles + 1) + tiles) * size)
    found[COSTS] += costs
    found[WORK] += works
    found[WAITS] += waits


@helper
def _read_lane(
    pairs: PairRecord,
    masks: Bytes,
    run_rows: Bytes,
    begin: Integer,
    length: Integer,
    start: Integer,
    count: Integer,
    digits: Bytes,
    least: Bytes,
) -> None:
    """Read what a block of windows sees of the runs of a lane: digits of their masks, and the rows that fetching them takes."""
    step_of, run_of, inside, places, offsets = (
        pairs.walk.step_of,
        pairs.walk.run_of,
        pairs.reads.inside,
        pairs.reads.places,
        pairs.reads.offsets,
    )
    flat, margin, planes, span, size = (
        pairs.reads.flat,
        pairs.reads.margin,
        masks.shape[1],
        masks.shape[2],
        digits.shape[0] * VECTOR,
    )
    runs, many, some = digits.shape[1], digits.shape[2], np.zeros(size, np.uint8)
    for k in range(length):
        step, run = np.int64(step_of[begin + k]), np.int64(run_of[begin + k])
        for b in range(planes):
            at = (run * planes + b) * span + margin
            if flat:
                _read_flat(masks, at + start + offsets[step], inside, step * inside.shape[1] + start, some)
            else:
                _read_places(masks, at, places, step, start, count, some)
            for x in range(0, size, VECTOR):
                values, place = load(some, x), (x * runs + k * VECTOR) * many
                for d in range(b * IN_BYTE, min((b + 1) * IN_BYTE, many)):
                    store(digits, place + d * VECTOR, digit(values, d - b * IN_BYTE))
        if run_rows.size:
            if flat:
                _read_flat(run_rows, run * span + margin + start + offsets[step], inside, step * inside.shape[1] + start, some)
            else:
                _read_places(run_rows, run * span + margin, places, step, start, count, some)
            for x in range(count):
                least[k, x] = some[x] + 1


@helper
def _read_flat(source: Bytes, at: Integer, inside: Bytes, inside_at: Integer, out: Bytes) -> None:
    """Read consecutive places from `at` on, and zeros beside the map."""
    for x in range(0, out.size, VECTOR):
        store(out, x, both(load(source, at + x), load(inside, inside_at + x)))


@helper
def _read_places(source: Bytes, plane: Integer, places: Edges, step: Integer, start: Integer, count: Integer, out: Bytes) -> None:
    """Read the places of some windows in a plane; the one before the first stands for the padding."""
    flat = source.reshape(-1)
    for x in range(count):
        out[x] = flat[plane + places[step, start + x]]


@helper
def _raise_slowest(most: Units, overhead: Integer, slowest: Ints) -> None:
    """Raise the cycles of every window to those of lanes and their overhead, and begin anew."""
    flat, raised = most.reshape(-1), slowest.reshape(-1)
    for x in range(flat.size):
        raised[x] = max(raised[x], np.int64(flat[x]) + overhead)
        flat[x] = 0


@helper
def _add_windows(pairs: PairRecord, slowest: Ints, count: Integer, totals: Ints, found: Ints) -> None:
    """Add up the cycles of a block's windows, as tiles wait for each other; `totals` are each tile's own, by pass."""
    passes, tiles = totals.shape
    for p in range(passes):
        filters, cycles = np.int64(pairs.walk.tile_filters[p].sum()), np.int64(0)
        for t in range(tiles if pairs.apart else 0):
            totals[p, t] += slowest[p, t, :count].sum()
        if pairs.apart:
            continue
        row = slowest[p, tiles] if pairs.barrier else slowest[p, 0]
        for t in range(1, 0 if pairs.barrier else tiles):
            other = slowest[p, t]
            for x in range(count):
                row[x] = max(row[x], other[x])
        for x in range(count):
            cycles += row[x]
        found[CYCLES] += cycles
        found[FILTER_CYCLES] += cycles * filters
