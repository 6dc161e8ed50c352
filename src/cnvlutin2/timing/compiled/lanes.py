"""The lanes where no weights are skipped, in vectors of bytes; for compiled code.

Cycles are kept beyond one a run: so padding is zeros, and what lies beside the map is masked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd import VECTOR
from cnvlutin2.simd.jit import helper, inlined_helper, kernel, making_helper
from cnvlutin2.simd.narrow import both, larger, minus, plus
from cnvlutin2.simd.sizes import Integer
from cnvlutin2.simd.vectors import (
    add_up,
    chosen,
    first_places,
    load,
    load_as,
    no_sums,
    splat,
    splat_as,
    store,
    total,
    weighted_sum,
    widened,
)
from cnvlutin2.timing.compiled.held import Held
from cnvlutin2.timing.compiled.maps import (
    RowWords,
    add_planes,
    add_range,
    find_rows,
    flag_raw_bricks,
    make_row_packed,
    make_row_words,
    mark_raw_rows,
    part_rows,
    row_packed_values,
)
from cnvlutin2.timing.compiled.records import (
    Bytes,
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
    rooms = _make_rooms(held.record, np.zeros(0, np.uint8))
    _count_maps(held.record, bits, (first, last), rooms, results, window_cycles)


@kernel
def count_wide_lanes(held: Held[LaneRecord], bits: Bytes, first: int, last: int, results: Ints, window_cycles: Ints) -> None:
    """Do the same where a byte does not hold a lane's cycles in a window."""
    rooms = _make_rooms(held.record, np.zeros(0, np.uint16))
    _count_maps(held.record, bits, (first, last), rooms, results, window_cycles)


@kernel
def count_raw_rows(held: Held[LaneRecord], bits: Bytes, first: int, last: int, results: Ints, window_cycles: Ints) -> None:
    """Do the same where bricks of rows are stored raw, and every run takes a cycle: only what lanes see depends on the maps."""
    lanes, words, nothing = held.record, make_row_words(held.record.row_bricks), np.zeros(0, np.uint8)
    cycles, costs = lanes.least[0] * lanes.steps.groups, lanes.least[1] * lanes.steps.groups
    size = lanes.steps.groups * lanes.steps.channels * lanes.steps.rows * lanes.steps.width
    for n in range(first, last):
        zeros = _mark_image(lanes, bits[(n - first) * size :], words, nothing)
        _add_quantities(lanes, 0, (cycles, costs, zeros), results[n])
        if window_cycles.size:
            window_cycles[0, n] = lanes.least[0] // window_cycles.shape[3]


@kernel
def count_raw_row_lanes(held: Held[LaneRecord], bits: Bytes, first: int, last: int, results: Ints, window_cycles: Ints) -> None:
    """Do the same where runs take more: values of raw bricks are taken for effectual."""
    lanes, words = held.record, make_row_words(held.record.row_bricks)
    steps, rooms = lanes.steps, _make_rooms(lanes, np.zeros(0, np.uint16))
    size = steps.groups * steps.channels * steps.rows * steps.width
    for n in range(first, last):
        image = bits[(n - first) * size : (n - first + 1) * size + VECTOR]
        marked = image.copy()
        zeros = _mark_image(lanes, image, words, marked)
        _add_quantities(lanes, 0, (np.int64(0), np.int64(0), zeros), results[n])
        _count_maps(lanes, marked, (n, n + 1), rooms, results, window_cycles)


@helper
def _mark_image(lanes: LaneRecord, bits: Bytes, words: RowWords, marked: Bytes) -> np.int64:
    """Mark the raw bricks of an image's rows; as `mark_raw_rows`."""
    steps, zeros, together = lanes.steps, np.int64(0), words.values.size // lanes.steps.rows
    for g in range(0, steps.groups, together):
        maps = np.int64(g), min(together, steps.groups - g)
        zeros += mark_raw_rows(steps, lanes.storage, lanes.row_bricks, bits, maps, words, marked)
    return zeros


@helper
def _add_quantities(lanes: LaneRecord, way: Integer, quantities: tuple[Integer, Integer, Integer], results: Ints) -> None:
    """Add what was measured of a map to the result of a way; `quantities` are those of `LANE_QUANTITIES`."""
    (cycles, costs, zeros), factors, result = quantities, lanes.factors[way], results[lanes.results[way]]
    for column in range(result.size):
        result[column] += cycles * factors[0, column] + costs * factors[1, column] + zeros * factors[2, column]


LaneKernel = Callable[[Held[LaneRecord], Bytes, int, int, Ints, Ints], None]


def lane_kernel(record: LaneRecord) -> LaneKernel:
    """Return the kernel for a record; there are several, so that what is not asked for need not be compiled."""
    if record.row_bricks.uses.size:
        return count_raw_row_lanes if record.counted else count_raw_rows
    return count_wide_lanes if record.wide else count_lanes


class Rooms(NamedTuple):
    """What is kept of a map while its lanes are counted; bytes, or words of 16 bits where a lane's cycles ask for them.

    Parameters
    ----------
    apart, values : uint8
        As of `part_rows`, and of `row_packed_values` for a piece.
    counts : uint8 ``[pieces, room]``
        Effectual values of pieces.
    bricks, flags, rows : uint8 ``[bricks, room]``, or of size 0 where nobody asks
        Effectual values of storage bricks; which are raw, as of `flag_raw_bricks`; NM rows beyond one.
    begins : int64 ``[ways]``
        Where the next record begins in its NM row.
    loads : ``[lanes, room]``
        Cycles of each lane at a place, in rows as `WindowsRecord` has them; of size 0 if every place is a window.
    columns : ``[lanes, room]``
        The same over the kernel's height.
    slowest : ``[room]``
        Cycles of the slowest lane in each window.
    """

    apart: Bytes
    values: Bytes
    counts: Bytes
    bricks: Bytes
    flags: Bytes
    rows: Bytes
    begins: Ints
    loads: Units
    columns: Units
    slowest: Units


@making_helper
def _make_rooms(lanes: LaneRecord, unit: Units) -> Rooms:
    """Make room for a map, with sums of lanes of the unit's type."""
    steps, pieces, windows, room = lanes.steps, lanes.pieces, lanes.windows, lanes.windows.uses.size
    planes = lanes.walk.parts.size - 1 if lanes.counted and not windows.alone else 0
    height = windows.above + steps.rows + windows.below
    across = windows.room + steps.pads[1] + steps.kernel[1] * steps.dilations[1] + VECTOR
    most = 0
    for r in range(pieces.edges.size - 1):
        most = max(most, pieces.edges[r + 1] - pieces.edges[r])
    apart, values = make_row_packed(steps, most)
    bricks = np.empty((pieces.bricks.size - 1, room if lanes.bricks_matter else 0), np.uint8)
    return Rooms(
        apart,
        values,
        np.empty((pieces.edges.size - 1, room), np.uint8),
        bricks,
        np.empty_like(bricks),
        np.empty_like(bricks),
        np.zeros(lanes.storage.row_bits.size, np.int64),
        np.zeros((planes, height * windows.pitch + VECTOR), unit.dtype),
        np.zeros((planes, across), unit.dtype),
        np.zeros(windows.room, unit.dtype),
    )


@helper
def _count_maps(
    lanes: LaneRecord, bits: Bytes, images: tuple[Integer, Integer], rooms: Rooms, results: Ints, window_cycles: Ints
) -> None:
    """Do the same map by map."""
    (first, last), steps, storage, windows = images, lanes.steps, lanes.storage, lanes.windows
    for m in range((last - first) * steps.groups):
        n, g = first + m // steps.groups, m % steps.groups
        _fill_counts(lanes, bits, m, rooms)
        for way in range(storage.mixed.size):
            mixed, has_rows, zeros = storage.mixed[way] and not steps.row_packed, storage.row_bits[way] > 0, np.int64(0)
            if mixed:
                zeros = flag_raw_bricks(storage, way, rooms.bricks, steps.values, windows.uses, rooms.flags)
            if has_rows:
                begin, places = rooms.begins[way] if g else np.int64(0), steps.rows * steps.columns
                rooms.begins[way] = find_rows(storage, way, begin, rooms.bricks, places, rooms.rows)
            cycles, costs = np.int64(lanes.least[0]), np.int64(lanes.least[1])
            if lanes.walk.longest > 1 or has_rows:
                extra, cycles = _find_loads(lanes, (lanes.walk.longest > 1, mixed, has_rows), rooms)
                costs += extra
                if not windows.alone:
                    cycles = _walk_windows(steps, windows, lanes.walk, rooms)
            _add_quantities(lanes, way, (cycles, costs, zeros), results[n])
            if window_cycles.size:
                least = -1 if lanes.walk.longest > 1 or has_rows else lanes.least[0] // window_cycles.shape[3]
                _note_windows(windows.begins, least, rooms.slowest, window_cycles[way, n, g])


@helper
def _fill_counts(lanes: LaneRecord, bits: Bytes, m: Integer, rooms: Rooms) -> None:
    """Count the effectual values of a map's pieces and storage bricks, if these matter."""
    steps, edges, counts, room = lanes.steps, lanes.pieces.edges, rooms.counts, rooms.counts.shape[1]
    places, begin = steps.rows * steps.columns, m * steps.channels * steps.rows * steps.width
    if steps.row_packed:
        part_rows(steps, bits, begin, rooms.apart)
        for r in range(edges.size - 1):
            row_packed_values(steps, rooms.apart, edges[r], edges[r + 1], rooms.values)
            add_range(rooms.values, 0, places, edges[r + 1] - edges[r], places, counts, r)
    else:
        add_planes(bits, begin, places, edges, places, counts)
    if lanes.bricks_matter:
        add_planes(counts.reshape(-1), 0, room, lanes.pieces.bricks, places, rooms.bricks)


@inlined_helper
def _beyond_one(pieces: PieceRecord, asks: tuple[bool, bool, bool], rooms: Rooms, r: Integer, x: Integer) -> Any:
    """Return what a run costs beyond a cycle, at `VECTOR` places; for what it `asks`, see `_find_loads`."""
    (several, mixed, has_rows), counts, room, one = asks, rooms.counts, rooms.counts.shape[1], splat(np.uint8(1))
    work = splat(np.uint8(0))
    for k in range(pieces.runs[r], pieces.runs[r + 1] if several else 0):
        found = load(counts, k * room + x)
        if mixed:  # all of a raw brick's values are taken for effectual
            length = np.uint8(pieces.edges[k + 1] - pieces.edges[k])
            found = larger(found, both(load(rooms.flags, pieces.brick_of[k] * room + x), splat(length)))
        work = plus(work, found)
    work = minus(larger(work, one), one)
    if has_rows:
        work = larger(work, load(rooms.rows, pieces.run_bricks[r, 0] * room + x))
        work = larger(work, load(rooms.rows, pieces.run_bricks[r, 1] * room + x))
    return work


@inlined_helper
def _find_loads(lanes: LaneRecord, asks: tuple[bool, bool, bool], rooms: Rooms) -> tuple[np.int64, np.int64]:
    """Find what a step costs each lane at every place beyond a cycle a run, and add it up over all windows.

    Parameters
    ----------
    lanes : LaneRecord
    asks : (bool, bool, bool)
        Whether runs have several values, some bricks are stored raw, and some lie in several NM rows.
    rooms : Rooms

    Returns
    -------
    every, total : int64
        Of all lanes; of the slowest lane of every window, if every place is one: its cycles are then in `Rooms.slowest`, else
        those of all lanes in `Rooms.loads`.
    """
    steps, pieces, windows, walk = lanes.steps, lanes.pieces, lanes.windows, lanes.walk
    parts, loads, slowest, unit = walk.parts, rooms.loads, rooms.slowest, rooms.slowest.dtype.type(0)
    columns, pitch, above, places = steps.columns, windows.pitch, windows.above, steps.rows * steps.columns
    nothing, every, cycles = splat_as(np.int64(0), unit), np.int64(0), no_sums()
    for x in range(0, places, VECTOR):
        all_lanes, most, here = splat_as(np.int64(0), np.uint16(0)), nothing, first_places(places - x)
        for lane in range(parts.size - 1):
            extra = nothing
            for r in range(parts[lane], parts[lane + 1]):
                extra = plus(extra, widened(_beyond_one(pieces, asks, rooms, r, x), unit))
            for _ in range(walk.stands_for[lane]):
                all_lanes = plus(all_lanes, widened(extra, np.uint16(0)))
            if windows.alone:
                fixed = (1 + walk.overhead) * np.int64(parts[lane + 1] - parts[lane])
                most = larger(most, plus(extra, splat_as(fixed, unit)))
            elif pitch == columns:
                store(loads, lane * loads.shape[1] + above * pitch + x, chosen(here, extra, nothing))
            else:
                store(slowest, 0, extra)
                _spread(slowest, x, min(x + VECTOR, places), columns, pitch, loads[lane, above * pitch :])
        every += weighted_sum(all_lanes, windows.uses, x)
        if windows.alone:
            store(slowest, x, most)
            cycles = add_up(cycles, chosen(here, most, nothing))
    return every, total(cycles)


@helper
def _spread(values: Units, first: Integer, last: Integer, columns: Integer, pitch: Integer, out: Units) -> None:
    """Put the values of places `first` to `last` into rows that are wider than the map."""
    for place in range(first, last):
        out[place // columns * pitch + place % columns] = values[place - first]


@inlined_helper
def _walk_windows(steps: StepsRecord, windows: WindowsRecord, walk: LaneWalk, rooms: Rooms) -> np.int64:
    """Set the slowest lane's cycles of every window (and of places in between), and add those of windows up.

    What windows read is added up over the kernel's height, lane by lane, and then across.
    """
    loads, columns, slowest, unit = rooms.loads, rooms.columns, rooms.slowest, rooms.slowest.dtype.type(0)
    parts, begins, inside = walk.parts, windows.begins, windows.inside
    (kh, kw), (dy, dx), left = steps.kernel, steps.dilations, steps.pads[1]
    room, pitch, overhead = windows.room, windows.pitch, walk.overhead
    for lane in range(parts.size - 1):
        for x in range(0, room, VECTOR):
            at = lane * loads.shape[1] + x
            column = load_as(loads, at, unit)
            for ky in range(1, kh):
                column = plus(column, load_as(loads, at + ky * dy * pitch, unit))
            store(columns, lane * columns.shape[1] + left + x, column)
    cycles, nothing = no_sums(), splat_as(np.int64(0), unit)
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
        cycles = add_up(cycles, chosen(load(begins, x), most, nothing))
    return total(cycles)


@helper
def _note_windows(begins: Bytes, least: Integer, slowest: Units, window_cycles: Ints) -> None:
    """Note the cycles of every window of a map: `least` if all have the same, else those of places where windows begin (-1)."""
    window = 0
    for x in range(begins.size):
        if begins[x]:
            window_cycles[window] = slowest[x] if least < 0 else least
            window += 1
