"""Bits and values as NumPy arrays: what the plain NumPy path of the codecs is made of.

A field's bits run from the least significant; bit `i` of a stream is bit ``i % 8`` of byte ``i // 8``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint8]


def to_bits(values: NDArray[np.integer[Any]], width: int) -> Bits:
    """Return the `width` lowest bits of each value (at most 64), along a new last axis."""
    stored = values.astype("<u2" if width <= 16 else "<u8")[..., None].view(np.uint8)
    return np.unpackbits(stored, axis=-1, count=width, bitorder="little")


def to_unsigned(bits: Bits) -> NDArray[np.int64]:
    """Return the integers whose bits lie along the last axis (at most 62)."""
    packed = np.packbits(bits, axis=-1, bitorder="little")
    stored = np.zeros((*bits.shape[:-1], 8), np.uint8)
    stored[..., : packed.shape[-1]] = packed
    return stored.view("<i8")[..., 0].astype(np.int64, copy=False)


def to_signed(bits: Bits) -> NDArray[np.int16]:
    """Return the two's-complement integers whose bits lie along the last axis (at most 16)."""
    width = bits.shape[-1]
    unsigned = to_unsigned(bits)
    return np.asarray(unsigned - ((unsigned >> (width - 1)) << width)).astype(np.int16)


def put_bits(words: NDArray[np.uint64], bit: int, bits: Bits) -> None:
    """Write bits into a stream from `bit` on; the rest of the last byte becomes 0."""
    stored = words.view(np.uint8)
    first, kept = divmod(bit, 8)
    head = np.unpackbits(stored[first : first + 1], bitorder="little")[:kept]
    packed = np.packbits(np.concatenate([head, bits]), bitorder="little")
    stored[first : first + packed.size] = packed


def get_bits(words: NDArray[np.uint64], bit: int, end: int) -> Bits:
    """Return the bits of a stream from `bit` to before `end`."""
    first = bit // 8
    return np.unpackbits(words.view(np.uint8)[first : -(-end // 8)], bitorder="little")[bit - first * 8 : end - first * 8]


def pack(fields: NDArray[np.integer[Any]], width: int) -> bytes:
    """Return integers as fields of `width` bits (at most 62), packed without gaps."""
    return np.packbits(to_bits(fields, width).ravel(), bitorder="little").tobytes()


def unpack(data: bytes, width: int, count: int) -> NDArray[np.int64]:
    """Return `count` fields of `width` bits (at most 62)."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[: count * width]
    return to_unsigned(bits.reshape(count, width))
