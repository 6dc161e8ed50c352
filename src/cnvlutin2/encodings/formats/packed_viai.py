"""`packed_viai`: a bit a value, then only the effectual values; bricks are found through an indirection array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings.base import POINTER_UNIT_BITS, Counts, Format


class PackedViai(Format):
    """A vector of `B` bits, then the effectual values; a record is padded to a multiple of 16 bits."""

    name = "packed_viai"
    indirect = True

    def brick_bits(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.int64]:
        """Return the stored bits: a vector and the effectual values, padded to 16-bit units."""
        bits = brick + np.asarray(counts, np.int64) * data_bits
        return -(-bits // POINTER_UNIT_BITS) * POINTER_UNIT_BITS

    def rows_touched(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.uint8]:
        """Return the NM rows each record lies in: the stream starts a row of ``B * b + B`` bits."""
        row_bits = brick * data_bits + brick
        bits = self.brick_bits(counts, brick, data_bits).ravel()
        ends = np.cumsum(bits)
        rows = (ends - 1) // row_bits - (ends - bits) // row_bits + 1
        return rows.astype(np.uint8).reshape(counts.shape)
