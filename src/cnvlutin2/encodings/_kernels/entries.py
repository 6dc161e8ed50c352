"""The (value, offset) entries of `zfnaf` and `roe`, compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings._kernels.bits import ONE, TWO, WORD_BITS, ZERO, Octets, Values, Word, Words, low_bits, peek, push
from cnvlutin2.simd.jit import inlined_making_helper, making_helper


@making_helper
def offset_width(brick: int) -> int:
    """Bits of an offset: ``max(1, ceil(log2(brick)))``."""
    bits = 1
    while 1 << bits < brick:
        bits += 1
    return bits


@inlined_making_helper
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


@inlined_making_helper
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


@inlined_making_helper
def clear(values: Values, first: Word, count: Word) -> None:
    """Set some values to 0."""
    for j in range(count):
        values[first + j] = 0


@inlined_making_helper
def _place(entry: Word, values: Values, first: Word, size: Word, width: Word, wrong: Word) -> Word:
    """Bring an entry's value to its place; return `wrong`, not 0 if there is none."""
    offset, up = entry >> width, WORD_BITS - width
    values[first + min(offset, size - ONE)] = np.int64(entry << up) >> np.int64(up)
    return wrong | Word(offset >= size)


@inlined_making_helper
def _place_pairs(
    octets: Octets,
    bit: Word,
    count: Word,
    values: Values,
    first: Word,
    size: Word,
    width: Word,
    full: Word,
    after: Word,
    descents: Word,
    wrong: Word,
) -> tuple[Word, Word, Word]:
    """Bring an even number of entries to their places, the last first, two to a fetch."""
    mask, j = low_bits(full), count
    while j > ZERO:
        j -= TWO
        pair = peek(octets, bit + j * full)
        two, one = (pair >> full) & mask, pair & mask
        wrong = _place(two, values, first, size, width, wrong)
        wrong = _place(one, values, first, size, width, wrong)
        descents += Word(two > after) + Word(one > two)
        after = one
    return after, descents, wrong


@inlined_making_helper
def place_entries(
    octets: Octets, bit: Word, count: Word, values: Values, first: Word, size: Word, width: Word, offsets: Word
) -> Word:
    """Bring the entries of a record to their places in a brick; the others become 0.

    The only branch that depends on the data is whether the second half is empty: as many as there are entries would mispredict
    in every brick. The last entry comes first, for an empty one puts a zero where the one with offset 0 belongs.

    Returns
    -------
    Word
        Not 0 if the entries do not ascend, one points beyond the brick, or one stands after an empty one. It may still be that
        two go to the same place, or one is not effectual: see `beyond`.
    """
    full = width + offsets
    # From the first entry to the zero after the last there is one way down, unless all are zero: offsets are the highest bits,
    # so that entries ascend where offsets do.
    after, descents, wrong = ZERO, ZERO, ZERO
    half, some = Word(count >> TWO << ONE), ZERO
    for j in range(size):
        values[first + j] = 0
    place = half
    while place < count:
        some |= peek(octets, bit + place * full) & low_bits(full + full if place + ONE < count else full)
        place += TWO
    if some:
        upper = Word(count - half)
        if upper & ONE:
            upper -= ONE
            after = peek(octets, bit + (half + upper) * full) & low_bits(full)
            wrong = _place(after, values, first, size, width, wrong)
            descents = Word(after != ZERO)
        after, descents, wrong = _place_pairs(
            octets, bit + half * full, upper, values, first, size, width, full, after, descents, wrong
        )
    after, descents, wrong = _place_pairs(octets, bit, half, values, first, size, width, full, after, descents, wrong)
    return wrong | (descents ^ Word(after != ZERO))


@inlined_making_helper
def beyond(octets: Octets, bit: Word, count: Word, effectual: Word, full: Word) -> Word:
    """Return the first of a record's entries that is none if there are as many as effectual values in its brick.

    One more means that two went to the same place, or that one is not effectual.
    """
    return peek(octets, bit + effectual * full) & low_bits(full) if effectual < count else ZERO
