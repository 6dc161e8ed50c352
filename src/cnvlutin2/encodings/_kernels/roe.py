"""`roe`, compiled."""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cnvlutin2.encodings._kernels.bits import (
    ONE,
    ZERO,
    Integer,
    Values,
    Word,
    Words,
    begin,
    fetch,
    low_bits,
    mark,
    popcount,
    push,
    push_values,
)
from cnvlutin2.encodings._kernels.entries import decode_entries, list_entries, offset_width, push_entries


@njit(nogil=True, forceinline=True)
def _encode(values: Values, brick: int, data_bits: int, offsets: int, high: int, low: int, words: Words, bit: int) -> Integer:
    bitmap = mark(values, high, low)
    size, width, full = Word(brick), Word(data_bits), Word(data_bits + offsets)
    most = size * width // full
    rest = size * width - most * full
    entries = np.zeros(brick + 1, np.uint32)
    index, held, filled = begin(words, bit)
    for r in range(Word(values.size // brick)):
        vector = fetch(bitmap, r * size) & low_bits(size)
        if popcount(vector) > most:
            index, held, filled = push(words, index, held, filled, ZERO, ONE)
            index, held, filled = push_values(words, index, held, filled, values, r * size, size, width)
        else:
            list_entries(values, r * size, size, width, vector, entries)
            index, held, filled = push(words, index, held, filled, ONE, ONE)
            index, held, filled = push_entries(words, index, held, filled, entries, most, full)
            index, held, filled = push(words, index, held, filled, ZERO, rest)
    words[index] = held
    return bit + values.size // brick * (1 + brick * data_bits)


@njit(nogil=True, cache=True)
def encode(
    values: Values, brick: int, data_bits: int, high: int, low: int, words: Words, bit: int, starts: NDArray[np.int64]
) -> Integer:
    """Append flags and entries, or raw values."""
    return _encode(values, brick, data_bits, offset_width(brick), high, low, words, bit)


@njit(nogil=True, cache=True)
def encode_16(
    values: Values, brick: int, data_bits: int, high: int, low: int, words: Words, bit: int, starts: NDArray[np.int64]
) -> Integer:
    """Append flags and entries, or raw values: 16 values of 16 bits."""
    return _encode(values, 16, 16, 4, high, low, words, bit)


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
    """Read either kind of brick."""
    return decode_entries(words, bit, brick, data_bits, offset_width(brick), 1, brick * data_bits, high, low, raw, values)


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
    """Read either kind of brick: 16 values of 16 bits."""
    return decode_entries(words, bit, 16, 16, 4, 1, 256, high, low, raw, values)
