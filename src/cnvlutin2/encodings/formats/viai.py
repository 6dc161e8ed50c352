"""`viai`, vector of ineffectual activations: a bit a value, then all values in place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings.base import Counts, Format, fixed


class Viai(Format):
    """A vector of `B` bits (1 = effectual), then the `B` values in place."""

    name = "viai"
    keeps_raw = True

    def brick_bits(self, counts: Counts, brick: int, data_bits: int) -> NDArray[np.int64]:
        """Return the stored bits: a vector and a raw brick."""
        return fixed(counts, brick + brick * data_bits)
