"""`packed_viai`, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings._kernels.bits import (
    FIFTEEN,
    KEEP,
    ONE,
    REFUSED,
    ZERO,
    Integer,
    Values,
    Word,
    Words,
    begin,
    fetch,
    fetch_values,
    low_bits,
    mark,
    popcount,
    push,
    push_values,
)
from cnvlutin2.simd.jit import inlined_making_helper, kernel

_EIGHT, _SIXTEEN = Word(8), Word(16)


@kernel
def encode(
    brick: int, data_bits: int, values: Values, high: int, low: int, words: Words, bit: int, starts: NDArray[np.int64]
) -> Integer:
    """Append vectors and effectual values."""
    bitmap = mark(values, high, low)
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


@inlined_making_helper
def _encode_units(
    unit_bits: Word, values: Values, high: int, low: int, units: NDArray[Any], bit: int, starts: NDArray[np.int64]
) -> Integer:
    """Encode 16 values as wide as a unit, one or two bytes, on which all then falls."""
    bitmap = mark(values, high, low)
    last = _SIXTEEN // unit_bits - ONE
    at = Word(bit) // unit_bits
    for r in range(Word(values.size // 16)):
        starts[r] = at * unit_bits
        vector = fetch(bitmap, r * _SIXTEEN)
        for j in range(_SIXTEEN // unit_bits):
            units[at] = vector >> (j * unit_bits)
            at += ONE
        for j in range(_SIXTEEN):
            units[at] = values[r * _SIXTEEN + j]
            at += (vector >> j) & ONE
        units[at] = 0
        at = (at + last) & ~last
    return np.int64(at * unit_bits)


@kernel
def encode_16x16(
    brick: int, data_bits: int, values: Values, high: int, low: int, words: Words, bit: int, starts: NDArray[np.int64]
) -> Integer:
    """Encode 16 values of 16 bits."""
    return _encode_units(_SIXTEEN, values, high, low, words.view(np.uint16), bit, starts)


@kernel
def encode_16x8(
    brick: int, data_bits: int, values: Values, high: int, low: int, words: Words, bit: int, starts: NDArray[np.int64]
) -> Integer:
    """Encode 16 values of 8 bits."""
    return _encode_units(_EIGHT, values, high, low, words.view(np.uint8), bit, starts)


@kernel
def decode(
    brick: int,
    data_bits: int,
    words: Words,
    bit: int,
    end: int,
    high: int,
    low: int,
    raw: bool,
    values: Values,
    starts: NDArray[np.int64],
) -> Integer:
    """Read the effectual values to their places, and hold the vectors against them."""
    size, width, vector_mask = Word(brick), Word(data_bits), low_bits(Word(brick))
    kept = np.zeros(brick + 4, np.int16)
    vectors = np.empty(values.size // brick, np.uint64)
    at, stop, wrong = Word(bit), Word(end), ZERO
    for r in range(Word(values.size // brick)):
        if at + size > stop:
            return REFUSED
        vector = fetch(words, at) & vector_mask
        starts[r] = at
        vectors[r] = vector
        count = popcount(vector)
        bits = size + count * width
        record = (bits + FIFTEEN) & ~FIFTEEN
        if at + record > stop:
            return REFUSED
        fetch_values(words, at + size, kept, ZERO, count, width)
        if record > bits:
            wrong |= fetch(words, at + bits) & low_bits(record - bits)
        rank = ZERO
        for j in range(size):
            flag = (vector >> j) & ONE
            values[r * size + j] = np.int64(kept[rank]) & KEEP[flag]
            rank += flag
        at += record
    return REFUSED if wrong or _disagree(values, brick, high, low, vectors) else np.int64(at)


@inlined_making_helper
def _decode_units(
    unit_bits: Word,
    words: Words,
    units: NDArray[Any],
    bit: int,
    end: int,
    high: int,
    low: int,
    values: Values,
    starts: NDArray[np.int64],
) -> Integer:
    """Decode 16 values as wide as a unit, as of `_encode_units`."""
    vectors = np.empty(values.size // 16, np.uint64)
    last = _SIXTEEN // unit_bits - ONE
    at, stop, wrong = Word(bit) // unit_bits, Word(end) // unit_bits, ZERO
    for r in range(Word(values.size // 16)):
        rank = at + _SIXTEEN // unit_bits
        if rank > stop:
            return REFUSED
        vector = fetch(words, at * unit_bits) & low_bits(_SIXTEEN)
        starts[r] = at * unit_bits
        vectors[r] = vector
        at = (rank + popcount(vector) + last) & ~last
        if at > stop:
            return REFUSED
        for j in range(_SIXTEEN):
            flag = (vector >> j) & ONE
            values[r * _SIXTEEN + j] = np.int64(units[rank]) & KEEP[flag]
            rank += flag
        wrong |= Word(units[rank]) & Word(KEEP[at - rank])  # padding
    return REFUSED if wrong or _disagree(values, 16, high, low, vectors) else np.int64(at * unit_bits)


@inlined_making_helper
def _disagree(values: Values, brick: int, high: int, low: int, vectors: Words) -> Word:
    """Return not 0 if a vector does not say which values are effectual."""
    bitmap, wrong = mark(values, high, low), ZERO
    for r in range(Word(vectors.size)):
        wrong |= (fetch(bitmap, r * Word(brick)) ^ vectors[r]) & low_bits(Word(brick))
    return wrong


@kernel
def decode_16x16(
    brick: int,
    data_bits: int,
    words: Words,
    bit: int,
    end: int,
    high: int,
    low: int,
    raw: bool,
    values: Values,
    starts: NDArray[np.int64],
) -> Integer:
    """Decode 16 values of 16 bits."""
    return _decode_units(_SIXTEEN, words, words.view(np.int16), bit, end, high, low, values, starts)


@kernel
def decode_16x8(
    brick: int,
    data_bits: int,
    words: Words,
    bit: int,
    end: int,
    high: int,
    low: int,
    raw: bool,
    values: Values,
    starts: NDArray[np.int64],
) -> Integer:
    """Decode 16 values of 8 bits."""
    return _decode_units(_EIGHT, words, words.view(np.int8), bit, end, high, low, values, starts)
