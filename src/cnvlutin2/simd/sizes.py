"""How large vectors are, and what they are called in Python, where they are arrays; for planning too, without Numba."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

VECTOR = 64
"""Integers of a vector of bytes or of words of 16 bits."""

LARGEST_ROW = 127
"""The largest row that `scans` knows, in units: two numbers below it add up to less than 256."""

Integer = int | np.int64
"""A signed integer, of 64 bits when compiled: a place in an array, or a number of things."""

Bytes64 = NDArray[np.uint8]
"""A vector of `VECTOR` bytes. Kernels must not change what is in a vector: compiled, it is a value, not a place."""

Words64x16 = NDArray[np.uint16]
"""A vector of `VECTOR` words of 16 bits."""

Sums8x64 = NDArray[np.uint64]
"""A vector of eight sums of 64 bits, of eight of the integers of other vectors each."""
