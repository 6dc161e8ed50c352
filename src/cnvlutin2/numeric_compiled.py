"""Floats to integers in one pass, compiled; `numeric.quantise` has the same in NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd.jit import kernel


@kernel
def quantise_into(
    values: NDArray[np.float32], factor: np.float32, low: np.float32, high: np.float32, out: NDArray[np.int16]
) -> None:
    """Scale, round half to even and saturate.

    Parameters
    ----------
    values : float32 ``[values]``
        None of them is NaN.
    factor, low, high : float32
    out : int16 ``[values]``
    """
    for i in range(values.size):
        out[i] = np.int16(min(max(np.rint(values[i] * factor), low), high))
