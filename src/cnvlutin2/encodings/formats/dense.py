"""`dense`: the raw values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings.base import Counts, Format, fixed
from cnvlutin2.encodings.bitfields import Bits, to_bits, to_signed


class Dense(Format):
    """`B` values of `b` bits."""

    name = "dense"
    rank = 1
    keeps_raw = True
    marks = False

    def brick_bits(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.int64]:
        """Return the stored bits: those of a raw brick."""
        return fixed(counts, brick * data_bits)

    def parts(self, counts: Counts, brick: int, data_bits: int) -> dict[str, int]:
        """Return values only."""
        return {"values": counts.size * brick * data_bits}

    def to_records(self, bricks: NDArray[np.int16], effectual: NDArray[np.bool_], data_bits: int) -> Bits:
        """Return the values' bits."""
        return to_bits(bricks, data_bits).reshape(len(bricks), -1)

    def from_records(
        self, records: Bits, brick: int, data_bits: int, threshold: int
    ) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
        """Return the values; nothing can be wrong with them."""
        return to_signed(records.reshape(len(records), brick, data_bits)), np.zeros(len(records), np.uint8)
