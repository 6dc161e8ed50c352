"""Steps and runs: how a window's values reach the lanes (docs/model.md, "Windows, steps and runs")."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.layer import Layer

LaneOrder = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]


@dataclass(frozen=True, eq=False)
class StepMap:
    """Where a layer's steps lie: a map of places, each giving `values` values to the windows that read it.

    A row-packed layer is seen as one whose kernel is one place wide: its map has a place for every row and window across, with
    the ``Kw * Cg`` values that the window takes of the row.

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
    def of(cls, layer: Layer, brick: int, packing: str) -> StepMap:
        """Return the steps of a layer under a brick size and packing."""
        (height, width), (kh, kw), outputs = layer.input_size, layer.kernel_size, layer.output_size
        (sy, sx), (top, left), (dy, dx) = layer.strides, layer.pads[:2], layer.dilations
        if layer.geometry.is_row_packed(brick, packing):
            values = kw * layer.group_channels
            return _step_map(values, height, outputs[1], (kh, 1), (sy, 1), (top, 0), (dy, 1), outputs, True)
        return _step_map(layer.group_channels, height, width, (kh, kw), (sy, sx), (top, left), (dy, dx), outputs, False)

    @property
    def steps(self) -> int:
        """Steps of a window."""
        return self.kernel[0] * self.kernel[1]

    @property
    def windows(self) -> int:
        """Windows of an image."""
        return self.outputs[0] * self.outputs[1]

    @cached_property
    def geometry(self) -> tuple[int, ...]:
        """The same as one tuple, for the kernels."""
        return (*self.kernel, *self.strides, *self.pads, *self.dilations, *self.outputs)

    @property
    def is_own_windows(self) -> bool:
        """Whether every place is a window, which reads nothing else."""
        return self.geometry == (1, 1, 1, 1, 0, 0, 1, 1, self.height, self.width)

    @cached_property
    def reads(self) -> NDArray[np.uint64]:
        """The places that some window reads at each place in the kernel, 64 in a word, ``[steps, words]``."""
        down, across = (self._reads(size, axis) for axis, size in enumerate((self.height, self.width)))
        places = down[:, None, :, None] & across[None, :, None, :]
        packed = np.packbits(places.reshape(self.steps, -1), axis=1, bitorder="little")
        words = np.zeros((self.steps, -(-packed.shape[1] // 8)), "<u8")
        words.view(np.uint8)[:, : packed.shape[1]] = packed
        return words.astype(np.uint64)

    @cached_property
    def reads_and_places(self) -> NDArray[np.uint64]:
        """`reads`, and a last row of all places."""
        places = np.arange(self.height * self.width) >= 0
        packed = np.zeros(8 * self.reads.shape[1], np.uint8)
        packed[: -(-places.size // 8)] = np.packbits(places, bitorder="little")
        return np.concatenate([self.reads, packed.view("<u8").astype(np.uint64)[None]])

    @cached_property
    def rows_below(self) -> int:
        """Rows behind the map that windows read."""
        last = (self.outputs[0] - 1) * self.strides[0] + (self.kernel[0] - 1) * self.dilations[0] - self.pads[0]
        return max(0, last - self.height + 1)

    @cached_property
    def window_places(self) -> NDArray[np.uint8]:
        """Where windows begin (255, else 0) in rows as wide as the map's, one for every row down to the last window's.

        Rows lie one after another, and so do what windows read at some place in the kernel. Up to a multiple of 64 places; there
        must be no more windows across than places.
        """
        rows = np.zeros(((self.outputs[0] - 1) * self.strides[0] + 1, self.width), np.uint8)
        rows[:: self.strides[0], : self.outputs[1] * self.strides[1] : self.strides[1]] = 255
        return np.pad(rows.ravel(), (0, -rows.size % 64))

    @cached_property
    def inside(self) -> NDArray[np.uint8]:
        """Where what is read at each place across the kernel is not beside the map, ``[kernel width, window places]``."""
        column = np.arange(self.window_places.size) % self.width - self.pads[1]
        read = column + (np.arange(self.kernel[1]) * self.dilations[1])[:, None]
        return np.where((read >= 0) & (read < self.width), 255, 0).astype(np.uint8)

    def place_uses(self, room: int) -> NDArray[np.int64]:
        """Return how many windows read each place, and zeros up to a size."""
        down, across = self.uses
        uses = np.zeros(room, np.int64)
        uses[: self.height * self.width] = np.outer(down, across).ravel()
        return uses

    @cached_property
    def uses(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """How many windows read each row and each column, ``[height]`` and ``[width]``; their product read a place."""
        down, across = (self._uses(size, axis) for axis, size in enumerate((self.height, self.width)))
        return down, across

    def _uses(self, size: int, axis: int) -> NDArray[np.int32]:
        uses: NDArray[np.int32] = self._reads(size, axis).sum(axis=0, dtype=np.int32)
        return uses

    def _reads(self, size: int, axis: int) -> NDArray[np.bool_]:
        """Which rows (columns) some window reads at each row (column) of the kernel, ``[kernel, size]``."""
        window = np.arange(self.outputs[axis]) * self.strides[axis] - self.pads[axis]
        read = window + (np.arange(self.kernel[axis]) * self.dilations[axis])[:, None]
        reads = np.zeros((self.kernel[axis], size), np.bool_)
        step, which = np.nonzero((read >= 0) & (read < size))
        reads[step, read[step, which]] = True
        return reads

    @cached_property
    def padded_steps(self) -> int:
        """Steps that lie in the padding, over all windows."""
        down, across = self.uses
        return self.windows * self.steps - int(down.sum()) * int(across.sum())


@lru_cache(maxsize=1024)
def _step_map(*fields: Any) -> StepMap:
    """Return the one object for these fields: what it works out is kept from image to image."""
    return StepMap(*fields)


@dataclass(frozen=True, eq=False)
class RunTable:
    """The runs that a step is cut into, and the lanes that they go to.

    Parameters
    ----------
    starts, stops : int32 ``[runs]``
        Values of each run.
    run_lanes : int32 ``[runs]`` or None
        The lane of each run, the same in every step (``lane_map = sliced``); None if runs go to the lanes in turn.
    lanes : int
    """

    starts: NDArray[np.int32]
    stops: NDArray[np.int32]
    run_lanes: NDArray[np.int32] | None
    lanes: int

    @property
    def runs(self) -> int:
        """Runs of a step."""
        return int(self.starts.size)

    @cached_property
    def lengths(self) -> NDArray[np.int32]:
        """Values of each run."""
        return self.stops - self.starts

    @property
    def longest(self) -> int:
        """Values of the longest run."""
        return int(self.lengths.max())

    @cached_property
    def lane_lengths(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Runs and values of a step that each lane in use owns (``sliced`` only)."""
        firsts = self.lane_runs[:-1]
        return np.diff(self.lane_runs), np.add.reduceat(self.lengths, firsts, dtype=np.int64)

    @cached_property
    def planes(self) -> int:
        """Bytes that hold the mask of the longest run."""
        return -(-self.longest // 8)

    def lanes_in_use(self, steps: int) -> int:
        """Return how many lanes have a value in a window of `steps` steps."""
        if self.run_lanes is None:
            return min(self.lanes, steps * self.runs)
        return int(self.run_lanes[-1]) + 1

    @cached_property
    def lane_runs(self) -> NDArray[np.int32]:
        """The first run of each lane in use, and the end (``sliced`` only)."""
        assert self.run_lanes is not None  # noqa: S101 - a caller's mistake, not an input's
        return np.searchsorted(self.run_lanes, np.arange(self.run_lanes[-1] + 2)).astype(np.int32)

    def lane_order(self, steps: int) -> LaneOrder:
        """Return where each lane begins, and the step and run of each piece of its work, in order."""
        known = self._orders.get(steps)
        if known is None:
            known = self._orders[steps] = self._lane_order(steps)
        return known

    @cached_property
    def _orders(self) -> dict[int, LaneOrder]:
        return {}

    def _lane_order(self, steps: int) -> LaneOrder:
        step, run = (a.ravel() for a in np.indices((steps, self.runs), dtype=np.int32))
        lane = np.arange(step.size) % self.lanes if self.run_lanes is None else self.run_lanes[run]
        order = np.argsort(lane, kind="stable")
        begins = np.searchsorted(lane[order], np.arange(self.lanes_in_use(steps) + 1)).astype(np.int32)
        return begins, step[order], run[order]


@lru_cache(maxsize=256)
def run_table(values: int, lanes: int, brick: int, lane_map: str) -> RunTable:
    """Cut a step of `values` values into runs of at most a brick.

    ``sliced``: lane `l` owns the `l`-th of ``lanes`` equal slices of the step. ``interleaved``: the step is cut into bricks,
    which go to the lanes in turn.
    """
    slice_size = -(-values // lanes) if lane_map == "sliced" else values
    slices = np.arange(0, values, slice_size)
    starts = (slices[:, None] + np.arange(0, slice_size, brick)).ravel()
    ends = np.repeat(np.minimum(slices + slice_size, values), -(-slice_size // brick))
    kept = starts < ends
    starts, ends = starts[kept], ends[kept]
    stops = np.minimum(starts + brick, ends)
    run_lanes = (starts // slice_size).astype(np.int32) if lane_map == "sliced" else None
    return RunTable(starts.astype(np.int32), stops.astype(np.int32), run_lanes, lanes)


@lru_cache(maxsize=1024)
def cuts(values: int, size: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the starts and stops of the bricks that so many values are cut into."""
    edges = np.arange(0, values + size, size, dtype=np.int32).clip(max=values)
    return edges[:-1], edges[1:]
