"""What a format is: sizes, rows, encoding and decoding of bricks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.integer[Any]]
"""Effectual values of each storage brick of one image: any shape whose C order is the storage order."""

POINTER_UNIT_BITS = 16
"""What the indirection array counts in."""


class Format(ABC):
    """One way to store bricks. Sizes follow from the bricks' effectual counts alone; instances hold no state.

    In every method `brick` is the values a brick (2 to 64) and `data_bits` the bits of a value (2 to 16).
    """

    name: ClassVar[str]
    keeps_raw: ClassVar[bool] = False
    """Whether ineffectual values may be stored as they were."""
    indirect: ClassVar[bool] = False
    """Whether bricks are found through an indirection array."""

    @abstractmethod
    def brick_bits(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.int64]:
        """Return the stored bits of each brick, in the shape of `counts`."""

    def rows_touched(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.uint8]:
        """Return the NM rows that fetching each brick touches, in the shape of `counts`.

        A brick of fixed size has a row of its own; `counts` must be those of a whole stream where it has not.
        """
        return np.ones(counts.shape, np.uint8)

    def raw_bricks(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.bool_]:
        """Return which bricks are stored raw, without offsets, by a format that has both kinds."""
        return np.zeros(counts.shape, np.bool_)

    def stream_bits(self, counts: Counts, brick: int, data_bits: int) -> int:
        """Return the bits of the whole stream, without pointers."""
        return int(self.brick_bits(counts, brick, data_bits).sum(dtype=np.int64))

    def pointer_bits(self, counts: Counts, brick: int, data_bits: int) -> int:
        """Return the bits of one pointer; 0 without an indirection array."""
        if not self.indirect:
            return 0
        return pointer_width(self.stream_bits(counts, brick, data_bits))

    def pointer_count(self, bricks: int, pointer_group: int) -> int:
        """Return the pointers of the indirection array: one for every `pointer_group` bricks, or none."""
        return -(-bricks // pointer_group) if self.indirect else 0

    def total_bits(self, counts: Counts, brick: int, data_bits: int, pointer_group: int = 1) -> int:
        """Return the bits of the stream and its pointers."""
        pointers = self.pointer_count(counts.size, pointer_group)
        return self.stream_bits(counts, brick, data_bits) + pointers * self.pointer_bits(counts, brick, data_bits)


def pointer_width(stream_bits: int) -> int:
    """Bits of a pointer into a stream: ``max(1, ceil(log2(16-bit units in the stream)))``."""
    return max(1, (stream_bits // POINTER_UNIT_BITS - 1).bit_length())


def fixed(counts: Counts, bits: int) -> NDArray[np.int64]:
    """Return one size for every brick."""
    return np.full(counts.shape, bits, np.int64)
