"""Pairs of a window's runs and the filters' weights, where ineffectual weights are skipped; for compiled code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
from cnvlutin2.timing.compiled.maps import add_planes, find_rows, row_packed_bits
from cnvlutin2.timing.compiled.masks import fill_runs, pack_runs, rows_of_runs
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
WalkBlock = Callable[..., Ints]
CountMaps = Callable[..., None]
IN_BYTE = 8 // DIGIT_BITS


def _walking_blocks(walk: Walk) -> WalkBlock:
    """Return what walks the lanes of a block of windows in one way."""

    @making_helper
    def walk_block(
        pairs: PairRecord,
        planes: tuple[Bytes, Bytes],
        g: Integer,
        windows: tuple[Integer, Integer],
        unit: Units,
        found: Ints,
    ) -> Ints:
        """Walk the lanes of a block of windows in every pass and tile.

        Returns
        -------
        int64 ``[passes, tiles + 1, windows up to whole vectors]``
            The slowest lane's cycles in each tile; last, with a barrier at every run over all tiles.
        """
        (_, run_rows), (_, count), begins, weights = planes, windows, pairs.walk.begins, pairs.walk.weights
        (passes, tile_count), size = pairs.walk.tile_filters.shape, (count + VECTOR - 1) // VECTOR * VECTOR
        lanes, most_runs = begins.size - 1, pairs.most_runs
        digits = np.zeros((size // VECTOR, most_runs, weights.shape[5], VECTOR), np.uint8)
        least, some = np.ones((most_runs if run_rows.size else 1, size), np.uint8), np.empty(size, np.uint8)
        drifting = np.int64(pairs.kind == DRIFTING)
        rooms = Rooms(
            np.zeros((most_runs * np.int64(pairs.barrier), size), np.uint8),
            np.zeros((weights.shape[4] * drifting, VECTOR), unit.dtype),
            np.zeros((most_runs * drifting, VECTOR), unit.dtype),
        )
        most = np.zeros((passes, tile_count + 1, size), unit.dtype)  # over lanes of as many runs
        slowest = np.zeros((passes, tile_count + 1, size), np.int64)
        for number in range(lanes):
            begin, length = np.int64(begins[number]), np.int64(begins[number + 1] - begins[number])
            _read_lane(pairs.reads, (pairs.walk.step_of, pairs.walk.run_of), planes, (begin, length), windows, some, digits, least)
            lane = Lane(digits, least, run_rows.size == 0, length, pairs.worst, count)
            tiles = Tiles(pairs.walk.tile_filters, g * passes * tile_count, begin, most, found)
            walk(pairs.walk, (pairs.drift, pairs.overhead), lane, tiles, rooms)
            if number + 1 == lanes or begins[number + 2] - begins[number + 1] != length:
                _raise_slowest(most, 0 if pairs.kind == DRIFTING else pairs.overhead * length, slowest)
        return slowest

    return walk_block


def _counting_maps(walk_block: WalkBlock) -> CountMaps:
    """Return what counts the cycles of an organisation whose blocks are walked in one way."""

    @making_helper
    def count_maps(
        pairs: PairRecord,
        bits: Bytes,
        images: tuple[Integer, Integer],
        unit: Units,
        results: Ints,
        window_cycles: Ints,
    ) -> None:
        """Do the same map by map and block by block of windows, with sums of lanes of the unit's type."""
        first, last = images
        steps, reads, tile_filters = pairs.steps, pairs.reads, pairs.walk.tile_filters
        places, stored = steps.rows * steps.columns, steps.channels * steps.rows * steps.width
        span, has_rows = places + 2 * reads.margin, pairs.storage.row_bits[0] > 0
        masks = np.zeros((pairs.starts.size, pairs.planes, span), np.uint8)
        by_step = np.empty(steps.values * places + VECTOR if steps.row_packed else 0, np.uint8)
        bricks = np.empty((pairs.brick_edges.size - 1 if has_rows else 0, (places + VECTOR - 1) // VECTOR * VECTOR), np.uint8)
        rows, run_rows = np.empty_like(bricks), np.zeros((pairs.starts.size if has_rows else 0, span), np.uint8)
        if pairs.sees_all:
            fill_runs(pairs.starts, pairs.stops, masks)
        begin: Integer = np.int64(0)
        for m in range((last - first) * steps.groups):
            n, g = first + m // steps.groups, m % steps.groups
            if has_rows:
                add_planes(bits, m * stored, places, pairs.brick_edges, places, bricks)
                begin = find_rows(pairs.storage, 0, begin if g else np.int64(0), bricks, places, rows)
                rows_of_runs(pairs.run_bricks, reads.margin, places, rows, run_rows)
            if not pairs.sees_all and steps.row_packed:
                row_packed_bits(steps, bits, m * stored, by_step)
                pack_runs(pairs.starts, pairs.stops, reads.margin, places, by_step, 0, masks)
            elif not pairs.sees_all:
                pack_runs(pairs.starts, pairs.stops, reads.margin, places, bits, m * stored, masks)
            found: Ints = np.zeros(len(PAIR_QUANTITIES), np.int64)
            totals: Ints = np.zeros(tile_filters.shape, np.int64)
            for start in range(0, reads.windows, BLOCK):
                count = min(BLOCK, reads.windows - start)
                slowest = walk_block(pairs, (masks, run_rows), g, (start, count), unit, found)
                if window_cycles.size:
                    _note_windows(slowest, pairs.barrier, start, count, window_cycles[n, g])
                _add_windows(slowest, pairs.barrier, pairs.apart, tile_filters, count, totals, found)
            if pairs.apart:
                _add_passes(tile_filters, totals, found)
            result = results[n, pairs.result]
            for q in range(found.size):
                for column in range(result.size):
                    result[column] += found[q] * pairs.factors[q, column]

    return count_maps


_count_waiting, _count_free, _count_drifting = (
    _counting_maps(_walking_blocks(walk)) for walk in (walk_waiting, walk_free, walk_drifting)
)


@kernel
def count_waiting_pairs(held: Held[PairRecord], bits: Bytes, first: int, last: int, results: Ints, window_cycles: Ints) -> None:
    """Count the cycles of an organisation that skips ineffectual weights, and whose filters wait for each other at every run.

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
    return {WAITING: count_waiting_pairs, FREE: count_free_pairs, DRIFTING: drifting}[record.kind]


@helper
def _read_lane(
    reads: ReadsRecord,
    order: tuple[Edges, Edges],
    planes: tuple[Bytes, Bytes],
    lane: tuple[Integer, Integer],
    windows: tuple[Integer, Integer],
    some: Bytes,
    digits: Bytes,
    least: Bytes,
) -> None:
    """Read what a block of windows sees of the runs of a lane: digits of their masks, and the rows that fetching them takes.

    Parameters
    ----------
    reads : ReadsRecord
    order : (int32, int32)
        The step and the run of each of a window's runs.
    planes : (uint8 ``[runs, bytes, span]``, uint8 ``[runs, span]``)
        Masks of runs, and NM rows beyond one that they lie in; of size 0 if none does.
    lane, windows : (int, int)
        The lane's first run and how many it has; the block's first window and how many it has.
    some : uint8 ``[windows up to whole vectors]``
        Scratch.
    digits, least
        As of `Lane`; set.
    """
    (step_of, run_of), (masks, run_rows), (begin, length), (start, count) = order, planes, lane, windows
    inside, places, offsets, flat, margin = reads.inside, reads.places, reads.offsets, reads.flat, reads.margin
    bytes_of_run, span, size = masks.shape[1], masks.shape[2], digits.shape[0] * VECTOR
    runs, many = digits.shape[1], digits.shape[2]
    for k in range(length):
        step, run = np.int64(step_of[begin + k]), np.int64(run_of[begin + k])
        for b in range(bytes_of_run):
            at = (run * bytes_of_run + b) * span + margin
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


@inlined_helper
def _read_flat(source: Bytes, at: Integer, inside: Bytes, inside_at: Integer, out: Bytes) -> None:
    """Read consecutive places from `at` on, and zeros beside the map."""
    for x in range(0, out.size, VECTOR):
        store(out, x, both(load(source, at + x), load(inside, inside_at + x)))


@inlined_helper
def _read_places(source: Bytes, plane: Integer, places: Edges, step: Integer, start: Integer, count: Integer, out: Bytes) -> None:
    """Read the places of some windows in a plane; the one before the first stands for the padding."""
    flat = source.reshape(-1)
    for x in range(count):
        out[x] = flat[plane + places[step, start + x]]


@helper
def _raise_slowest(most: Units, overhead: Integer, slowest: Ints) -> None:
    """Raise the cycles of every window to those of lanes and their overhead, and begin anew."""
    for p in range(most.shape[0]):
        for t in range(most.shape[1]):
            cycles, raised = most[p, t], slowest[p, t]
            for x in range(cycles.size):
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
