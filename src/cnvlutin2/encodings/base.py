"""What a format is: sizes, rows, encoding and decoding of bricks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings.bitfields import Bits
from cnvlutin2.simd import uses_numba

Counts = NDArray[np.integer[Any]]
"""Effectual values of each storage brick of one image: any shape whose C order is the storage order."""

POINTER_UNIT_BITS = 16
"""What the indirection array counts in."""


class Format(ABC):
    """One way to store bricks. Sizes follow from the bricks' effectual counts alone; instances hold no state.

    In every method `brick` is the values a brick (2 to 64) and `data_bits` the bits of a value (2 to 16).
    """

    name: ClassVar[str]
    rank: ClassVar[int] = 100
    """Where it stands in lists of formats."""
    keeps_raw: ClassVar[bool] = False
    """Whether ineffectual values may be stored as they were."""
    indirect: ClassVar[bool] = False
    """Whether bricks are found through an indirection array; they may then lie in several NM rows."""
    marks: ClassVar[bool] = True
    """Whether what is stored tells which values are effectual: an encoder has to write it, a detector need not find it."""
    mixed: ClassVar[bool] = False
    """Whether some bricks are stored raw all the same, without marks; `raw_bricks` says which."""
    lists_offsets: ClassVar[bool] = False
    """Whether marks are offsets beside the values, rather than a vector that offsets are to be found in."""

    @abstractmethod
    def brick_bits(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.int64]:
        """Return the stored bits of each brick, in the shape of `counts`."""

    @abstractmethod
    def parts(self, counts: Counts, brick: int, data_bits: int) -> dict[str, int]:
        """Return what the bits of a whole stream are spent on; the parts add up to `stream_bits`.

        The usual keys are ``values`` (fill and ineffectual values that are stored too), ``vectors``, ``offsets``, ``flags``
        and ``unused`` (entries and padding without content).
        """

    @abstractmethod
    def to_records(self, bricks: NDArray[np.int16], effectual: NDArray[np.bool_], data_bits: int) -> Bits:
        """Return the records' bits, ``[n, most bits of a record]``; those after a record's own are not looked at.

        Parameters
        ----------
        bricks : int16 ``[n, brick]``
        effectual : bool ``[n, brick]``
        """

    @abstractmethod
    def from_records(
        self, records: Bits, brick: int, data_bits: int, threshold: int
    ) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
        """Return bricks as they are stored, ``[n, brick]``, and what is wrong with each (`cnvlutin2.encodings.faults`, or 0).

        `records` is like the result of `to_records`, with whatever follows in the stream after a shorter record.
        """

    def starts(self, stream: Bits, records: int, brick: int, data_bits: int) -> NDArray[np.int64]:
        """Return the first bit of each record and of what follows the last, ``[records + 1]``."""
        bits = int(self.brick_bits(np.zeros(1, np.int64), brick, data_bits)[0])
        return np.arange(records + 1, dtype=np.int64) * bits

    def extreme_bits(self, brick: int, data_bits: int) -> tuple[int, int]:
        """Return the bits of the smallest and of the largest record."""
        bits = brick_sizes(self, brick, data_bits)
        return int(bits.min()), int(bits.max())

    def most_bits(self, brick: int, data_bits: int) -> int:
        """Return the bits of the largest record."""
        return self.extreme_bits(brick, data_bits)[1]

    def rows_touched(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.uint8]:
        """Return the NM rows that fetching each brick touches, in the shape of `counts`, which are those of a whole stream.

        A brick that is found without pointers has a row of its own. Others follow each other without gaps, in rows of
        ``B * b + B`` bits; the stream starts one.
        """
        if not self.indirect:
            return np.ones(counts.shape, np.uint8)
        sizes, row_bits = brick_sizes(self, brick, data_bits), brick * data_bits + brick
        if not uses_numba():
            bits = sizes[counts]
            ends = np.cumsum(bits).reshape(bits.shape)
            return ((ends - 1) // row_bits - (ends - bits) // row_bits + 1).astype(np.uint8)
        from cnvlutin2.encodings._kernels.streams import stream_rows

        in_order = counts if counts.ndim == 3 else counts.reshape(1, -1, counts.shape[-1])
        rows = np.empty_like(in_order, np.uint8)
        stream_rows(in_order.astype(np.uint8, copy=False), sizes, row_bits, rows)
        return rows.reshape(counts.shape)

    @property
    def own_rows(self) -> bool:
        """Whether it says otherwise which rows its bricks lie in."""
        return type(self).rows_touched is not Format.rows_touched

    def raw_bricks(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.bool_]:
        """Return which bricks are stored raw, without marks, by a format that has both kinds (`mixed`)."""
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


@lru_cache(maxsize=64)
def brick_sizes(form: Format, brick: int, data_bits: int) -> NDArray[np.int64]:
    """Return the stored bits of a brick by its effectual values, ``[brick + 1]``; not to be written to."""
    bits = form.brick_bits(np.arange(brick + 1), brick, data_bits)
    bits.setflags(write=False)
    return bits


def pointer_width(stream_bits: int) -> int:
    """Bits of a pointer into a stream: ``max(1, ceil(log2(16-bit units in the stream)))``."""
    return max(1, (stream_bits // POINTER_UNIT_BITS - 1).bit_length())


def pointer_widths(stream_bits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return `pointer_width` of each of some streams."""
    return np.array([pointer_width(bits) for bits in stream_bits.tolist()], np.int64)


def fixed(counts: Counts, bits: int) -> NDArray[np.int64]:
    """Return one size for every brick."""
    return np.full(counts.shape, bits, np.int64)
