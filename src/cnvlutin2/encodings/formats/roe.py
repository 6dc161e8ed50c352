"""`roe`, raw or encoded: a flag, then (value, offset) entries if they fit a raw brick's room, else the raw values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings.base import Counts, Format, fixed
from cnvlutin2.encodings.bitfields import Bits, to_bits, to_signed
from cnvlutin2.encodings.faults import FLAG
from cnvlutin2.encodings.formats.zfnaf import from_entries, to_entries
from cnvlutin2.encodings.storage import offset_bits
from cnvlutin2.numeric import effectual as is_effectual


class RawOrEncoded(Format):
    """Flag 1: the effectual entries, zero-filled to ``B * b`` bits; flag 0: the `B` raw values."""

    name = "roe"
    rank = 3
    keeps_raw = True
    mixed = True
    lists_offsets = True

    def brick_bits(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.int64]:
        """Return the stored bits: a flag and the room of a raw brick."""
        return fixed(counts, 1 + brick * data_bits)

    def raw_bricks(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.bool_]:
        """Return which bricks have more entries than their room holds."""
        return np.asarray(counts > most_entries(brick, data_bits))

    def parts(self, counts: Counts, brick: int, data_bits: int) -> dict[str, int]:
        """Return flags; entries' values and offsets; raw bricks' values; empty room."""
        raw = self.raw_bricks(counts, brick, data_bits)
        entries = int(counts.sum(dtype=np.int64, where=~raw))
        values = entries * data_bits + int(raw.sum()) * brick * data_bits
        offsets = entries * offset_bits(brick)
        unused = counts.size * brick * data_bits - values - offsets
        return {"values": values, "offsets": offsets, "flags": counts.size, "unused": unused}

    def to_records(self, bricks: NDArray[np.int16], effectual: NDArray[np.bool_], data_bits: int) -> Bits:
        """Return the flags, and entries or raw values."""
        room = bricks.shape[1] * data_bits
        encoded = ~self.raw_bricks(effectual.sum(axis=1), bricks.shape[1], data_bits)[:, None]
        # The entries that fit lie whole within the room, and only empty ones are cut off.
        entries = to_entries(bricks, effectual, data_bits)[:, :room]
        raw = to_bits(bricks, data_bits).reshape(len(bricks), room)
        return np.concatenate([encoded.astype(np.uint8), np.where(encoded, entries, raw)], axis=1)

    def from_records(
        self, records: Bits, brick: int, data_bits: int, threshold: int
    ) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
        """Return either kind of brick."""
        encoded, room = records[:, :1] == 1, records[:, 1:]
        listed, faults = from_entries(room, brick, data_bits, threshold)
        raw = to_signed(room.reshape(len(room), brick, data_bits))
        fits = is_effectual(raw, threshold).sum(axis=1) <= most_entries(brick, data_bits)
        faults = np.where(encoded[:, 0], faults, np.where(fits, FLAG, 0)).astype(np.uint8)
        return np.where(encoded, listed, raw), faults


def most_entries(brick: int, data_bits: int) -> int:
    """Return the most entries that fit the room of a raw brick."""
    return brick * data_bits // (data_bits + offset_bits(brick))
