"""`PackedRows`: what results hold of many images, in as few bytes as there need be."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

MANY = 64
"""Images from which packing pays."""
_NARROW = (np.uint8, np.uint16, np.uint32)

Scalar = TypeVar("Scalar", bound=np.generic)


class PackedRows(Generic[Scalar]):
    """Counts or energies of images, a row each: narrow where they are small, once where they are the same for all images.

    Parameters
    ----------
    rows : int64 or float64 array, ``[R, N]``
    """

    def __init__(self, rows: NDArray[Scalar]) -> None:
        self._dtype, self._shape = rows.dtype, rows.shape
        self._rows = list(map(_packed, rows)) if rows.shape[1] >= MANY else rows

    def array(self) -> NDArray[Scalar]:
        """Return the rows as they were."""
        if isinstance(self._rows, np.ndarray):
            return self._rows
        found = np.empty(self._shape, self._dtype)
        for row, packed in zip(found, self._rows, strict=True):
            row[:] = packed
        return found

    @property
    def nbytes(self) -> int:
        """Bytes of what is held."""
        return self._rows.nbytes if isinstance(self._rows, np.ndarray) else sum(row.nbytes for row in self._rows)


def _packed(row: NDArray[Scalar]) -> NDArray[np.generic]:
    bits = row.view(np.uint64)  # -0.0 is not 0.0
    if (bits == bits[0]).all():
        return row[:1].copy()
    if row.dtype.kind == "i" and row.min() >= 0:
        largest = int(row.max())
        narrow = next((dtype for dtype in _NARROW if largest <= np.iinfo(dtype).max), None)
        if narrow is not None:
            return row.astype(narrow)
    return row.copy()
