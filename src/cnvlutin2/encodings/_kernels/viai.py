"""`viai`, compiled."""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cnvlutin2.encodings._kernels.bits import (
    Integer,
    Values,
    Word,
    Words,
    begin,
    clear_ineffectual,
    fault,
    fetch,
    fetch_values,
    low_bits,
    mark,
    push,
    push_values,
)
from cnvlutin2.encodings.faults import VECTOR


@njit(nogil=True, forceinline=True)
def _encode(values: Values, brick: int, data_bits: int, high: int, low: int, words: Words, bit: int) -> Integer:
    bitmap = mark(values, high, low)
    size, vector_mask = Word(brick), low_bits(Word(brick))
    index, held, filled = begin(words, bit)
    for r in range(Word(values.size // brick)):
        vector = fetch(bitmap, r * size) & vector_mask
        index, held, filled = push(words, index, held, filled, vector, size)
        index, held, filled = push_values(words, index, held, filled, values, r * size, size, Word(data_bits))
    words[index] = held
    return bit + values.size * (1 + data_bits)


@njit(nogil=True, forceinline=True)
def _decode(words: Words, bit: int, brick: int, data_bits: int, high: int, low: int, raw: bool, values: Values) -> Integer:
    size, record, vector_mask = Word(brick), Word(brick * (1 + data_bits)), low_bits(Word(brick))
    for r in range(Word(values.size // brick)):
        fetch_values(words, Word(bit) + r * record + size, values, r * size, size, Word(data_bits))
    bitmap = mark(values, high, low)
    for r in range(Word(values.size // brick)):
        if (fetch(bitmap, r * size) ^ fetch(words, Word(bit) + r * record)) & vector_mask:
            return fault(np.int64(r), VECTOR)
    if not raw:
        clear_ineffectual(values, high, low)
    return bit + values.size * (1 + data_bits)


@njit(nogil=True, cache=True)
def encode(
    values: Values, brick: int, data_bits: int, high: int, low: int, words: Words, bit: int, starts: NDArray[np.int64]
) -> Integer:
    """Append vectors and values."""
    return _encode(values, brick, data_bits, high, low, words, bit)


@njit(nogil=True, cache=True)
def encode_16(
    values: Values, brick: int, data_bits: int, high: int, low: int, words: Words, bit: int, starts: NDArray[np.int64]
) -> Integer:
    """Append vectors and values: 16 values of 16 bits."""
    return _encode(values, 16, 16, high, low, words, bit)


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
    """Read the values, and hold the vectors against them."""
    return _decode(words, bit, brick, data_bits, high, low, raw, values)


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
    """Read the values, and hold the vectors against them: 16 values of 16 bits."""
    return _decode(words, bit, 16, 16, high, low, raw, values)
