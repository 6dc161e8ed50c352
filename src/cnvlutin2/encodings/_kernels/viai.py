"""`viai`, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings._kernels.bits import (
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
    push,
    push_values,
)
from cnvlutin2.simd.jit import inlined_kernel, kernel


@inlined_kernel
def encode(
    brick: int, data_bits: int, values: Values, high: int, low: int, words: Words, bit: int, starts: NDArray[np.int64]
) -> Integer:
    """Append vectors and values."""
    bitmap = mark(values, high, low)
    size, vector_mask = Word(brick), low_bits(Word(brick))
    index, held, filled = begin(words, bit)
    for r in range(Word(values.size // brick)):
        vector = fetch(bitmap, r * size) & vector_mask
        index, held, filled = push(words, index, held, filled, vector, size)
        index, held, filled = push_values(words, index, held, filled, values, r * size, size, Word(data_bits))
    words[index] = held
    return np.int64(bit + values.size * (1 + data_bits))


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
    """Read the values, and hold the vectors against them."""
    after = bit + values.size * (1 + data_bits)
    if after > end:
        return REFUSED
    size, record, vector_mask = Word(brick), Word(brick * (1 + data_bits)), low_bits(Word(brick))
    for r in range(Word(values.size // brick)):
        fetch_values(words, Word(bit) + r * record + size, values, r * size, size, Word(data_bits))
    bitmap, wrong = mark(values, high, low), ZERO
    for r in range(Word(values.size // brick)):
        wrong |= (fetch(bitmap, r * size) ^ fetch(words, Word(bit) + r * record)) & vector_mask
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
