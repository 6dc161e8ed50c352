"""From effectual bits to steps, storage bricks and the rows that they lie in; for compiled code."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd import VECTOR
from cnvlutin2.simd.jit import helper, inlined_helper, making_helper
from cnvlutin2.simd.narrow import both, larger, minus, plus, times
from cnvlutin2.simd.scans import last_of, moved_up, reduced, running_sums
from cnvlutin2.simd.sizes import Integer
from cnvlutin2.simd.vectors import add_bytes, equal, first_places, load, splat, splat_as, store, weighted_sum
from cnvlutin2.simd.words import bits_in_both, word_at
from cnvlutin2.timing.compiled.records import Bytes, Edges, RowBricksRecord, StepsRecord, StorageRecord

Words = NDArray[np.uint64]


@making_helper
def make_row_packed(steps: StepsRecord, most: Integer) -> tuple[Bytes, Bytes]:
    """Make room for what `part_rows` finds, and for `most` values of `row_packed_values`; of size 0 where rows are not packed."""
    packed, stride = np.int64(steps.row_packed), steps.row_stride
    reach = (steps.width + stride - 1) // stride
    apart = np.empty(packed * (steps.channels * steps.rows * stride * reach + 2 * VECTOR), np.uint8)
    return apart, np.empty(packed * (most * steps.rows * steps.columns + VECTOR), np.uint8)


@helper
def part_rows(steps: StepsRecord, bits: Bytes, begin: Integer, apart: Bytes) -> None:
    """Bring the bits of each row of a map together that are as far apart as windows are, for `row_packed_values`.

    Parameters
    ----------
    steps : StepsRecord
    bits : uint8
        Of all maps, channel by channel.
    begin : Integer
        Where the map's begin.
    apart : uint8
        Set.
    """
    width, stride = steps.width, steps.row_stride
    reach = (width + stride - 1) // stride
    for row in range(steps.channels * steps.rows):
        for phase in range(min(stride, width)):
            read, written = begin + row * width + phase, VECTOR + (row * stride + phase) * reach
            # Strides that are known are vectorised, and so are places that cannot be negative.
            if stride == 1:
                for x in range(width):
                    apart[np.uintp(written + x)] = bits[np.uintp(read + x)]
            elif stride == 2:
                for x in range((width - phase + 1) // 2):
                    apart[np.uintp(written + x)] = bits[np.uintp(read + 2 * x)]
            else:
                for x in range((width - phase + stride - 1) // stride):
                    apart[np.uintp(written + x)] = bits[np.uintp(read + x * stride)]


@helper
def row_packed_values(steps: StepsRecord, apart: Bytes, first: Integer, last: Integer, out: Bytes) -> None:
    """Bring together what windows read of some values ``[kx, channel]`` of a map's rows, in every row and window across.

    Parameters
    ----------
    steps : StepsRecord
    apart : uint8
        As `part_rows` leaves it.
    first, last : Integer
        Which values.
    out : uint8
        Set: ``[last - first, rows, columns]``, flat; 0 beside the map.
    """
    columns, stride, rows = steps.columns, steps.row_stride, steps.rows
    reach = (steps.width + stride - 1) // stride
    for v in range(first, last):
        shift, channel = v // steps.channels - steps.row_pad, v % steps.channels
        phase = shift % stride
        low = min(columns, max(0, -(shift // stride)))
        high = max(low, min(columns, (steps.width - 1 - shift) // stride + 1))
        for row in range(rows):
            at = ((v - first) * rows + row) * columns
            source = VECTOR + ((channel * rows + row) * stride + phase) * reach + (shift - phase) // stride
            for x in range(0, columns, VECTOR):  # what is written behind the row, the next one overwrites
                if source + x >= 0 and source + x + VECTOR <= apart.size:
                    store(out, at + x, load(apart, source + x))
            for x in range(low):
                out[at + x] = 0
            for x in range(high, columns):
                out[at + x] = 0


@helper
def add_planes(source: Bytes, begin: Integer, size: Integer, edges: Edges, places: Integer, out: Bytes) -> None:
    """Add up ranges of consecutive planes.

    Parameters
    ----------
    source : uint8
    begin, size : Integer
        Where the first plane begins, and how far the next one lies from it.
    edges : int32 ``[ranges + 1]``
        The first plane of each range, and the end.
    places : Integer
        Of a plane.
    out : uint8 ``[ranges, room]``
        Set.
    """
    for r in range(edges.size - 1):
        add_range(source, begin + edges[r] * size, size, edges[r + 1] - edges[r], places, out, r)


@helper
def add_range(source: Bytes, begin: Integer, size: Integer, planes: Integer, places: Integer, out: Bytes, r: Integer) -> None:
    """Set row `r` of `out` to the sum of some planes, at least one; as `add_planes`."""
    for x in range(0, places, VECTOR):
        found = load(source, begin + x)
        for v in range(1, planes):
            found = plus(found, load(source, begin + v * size + x))
        store(out, r * out.shape[1] + x, found)


@helper
def flag_raw_bricks(
    storage: StorageRecord, way: Integer, bricks: Bytes, step_values: Integer, uses: NDArray[np.uint16], flags: Bytes
) -> np.int64:
    """Flag the bricks that are stored raw with 255, others with 0.

    Parameters
    ----------
    storage : StorageRecord
    way : int
    bricks : uint8 ``[bricks, room]``
        Effectual values of each brick.
    step_values : int
        Of all bricks.
    uses : uint16 ``[room]``
        Windows that read a place.
    flags : uint8 ``[bricks, room]``
        Set.

    Returns
    -------
    int64
        Ineffectual values of raw bricks, which lanes take for effectual, over all windows.
    """
    room, raw, zeros = bricks.shape[1], storage.raw, np.int64(0)
    for x in range(0, room, VECTOR):
        values = splat_as(np.int64(0), np.uint16(0))
        for b in range(bricks.shape[0]):
            count, found = load(bricks, b * room + x), splat(np.uint8(0))
            for r in range(raw.shape[1]):
                more = splat(raw[way, r, 1])
                found = larger(found, equal(larger(minus(count, splat(raw[way, r, 0])), more), more))
            store(flags, b * room + x, found)
            length = np.uint8(min(storage.brick, step_values - b * storage.brick))
            values = add_bytes(values, minus(larger(count, both(found, splat(length))), count))
        zeros += weighted_sum(values, uses, x)
    return zeros


class RowWords(NamedTuple):
    """Room for a storage brick of every row of some maps, uint64 ``[rows]``; of size 0 unless some of them are stored raw.

    Parameters
    ----------
    values : the effectual ones, the first value in the lowest bit.
    zeros : the others, if the brick is stored raw.
    """

    values: Words
    zeros: Words


@making_helper
def make_row_words(row_bricks: RowBricksRecord) -> RowWords:
    """Make room for `mark_raw_rows`."""
    return RowWords(np.empty(row_bricks.uses.size, np.uint64), np.empty(row_bricks.uses.size, np.uint64))


@helper
def mark_raw_rows(
    steps: StepsRecord,
    storage: StorageRecord,
    row_bricks: RowBricksRecord,
    bits: Bytes,
    maps: tuple[Integer, Integer],
    words: RowWords,
    marked: Bytes,
) -> np.int64:
    """Count the ineffectual values of bricks of rows that are stored raw, over all windows that read them.

    Parameters
    ----------
    steps : StepsRecord
    storage : StorageRecord
        In one way.
    row_bricks : RowBricksRecord
    bits : uint8
        Of an image's maps, channel by channel.
    maps : (int, int)
        The first one, and how many.
    words : RowWords
    marked : uint8, as `bits`, or of size 0
        Unless it is empty, the same bits, in which those of raw bricks are set.
    """
    (reads, uses), raw, brick, (first_map, number) = row_bricks, storage.raw, storage.brick, maps
    values, zeros, size, rows, total = words.values, words.zeros, steps.width * steps.channels, number * steps.rows, np.int64(0)
    for b in range(reads.shape[1]):
        first, length = b * brick, min(brick, size - b * brick)
        known = ~np.uint64(0) >> np.uint64(VECTOR - length)
        for m in range(number):
            for y in range(steps.rows):
                at = (first_map + m) * size * steps.rows + y * steps.width
                values[m * steps.rows + y] = _row_word(steps, bits, at, first, length) & known
                zeros[m * steps.rows + y] = 0
        for r in range(raw.shape[1]):
            least, most = np.int64(raw[0, r, 0]), np.int64(raw[0, r, 0]) + np.int64(raw[0, r, 1])
            for y in range(rows):
                count = np.int64(bits_in_both(values[y], known))
                zeros[y] |= values[y] ^ known if least <= count <= most else np.uint64(0)
        for kx in range(reads.shape[0]):
            read = reads[kx, b]
            for y in range(rows):
                total += uses[y] * np.int64(bits_in_both(zeros[y], read))
        for m in range(number if marked.size else 0):
            for y in range(steps.rows):
                word, at = zeros[m * steps.rows + y], (first_map + m) * size * steps.rows + y * steps.width
                for i in range(length):
                    if (word >> np.uint64(i)) & np.uint64(1):
                        marked[_row_value(steps, at, first + i)] = 1
    return total


@inlined_helper
def _row_word(steps: StepsRecord, bits: Bytes, at: Integer, first: Integer, length: Integer) -> np.uint64:
    """Return the bits of some values of a row, whose first one lies at `at`; what the bits behind them are nobody knows."""
    if steps.channels == 1:
        return word_at(bits, at + first)
    word = np.uint64(0)
    for i in range(length):
        word |= np.uint64(bits[_row_value(steps, at, first + i)]) << np.uint64(i)
    return word


@inlined_helper
def _row_value(steps: StepsRecord, at: Integer, value: Integer) -> Integer:
    """Return where a value of a row, x first, channel inside, lies, whose first one lies at `at`."""
    return at + value % steps.channels * steps.rows * steps.width + value // steps.channels


@helper
def find_rows(storage: StorageRecord, way: Integer, begin: Integer, bricks: Bytes, places: Integer, rows: Bytes) -> Integer:
    """Find in how many NM rows more than one each storage brick of a map lies; places are outermost in the stream.

    Parameters
    ----------
    storage : StorageRecord
    way : Integer
        How bricks are stored. With `StorageRecord.row_units`, bytes are added up, else bits one record after another.
    begin : Integer
        Where the first record begins in its row, in such units, else in bits.
    bricks : uint8 ``[bricks, room]``
        Effectual values of each brick.
    places : Integer
    rows : uint8 ``[bricks, room]``
        Set.

    Returns
    -------
    int
        Where the record after the last one begins.
    """
    row_bits = storage.row_bits[way]
    if storage.row_units[way]:
        return _find_rows_in_units(storage, way, begin, bricks, places, rows)
    for x in range(places):
        for b in range(bricks.shape[0]):
            end, touched = begin + storage.sizes[way, bricks[b, x]], 0
            while end > row_bits:
                end -= row_bits
                touched += 1
            rows[b, x] = touched
            begin = end if end < row_bits else 0
    return begin


@helper
def _find_rows_in_units(
    storage: StorageRecord, way: Integer, begin: Integer, bricks: Bytes, places: Integer, rows: Bytes
) -> Integer:
    """Do the same for `VECTOR` places at a time."""
    room, units = bricks.shape[1], storage.row_units[way]
    unit, empty, single = storage.row_bits[way] // units, storage.sizes[way, 0], storage.sizes[way, 1]
    row, least, growth = np.uint8(units), splat(np.uint8(empty // unit)), splat(np.uint8((single - empty) // unit))
    row_units, one = splat(row), splat(np.uint8(1))
    for x in range(0, places, VECTOR):
        here, together = first_places(places - x), splat(np.uint8(0))
        for b in range(bricks.shape[0]):
            size = plus(least, times(growth, load(bricks, b * room + x)))
            together = reduced(plus(together, reduced(both(size, here), row)), row)
        sums = running_sums(together, row)
        begins = reduced(plus(moved_up(sums), splat(np.uint8(begin))), row)
        begin = (begin + np.int64(last_of(sums))) % units
        for b in range(bricks.shape[0]):
            ends = plus(begins, plus(least, times(growth, load(bricks, b * room + x))))
            # 255, which takes the one away, where the end is no larger than the row.
            store(rows, b * room + x, plus(one, equal(larger(ends, row_units), row_units)))
            begins = reduced(ends, row)
    return begin
