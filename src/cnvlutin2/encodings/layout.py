"""Maps to bricks in storage order and back, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings.compiled_functions import compiled_module
from cnvlutin2.encodings.storage import Storage
from cnvlutin2.simd import Kernels, uses_numba

Maps = NDArray[np.int16]

CHUNK_VALUES = 1 << 16
"""What stays in the processor's second-level cache between the transposition and the format's own work."""


class Layout:
    """Moves rows between an array ``[C, H, W]`` and flat bricks; rows are numbered over all groups.

    Parameters
    ----------
    storage : Storage
    kernels : {"numba", "numpy"}, optional
    """

    def __init__(self, storage: Storage, kernels: Kernels | None = None) -> None:
        self.storage = storage
        self.channels = storage.group_channels
        self.across = storage.bricks_shape[-1] * storage.brick
        self.row_values = storage.row_bricks * storage.brick
        self._shape = storage.groups, self.channels, storage.height, storage.width
        self._compiled = compiled_module("layout") if uses_numba(kernels) else None

    def chunks(self) -> Iterator[tuple[int, int]]:
        """Yield (first row, rows) for the whole array."""
        total = self.storage.groups * self.storage.height
        rows = max(1, CHUNK_VALUES // self.row_values)
        for first in range(0, total, rows):
            yield first, min(rows, total - first)

    def block(self, maps: Maps, first: int, rows: int, out: Maps) -> None:
        """Copy rows of the array to bricks (`out`, flat), their fill zeroed."""
        if self._compiled is not None:
            if self.storage.fill:
                out[:] = 0
            self._compiled.block(maps.reshape(-1), *self._arguments(first, rows), out)
            return
        shaped = out.reshape(rows, -1, self.across)
        for part, low, high in self._parts(maps, first, rows):
            inside = np.moveaxis(part, 0, -1)
            inside = inside.reshape(high - low, shaped.shape[1], -1)
            shaped[low:high, :, : inside.shape[2]] = inside
        shaped[..., self.across - self.storage.fill :] = 0

    def unblock(self, bricks: Maps, first: int, rows: int, maps: Maps) -> None:
        """Copy bricks (flat) to rows of the array."""
        if self._compiled is not None:
            self._compiled.unblock(bricks, *self._arguments(first, rows), maps.reshape(-1))
            return
        shaped = bricks.reshape(rows, -1, self.across)[..., : self.across - self.storage.fill]
        for part, low, high in self._parts(maps, first, rows):
            inside = shaped[low:high].reshape(high - low, self.storage.width, self.channels)
            part[:] = np.moveaxis(inside, -1, 0)

    def _arguments(self, first: int, rows: int) -> tuple[int, ...]:
        storage = self.storage
        step = self.channels if storage.packing == "row" else self.across
        return self.channels, storage.height * storage.width, storage.width, first, rows, step, self.row_values

    def _parts(self, maps: Maps, first: int, rows: int) -> Iterator[tuple[Maps, int, int]]:
        """Yield the rows of each group, ``[Cg, rows, W]``, and which these are of those asked for."""
        split, height = maps.reshape(self._shape), self.storage.height
        for group in range(first // height, -(-(first + rows) // height)):
            low, high = max(first, group * height), min(first + rows, (group + 1) * height)
            yield split[group, :, low - group * height : high - group * height], low - first, high - first
