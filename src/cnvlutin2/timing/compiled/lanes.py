"""The lanes where no weights are skipped, in vectors of bytes; for compiled code.

Cycles are kept beyond one a run: so padding is zeros, and what lies beside the map is masked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd import VECTOR
from cnvlutin2.simd.jit import helper, inlined_helper, kernel, making_helper
from cnvlutin2.simd.narrow import both, larger, minus, plus
from cnvlutin2.simd.sizes import Integer
from cnvlutin2.simd.vectors import (
    add_bytes,
    chosen,
    first_places,
    load,
    load_as,
    splat,
    splat_as,
    store,
    total,
    weighted_sum,
    widened,
)
from cnvlutin2.timing.compiled.held import Held
from cnvlutin2.timing.compiled.maps import add_planes, find_rows, flag_raw_bricks, row_packed_bits
from cnvlutin2.timing.compiled.records import (
    Bytes,
    Edges,
    Ints,
    LaneRecord,
    LaneWalk,
    PieceRecord,
    StepsRecord,
    WindowsRecord,
)

Uses = NDArray[np.uint16]
Units = NDArray[Any]
"""Bytes, or words of 16 bits where a lane's cycles may take more than a byte."""


@kernel
def count_lanes(held: Held[LaneRecord], bits: Bytes, first: int, last: int, results: Ints, window_cycles: Ints) -> None:
    """Count the cycles of organisations that skip no weights and have the same lanes.

    Parameters
    ----------
    held : Held of LaneRecord
    bits : uint8
        As `count_sums` sets them.
    first, last : Integer
        Which images they are of.
    results : int64 ``[N, results, columns]``
        Added to.
    window_cycles : int64 ``[ways, N, groups, windows]``, or of size 0
        Set, unless it is empty.
    """
    _count_maps(held.record, bits, (first, last), np.zeros(0, np.uint8), results, window_cycles)


@kernel
def count_wide_lanes(held: Held[LaneRecord], bits: Bytes, first: int, last: int, results: Ints, window_cycles: Ints) -> None:
    """Do the same where a byte does not hold a lane's cycles in a window."""
    _count_maps(held.record, bits, (first, last), np.zeros(0, np.uint16), results, window_cycles)


LaneKernel = Callable[[Held[LaneRecord], Bytes, int, int, Ints, Ints], None]


def lane_kernel(record: LaneRecord) -> LaneKernel:
    """Return the kernel for a record; there are two, so that what is not asked for need not be compiled."""
    return count_wide_lanes if record.wide else count_lanes


@making_helper
def _count_maps(
    lanes: LaneRecord, bits: Bytes, images: tuple[Integer, Integer], unit: Units, results: Ints, window_cycles: Ints
) -> None:
    """Do the same map by map, with sums of lanes of the unit's type."""
    (first, last), steps, pieces, storage, windows = images, lanes.steps, lanes.pieces, lanes.storage, lanes.windows
    planes = lanes.walk.parts.size - 1 if lanes.counted and not windows.alone else 0
    loads = np.zeros((planes, (windows.above + steps.rows + windows.below) * windows.pitch + VECTOR), unit.dtype)
    across = windows.room + steps.pads[1] + steps.kernel[1] * steps.dilations[1] + VECTOR
    columns, slowest = np.zeros((planes, across), unit.dtype), np.zeros(windows.room, unit.dtype)
    places, stored = steps.rows * steps.columns, steps.channels * steps.rows * steps.width
    room = windows.uses.size
    by_step = np.empty(steps.values * places + VECTOR if steps.row_packed else 0, np.uint8)
    counts = np.empty((pieces.edges.size - 1, room), np.uint8)
    bricks = np.empty((pieces.bricks.size - 1, room), np.uint8)
    flags, rows = np.empty_like(bricks), np.empty_like(bricks)
    begins = np.zeros(storage.row_bits.size, np.int64)
    for m in range((last - first) * steps.groups):
        n, g = first + m // steps.groups, m % steps.groups
        if lanes.counted and steps.row_packed:
            row_packed_bits(steps, bits, m * stored, by_step)
            add_planes(by_step, 0, places, pieces.edges, places, counts)
        elif lanes.counted:
            add_planes(bits, m * stored, places, pieces.edges, places, counts)
        if lanes.bricks_matter:
            add_planes(counts.reshape(-1), 0, room, pieces.bricks, places, bricks)
        for way in range(begins.size):
            mixed, has_rows, seen = storage.mixed[way], storage.row_bits[way] > 0, np.int64(0)
            if mixed:
                seen = flag_raw_bricks(storage, way, bricks, steps.values, windows.uses, flags)
            if has_rows:
                begins[way] = find_rows(storage, way, begins[way] if g else np.int64(0), bricks, places, rows)
            cycles, costs = np.int64(lanes.least[0]), np.int64(lanes.least[1])
            if lanes.walk.longest > 1 or has_rows:
                found = counts, flags, rows
                extra, cycles = _find_loads(steps, pieces, windows, lanes.walk, (mixed, has_rows), found, loads, slowest)
                costs += extra
                if not windows.alone:
                    cycles = _walk_windows(steps, windows, lanes.walk, loads, columns, slowest)
            result, factors = results[n, lanes.results[way]], lanes.factors[way]
            for column in range(result.size):
                result[column] += cycles * factors[0, column] + costs * factors[1, column] + seen * factors[2, column]
            if window_cycles.size:
                least = -1 if lanes.walk.longest > 1 or has_rows else lanes.least[0] // window_cycles.shape[3]
                _note_windows(windows.begins, least, slowest, window_cycles[way, n, g])


@inlined_helper
def _with_raw(edges: Edges, brick_of: Edges, counts: Bytes, flags: Bytes, k: Integer, x: Integer) -> Any:
    """Return what is taken for effectual of a piece at `VECTOR` places: all of it where its brick is flagged as raw."""
    room, length = counts.shape[1], np.uint8(edges[k + 1] - edges[k])
    return larger(load(counts, k * room + x), both(load(flags, brick_of[k] * room + x), splat(length)))


@helper
def _find_loads(
    steps: StepsRecord,
    pieces: PieceRecord,
    windows: WindowsRecord,
    walk: LaneWalk,
    stored: tuple[bool, bool],
    found: tuple[Bytes, Bytes, Bytes],
    loads: Units,
    slowest: Units,
) -> tuple[np.int64, np.int64]:
    """Find what a step costs each lane at every place beyond a cycle a run, and add it up over all windows.

    Parameters
    ----------
    steps, pieces, windows, walk
        As of `LaneRecord`.
    stored : (bool, bool)
        Whether some bricks are stored raw, and whether some lie in several NM rows.
    found : (uint8 ``[pieces, room]``, uint8 ``[bricks, room]``, uint8 ``[bricks, room]``)
        Effectual values of pieces; flags of raw bricks; NM rows of bricks beyond one.
    loads : ``[lanes, room]``
        Set, unless every place is a window.
    slowest : ``[room]``
        Set to the slowest lane's cycles, if every place is one.

    Returns
    -------
    every, total : int64
        Of all lanes; of the slowest lane of every window, if every place is one.
    """
    # Arrays are taken out of the records before the loops, which would count their owners again and again.
    (mixed, has_rows), (counts, flags, rows), parts, stands_for = stored, found, walk.parts, walk.stands_for
    run_pieces, run_bricks, edges, brick_of, uses = pieces.runs, pieces.run_bricks, pieces.edges, pieces.brick_of, windows.uses
    columns, pitch, above, alone = steps.columns, windows.pitch, windows.above, windows.alone
    places, room, unit = steps.rows * columns, counts.shape[1], slowest.dtype.type(0)
    one, nothing = splat(np.uint8(1)), splat_as(np.int64(0), unit)
    every, cycles = np.int64(0), np.int64(0)
    for x in range(0, places, VECTOR):
        all_lanes, most, here = splat_as(np.int64(0), np.uint16(0)), nothing, first_places(places - x)
        for lane in range(parts.size - 1):
            extra = nothing
            for r in range(parts[lane], parts[lane + 1]):
                work = splat(np.uint8(0))
                for k in range(run_pieces[r], run_pieces[r + 1] if walk.longest > 1 else 0):
                    work = plus(work, _with_raw(edges, brick_of, counts, flags, k, x) if mixed else load(counts, k * room + x))
                work = minus(larger(work, one), one)
                if has_rows:
                    work = larger(work, load(rows, run_bricks[r, 0] * room + x))
                    work = larger(work, load(rows, run_bricks[r, 1] * room + x))
                extra, all_lanes = plus(extra, widened(work, unit)), add_bytes(all_lanes, work)
                for _ in range(1, stands_for[lane]):
                    all_lanes = add_bytes(all_lanes, work)
            if alone:
                fixed = (1 + walk.overhead) * np.int64(parts[lane + 1] - parts[lane])
                most = larger(most, plus(extra, splat_as(fixed, unit)))
            elif pitch == columns:
                store(loads, lane * loads.shape[1] + above * pitch + x, chosen(here, extra, nothing))
            else:
                store(slowest, 0, extra)
                _spread(slowest, x, min(x + VECTOR, places), columns, pitch, loads[lane, above * pitch :])
        every += weighted_sum(all_lanes, uses, x)
        if alone:
            store(slowest, x, most)
            cycles += total(chosen(here, most, nothing))
    return every, cycles


@helper
def _spread(values: Units, first: Integer, last: Integer, columns: Integer, pitch: Integer, out: Units) -> None:
    """Put the values of places `first` to `last` into rows that are wider than the map."""
    for place in range(first, last):
        out[place // columns * pitch + place % columns] = values[place - first]


@helper
def _walk_windows(
    steps: StepsRecord, windows: WindowsRecord, walk: LaneWalk, loads: Units, columns: Units, slowest: Units
) -> np.int64:
    """Set the slowest lane's cycles of every window (and of places in between), and add those of windows up.

    What windows read is added up over the kernel's height, lane by lane, and then across.
    """
    parts, begins, inside, unit = walk.parts, windows.begins, windows.inside, slowest.dtype.type(0)
    (kh, kw), (dy, dx), left = steps.kernel, steps.dilations, steps.pads[1]
    room, pitch, overhead = windows.room, windows.pitch, walk.overhead
    for lane in range(parts.size - 1):
        for x in range(0, room, VECTOR):
            at = lane * loads.shape[1] + x
            column = load_as(loads, at, unit)
            for ky in range(1, kh):
                column = plus(column, load_as(loads, at + ky * dy * pitch, unit))
            store(columns, lane * columns.shape[1] + left + x, column)
    cycles, nothing = np.int64(0), splat_as(np.int64(0), unit)
    for x in range(0, room, VECTOR):
        most = nothing
        for lane in range(parts.size - 1):
            found = splat_as((1 + overhead) * np.int64(parts[lane + 1] - parts[lane]) * kh * kw, unit)
            at = lane * columns.shape[1] + x
            for kx in range(kw):
                column = load_as(columns, at + kx * dx, unit)
                found = plus(found, chosen(load(inside, kx * room + x), column, nothing))
            most = larger(most, found)
        store(slowest, x, most)
        cycles += total(chosen(load(begins, x), most, nothing))
    return cycles


@helper
def _note_windows(begins: Bytes, least: Integer, slowest: Units, window_cycles: Ints) -> None:
    """Note the cycles of every window of a map: `least` if all have the same, else those of places where windows begin (-1)."""
    window = 0
    for x in range(begins.size):
        if begins[x]:
            window_cycles[window] = slowest[x] if least < 0 else least
            window += 1
