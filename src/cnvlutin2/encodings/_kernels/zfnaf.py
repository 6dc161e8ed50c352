"""`zfnaf`, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings._kernels.bits import REFUSED, ZERO, Integer, Values, Word, Words, begin, fetch, low_bits, mark, popcount
from cnvlutin2.encodings._kernels.entries import beyond, list_entries, offset_width, place_entries, push_entries
from cnvlutin2.simd.jit import inlined_kernel, kernel


@inlined_kernel
def encode(
    brick: int, data_bits: int, values: Values, high: int, low: int, words: Words, bit: int, starts: NDArray[np.int64]
) -> Integer:
    """Append entries."""
    bitmap, offsets = mark(values, high, low), offset_width(brick)
    size, width, full = Word(brick), Word(data_bits), Word(data_bits + offsets)
    entries = np.zeros(brick + 1, np.uint32)
    index, held, filled = begin(words, bit)
    for r in range(Word(values.size // brick)):
        list_entries(values, r * size, size, width, fetch(bitmap, r * size), entries)
        index, held, filled = push_entries(words, index, held, filled, entries, size, full)
    words[index] = held
    return np.int64(bit + values.size * (data_bits + offsets))


@inlined_kernel
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
    """Read the entries to their places."""
    offsets, octets = offset_width(brick), words.view(np.uint8)
    size, width, full = Word(brick), Word(data_bits), Word(data_bits + offsets)
    after, wrong = bit + values.size * (data_bits + offsets), ZERO
    if after > end:
        return REFUSED
    for r in range(Word(values.size // brick)):
        wrong |= place_entries(octets, Word(bit) + r * size * full, size, values, r * size, size, width, Word(offsets))
    bitmap = mark(values, high, low)
    for r in range(Word(values.size // brick)):
        effectual = popcount(fetch(bitmap, r * size) & low_bits(size))
        wrong |= beyond(octets, Word(bit) + r * size * full, size, effectual, full)
    if wrong:
        return REFUSED
    return np.int64(after)


@kernel
def encode_16x16(brick: int, data_bits: int, *rest: Any) -> Integer:
    """Encode 16 values of 16 bits."""
    return encode(16, 16, *rest)


@kernel
def encode_16x8(brick: int, data_bits: int, *rest: Any) -> Integer:
    """Encode 16 values of 8 bits."""
    return encode(16, 8, *rest)


@kernel
def decode_16x16(brick: int, data_bits: int, *rest: Any) -> Integer:
    """Decode 16 values of 16 bits."""
    return decode(16, 16, *rest)


@kernel
def decode_16x8(brick: int, data_bits: int, *rest: Any) -> Integer:
    """Decode 16 values of 8 bits."""
    return decode(16, 8, *rest)
