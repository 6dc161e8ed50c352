"""The lanes of a layer where no weights are skipped, for `many`: all in vectors of bytes, in a scratch space of the caller's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings._kernels.streams import next_record
from cnvlutin2.kernels.addresses import array_at
from cnvlutin2.simd import VECTOR
from cnvlutin2.simd.jit import helper
from cnvlutin2.simd.narrow import both, larger, minus, plus, times
from cnvlutin2.simd.scans import last_of, moved_up, reduced, running_sums
from cnvlutin2.simd.vectors import (
    add_bytes,
    chosen,
    equal,
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

Bytes = NDArray[np.uint8]
Edges = NDArray[np.int32]
Ints = NDArray[np.int64]


@helper
def _count_row_packed(layer: Any, plan: Any, m: int, bits: Bytes, counts: Bytes) -> None:
    """Count the effectual values of every piece of a row-packed map, where a place holds the row that a window reads."""
    kw, stride, left, width = layer.geometry[1], layer.geometry[3], layer.geometry[5], layer.width
    piece_of = array_at(plan.piece_of, (plan.values,), np.int32)
    # What a window reads at one place of the kernel is every so-manieth value of a row: these are brought together first.
    every = np.empty((stride, width // stride + 1), np.uint8)
    counts[:] = 0
    for c in range(layer.channels):
        for y in range(plan.height):
            begin = layer.bits + (m * layer.channels + c) * layer.places + y * width
            for phase in range(min(stride, width)):
                read, written = bits[begin + phase : begin + width], every[phase]
                if stride == 2:  # said apart, as a stride that is known is vectorised
                    for x in range((read.size + 1) // 2):
                        written[x] = read[2 * x]
                else:
                    for x in range((read.size + stride - 1) // stride):
                        written[x] = read[x * stride]
            for kx in range(kw):
                shift = kx - left
                low = max(0, (stride - 1 - shift) // stride)
                high = min(plan.width, (width - 1 - shift) // stride + 1)
                if low < high:
                    source = every[shift % stride, low + shift // stride :]
                    row = counts[piece_of[kx * layer.channels + c] * plan.room + y * plan.width + low :]
                    for x in range(high - low):
                        row[x] = plus(row[x], source[x])


@helper
def _add_planes(source: Bytes, begin: int, size: int, edges: Edges, places: int, room: int, out: Bytes, at: int) -> None:
    """Add up ranges of consecutive planes.

    Parameters
    ----------
    source : uint8
    begin, size : int
        Where the first plane begins, and how far the next one lies from it.
    edges : int32 ``[ranges + 1]``
        The first plane of each range, and the end.
    places : int
        Of a plane.
    room : int
        Bytes of a plane in `out`.
    out : uint8
    at : int
        Where the first sum begins.
    """
    for r in range(edges.size - 1):
        for x in range(0, places, VECTOR):
            found = load(source, begin + edges[r] * size + x)
            for v in range(edges[r] + 1, edges[r + 1]):
                found = plus(found, load(source, begin + v * size + x))
            store(out, at + r * room + x, found)


@helper
def find_counts(layer: Any, plan: Any, m: int, bits: Bytes, scratch: Bytes) -> None:
    """Count the effectual values of every piece and every storage brick of a map at every place.

    Parameters
    ----------
    layer, plan : records, `LAYER` and `LANES`
    m : int
        Which map of the layer.
    bits : uint8
        Of all layers.
    scratch : uint8
        Set: uint8 ``[bricks, room]`` from `bricks_at` on, if any way asks for them; ``[pieces, room]`` from `counts_at` on,
        unless pieces have one value.
    """
    places = plan.height * plan.width
    begin, size = layer.bits + m * plan.values * places, plan.piece_count * plan.room
    pieces = array_at(plan.pieces, (plan.piece_count + 1,), np.int32)
    brick_pieces = array_at(plan.brick_pieces, (plan.bricks + 1,), np.int32)
    if plan.longest == 1:  # pieces are values
        _add_planes(bits, begin, places, brick_pieces, places, plan.room, scratch, plan.bricks_at)
        return
    if plan.row_packed:
        _count_row_packed(layer, plan, m, bits, scratch[plan.counts_at : plan.counts_at + size])
    else:
        _add_planes(bits, begin, places, pieces, places, plan.room, scratch, plan.counts_at)
    if plan.has_bricks:
        _add_planes(scratch, plan.counts_at, plan.room, brick_pieces, places, plan.room, scratch, plan.bricks_at)


@helper
def flag_raw_bricks(plan: Any, way: int, scratch: Bytes) -> np.int64:
    """Flag the bricks that are stored raw with 255, others with 0; return the values taken for effectual over all windows."""
    raw, uses = array_at(plan.raw, (plan.ways * plan.counts,), np.uint8), array_at(plan.uses, (plan.room,), np.uint16)
    seen, nothing = np.int64(0), splat(np.uint8(0))
    for x in range(0, plan.height * plan.width, VECTOR):
        values = splat_as(np.int64(0), np.uint16(0))
        for b in range(plan.bricks):
            at = b * plan.room + x
            count, flags = load(scratch, plan.bricks_at + at), nothing
            for v in range(plan.counts):
                if raw[way * plan.counts + v]:
                    flags = larger(flags, equal(count, splat(np.uint8(v))))
            store(scratch, plan.flags_at + at, flags)
            length = np.uint8(min(plan.brick, plan.values - b * plan.brick))
            values = add_bytes(values, larger(count, both(flags, splat(length))))
        seen += weighted_sum(values, uses, x)
    return seen


@helper
def find_rows(plan: Any, way: int, begin: int, scratch: Bytes) -> int:
    """Find in how many NM rows more than one each storage brick of a map lies; places are outermost in the stream.

    Parameters
    ----------
    plan : record, `LANES`
    way : int
        How bricks are stored. Where all records are of whole units, grow evenly and are no longer than a row of few units,
        bytes are added up, else bits one record after another.
    begin : int
        Where the first record begins in its row, in such units, else in bits.
    scratch : uint8

    Returns
    -------
    int
        Where the record after the last one begins.
    """
    places, room = plan.height * plan.width, plan.room
    sizes = array_at(plan.sizes, (plan.ways * plan.counts,), np.int64)
    row_bits = array_at(plan.row_bits, (plan.ways,), np.int64)[way]
    units = array_at(plan.row_units, (plan.ways,), np.int64)[way]
    if units == 0:
        for x in range(places):
            for b in range(plan.bricks):
                size = sizes[way * plan.counts + scratch[plan.bricks_at + b * room + x]]
                begin, touched = next_record(begin, size, row_bits)
                scratch[plan.rows_at + b * room + x] = touched - 1
        return begin
    unit, empty, single = row_bits // units, sizes[way * plan.counts], sizes[way * plan.counts + 1]
    row, least, growth = np.uint8(units), splat(np.uint8(empty // unit)), splat(np.uint8((single - empty) // unit))
    rows, one = splat(row), splat(np.uint8(1))
    for x in range(0, places, VECTOR):
        here, together = first_places(places - x), splat(np.uint8(0))
        for b in range(plan.bricks):
            size = plus(least, times(growth, load(scratch, plan.bricks_at + b * room + x)))
            together = reduced(plus(together, reduced(both(size, here), row)), row)
        sums = running_sums(together, row)
        begins = reduced(plus(moved_up(sums), splat(np.uint8(begin))), row)
        begin = (begin + np.int64(last_of(sums))) % units
        for b in range(plan.bricks):
            size = plus(least, times(growth, load(scratch, plan.bricks_at + b * room + x)))
            ends = plus(begins, size)
            more = plus(one, equal(larger(ends, rows), rows))  # 255, which takes the one away, where no larger
            store(scratch, plan.rows_at + b * room + x, more)
            begins = reduced(ends, row)
    return begin


@helper
def find_loads(plan: Any, mixed: int, has_rows: int, scratch: Bytes) -> tuple[np.int64, np.int64]:
    """Find what a step costs each lane at every place beyond a cycle a run, and add it up over all windows.

    Parameters
    ----------
    plan : record, `LANES`
    mixed, has_rows : int
        Whether some bricks are stored raw; whether some lie in several NM rows.
    scratch : uint8
        Set from `loads_at` on, uint8 ``[lanes, room]``, unless every place is a window (`alone`).

    Returns
    -------
    every, slowest : int64
        Of all lanes; of the slowest lane of every window, with all its cycles, if `alone`.
    """
    places, room, runs = plan.height * plan.width, plan.room, plan.runs
    parts, run_pieces = array_at(plan.parts, (plan.lanes + 1,), np.int32), array_at(plan.run_pieces, (runs + 1,), np.int32)
    pieces, brick_of = (
        array_at(plan.pieces, (plan.piece_count + 1,), np.int32),
        array_at(plan.brick_of, (plan.piece_count,), np.int32),
    )
    run_bricks, uses = array_at(plan.run_bricks, (2 * runs,), np.int32), array_at(plan.uses, (room,), np.uint16)
    one, every, slowest = splat(np.uint8(1)), np.int64(0), np.int64(0)
    for x in range(0, places, VECTOR):
        cycles, most = splat_as(np.int64(0), np.uint16(0)), splat(np.uint8(0))
        for lane in range(plan.lanes):
            extra = splat(np.uint8(0))
            for r in range(parts[lane], parts[lane + 1]):
                work = splat(np.uint8(0))
                for k in range(run_pieces[r], run_pieces[r + 1]):
                    count = load(scratch, plan.counts_at + k * room + x)
                    if mixed:
                        flags, length = load(scratch, plan.flags_at + brick_of[k] * room + x), np.uint8(pieces[k + 1] - pieces[k])
                        count = larger(count, both(flags, splat(length)))
                    work = plus(work, count)
                work = minus(larger(work, one), one)
                if has_rows:
                    work = larger(work, load(scratch, plan.rows_at + run_bricks[2 * r] * room + x))
                    work = larger(work, load(scratch, plan.rows_at + run_bricks[2 * r + 1] * room + x))
                extra = plus(extra, work)
            cycles = add_bytes(cycles, extra)
            if plan.alone:
                fixed = np.uint8((1 + plan.overhead) * (parts[lane + 1] - parts[lane]))
                most = larger(most, plus(extra, splat(fixed)))
            else:
                store(scratch, plan.loads_at + lane * room + x, extra)
        every += weighted_sum(cycles, uses, x)
        if plan.alone:
            slowest += total(both(most, first_places(places - x)))
    return every, slowest


@helper
def weigh_rows(plan: Any, scratch: Bytes) -> np.int64:
    """Add the same up for all lanes where every run has one value: its brick's rows are its cycles."""
    uses, every = array_at(plan.uses, (plan.room,), np.uint16), np.int64(0)
    for x in range(0, plan.height * plan.width, VECTOR):
        cycles = splat_as(np.int64(0), np.uint16(0))
        for b in range(plan.bricks):
            rows, lanes = load(scratch, plan.rows_at + b * plan.room + x), min(plan.brick, plan.values - b * plan.brick)
            cycles = plus(cycles, times(widened(rows, np.uint16(0)), splat_as(np.int64(lanes), np.uint16(0))))
        every += weighted_sum(cycles, uses, x)
    return every


@helper
def walk(plan: Any, scratch: Bytes, unit: Any) -> np.int64:
    """Add up the slowest lane of every window; where each lane has one value, those of a brick are done as one.

    Parameters
    ----------
    plan : record, `LANES`
    scratch : uint8
    unit : uint8 or uint16
        Any number of a type that holds a lane's cycles in any window.
    """
    g, size = plan.geometry, plan.load_bytes
    parts, windows = array_at(plan.parts, (plan.lanes + 1,), np.int32), array_at(plan.windows, (plan.window_room,), np.uint8)
    inside = array_at(plan.inside, (g[1] * plan.window_room,), np.uint8)
    kh, kw, left, dy, dx = g[0], g[1], g[5], g[6], g[7]
    lanes, loads_at = (plan.lanes, plan.loads_at) if plan.longest > 1 else (plan.bricks, plan.rows_at)
    no_bytes = splat(np.uint8(0))
    for lane in range(lanes):
        plane = loads_at + lane * plan.room
        for x in range(0, plan.below, VECTOR):
            store(scratch, plane + plan.height * plan.width + x, no_bytes)
        for x in range(0, plan.above, VECTOR):
            store(scratch, plane - VECTOR - x, no_bytes)
        for x in range(0, plan.window_room, VECTOR):
            at = plane - plan.above + x
            column = widened(load(scratch, at), unit)
            for _ in range(1, kh):
                at += dy * plan.width
                column = plus(column, widened(load(scratch, at), unit))
            store(scratch, plan.columns_at + (lane * plan.column_room + left + x) * size, column)
    slowest, nothing = np.int64(0), splat_as(np.int64(0), unit)
    for x in range(0, plan.window_room, VECTOR):
        most = nothing
        for lane in range(lanes):
            runs = np.int64(parts[lane + 1] - parts[lane])
            found = splat_as((1 + plan.overhead) * runs * kh * kw, unit)
            at = plan.columns_at + (lane * plan.column_room + x) * size
            for kx in range(kw):
                column = load_as(scratch, at + kx * dx * size, unit)
                found = plus(found, chosen(load(inside, kx * plan.window_room + x), column, nothing))
            most = larger(most, found)
        slowest += total(chosen(load(windows, x), most, nothing))
    return slowest
