"""The (value, offset) entries of `zfnaf` and `roe`, compiled.

A record is a flag (`roe` only) and room for entries. The loops over a record's entries stand in one function with those over the
records: passing the arrays on for every record would count references, which costs as much as decoding a sparse brick.
"""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cnvlutin2.encodings._kernels.bits import (
    FOUR,
    KEEP,
    ONE,
    WORD_BITS,
    ZERO,
    Integer,
    Values,
    Word,
    Words,
    count_effectual,
    count_ones,
    fault,
    fetch,
    low_bits,
    popcount,
    push,
)
from cnvlutin2.encodings.faults import ENTRY, FLAG, OFFSET, UNUSED


@njit(nogil=True, cache=True)
def offset_width(brick: int) -> int:
    """Bits of an offset: ``max(1, ceil(log2(brick)))``."""
    bits = 1
    while 1 << bits < brick:
        bits += 1
    return bits


@njit(nogil=True, forceinline=True)
def list_entries(values: Values, first: Word, size: Word, width: Word, vector: Word, entries: NDArray[np.uint32]) -> Word:
    """List a brick's effectual (value, offset) entries, the rest zero, and return how many they are."""
    mask = low_bits(width)
    for j in range(size):
        entries[j] = 0
    count = ZERO
    for j in range(size):
        # An ineffectual value's entry is overwritten by the next; only the one after the last is left behind.
        entries[count] = (Word(values[first + j]) & mask) | (j << width)
        count += (vector >> j) & ONE
    entries[count] = 0
    return count


@njit(nogil=True, forceinline=True)
def push_entries(
    words: Words, index: Word, held: Word, filled: Word, entries: NDArray[np.uint32], count: Word, width: Word
) -> tuple[Word, Word, Word]:
    """Append entries of `width` bits (at most 22), two at a time."""
    for j in range(count >> ONE):
        field = Word(entries[j + j]) | (Word(entries[j + j + ONE]) << width)
        index, held, filled = push(words, index, held, filled, field, width + width)
    if count & ONE:
        index, held, filled = push(words, index, held, filled, Word(entries[count - ONE]), width)
    return index, held, filled


@njit(nogil=True, forceinline=True)
def decode_entries(
    words: Words,
    bit: int,
    brick: int,
    data_bits: int,
    offsets: int,
    flags: int,
    room: int,
    high: int,
    low: int,
    raw: bool,
    values: Values,
) -> Integer:
    """Read records of `flags` (0 or 1) and `room` bits to their places.

    That the entries are effectual, and that no other bit is 1, is found from sums over the chunk: effectual values against
    entries, 1 bits of the stream against those of the entries and of the raw bricks.
    """
    size, width, full = Word(brick), Word(data_bits), Word(data_bits + offsets)
    record = Word(flags + room)
    most = Word(room) // full
    up, mask = WORD_BITS - width, low_bits(full)
    down = np.int64(up)
    entries, ones, kept = ZERO, ZERO, Word(raw)
    for r in range(Word(values.size // brick)):
        at, first = Word(bit) + r * record + Word(flags), r * size
        if flags and fetch(words, at - ONE) & ONE == ZERO:
            effectual = ZERO
            four = ZERO
            for j in range(size):
                if j % FOUR == ZERO:
                    four = fetch(words, at + j * width)
                value = np.int16(np.int64(four << up) >> down)
                four >>= width
                flag = Word((value > high) | (value < low))
                values[first + j] = np.int64(value) & KEEP[flag | kept]
                effectual += flag
            if effectual <= most:
                return fault(np.int64(r), FLAG)
            entries += effectual
            ones += count_ones(words, at, record - ONE)
            continue
        ones += Word(flags)
        before, last = np.int64(-1), at + most * full
        for j in range(size):
            values[first + j] = 0
        while at < last:  # two entries to a fetch
            pair = fetch(words, at)
            entry = pair & mask
            if entry == ZERO:
                break
            offset = entry >> width
            if (np.int64(offset) <= before) | (offset >= size):
                return fault(np.int64(r), OFFSET)
            values[first + offset] = np.int64(entry << up) >> down
            before = np.int64(offset)
            entries += ONE
            ones += popcount(entry)
            at += full
            entry = (pair >> full) & mask
            if (entry == ZERO) | (at >= last):
                break
            offset = entry >> width
            if (np.int64(offset) <= before) | (offset >= size):
                return fault(np.int64(r), OFFSET)
            values[first + offset] = np.int64(entry << up) >> down
            before = np.int64(offset)
            entries += ONE
            ones += popcount(entry)
            at += full
    records = values.size // brick
    total = records * (flags + room)
    if entries != count_effectual(values, high, low) or ones != count_ones(words, Word(bit), Word(total)):
        return _blame(words, bit, size, width, full, Word(flags), record, high, low, values)
    return bit + total


@njit(nogil=True, cache=True)
def _blame(
    words: Words, bit: int, size: Word, width: Word, full: Word, flags: Word, record: Word, high: int, low: int, values: Values
) -> Integer:
    """Return the first fault among records whose sums do not agree, though their offsets ascend."""
    for r in range(Word(values.size) // size):
        at, end = Word(bit) + r * record + flags, Word(bit) + (r + ONE) * record
        if flags and fetch(words, at - ONE) & ONE == ZERO:
            continue
        effectual = count_effectual(values[r * size : (r + ONE) * size], high, low)
        if count_ones(words, at + effectual * full, end - at - effectual * full):
            # An entry that holds an ineffectual value pushes the last ones beyond the count.
            entry = fetch(words, at + effectual * full) & low_bits(full)
            inside = effectual < (end - at) // full
            return fault(np.int64(r), ENTRY if inside and entry else UNUSED)
    return fault(0, ENTRY)
