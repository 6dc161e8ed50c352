"""`viai`, vector of ineffectual activations: a bit a value, then all values in place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings.base import Counts, Format, fixed
from cnvlutin2.encodings.bitfields import Bits, to_bits, to_signed
from cnvlutin2.encodings.faults import VECTOR
from cnvlutin2.numeric import effectual as is_effectual


class Viai(Format):
    """A vector of `B` bits (1 = effectual), then the `B` values in place."""

    name = "viai"
    rank = 4
    keeps_raw = True

    def brick_bits(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.int64]:
        """Return the stored bits: a vector and a raw brick."""
        return fixed(counts, brick + brick * data_bits)

    def parts(self, counts: Counts, brick: int, data_bits: int) -> dict[str, int]:
        """Return vectors, and values in place."""
        return {"values": counts.size * brick * data_bits, "vectors": counts.size * brick}

    def to_records(self, bricks: NDArray[np.int16], effectual: NDArray[np.bool_], data_bits: int) -> Bits:
        """Return vectors and values."""
        values = to_bits(bricks, data_bits).reshape(len(bricks), -1)
        return np.concatenate([effectual.astype(np.uint8), values], axis=1)

    def from_records(
        self, records: Bits, brick: int, data_bits: int, threshold: int
    ) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
        """Return the values, where the vectors agree with them."""
        values = to_signed(records[:, brick:].reshape(len(records), brick, data_bits))
        wrong = (records[:, :brick] != is_effectual(values, threshold)).any(axis=1)
        return values, np.where(wrong, VECTOR, 0).astype(np.uint8)
