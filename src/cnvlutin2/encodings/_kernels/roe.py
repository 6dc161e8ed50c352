"""`roe`, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings._kernels.bits import (
    ONE,
    REFUSED,
    ZERO,
    Integer,
    Values,
    Word,
    Words,
    begin,
    clear_ineffectual,
    fetch,
    fetch_values,
    low_bits,
    mark,
    peek,
    popcount,
    push,
    push_values,
)
from cnvlutin2.encodings._kernels.entries import beyond, list_entries, offset_width, place_entries, push_entries
from cnvlutin2.simd.jit import inlined_kernel, kernel


@inlined_kernel
def encode(
    brick: int, data_bits: int, values: Values, high: int, low: int, words: Words, bit: int, starts: NDArray[np.int64]
) -> Integer:
    """Append flags and entries, or raw values."""
    bitmap, offsets = mark(values, high, low), offset_width(brick)
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
    return np.int64(bit + values.size // brick * (1 + brick * data_bits))


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
    """Read either kind of brick."""
    offsets, octets = offset_width(brick), words.view(np.uint8)
    size, width, full, room = Word(brick), Word(data_bits), Word(data_bits + offsets), Word(brick * data_bits)
    most = room // full
    rest = room - most * full
    after, wrong = bit + values.size // brick * (1 + brick * data_bits), ZERO
    if after > end:
        return REFUSED
    for r in range(Word(values.size // brick)):
        at = Word(bit) + r * (room + ONE)
        if peek(octets, at) & ONE:
            wrong |= place_entries(octets, at + ONE, most, values, r * size, size, width, Word(offsets))
            if rest:
                wrong |= peek(octets, at + ONE + most * full) & low_bits(rest)
        else:
            fetch_values(words, at + ONE, values, r * size, size, width)
    bitmap = mark(values, high, low)
    for r in range(Word(values.size // brick)):
        at = Word(bit) + r * (room + ONE)
        effectual = popcount(fetch(bitmap, r * size) & low_bits(size))
        if peek(octets, at) & ONE:
            wrong |= beyond(octets, at + ONE, most, effectual, full)
        else:
            wrong |= Word(effectual <= most)
    if wrong:
        return REFUSED
    if not raw:
        clear_ineffectual(values, high, low)
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
