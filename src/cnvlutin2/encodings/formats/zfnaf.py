"""`zfnaf`, the Zero-Free Neuron Array format of Cnvlutin: (value, offset) entries, room for a full brick."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings.base import Counts, Format, fixed
from cnvlutin2.encodings.storage import offset_bits


class Zfnaf(Format):
    """`B` entries (value, offset): the effectual ones first, by ascending offset, the rest all zero."""

    name = "zfnaf"

    def brick_bits(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.int64]:
        """Return the stored bits: room for `B` entries."""
        return fixed(counts, brick * (data_bits + offset_bits(brick)))
