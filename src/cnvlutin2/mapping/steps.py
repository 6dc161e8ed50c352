"""`StepMap`: the steps of a window, and the place of the map that each reads (docs/model.md, "Windows, steps and runs")."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.layer import Geometry


@dataclass(frozen=True)
class StepMap:
    """A map of places, each giving `values` values to the windows that read it; a step of a window reads one place.

    A place is a position of the input. A row-packed layer is seen as one whose kernel is one place wide: its map has a place for
    every row and window across, with the ``Kw * Cg`` values (x first, channel inside) that the window takes of the row.

    Parameters
    ----------
    values : int
        Values of a step, `n`.
    height, width : int
        Places down and across.
    kernel : (int, int)
        Steps of a window, down and across.
    strides, pads, dilations : (int, int)
        Vertical, horizontal; pads are top and left.
    outputs : (int, int)
        Windows down and across.
    row_packed : bool
    """

    values: int
    height: int
    width: int
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int]
    dilations: tuple[int, int]
    outputs: tuple[int, int]
    row_packed: bool

    @classmethod
    @lru_cache(maxsize=1024)
    def of(cls, geometry: Geometry, brick: int, packing: str) -> StepMap:
        """Return the steps of a layer under a brick size and packing."""
        g, (kh, kw), (sy, sx), (dy, dx) = geometry, geometry.kernel, geometry.strides, geometry.dilations
        top, left = g.pads[:2]
        if g.is_row_packed(brick, packing):
            return cls(kw * g.group_channels, g.height, g.outputs[1], (kh, 1), (sy, 1), (top, 0), (dy, 1), g.outputs, True)
        return cls(g.group_channels, g.height, g.width, (kh, kw), (sy, sx), (top, left), (dy, dx), g.outputs, False)

    @property
    def steps(self) -> int:
        """Steps of a window."""
        return self.kernel[0] * self.kernel[1]

    @property
    def windows(self) -> int:
        """Windows of an image."""
        return self.outputs[0] * self.outputs[1]

    @property
    def places(self) -> int:
        """Places of the map."""
        return self.height * self.width

    def places_read(self, windows: NDArray[np.integer] | None = None) -> NDArray[np.int32]:
        """Return the place that each step of some windows reads; the one rule of which place that is.

        Parameters
        ----------
        windows : integer ``[W]``, optional
            Their numbers, counted along x, then y; all of them by default.

        Returns
        -------
        int32 ``[steps, W]``
            Places are counted along x, then y; -1 lies in the padding.
        """
        oy, ox = np.divmod(np.arange(self.windows) if windows is None else windows, self.outputs[1])
        (rows, columns), (ky, kx) = self.lines_read, np.divmod(np.arange(self.steps), self.kernel[1])
        y, x = rows[ky[:, None], oy], columns[kx[:, None], ox]
        return np.where((y < 0) | (x < 0), -1, y * self.width + x).astype(np.int32)

    @cached_property
    def lines_read(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The row (column) that each row (column) of windows reads at each row (column) of the kernel, -1 in the padding.

        ``[kernel, outputs]`` of both.
        """
        rows, columns = (self._line_read(size, axis) for axis, size in enumerate((self.height, self.width)))
        return rows, columns

    def _line_read(self, size: int, axis: int) -> NDArray[np.int32]:
        window = np.arange(self.outputs[axis], dtype=np.int64) * self.strides[axis] - self.pads[axis]
        read = window + (np.arange(self.kernel[axis], dtype=np.int64) * self.dilations[axis])[:, None]
        return np.where((read >= 0) & (read < size), read, -1).astype(np.int32)

    @cached_property
    def lines_used(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rows (columns) some window reads at each row (column) of the kernel, ``[kernel, size]`` of both."""
        found = []
        for read, size in zip(self.lines_read, (self.height, self.width), strict=True):
            used = np.zeros((len(read), size), np.bool_)
            step, window = np.nonzero(read >= 0)
            used[step, read[step, window]] = True
            found.append(used)
        return found[0], found[1]

    def reads_in_words(self, first: int, last: int) -> tuple[int, NDArray[np.uint64]]:
        """Return the places that some window reads at some steps, 64 in a word, the first one lowest.

        What grows is the kernel times the rows that a step reads, not the kernel times the map: a kernel as large as the map
        reads a row of it at a time.

        Parameters
        ----------
        first, last : int
            Which steps.

        Returns
        -------
        int
            The word of the map that is the first one given: in words before and behind nothing is read at any of these steps.
        uint64 ``[last - first, words]``
        """
        down, across = self.lines_used
        ky, kx = np.divmod(np.arange(first, last), self.kernel[1])
        rows = np.flatnonzero(down[ky[0] : ky[-1] + 1].any(axis=0))
        if not rows.size:
            return 0, np.zeros((last - first, 0), np.uint64)
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        word, before = divmod(top * self.width, 64)
        places = np.zeros((last - first, -(-(before + (bottom - top) * self.width) // 64) * 64), np.bool_)
        used = (down[ky, top:bottom, None] & across[kx, None, :]).reshape(last - first, -1)
        places[:, before : before + used.shape[1]] = used
        return word, np.packbits(places, axis=1, bitorder="little").view("<u8").astype(np.uint64, copy=False)

    @cached_property
    def uses(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many windows read each row and each column, ``[height]`` and ``[width]``; their product read a place."""
        down, across = (np.count_nonzero(used, axis=0).astype(np.int64) for used in self.lines_used)
        return down, across

    @cached_property
    def padded_steps(self) -> int:
        """Steps that lie in the padding, over all windows."""
        down, across = self.uses
        return self.windows * self.steps - int(down.sum()) * int(across.sum())
