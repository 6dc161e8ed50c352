"""`dense`: the raw values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings.base import Counts, Format, fixed


class Dense(Format):
    """`B` values of `b` bits."""

    name = "dense"
    keeps_raw = True

    def brick_bits(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.int64]:
        """Return the stored bits: those of a raw brick."""
        return fixed(counts, brick * data_bits)
