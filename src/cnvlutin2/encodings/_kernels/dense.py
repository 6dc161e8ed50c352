"""`dense`, compiled."""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cnvlutin2.encodings._kernels.bits import (
    ZERO,
    Integer,
    Values,
    Word,
    Words,
    begin,
    clear_ineffectual,
    fetch_values,
    push_values,
)


@njit(nogil=True, forceinline=True)
def _encode(values: Values, data_bits: int, words: Words, bit: int) -> Integer:
    index, held, filled = begin(words, bit)
    index, held, filled = push_values(words, index, held, filled, values, ZERO, Word(values.size), Word(data_bits))
    words[index] = held
    return bit + values.size * data_bits


@njit(nogil=True, forceinline=True)
def _decode(words: Words, bit: int, data_bits: int, high: int, low: int, raw: bool, values: Values) -> Integer:
    fetch_values(words, Word(bit), values, ZERO, Word(values.size), Word(data_bits))
    if not raw:
        clear_ineffectual(values, high, low)
    return bit + values.size * data_bits


@njit(nogil=True, cache=True)
def encode(
    values: Values, brick: int, data_bits: int, high: int, low: int, words: Words, bit: int, starts: NDArray[np.int64]
) -> Integer:
    """Append the values."""
    return _encode(values, data_bits, words, bit)


@njit(nogil=True, cache=True)
def encode_16(
    values: Values, brick: int, data_bits: int, high: int, low: int, words: Words, bit: int, starts: NDArray[np.int64]
) -> Integer:
    """Append the values: 16 values of 16 bits."""
    return _encode(values, 16, words, bit)


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
    """Read the values."""
    return _decode(words, bit, data_bits, high, low, raw, values)


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
    """Read the values: 16 values of 16 bits."""
    return _decode(words, bit, 16, high, low, raw, values)
