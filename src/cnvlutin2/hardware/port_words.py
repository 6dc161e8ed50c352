"""Fields of some bits packed into ports' words of 32, as simulators take them, the least significant first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]
WORD_BITS = 32
_BLOCK_BITS = 1 << 26


class Transfers(NamedTuple):
    """What goes through a stream's port, one after another.

    Parameters
    ----------
    data, user : uint32 ``[n, words]``
        ``tdata`` and ``tuser`` of each.
    """

    data: Words
    user: Words


def words_of(bits: int) -> int:
    """Return how many words hold so many bits."""
    return -(-bits // WORD_BITS)


def as_bits(values: NDArray[np.integer] | NDArray[np.bool_], width: int) -> NDArray[np.uint8]:
    """Return the lowest `width` bits of values ``[..., k]`` (two's complement), ``[..., k * width]``; 0 or 1 each."""
    bits = (values.astype(np.int64)[..., None] >> np.arange(width)) & 1
    return bits.astype(np.uint8).reshape(*values.shape[:-1], values.shape[-1] * width)


def words_from_bits(bits: NDArray[np.uint8]) -> Words:
    """Pack bits ``[n, width]``, the first one lowest, into words ``[n, words]``."""
    packed = np.packbits(bits, axis=1, bitorder="little")
    words = np.zeros((len(packed), 4 * words_of(bits.shape[1])), np.uint8)
    words[:, : packed.shape[1]] = packed
    return words.view("<u4").astype(np.uint32, copy=False)


def bits_of_words(words: Words, width: int) -> NDArray[np.uint8]:
    """Return the lowest bits of rows of words, ``[n, width]``; 0 or 1 each."""
    as_bytes = np.ascontiguousarray(words.astype("<u4")).view(np.uint8)
    return np.unpackbits(as_bytes, axis=1, count=width, bitorder="little")


def joined_fields(fields: Sequence[tuple[NDArray[np.integer], int]]) -> Words:
    """Pack fields ``[n]`` of different widths, the first one lowest, into words ``[n, words]``."""
    return words_from_bits(np.hstack([as_bits(values[:, None], width) for values, width in fields]))


def packed(values: NDArray[np.integer] | NDArray[np.bool_], width: int) -> Words:
    """Pack fields ``[n, k]`` of `width` bits, the first one lowest, into words ``[n, words]``."""
    n, k = values.shape
    words = np.empty((n, words_of(k * width)), np.uint32)
    together = max(1, _BLOCK_BITS // (8 * max(1, k * width)))
    for first in range(0, n, together):
        words[first : first + together] = words_from_bits(as_bits(values[first : first + together], width))
    return words


def hex_lines(words: Words, bits: int) -> str:
    """Return a line of hexadecimal digits for each row of words ``[n, words]``, as ``$readmemh`` reads them."""
    digits = -(-bits // 4)
    texts = (row.astype("<u4").tobytes()[::-1].hex()[-digits:] for row in words)
    return "".join(f"{text}\n" for text in texts)
