"""An encoding of our own: a vector, then the effectual values at the front of a field with room for all.

Between VIAI (values in place, so that a lane must look for them) and ZFNAf (values at the front with an offset each): the
values come first, at VIAI's size; what it costs is a priority encoder at the reader, which must count the vector's ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings.base import Counts, Format, fixed
from cnvlutin2.encodings.bitfields import Bits, to_bits, to_signed
from cnvlutin2.encodings.faults import UNUSED, VECTOR
from cnvlutin2.numeric import effectual as is_effectual


class FrontViai(Format):
    """A vector of `B` bits (1 = effectual), then the effectual values, then zeros up to `B` values."""

    name = "front_viai"
    rank = 10

    def brick_bits(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.int64]:
        """Return the stored bits: a vector and room for a brick."""
        return fixed(counts, brick + brick * data_bits)

    def parts(self, counts: Counts, brick: int, data_bits: int) -> dict[str, int]:
        """Return vectors, effectual values, and the room that stays empty."""
        values, room = int(counts.sum(dtype=np.int64)) * data_bits, counts.size * brick * data_bits
        return {"values": values, "vectors": counts.size * brick, "unused": room - values}

    def to_records(self, bricks: NDArray[np.int16], effectual: NDArray[np.bool_], data_bits: int) -> Bits:
        """Return vectors, then the effectual values in front."""
        first = np.argsort(~effectual, axis=1, kind="stable")
        values = np.take_along_axis(np.where(effectual, bricks, 0), first, axis=1)
        return np.concatenate([effectual.astype(np.uint8), to_bits(values, data_bits).reshape(len(bricks), -1)], axis=1)

    def from_records(
        self, records: Bits, brick: int, data_bits: int, threshold: int
    ) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
        """Return the values in their places; a record must agree with itself and its unused room must be zero."""
        vectors = records[:, :brick].astype(bool)
        stored = to_signed(records[:, brick : brick + brick * data_bits].reshape(len(records), brick, data_bits))
        rank = np.maximum(np.cumsum(vectors, axis=1) - 1, 0)
        values = np.where(vectors, np.take_along_axis(stored, rank, axis=1), 0).astype(np.int16)
        beyond = np.arange(brick) >= vectors.sum(axis=1, keepdims=True)
        faults = np.where((stored.astype(bool) & beyond).any(axis=1), UNUSED, 0)
        return values, np.where((vectors != is_effectual(values, threshold)).any(axis=1), VECTOR, faults).astype(np.uint8)
