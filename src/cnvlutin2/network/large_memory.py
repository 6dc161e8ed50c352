"""`LargeMemory`: arrays out of large pieces of memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

PIECE_BYTES = 64 << 20
_ALIGNMENT = 64


class LargeMemory:
    """Gives arrays out of pieces of memory that the system maps in large pages, where it has them.

    Fresh memory is mapped page by page, which for the usual small ones takes as long as some networks' inference. What is not
    written to takes no memory; a piece is let go of with the last of its arrays.
    """

    def __init__(self) -> None:
        self._left: NDArray[np.uint8] = np.empty(0, np.uint8)

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array that holds anything."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if size > self._left.size:
            self._left = np.empty(max(size, PIECE_BYTES), np.uint8)
        taken, self._left = self._left[:size], self._left[-(-size // _ALIGNMENT) * _ALIGNMENT :]
        return taken.view(dtype).reshape(shape)
