"""`StoredImages`: more images than are to be in memory, read from their files as they are asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

HELD_BYTES = 64 << 20
"""The most that inputs may take for all of them to be held, read once."""


@dataclass(frozen=True)
class StoredPart:
    """The images of one file.

    Parameters
    ----------
    shape : tuple of int
        ``[N, ...]``
    read : callable
        Takes the first of some images and their end, and returns these, checked.
    """

    shape: tuple[int, ...]
    read: Callable[[int, int], NDArray[np.generic]]


class StoredImages:
    """Images of several files, of which as many are asked for at a time as there shall be in memory.

    Parameters
    ----------
    parts : sequence of StoredPart
        At least one; all images are alike.
    dtype : numpy.dtype
        Theirs.
    """

    def __init__(self, parts: Sequence[StoredPart], dtype: np.dtype[np.generic]) -> None:
        self._parts = list(parts)
        self._ends = list(accumulate(part.shape[0] for part in parts))
        self.dtype = dtype
        self.shape = (self._ends[-1], *parts[0].shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, images: slice) -> NDArray[np.generic]:
        """Read consecutive images, ``[N, ...]``."""
        first, last, step = images.indices(len(self))
        if step != 1:
            raise IndexError("images are read one after another; give a slice without a step")
        found: list[NDArray[np.generic]] = []
        while first < last:
            number = bisect_right(self._ends, first)
            end = min(last, self._ends[number])
            start = self._ends[number] - self._parts[number].shape[0]
            found.append(self._parts[number].read(first - start, end - start))
            first = end
        if not found:
            return np.empty((0, *self.shape[1:]), self.dtype)
        return found[0] if len(found) == 1 else np.concatenate(found)
