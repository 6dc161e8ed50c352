"""Bits in and out of a stream of 64-bit words, least significant first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd.jit import helper, inlined_helper, making_helper

Word = np.uint64
Words = NDArray[np.uint64]
Values = NDArray[np.int16]
Octets = NDArray[np.uint8]
Integer = int | np.int64

REFUSED = np.int64(-1)
"""What a decoder returns for a stream that no encoder can have written."""

KEEP = np.array([0, -1], np.int64)
"""A mask for each flag."""

ZERO, ONE, TWO, THREE, FOUR, EIGHT, FIFTEEN, WORD_BITS = (Word(n) for n in (0, 1, 2, 3, 4, 8, 15, 64))
_SIX, _LAST, _SEVEN = Word(6), Word(63), Word(7)
_ALL = Word(0xFFFF_FFFF_FFFF_FFFF)
_GATHER, _TOP_BYTE = Word(0x0102_0408_1020_4080), Word(56)
_PAIRS, _QUADS, _NIBBLES, _ONES = (
    Word(n) for n in (0x5555_5555_5555_5555, 0x3333_3333_3333_3333, 0x0F0F_0F0F_0F0F_0F0F, 0x0101_0101_0101_0101)
)


@helper
def low_bits(count: Word) -> Word:
    """Return a mask of the `count` lowest bits, 1 to 64."""
    return _ALL >> (WORD_BITS - count)


@helper
def begin(words: Words, bit: int) -> tuple[Word, Word, Word]:
    """Return where to append: the word's number, its bits so far, and how many these are."""
    index, filled = Word(bit) >> _SIX, Word(bit) & _LAST
    return index, words[index] & ((ONE << filled) - ONE), filled


@helper
def push(words: Words, index: Word, held: Word, filled: Word, field: Word, width: Word) -> tuple[Word, Word, Word]:
    """Append a field of at most 64 bits; the word is written whether it is full or not."""
    held |= field << filled
    words[index] = held
    after = filled + width
    if after >= WORD_BITS:
        # In two steps, for a shift by 64 is undefined.
        return index + ONE, (field >> ONE) >> (_LAST - filled), after - WORD_BITS
    return index, held, after


@helper
def fetch(words: Words, bit: Word) -> Word:
    """Return the 64 bits from `bit` on."""
    index, shift = bit >> _SIX, bit & _LAST
    return Word((words[index] >> shift) | ((words[index + ONE] << ONE) << (_LAST - shift)))


@inlined_helper
def peek(octets: Octets, bit: Word) -> Word:
    """Return at least 57 bits from `bit` on, in which zeros follow; the compiler makes a single load of it."""
    at, word = bit >> THREE, ZERO
    for i in range(EIGHT):
        word |= Word(octets[at + i]) << (i << THREE)
    return word >> (bit & _SEVEN)


@helper
def popcount(word: Word) -> Word:
    """Return the number of bits that are 1 (the compiler recognises the pattern as one instruction)."""
    word = word - ((word >> ONE) & _PAIRS)
    word = (word & _QUADS) + ((word >> TWO) & _QUADS)
    word = (word + (word >> FOUR)) & _NIBBLES
    return (word * _ONES) >> _TOP_BYTE


@making_helper
def mark(values: Values, high: int, low: int) -> Words:
    """Return which values are effectual, a bit each, in words (two more than they need)."""
    count = values.size
    words = -(-count // 64)
    flags = np.empty(words * 64, np.uint8)
    for i in range(count):
        flags[i] = (values[i] > high) | (values[i] < low)
    flags[count:] = 0
    eights = flags.view(np.uint64)
    bitmap = np.zeros(words + 2, np.uint64)
    for w in range(Word(words)):
        word = ZERO
        for j in range(EIGHT):
            # The multiplication brings the lowest bit of byte i to bit 56 + i.
            word |= ((eights[w * EIGHT + j] * _GATHER) >> _TOP_BYTE) << (j * EIGHT)
        bitmap[w] = word
    return bitmap


@helper
def clear_ineffectual(values: Values, high: int, low: int) -> None:
    """Set ineffectual values to 0."""
    if high == 0 and low == 0:
        return  # they are
    for i in range(values.size):
        value = values[i]
        values[i] = value if (value > high) | (value < low) else 0  # stored in any case, so that it can be vectorised


@inlined_helper
def push_values(
    words: Words, index: Word, held: Word, filled: Word, values: Values, first: Word, count: Word, width: Word
) -> tuple[Word, Word, Word]:
    """Append `count` values of `width` bits, four at a time."""
    mask = low_bits(width)
    i, last = first, first + count
    while i + THREE < last:
        field = Word(values[i]) & mask
        field |= (Word(values[i + ONE]) & mask) << width
        field |= (Word(values[i + TWO]) & mask) << (TWO * width)
        field |= (Word(values[i + THREE]) & mask) << (THREE * width)
        index, held, filled = push(words, index, held, filled, field, FOUR * width)
        i += FOUR
    while i < last:
        index, held, filled = push(words, index, held, filled, Word(values[i]) & mask, width)
        i += ONE
    return index, held, filled


@inlined_helper
def fetch_values(words: Words, bit: Word, values: Values, first: Word, count: Word, width: Word) -> None:
    """Read `count` values of `width` bits, four at a time, with their signs."""
    up = WORD_BITS - width
    down = np.int64(up)
    i, last = first, first + count
    while i + THREE < last:
        field = fetch(words, bit)
        values[i] = np.int64(field << up) >> down
        field >>= width
        values[i + ONE] = np.int64(field << up) >> down
        field >>= width
        values[i + TWO] = np.int64(field << up) >> down
        field >>= width
        values[i + THREE] = np.int64(field << up) >> down
        bit += FOUR * width
        i += FOUR
    while i < last:
        values[i] = np.int64(fetch(words, bit) << up) >> down
        bit += width
        i += ONE
