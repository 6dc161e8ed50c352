"""`packed_viai`, compiled."""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cnvlutin2.encodings._kernels.bits import (
    FIFTEEN,
    FOUR,
    KEEP,
    ONE,
    ZERO,
    Integer,
    Values,
    Word,
    Words,
    begin,
    fault,
    fetch,
    fetch_values,
    low_bits,
    mark,
    popcount,
    push,
    push_values,
)
from cnvlutin2.encodings.faults import RAN_OUT, UNUSED, VECTOR


@njit(nogil=True, forceinline=True)
def _encode(
    values: Values, brick: int, data_bits: int, bitmap: Words, words: Words, bit: int, starts: NDArray[np.int64]
) -> Integer:
    size, width, vector_mask = Word(brick), Word(data_bits), low_bits(Word(brick))
    kept = np.zeros(brick + 4, np.int16)
    index, held, filled = begin(words, bit)
    at = Word(bit)
    for r in range(Word(values.size // brick)):
        starts[r] = at
        vector = fetch(bitmap, r * size) & vector_mask
        index, held, filled = push(words, index, held, filled, vector, size)
        count = ZERO
        for j in range(size):
            kept[count] = values[r * size + j]
            count += (vector >> j) & ONE
        index, held, filled = push_values(words, index, held, filled, kept, ZERO, count, width)
        bits = size + count * width
        record = (bits + FIFTEEN) & ~FIFTEEN
        index, held, filled = push(words, index, held, filled, ZERO, record - bits)
        at += record
    words[index] = held
    return np.int64(at)


@njit(nogil=True, forceinline=True)
def _encode_units(
    values: Values, brick: int, bitmap: Words, units: NDArray[np.uint16], bit: int, starts: NDArray[np.int64]
) -> Integer:
    """Encode what falls on whole 16-bit units: 16-bit values, vectors of a multiple of 16 bits."""
    size, vector_mask = Word(brick), low_bits(Word(brick))
    at = Word(bit) >> FOUR
    for r in range(Word(values.size // brick)):
        starts[r] = at << FOUR
        vector = fetch(bitmap, r * size) & vector_mask
        for j in range(size >> FOUR):
            units[at] = vector >> (j << FOUR)
            at += ONE
        for j in range(size):
            units[at] = values[r * size + j]
            at += (vector >> j) & ONE
    units[at] = 0
    return np.int64(at << FOUR)


@njit(nogil=True, cache=True)
def encode(
    values: Values, brick: int, data_bits: int, high: int, low: int, words: Words, bit: int, starts: NDArray[np.int64]
) -> Integer:
    """Append vectors and effectual values."""
    bitmap = mark(values, high, low)
    if brick % 16 == 0 and data_bits == 16:
        return _encode_units(values, brick, bitmap, words.view(np.uint16), bit, starts)
    return _encode(values, brick, data_bits, bitmap, words, bit, starts)


@njit(nogil=True, cache=True)
def encode_16(
    values: Values, brick: int, data_bits: int, high: int, low: int, words: Words, bit: int, starts: NDArray[np.int64]
) -> Integer:
    """Append vectors and effectual values: 16 values of 16 bits."""
    return _encode_units(values, 16, mark(values, high, low), words.view(np.uint16), bit, starts)


@njit(nogil=True, forceinline=True)
def _decode(
    words: Words, bit: int, end: int, brick: int, data_bits: int, values: Values, vectors: Words, starts: NDArray[np.int64]
) -> Integer:
    size, width, vector_mask = Word(brick), Word(data_bits), low_bits(Word(brick))
    kept = np.zeros(brick + 4, np.int16)
    at, stop = Word(bit), Word(end)
    for r in range(Word(values.size // brick)):
        if at + size > stop:
            return fault(np.int64(r), RAN_OUT)
        vector = fetch(words, at) & vector_mask
        starts[r] = at
        vectors[r] = vector
        count = popcount(vector)
        bits = size + count * width
        record = (bits + FIFTEEN) & ~FIFTEEN
        if at + record > stop:
            return fault(np.int64(r), RAN_OUT)
        fetch_values(words, at + size, kept, ZERO, count, width)
        if record > bits and fetch(words, at + bits) & low_bits(record - bits):
            return fault(np.int64(r), UNUSED)
        rank = ZERO
        for j in range(size):
            flag = (vector >> j) & ONE
            values[r * size + j] = np.int64(kept[rank]) & KEEP[flag]
            rank += flag
        at += record
    return np.int64(at)


@njit(nogil=True, forceinline=True)
def _decode_units(
    words: Words,
    units: Values,
    bit: int,
    end: int,
    brick: int,
    values: Values,
    vectors: Words,
    starts: NDArray[np.int64],
) -> Integer:
    """Decode what falls on whole 16-bit units."""
    size, vector_mask = Word(brick), low_bits(Word(brick))
    at, stop = Word(bit), Word(end)
    for r in range(Word(values.size // brick)):
        if at + size > stop:
            return fault(np.int64(r), RAN_OUT)
        vector = fetch(words, at) & vector_mask
        starts[r] = at
        vectors[r] = vector
        at += size
        rank = at >> FOUR
        at += popcount(vector) << FOUR
        if at > stop:
            return fault(np.int64(r), RAN_OUT)
        for j in range(size):
            flag = (vector >> j) & ONE
            values[r * size + j] = np.int64(units[rank]) & KEEP[flag]
            rank += flag
    return np.int64(at)


@njit(nogil=True, forceinline=True)
def _agree(values: Values, brick: int, high: int, low: int, vectors: Words, after: Integer) -> Integer:
    """Hold the vectors against the values."""
    if after < 0:
        return after
    bitmap = mark(values, high, low)
    size, vector_mask = Word(brick), low_bits(Word(brick))
    for r in range(Word(vectors.size)):
        if (fetch(bitmap, r * size) ^ vectors[r]) & vector_mask:
            return fault(np.int64(r), VECTOR)
    return after


@njit(nogil=True, cache=True)
def decode(
    words: Words,
    bit: int,
    end: int,
    brick: int,
    data_bits: int,
    high: int,
    low: int,
    raw: bool,
    values: Values,
    starts: NDArray[np.int64],
) -> Integer:
    """Read the effectual values to their places, and hold the vectors against them."""
    vectors = np.empty(values.size // brick, np.uint64)
    if brick % 16 == 0 and data_bits == 16:
        after = _decode_units(words, words.view(np.int16), bit, end, brick, values, vectors, starts)
    else:
        after = _decode(words, bit, end, brick, data_bits, values, vectors, starts)
    return _agree(values, brick, high, low, vectors, after)


@njit(nogil=True, cache=True)
def decode_16(
    words: Words,
    bit: int,
    end: int,
    brick: int,
    data_bits: int,
    high: int,
    low: int,
    raw: bool,
    values: Values,
    starts: NDArray[np.int64],
) -> Integer:
    """Read the effectual values to their places, and hold the vectors against them: 16 values of 16 bits."""
    vectors = np.empty(values.size // 16, np.uint64)
    after = _decode_units(words, words.view(np.int16), bit, end, 16, values, vectors, starts)
    return _agree(values, 16, high, low, vectors, after)
