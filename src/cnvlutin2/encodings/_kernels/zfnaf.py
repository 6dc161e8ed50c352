"""`zfnaf`, compiled."""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cnvlutin2.encodings._kernels.bits import Integer, Values, Word, Words, begin, fetch, mark
from cnvlutin2.encodings._kernels.entries import decode_entries, list_entries, offset_width, push_entries


@njit(nogil=True, forceinline=True)
def _encode(values: Values, brick: int, data_bits: int, offsets: int, high: int, low: int, words: Words, bit: int) -> Integer:
    bitmap = mark(values, high, low)
    size, width, full = Word(brick), Word(data_bits), Word(data_bits + offsets)
    entries = np.zeros(brick + 1, np.uint32)
    index, held, filled = begin(words, bit)
    for r in range(Word(values.size // brick)):
        list_entries(values, r * size, size, width, fetch(bitmap, r * size), entries)
        index, held, filled = push_entries(words, index, held, filled, entries, size, full)
    words[index] = held
    return bit + values.size * (data_bits + offsets)


@njit(nogil=True, cache=True)
def encode(
    values: Values, brick: int, data_bits: int, high: int, low: int, words: Words, bit: int, starts: NDArray[np.int64]
) -> Integer:
    """Append entries."""
    return _encode(values, brick, data_bits, offset_width(brick), high, low, words, bit)


@njit(nogil=True, cache=True)
def encode_16(
    values: Values, brick: int, data_bits: int, high: int, low: int, words: Words, bit: int, starts: NDArray[np.int64]
) -> Integer:
    """Append entries: 16 values of 16 bits."""
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
    """Read the entries to their places."""
    offsets = offset_width(brick)
    return decode_entries(words, bit, brick, data_bits, offsets, 0, brick * (data_bits + offsets), high, low, raw, values)


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
    """Read the entries to their places: 16 values of 16 bits."""
    return decode_entries(words, bit, 16, 16, 4, 0, 320, high, low, raw, values)
