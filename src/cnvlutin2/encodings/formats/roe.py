"""`roe`, raw or encoded: a flag, then (value, offset) entries if they fit a raw brick's room, else the raw values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings.base import Counts, Format, fixed
from cnvlutin2.encodings.storage import offset_bits


class RawOrEncoded(Format):
    """Flag 1: the effectual entries, zero-filled to ``B * b`` bits; flag 0: the `B` raw values."""

    name = "roe"
    keeps_raw = True

    def brick_bits(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.int64]:
        """Return the stored bits: a flag and the room of a raw brick."""
        return fixed(counts, 1 + brick * data_bits)

    def raw_bricks(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.bool_]:
        """Return which bricks have more entries than their room holds."""
        return np.asarray(counts > most_entries(brick, data_bits))


def most_entries(brick: int, data_bits: int) -> int:
    """Return the most entries that fit the room of a raw brick."""
    return brick * data_bits // (data_bits + offset_bits(brick))
