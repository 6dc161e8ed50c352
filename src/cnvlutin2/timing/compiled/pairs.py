"""Pairs of a window's runs and the filters' weights, where ineffectual weights are skipped; for compiled code."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.kernels.jit import helper, kernel
from cnvlutin2.kernels.lookups import DIGIT_BITS, digit
from cnvlutin2.kernels.narrow import both
from cnvlutin2.kernels.vectors import SIZE, load, store
from cnvlutin2.timing.compiled.filters import Lane, walk_drifting, walk_free, walk_together, walk_waiting
from cnvlutin2.timing.compiled.maps import add_planes, find_rows, row_packed_bits
from cnvlutin2.timing.compiled.masks import fill_runs, pack_runs, rows_of_runs
from cnvlutin2.timing.compiled.records import DRIFTING, WAITING, Bytes, Ints, PairRecord
from cnvlutin2.timing.compiled.tuning import BLOCK

Units = NDArray[Any]
IN_BYTE = 8 // DIGIT_BITS
CYCLES, FILTER_CYCLES, COSTS, WORK, WAITS = range(5)
"""Of `records.PAIR_QUANTITIES`."""


@kernel
def count_pairs(pairs: PairRecord, bits: Bytes, first: int, last: int, results: Ints, window_cycles: Ints) -> None:
    """Count the cycles of an organisation that skips ineffectual weights.

    Parameters
    ----------
    pairs : PairRecord
    bits : uint8
        As `count_sums` sets them.
    first, last : int
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
def _count_maps(pairs: PairRecord, bits: Bytes, first: int, last: int, unit: Units, results: Ints, window_cycles: Ints) -> None:
    """Do the same map by map and block by block of windows, with sums of lanes of the unit's type."""
    steps, reads, tile_filters = pairs.steps, pairs.reads, pairs.walk.tile_filters
    places, stored = steps.rows * steps.columns, steps.channels * steps.rows * steps.width
    span, has_rows = places + 2 * reads.margin, pairs.storage.row_bits[0] > 0
    masks = np.zeros((pairs.starts.size, pairs.planes, span), np.uint8)
    by_step = np.empty(steps.values * places + SIZE if steps.row_packed else 0, np.uint8)
    bricks = np.empty((pairs.pieces.bricks.size - 1 if has_rows else 0, (places + SIZE - 1) // SIZE * SIZE), np.uint8)
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
    pairs: PairRecord, masks: Bytes, run_rows: Bytes, g: int, start: int, count: int, unit: Units, found: Ints
) -> Ints:
    """Walk the lanes of a block of windows in every pass and tile.

    Returns
    -------
    int64 ``[passes, tiles + 1, windows up to whole vectors]``
        The slowest lane's cycles in each tile; last, with a barrier at every run over all tiles.
    """
    walk, size = pairs.walk, (count + SIZE - 1) // SIZE * SIZE
    passes, tiles = walk.tile_filters.shape
    lanes, most_runs = walk.begins.size - 1, pairs.most_runs
    digits = np.zeros((size // SIZE, most_runs, walk.weights.shape[5], SIZE), np.uint8)
    least = np.ones((most_runs if run_rows.size else 1, size), np.uint8)
    together = np.zeros((most_runs if pairs.barrier else 0, size), np.uint8)
    slots = walk.weights.shape[4] if pairs.kind == DRIFTING else 0
    ends, reached = np.zeros((slots, SIZE), unit.dtype), np.zeros((most_runs, SIZE), unit.dtype)
    most = np.zeros((passes, tiles + 1, size), unit.dtype)  # over lanes of as many runs
    slowest = np.zeros((passes, tiles + 1, size), np.int64)
    burst = 255 // pairs.worst
    for l in range(lanes):
        begin, length = np.int64(walk.begins[l]), np.int64(walk.begins[l + 1] - walk.begins[l])
        for k in range(length):
            _read_run(pairs, masks, run_rows, begin + k, k, start, count, digits, least)
        lane = Lane(digits, least, run_rows.size == 0, length, burst, count)
        for p in range(passes):
            for t in range(tiles):
                filters = np.int64(walk.tile_filters[p, t])
                if filters:
                    tile, at = (g * passes + p) * tiles + t, (p * (tiles + 1) + t) * size
                    _walk_tile(pairs, lane, tile, begin, filters, (together, ends, reached), (most, at), found)
            if pairs.barrier:
                walk_together(lane, together, most, (p * (tiles + 1) + tiles) * size)
        if l + 1 == lanes or walk.begins[l + 2] - walk.begins[l + 1] != length:
            _raise_slowest(most, 0 if pairs.kind == DRIFTING else pairs.overhead * length, slowest)
    return slowest


@helper
def _walk_tile(
    pairs: PairRecord,
    lane: Lane,
    tile: int,
    begin: int,
    filters: int,
    rooms: tuple[Bytes, Units, Units],
    most_at: tuple[Units, int],
    found: Ints,
) -> None:
    """Walk a lane in one tile, and add up what its runs cost."""
    (together, ends, reached), (most, at), shape = rooms, most_at, pairs.walk.weights.shape
    if pairs.kind == WAITING:
        work, cost = walk_waiting(pairs, lane, tile * shape[3] + begin, together, most, at)
        found[COSTS] += filters * cost
        found[WORK] += filters * work
        return
    if pairs.kind == DRIFTING:
        place = (tile * shape[3] + begin) * shape[4] * shape[5]
        spent, held = walk_drifting(pairs, lane, place, filters, ends, reached, most, at)
    else:
        place = (tile * shape[3] * shape[4] + begin) * shape[5]
        spent, held = walk_free(pairs, lane, place, filters, most, at)
    found[COSTS] += spent
    found[WAITS] += held - spent


@helper
def _read_run(
    pairs: PairRecord, masks: Bytes, run_rows: Bytes, which: int, k: int, start: int, count: int, digits: Bytes, least: Bytes
) -> None:
    """Read what a block of windows sees of one of the runs of a window, as digits of the lane's `k`-th run, and its rows."""
    reads, step, run = pairs.reads, pairs.walk.step_of[which], np.int64(pairs.walk.run_of[which])
    planes, span, size = masks.shape[1], masks.shape[2], digits.shape[0] * SIZE
    some = np.zeros(size, np.uint8)
    for b in range(planes):
        _read_plane(pairs, masks, (run * planes + b) * span + reads.margin, step, start, count, some)
        for x in range(0, size, SIZE):
            for d in range(b * IN_BYTE, min((b + 1) * IN_BYTE, digits.shape[2])):
                at = ((x // SIZE * digits.shape[1] + k) * digits.shape[2] + d) * SIZE
                store(digits, at, digit(load(some, x), d - b * IN_BYTE))
    if run_rows.size:
        _read_plane(pairs, run_rows, run * span + reads.margin, step, start, count, some)
        for x in range(count):
            least[k, x] = some[x] + 1


@helper
def _read_plane(pairs: PairRecord, source: Bytes, plane: int, step: int, start: int, count: int, out: Bytes) -> None:
    """Read what a block of windows sees of a map's plane, whose first place is at `plane`."""
    reads = pairs.reads
    if reads.flat:
        inside, at = step * reads.inside.shape[1] + start, plane + start + reads.offsets[step]
        for x in range(0, out.size, SIZE):
            store(out, x, both(load(source, at + x), load(reads.inside, inside + x)))
        return
    flat, places = source.reshape(-1), reads.places[step]
    for x in range(count):
        out[x] = flat[plane + places[start + x]]  # the place before the first one stands for the padding


@helper
def _raise_slowest(most: Units, overhead: int, slowest: Ints) -> None:
    """Raise the cycles of every window to those of lanes and their overhead, and begin anew."""
    flat, raised = most.reshape(-1), slowest.reshape(-1)
    for x in range(flat.size):
        raised[x] = max(raised[x], np.int64(flat[x]) + overhead)
        flat[x] = 0


@helper
def _add_windows(pairs: PairRecord, slowest: Ints, count: int, totals: Ints, found: Ints) -> None:
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
