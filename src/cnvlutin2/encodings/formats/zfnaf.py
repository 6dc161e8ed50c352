"""`zfnaf`, the Zero-Free Neuron Array format of Cnvlutin: (value, offset) entries, room for a full brick."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings.base import Counts, Format, fixed
from cnvlutin2.encodings.bitfields import Bits, to_bits, to_signed, to_unsigned
from cnvlutin2.encodings.faults import ENTRY, OFFSET, UNUSED
from cnvlutin2.encodings.storage import offset_bits
from cnvlutin2.numeric import effectual as is_effectual


class Zfnaf(Format):
    """`B` entries (value, offset): the effectual ones first, by ascending offset, the rest all zero."""

    name = "zfnaf"
    rank = 2
    lists_offsets = True

    def brick_bits(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.int64]:
        """Return the stored bits: room for `B` entries."""
        return fixed(counts, brick * (data_bits + offset_bits(brick)))

    def parts(self, counts: Counts, brick: int, data_bits: int) -> dict[str, int]:
        """Return the entries' values and offsets, and what is empty."""
        entries = int(counts.sum(dtype=np.int64))
        values, offsets = entries * data_bits, entries * offset_bits(brick)
        return {
            "values": values,
            "offsets": offsets,
            "unused": self.stream_bits(counts, brick, data_bits) - values - offsets,
        }

    def to_records(self, bricks: NDArray[np.int16], effectual: NDArray[np.bool_], data_bits: int) -> Bits:
        """Return the entries, effectual ones first."""
        return to_entries(bricks, effectual, data_bits)

    def from_records(
        self, records: Bits, brick: int, data_bits: int, threshold: int
    ) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
        """Return the values in their places."""
        return from_entries(records, brick, data_bits, threshold)


def to_entries(bricks: NDArray[np.int16], effectual: NDArray[np.bool_], data_bits: int) -> Bits:
    """Return ``[n, brick * (b + o)]``: the bits of all entries, the effectual ones first, the rest zero."""
    brick = bricks.shape[1]
    offsets = np.argsort(~effectual, axis=1, kind="stable")
    values = np.take_along_axis(bricks, offsets, axis=1)
    used = np.take_along_axis(effectual, offsets, axis=1)[..., None]
    entries = np.concatenate([to_bits(values, data_bits), to_bits(offsets, offset_bits(brick))], axis=2)
    return (entries * used).reshape(len(bricks), -1)


def from_entries(entries: Bits, brick: int, data_bits: int, threshold: int) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Return bricks ``[n, brick]`` and faults from the bits of entries; what is left of the room must be zero."""
    full = data_bits + offset_bits(brick)
    most = entries.shape[1] // full
    fields = entries[:, : most * full].reshape(len(entries), most, full)
    used = np.logical_and.accumulate(fields.any(axis=2), axis=1)
    values, offsets = to_signed(fields[..., :data_bits]), to_unsigned(fields[..., data_bits:])
    before = np.concatenate([np.full((len(entries), 1), -1), offsets[:, :-1]], axis=1)
    disorder = (used & ((offsets <= before) | (offsets >= brick))).any(axis=1)
    ineffectual = (used & ~is_effectual(values, threshold)).any(axis=1)
    leftover = (fields.any(axis=2) & ~used).any(axis=1) | entries[:, most * full :].any(axis=1)
    bricks = np.zeros((len(entries), brick + 1), np.int16)  # one more place, for what has none
    np.put_along_axis(bricks, np.where(used & (offsets < brick), offsets, brick), values, axis=1)
    faults = np.select([disorder, ineffectual, leftover], [OFFSET, ENTRY, UNUSED], 0).astype(np.uint8)
    return np.ascontiguousarray(bricks[:, :brick]), faults
