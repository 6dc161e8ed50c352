"""`packed_viai`: a bit a value, then only the effectual values; bricks are found through an indirection array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings.base import POINTER_UNIT_BITS, Counts, Format
from cnvlutin2.encodings.bitfields import Bits, to_bits, to_signed
from cnvlutin2.encodings.faults import UNUSED, VECTOR
from cnvlutin2.numeric import effectual as is_effectual


class PackedViai(Format):
    """A vector of `B` bits, then the effectual values; a record is padded to a multiple of 16 bits."""

    name = "packed_viai"
    rank = 5
    indirect = True

    def brick_bits(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.int64]:
        """Return the stored bits: a vector and the effectual values, padded to 16-bit units."""
        bits = brick + np.asarray(counts, np.int64) * data_bits
        return -(-bits // POINTER_UNIT_BITS) * POINTER_UNIT_BITS

    def parts(self, counts: Counts, brick: int, data_bits: int) -> dict[str, int]:
        """Return vectors, effectual values and padding."""
        values, vectors = int(counts.sum(dtype=np.int64)) * data_bits, counts.size * brick
        unused = self.stream_bits(counts, brick, data_bits) - values - vectors
        return {"values": values, "vectors": vectors, "unused": unused}

    def to_records(self, bricks: NDArray[np.int16], effectual: NDArray[np.bool_], data_bits: int) -> Bits:
        """Return vectors, then the effectual values in front, then zeros."""
        first = np.argsort(~effectual, axis=1, kind="stable")
        values = np.take_along_axis(np.where(effectual, bricks, 0), first, axis=1)
        records = np.zeros((len(bricks), self.most_bits(bricks.shape[1], data_bits)), np.uint8)
        fields = np.concatenate([effectual.astype(np.uint8), to_bits(values, data_bits).reshape(len(bricks), -1)], axis=1)
        records[:, : fields.shape[1]] = fields
        return records

    def from_records(
        self, records: Bits, brick: int, data_bits: int, threshold: int
    ) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
        """Return the values in their places, where they are effectual and the padding is zero."""
        vectors = records[:, :brick]
        stored = to_signed(records[:, brick : brick + brick * data_bits].reshape(len(records), brick, data_bits))
        rank = np.maximum(np.cumsum(vectors, axis=1, dtype=np.int64) - 1, 0)
        values = np.where(vectors, np.take_along_axis(stored, rank, axis=1), 0).astype(np.int16)
        counts = vectors.sum(axis=1)[:, None]
        place = np.arange(records.shape[1])
        padding = (place >= brick + counts * data_bits) & (place < self.brick_bits(counts, brick, data_bits))
        faults = np.where((records & padding).any(axis=1), UNUSED, 0)
        return values, np.where((vectors != is_effectual(values, threshold)).any(axis=1), VECTOR, faults).astype(np.uint8)

    def starts(self, stream: Bits, records: int, brick: int, data_bits: int) -> NDArray[np.int64]:
        """Return where the records start: from where one would end if it started there, for every unit, by doubling the step."""
        units = stream.size // POINTER_UNIT_BITS
        ones = np.concatenate([np.zeros(1, np.int64), np.cumsum(stream, dtype=np.int64)])
        heads = np.arange(units) * POINTER_UNIT_BITS
        counts = ones[np.minimum(heads + brick, stream.size)] - ones[heads]
        after = np.arange(units) + self.brick_bits(counts, brick, data_bits) // POINTER_UNIT_BITS
        # Beyond the end there is one more place, which leads to itself.
        step = np.append(np.minimum(after, units + 1), [units, units + 1])
        step[units] = units + 1
        found = np.zeros(1, np.int64)
        while found.size < records + 1:
            found = np.append(found, step[found])
            step = step[step]
        return found[: records + 1] * POINTER_UNIT_BITS
