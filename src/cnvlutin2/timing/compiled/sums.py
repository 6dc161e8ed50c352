"""Which activations are effectual, and what follows from that alone; for compiled code."""

from __future__ import annotations

import numpy as np

from cnvlutin2.kernels.jit import helper, kernel
from cnvlutin2.kernels.vectors import SIZE, effectual, store
from cnvlutin2.kernels.words import bits_in_both, word_at
from cnvlutin2.timing.compiled.records import FIRST_TABLE, SEEN, STORED, Bytes, Ints, LayerRecord

MOST = 1 << 15  # no 16-bit magnitude is larger


@helper
def _find_row(values: NDInt16, begin: int, size: int, least: np.uint16, bits: Bytes, at: int) -> None:
    """Find the effectual ones of some consecutive values: 1, else 0."""
    x = np.int64(0)
    while x + SIZE <= size:
        store(bits, at + x, effectual(values, begin + x, least))
        x += SIZE
    while x < size:
        value = values[begin + x]
        bits[at + x] = np.uint16(-value if value < 0 else value) >= least
        x += 1
