"""Pairs of a window's runs and the filters' weights, where ineffectual weights are skipped; for compiled code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd import VECTOR
from cnvlutin2.simd.jit import helper, inlined_helper, kernel, making_helper
from cnvlutin2.simd.lookups import DIGIT_BITS, digit
from cnvlutin2.simd.narrow import both
from cnvlutin2.simd.sizes import Integer
from cnvlutin2.simd.vectors import load, store
from cnvlutin2.timing.compiled.filters import Lane, Rooms, Tiles, walk_drifting, walk_free, walk_waiting
from cnvlutin2.timing.compiled.held import Held
from cnvlutin2.timing.compiled.maps import add_planes, find_rows, make_row_packed, part_rows, row_packed_values
from cnvlutin2.timing.compiled.masks import fill_runs, pack_run, pack_runs, rows_of_runs
from cnvlutin2.timing.compiled.records import (
    CYCLES,
    DRIFTING,
    FILTER_CYCLES,
    FREE,
    PAIR_QUANTITIES,
    WAITING,
    Bytes,
    Edges,
    Ints,
    PairRecord,
    ReadsRecord,
    WalkRecord,
)
from cnvlutin2.timing.compiled.tuning import BLOCK

Units = NDArray[Any]
Walk = Callable[[WalkRecord, tuple[Integer, Integer], Lane, Tiles, Rooms], None]
WalkBlock = Callable[..., None]
CountMaps = Callable[..., None]
IN_BYTE = 8 // DIGIT_BITS


class Planes(NamedTuple):
    """What the lanes are given of a map, place by place.

    Parameters
    ----------
    masks : uint8 ``[runs, bytes, margin + places + margin]``
        Effectual activations of every run.
    run_rows : uint8 ``[runs, margin + places + margin]``
        NM rows beyond one that each run lies in; of size 0 if none does.
    apart, values : uint8
        As of `part_rows`, and of `row_packed_values` for a run.
    bricks, rows : uint8 ``[bricks, room]``
        Effectual values of each storage brick, and NM rows beyond one that it lies in, if any lies in several.
    """

    masks: Bytes
    run_rows: Bytes
    apart: Bytes
    values: Bytes
    bricks: Bytes
    rows: Bytes


@making_helper
def _make_planes(pairs: PairRecord) -> Planes:
    """Make room for the planes of a map; where zeros are multiplied too, masks are all ones, whatever the map."""
    steps, margin, has_rows = pairs.steps, pairs.reads.margin, pairs.storage.row_bits[0] > 0
    places, runs = steps.rows * steps.columns, pairs.starts.size
    masks = np.zeros((runs, pairs.planes, places + 2 * margin), np.uint8)
    if pairs.sees_all:
        fill_runs(pairs.starts, pairs.stops, masks)
    apart, values = make_row_packed(steps, 8 * pairs.planes)
    bricks = np.empty((pairs.brick_edges.size - 1 if has_rows else 0, (places + VECTOR - 1) // VECTOR * VECTOR), np.uint8)
    return Planes(
        masks,
        np.zeros((runs if has_rows else 0, places + 2 * margin), np.uint8),
        apart,
        values,
        bricks,
        np.empty_like(bricks),
    )


@helper
def _fill_planes(pairs: PairRecord, bits: Bytes, m: Integer, begin: Integer, planes: Planes) -> Integer:
    """Fill the planes of a map, whose records begin in their NM row at bit `begin`; return where those of the next map do."""
    steps, margin = pairs.steps, pairs.reads.margin
    places, stored = steps.rows * steps.columns, steps.channels * steps.rows * steps.width
    if planes.run_rows.size:
        add_planes(bits, m * stored, places, pairs.brick_edges, places, planes.bricks)
        begin = find_rows(pairs.storage, 0, begin, planes.bricks, places, planes.rows)
        rows_of_runs(pairs.run_bricks, margin, places, planes.rows, planes.run_rows)
    if not pairs.sees_all and steps.row_packed:
        part_rows(steps, bits, m * stored, planes.apart)
        for r in range(pairs.starts.size):
            row_packed_values(steps, planes.apart, pairs.starts[r], pairs.stops[r], planes.values)
            pack_run(pairs.stops[r] - pairs.starts[r], margin, places, planes.values, 0, planes.masks[r])
    elif not pairs.sees_all:
        pack_runs(pairs.starts, pairs.stops, margin, places, bits, m * stored, planes.masks)
    return begin


@making_helper
def _make_rooms(pairs: PairRecord, unit: Units) -> Rooms:
    """Make room for a block of windows."""
    weights, (passes, tiles) = pairs.walk.weights, pairs.walk.tile_filters.shape
    size = (min(BLOCK, pairs.reads.windows) + VECTOR - 1) // VECTOR * VECTOR
    runs, has_rows, drifting = pairs.most_runs, pairs.storage.row_bits[0] > 0, np.int64(pairs.walk.kind == DRIFTING)
    return Rooms(
        np.zeros((size // VECTOR, runs, weights.shape[5], VECTOR), np.uint8),
        np.ones((runs if has_rows else 1, size), np.uint8),
        np.empty(size, np.uint8),
        np.zeros((runs * np.int64(pairs.barrier), size), np.uint8),
        np.zeros((2, size), unit.dtype),
        np.zeros((weights.shape[4] * drifting, VECTOR), unit.dtype),
        np.zeros((runs * drifting, VECTOR), unit.dtype),
        np.zeros((passes, tiles + 1, size), unit.dtype),
        np.zeros((passes, tiles + 1, size), np.int64),
    )


def _walking_blocks(walk: Walk) -> WalkBlock:
    """Return what walks the lanes of a block of windows in one way."""

    @helper
    def walk_block(
        pairs: PairRecord, planes: Planes, g: Integer, windows: tuple[Integer, Integer], rooms: Rooms, found: Ints
    ) -> None:
        """Walk the lanes of a block of windows in every pass and tile; see `Rooms.slowest` for what is left."""
        (_, count), begins, tile_filters = windows, pairs.walk.begins, pairs.walk.tile_filters
        lanes, first_tile = begins.size - 1, g * tile_filters.size
        rooms.slowest[:] = 0
        for number in range(lanes):
            begin, length = np.int64(begins[number]), np.int64(begins[number + 1] - begins[number])
            _read_lane(pairs.reads, (pairs.walk.step_of, pairs.walk.run_of), planes, (begin, length), windows, rooms)
            lane = Lane(rooms.digits, rooms.least, planes.run_rows.size == 0, length, pairs.worst, count)
            tiles = Tiles(tile_filters, first_tile, begin, number, rooms.most, found)
            walk(pairs.walk, (pairs.drift, pairs.overhead), lane, tiles, rooms)
            if number + 1 == lanes or begins[number + 2] - begins[number + 1] != length:
                overhead = 0 if pairs.walk.kind == DRIFTING else pairs.overhead * length
                _raise_slowest(rooms.most, count, overhead, rooms.slowest)

    return walk_block


def _counting_maps(walk_block: WalkBlock) -> CountMaps:
    """Return what counts the cycles of an organisation whose blocks are walked in one way."""

    @helper
    def count_maps(
        pairs: PairRecord,
        bits: Bytes,
        images: tuple[Integer, Integer],
        planes: Planes,
        rooms: Rooms,
        found: Ints,
        totals: Ints,
        results_and_cycles: tuple[Ints, Ints],
    ) -> None:
        """Do the same map by map and block by block of windows."""
        (first, last), (results, window_cycles) = images, results_and_cycles
        groups, windows, tile_filters = pairs.steps.groups, pairs.reads.windows, pairs.walk.tile_filters
        begin: Integer = np.int64(0)
        for m in range((last - first) * groups):
            n, g = first + m // groups, m % groups
            begin = _fill_planes(pairs, bits, m, begin if g else np.int64(0), planes)
            found[:], totals[:] = 0, 0
            for start in range(0, windows, BLOCK):
                count = min(BLOCK, windows - start)
                walk_block(pairs, planes, g, (start, count), rooms, found)
                if window_cycles.size:
                    _note_windows(rooms.slowest, pairs.barrier, start, count, window_cycles[n, g])
                _add_windows(rooms.slowest, pairs.barrier, pairs.apart, tile_filters, count, totals, found)
            if pairs.apart:
                _add_passes(tile_filters, totals, found)
            for way in range(pairs.results.size):
                result, factors = results[n, pairs.results[way]], pairs.factors[way]
                for q in range(found.size):
                    for column in range(result.size):
                        result[column] += found[q] * factors[q, column]

    @making_helper
    def make_and_count(
        pairs: PairRecord, bits: Bytes, images: tuple[Integer, Integer], unit: Units, results: Ints, window_cycles: Ints
    ) -> None:
        """Do the same, with sums of lanes of the unit's type."""
        planes, rooms = _make_planes(pairs), _make_rooms(pairs, unit)
        found, totals = np.zeros(len(PAIR_QUANTITIES), np.int64), np.zeros(pairs.walk.tile_filters.shape, np.int64)
        count_maps(pairs, bits, images, planes, rooms, found, totals, (results, window_cycles))

    return make_and_count


_count_waiting, _count_free, _count_drifting = (
    _counting_maps(_walking_blocks(walk)) for walk in (walk_waiting, walk_free, walk_drifting)
)


@kernel
def count_waiting_pairs(held: Held[PairRecord], bits: Bytes, first: int, last: int, results: Ints, window_cycles: Ints) -> None:
    """Count the cycles of organisations that skip ineffectual weights, and whose filters wait for each other at every run.

    Parameters
    ----------
    held : Held of PairRecord
    bits : uint8
        As `count_sums` sets them.
    first, last : int
        Which images they are of.
    results : int64 ``[N, results, columns]``
        Added to.
    window_cycles : int64 ``[N, groups, passes, tiles, windows]``, or of size 0
        Set, unless it is empty: the cycles that each tile takes for each window.
    """
    _count_waiting(held.record, bits, (first, last), np.zeros(0, np.uint16), results, window_cycles)


@kernel
def count_free_pairs(held: Held[PairRecord], bits: Bytes, first: int, last: int, results: Ints, window_cycles: Ints) -> None:
    """Do the same where every filter walks its lane on its own."""
    _count_free(held.record, bits, (first, last), np.zeros(0, np.uint16), results, window_cycles)


@kernel
def count_drifting_pairs(held: Held[PairRecord], bits: Bytes, first: int, last: int, results: Ints, window_cycles: Ints) -> None:
    """Do the same where filters drift some runs apart, and a byte holds a lane's cycles in a window."""
    _count_drifting(held.record, bits, (first, last), np.zeros(0, np.uint8), results, window_cycles)


@kernel
def count_widely_drifting_pairs(
    held: Held[PairRecord], bits: Bytes, first: int, last: int, results: Ints, window_cycles: Ints
) -> None:
    """Do the same where a byte does not."""
    _count_drifting(held.record, bits, (first, last), np.zeros(0, np.uint16), results, window_cycles)


PairKernel = Callable[[Held[PairRecord], Bytes, int, int, Ints, Ints], None]


def pair_kernel(record: PairRecord) -> PairKernel:
    """Return the kernel for a record; there are several, so that what is not asked for need not be compiled."""
    drifting = count_widely_drifting_pairs if record.wide else count_drifting_pairs
    return {WAITING: count_waiting_pairs, FREE: count_free_pairs, DRIFTING: drifting}[record.walk.kind]


@inlined_helper
def _read_lane(
    reads: ReadsRecord,
    order: tuple[Edges, Edges],
    planes: Planes,
    lane: tuple[Integer, Integer],
    windows: tuple[Integer, Integer],
    rooms: Rooms,
) -> None:
    """Read what a block of windows sees of the runs of a lane: digits of their masks, and the rows that fetching them takes.

    Parameters
    ----------
    reads : ReadsRecord
    order : (int32, int32)
        The step and the run of each of a window's runs.
    planes : Planes
    lane, windows : (int, int)
        The lane's first run and how many it has; the block's first window and how many it has.
    rooms : Rooms
        Its digits and its least cycles are set.
    """
    (step_of, run_of), (begin, length), (_, count) = order, lane, windows
    masks, run_rows, digits, least, some = planes.masks, planes.run_rows, rooms.digits, rooms.least, rooms.some
    bytes_of_run, span, runs, many = masks.shape[1], masks.shape[2], digits.shape[1], digits.shape[2]
    for k in range(length):
        step, run = np.int64(step_of[begin + k]), np.int64(run_of[begin + k])
        for b in range(bytes_of_run):
            _read(reads, masks, (run * bytes_of_run + b) * span, step, windows, some)
            for d in range(b * IN_BYTE, min((b + 1) * IN_BYTE, many)):
                for x in range(0, count, VECTOR):
                    store(digits, ((x * runs + k * VECTOR) * many) + d * VECTOR, digit(load(some, x), d - b * IN_BYTE))
        if run_rows.size:
            _read(reads, run_rows, run * span, step, windows, some)
            for x in range(count):
                least[k, x] = some[x] + 1


@inlined_helper
def _read(reads: ReadsRecord, source: Bytes, plane: Integer, step: Integer, windows: tuple[Integer, Integer], out: Bytes) -> None:
    """Read what a block of windows sees of a plane at some step."""
    (start, count), plane = windows, plane + reads.margin
    if reads.flat:  # consecutive places, and zeros beside the map
        inside, at = reads.inside, plane + start + reads.offsets[step]
        inside_at = step * inside.shape[1] + start
        for x in range(0, count, VECTOR):
            store(out, x, both(load(source, at + x), load(inside, inside_at + x)))
    else:  # the place before the first stands for the padding
        places, flat = reads.places, source.reshape(-1)
        for x in range(count):
            out[x] = flat[plane + places[step, start + x]]


@helper
def _raise_slowest(most: Units, count: Integer, overhead: Integer, slowest: Ints) -> None:
    """Raise the cycles of every window of a block to those of lanes and their overhead, and begin anew."""
    for p in range(most.shape[0]):
        for t in range(most.shape[1]):
            cycles, raised = most[p, t], slowest[p, t]
            for x in range((count + VECTOR - 1) // VECTOR * VECTOR):
                raised[x] = max(raised[x], np.int64(cycles[x]) + overhead)
                cycles[x] = 0


@helper
def _note_windows(slowest: Ints, barrier: bool, start: Integer, count: Integer, window_cycles: Ints) -> None:
    """Note the cycles of a block's windows, ``[passes, tiles, windows]``."""
    passes, tiles = window_cycles.shape[:2]
    for p in range(passes):
        for t in range(tiles):
            for x in range(count):
                window_cycles[p, t, start + x] = slowest[p, tiles if barrier else t, x]


@helper
def _add_windows(
    slowest: Ints, barrier: bool, apart: bool, tile_filters: Edges, count: Integer, totals: Ints, found: Ints
) -> None:
    """Add up the cycles of a block's windows, as tiles wait for each other; `totals` are each tile's own, by pass."""
    passes, tiles = totals.shape
    for p in range(passes):
        filters, cycles = np.int64(0), np.int64(0)
        for t in range(tiles):
            filters += tile_filters[p, t]
        if apart:
            for t in range(tiles):
                own = slowest[p, t]
                for x in range(count):
                    totals[p, t] += own[x]
            continue
        row = slowest[p, tiles] if barrier else slowest[p, 0]
        for t in range(1, 0 if barrier else tiles):
            other = slowest[p, t]
            for x in range(count):
                row[x] = max(row[x], other[x])
        for x in range(count):
            cycles += row[x]
        found[CYCLES] += cycles
        found[FILTER_CYCLES] += cycles * filters


@helper
def _add_passes(tile_filters: Edges, totals: Ints, found: Ints) -> None:
    """Add up the cycles of passes that end with their slowest tile."""
    for p in range(totals.shape[0]):
        filters, cycles = np.int64(0), np.int64(0)
        for t in range(totals.shape[1]):
            filters += tile_filters[p, t]
            cycles = max(cycles, totals[p, t])
        found[CYCLES] += cycles
        found[FILTER_CYCLES] += cycles * filters
