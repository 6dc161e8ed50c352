"""`PreparedLayer`: what the organisations share of one layer, computed once and on demand."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from types import ModuleType
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings import Packing, brick_counts, brick_histograms, get_format
from cnvlutin2.kernels import backend
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.schedule import Schedule
from cnvlutin2.timing.steps import RunTable, StepMap, cuts
from cnvlutin2.timing.weights import PreparedWeights
from cnvlutin2.timing.workers import default_jobs, split

Bytes = NDArray[np.uint8]
Counts = NDArray[np.int64]
T = TypeVar("T")

_THREAD_GRAIN = 1 << 21  # values below which a thread costs more than it brings
_SMALL = 1 << 20  # activations of an image below which threads bring less than they cost
NO_ROWS: Bytes = np.zeros((0, 0, 0), np.uint8)


class PreparedLayer:
    """A layer with its masks and counts, shared by the organisations that are run on it.

    Parameters
    ----------
    layer : Layer
    jobs : int, optional
        Threads; by default all processors.
    kernels : module, optional
        `cnvlutin2.kernels.backend`, by default as the environment asks.
    weights : PreparedWeights, optional
        Those of an earlier batch of the layer.

    Notes
    -----
    A *map* is one group of one image: maps are numbered image by image, group by group inside.
    """

    def __init__(
        self,
        layer: Layer,
        jobs: int | None = None,
        kernels: ModuleType | None = None,
        weights: PreparedWeights | None = None,
    ) -> None:
        self.layer = layer
        self.jobs = default_jobs() if jobs is None else jobs
        self.kernels = backend() if kernels is None else kernels
        self.weights = PreparedWeights(layer, jobs, kernels) if weights is None else weights
        self.counted: Counts | None = None
        """What `sums` returns, once it is known; a `Program` that times the layer finds it on the way."""
        self._known: dict[tuple[object, ...], object] = {}

    def once(self, key: tuple[object, ...], work: Callable[[], T]) -> T:
        """Return what `work` returns, which is done the first time that the key is asked for."""
        if key not in self._known:
            self._known[key] = work()
        return cast(T, self._known[key])

    def forget(self) -> None:
        """Drop what can be computed again, but for `sums`: many layers may be in memory together."""
        self._known.clear()
        for name in ("bits", "position_counts"):
            self.__dict__.pop(name, None)

    def schedule(self, organisation: Organisation) -> Schedule:
        """Return how the layer's windows fall on an organisation."""
        return self.weights.schedules.of(organisation)

    def steps(self, organisation: Organisation) -> StepMap:
        """Return where the layer's steps lie."""
        return self.schedule(organisation).steps

    def runs(self, organisation: Organisation) -> RunTable:
        """Return the runs that a step is cut into."""
        return self.schedule(organisation).runs

    def packing(self, organisation: Organisation) -> Packing:
        """Return how the layer is stored."""
        return self.schedule(organisation).packing

    @cached_property
    def bits(self) -> Bytes:
        """Effectual activations, uint8 ``[N, C, H, W]`` of 0 and 1."""
        return np.ascontiguousarray(self.layer.effectual_activations()).view(np.uint8)

    @property
    def is_small(self) -> bool:
        """Whether kernels that do many layers in one call are worth more than threads."""
        return self.layer.activations[0].size < _SMALL and bool(self.kernels.MANY_LAYERS)

    @cached_property
    def position_counts(self) -> NDArray[np.int32]:
        """Windows in which the activation is effectual, ``[N, C, Kh, Kw]``."""
        return self.positions_of(self.bits)

    @property
    def sums(self) -> Counts:
        """What is found whatever the organisation, ``[N, 3]``: `windows_seen`, `effectual_macs` and `activation_counts`."""
        if self.counted is None:
            positions = self.position_counts.reshape(self.layer.images, -1)
            seen, macs = positions.sum(axis=1, dtype=np.int64), self.dot(positions, self.weights.filter_counts)
            stored = np.count_nonzero(self.bits.reshape(self.layer.images, -1), axis=1)
            self.counted = np.stack([seen, macs, stored.astype(np.int64)], axis=1)
        return self.counted

    @property
    def windows_seen(self) -> Counts:
        """Effectual activations over all windows, ``[N]``."""
        return self.sums[:, 0]

    @property
    def effectual_macs(self) -> Counts:
        """Products of an effectual activation and an effectual weight, padding left out, ``[N]``."""
        return self.sums[:, 1]

    @property
    def activation_counts(self) -> Counts:
        """Effectual activations stored, ``[N]``."""
        return self.sums[:, 2]

    def positions_of(self, bits: Bytes) -> NDArray[np.int32]:
        """Count, for each place in the kernel, the windows in which a bit is set, ``[N, C, Kh, Kw]``."""
        steps = self.weights.schedules.positions
        flat = bits.reshape(-1, steps.height * steps.width)
        out = np.empty((flat.shape[0], steps.steps), np.int32)
        where = (steps.geometry, steps.height, steps.width, steps.reads)

        def task(first: int, last: int) -> None:
            self.kernels.position_counts(flat[first:last], *where, out[first:last])

        split(task, flat.shape[0], self.jobs, 1 + _THREAD_GRAIN // (flat.shape[1] * steps.steps))
        return out.reshape(self.layer.images, -1, *steps.kernel)

    def brick_counts(self, brick: int, packing: Packing) -> Bytes:
        """Return the effectual values of every storage brick, ``[N, groups, H, W, bricks]``, without `W` if row-packed."""

        def count() -> Bytes:
            layer = self.layer
            if packing == "row":
                return brick_counts(self.bits.view(np.bool_), brick, layer.groups, packing)
            counts = self._counts_of_bricks(brick).reshape(layer.images, layer.groups, -1, *layer.input_size)
            return np.ascontiguousarray(np.moveaxis(counts, 2, 4))

        return self.once(("brick_counts", brick, packing), count)

    def brick_histograms(self, brick: int, packing: Packing) -> Counts:
        """Return how many storage bricks of each image have so many effectual values, ``[N, brick + 1]``."""
        return self.once(("brick_histograms", brick, packing), lambda: brick_histograms(self.brick_counts(brick, packing), brick))

    def seen(self, organisation: Organisation) -> Bytes:
        """Return the activations that a lane takes for effectual, uint8 ``[N, C, H, W]`` of 0 and 1."""
        sees = self.schedule(organisation).sees
        if sees == "effectual":
            return self.bits
        if sees == "all":
            return np.ones_like(self.bits)
        counts = self.brick_counts(organisation.brick, self.packing(organisation))
        raw = get_format(organisation.format).raw_bricks(counts, organisation.brick, organisation.data_bits)
        return self.bits | self.spread(raw, organisation)

    def spread(self, bricks: NDArray[np.bool_], organisation: Organisation) -> Bytes:
        """Return a flag of every storage brick (shaped as `brick_counts`) at each of its values, uint8 ``[N, C, H, W]``."""
        layer = self.layer
        inner = layer.input_size[1] * layer.group_channels if self.packing(organisation) == "row" else layer.group_channels
        values = np.repeat(bricks.view(np.uint8), organisation.brick, axis=-1)[..., :inner]
        maps = values.reshape(layer.images, layer.groups, *layer.input_size, layer.group_channels)
        return np.moveaxis(maps, -1, 2).reshape(self.bits.shape)

    def products(self, organisation: Organisation, filters: NDArray[np.int32]) -> Counts:
        """Return how many products a lane's activations make with so many filters at each place in the kernel, ``[N]``."""
        sees = self.schedule(organisation).sees
        if sees == "all":
            return np.full(self.layer.images, self.layer.windows * filters.sum(dtype=np.int64))
        return self.dot(self.position_counts if sees == "effectual" else self.positions_of(self.seen(organisation)), filters)

    def dot(self, positions: NDArray[np.int32], filters: NDArray[np.int32]) -> Counts:
        """Return, by image, the sum over places in the kernel (``[N, C, Kh, Kw]``) of windows times filters."""
        out = np.empty(len(positions), np.int64)
        self.kernels.dot(positions.reshape(len(positions), -1), filters.reshape(-1), out)
        return out

    def windows_seen_by(self, organisation: Organisation) -> Counts:
        """Return the activations that a lane takes for effectual, over all windows, ``[N]``."""
        schedule = self.schedule(organisation)
        if schedule.sees == "effectual":
            return self.windows_seen
        if schedule.sees == "all":
            return np.full(self.layer.images, self.layer.windows * self.layer.weights[0].size * self.layer.groups)
        return self.over_windows(self.run_counts(organisation), schedule.runs.longest, schedule.steps)

    def over_windows(self, values: Bytes, most: int, steps: StepMap) -> Counts:
        """Add up planes ``[maps, planes, places]``, no value above `most`, over all windows that read them, ``[N]``."""
        out = np.empty(len(values), np.int64)
        self.kernels.sum_over_windows(values, most, *steps.uses, out)
        by_image: Counts = out.reshape(self.layer.images, -1).sum(axis=1)
        return by_image

    def run_cycles(self, organisation: Organisation) -> Bytes:
        """Return the cycles of every run where no weights are skipped, without overhead, ``[maps, runs, places]``."""
        counts = self.run_counts(organisation)
        out = np.empty_like(counts)
        self.kernels.run_cycles(counts, self.brick_rows(organisation), self.schedule(organisation).run_bricks, out)
        return out

    def run_counts(self, organisation: Organisation) -> Bytes:
        """Return the values that a lane takes for effectual in every run, ``[maps, runs, places]``."""
        schedule = self.schedule(organisation)
        if schedule.sees != "raw" or schedule.steps.row_packed:
            return self._counts(self._step_bits(organisation), schedule.bits_key, schedule.runs.starts, schedule.runs.stops)
        return self.once(("raw_counts", *schedule.run_key), lambda: self._counts_with_raw_bricks(schedule))

    def _counts_with_raw_bricks(self, schedule: Schedule) -> Bytes:
        """Count the values of every run where all those in raw bricks are effectual, from what runs and bricks share."""
        o, pieces = schedule.organisation, schedule.pieces
        counts = self._effectual_counts(pieces.starts, pieces.stops)
        raw = -get_format(o.format).raw_bricks(self._counts_of_bricks(o.brick), o.brick, o.data_bits).view(np.uint8)
        out = np.empty((len(counts), schedule.runs.runs, counts.shape[2]), np.uint8)
        self.kernels.with_raw_bricks(counts, raw, pieces.run_of, pieces.brick_of, pieces.sizes, out)
        return out

    def _counts_of_bricks(self, brick: int) -> Bytes:
        """Return the effectual values of the bricks of every position, ``[maps, bricks, positions]``."""
        return self._effectual_counts(*cuts(self.layer.group_channels, brick))

    def _effectual_counts(self, starts: NDArray[np.int32], stops: NDArray[np.int32]) -> Bytes:
        """Count the effectual activations of some ranges of every position's channels, ``[maps, ranges, positions]``."""
        layer = self.layer
        bits = self.bits.reshape(layer.images, layer.groups, layer.group_channels, -1)
        return self._counts(bits, ("effectual",), starts, stops)

    def _counts(self, bits: Bytes, bits_key: tuple[object, ...], starts: NDArray[np.int32], stops: NDArray[np.int32]) -> Bytes:
        """Count the bits ``[N, groups, values, places]`` of some ranges of values, ``[maps, ranges, places]``."""

        def count() -> Bytes:
            flat = bits.reshape(-1, *bits.shape[2:])
            out = np.empty((len(flat), starts.size, bits.shape[3]), np.uint8)

            def task(first: int, last: int) -> None:
                self.kernels.run_counts(flat, starts, stops, first, last, out)

            self._split_ranges(task, bits, starts.size)
            return out

        return self.once(("counts", *bits_key, starts.tobytes(), stops.tobytes()), count)

    def _split_ranges(self, task: Callable[[int, int], None], bits: Bytes, ranges: int) -> None:
        """Share some ranges of the values of all maps among the threads."""
        maps = bits.shape[0] * bits.shape[1]
        split(task, maps * ranges, self.jobs, 1 + _THREAD_GRAIN * ranges * maps // bits.size)

    def run_masks(self, organisation: Organisation) -> Bytes:
        """Return the bits behind `run_counts`, ``[groups, runs, bytes, images * places + 1]``; the last place is the padding."""
        schedule = self.schedule(organisation)
        return self.once(("run_masks", *schedule.run_key), lambda: self._run_masks(organisation, schedule))

    def _run_masks(self, organisation: Organisation, schedule: Schedule) -> Bytes:
        bits, runs = self._step_bits(organisation), schedule.runs
        images, groups, _, places = bits.shape
        out = np.empty((groups, runs.runs, runs.planes, images * places + 1), np.uint8)
        out[..., -1] = 0
        if schedule.sees == "all":
            full = np.arange(8 * runs.planes) < runs.lengths[:, None]
            out[..., -1] = np.packbits(full, axis=1, bitorder="little")

        def task(first: int, last: int) -> None:
            self.kernels.run_masks(bits, runs.starts, runs.stops, first, last, out)

        self._split_ranges(task, bits, runs.runs)
        return out

    def brick_rows(self, organisation: Organisation) -> Bytes:
        """Return the NM rows that each storage brick touches, ``[maps, bricks, positions]``, or `NO_ROWS` if always one."""
        schedule, o = self.schedule(organisation), organisation
        if not schedule.has_rows:
            return NO_ROWS

        def find() -> Bytes:
            counts, touched = self._counts_of_bricks(o.brick), get_format(o.format).rows_touched
            images = counts.reshape(self.layer.images, self.layer.groups, *counts.shape[1:])
            # In storage order a position's bricks come together.
            rows = [touched(image.swapaxes(1, 2), o.brick, o.data_bits).swapaxes(1, 2) for image in images]
            return rows[0] if len(rows) == 1 else np.concatenate(rows)

        return self.once(("brick_rows", o.format, o.brick, o.data_bits), find)

    def run_rows(self, organisation: Organisation) -> Bytes:
        """Return the NM rows that fetching each run touches, ``[maps, runs, places]``, or `NO_ROWS` if always one."""
        rows = self.brick_rows(organisation)
        if rows is NO_ROWS:
            return rows
        first, last = self.schedule(organisation).run_bricks.T
        return np.maximum(rows[:, first], rows[:, last])

    def weight_masks(self, organisation: Organisation) -> Bytes:
        """Return the effectual weights that meet each run; see `PreparedWeights.masks`."""
        return self.weights.masks(organisation)

    def _step_bits(self, organisation: Organisation) -> Bytes:
        """Return the bits that a lane takes for effectual, by step, ``[N, groups, values, places]``."""
        schedule, layer = self.schedule(organisation), self.layer
        maps = (layer.images, layer.groups, layer.group_channels)
        if not schedule.steps.row_packed:
            return self.seen(organisation).reshape(*maps, -1)

        def find() -> Bytes:
            # A place holds the row that a window reads: x first, channel inside.
            steps, left, width = schedule.steps, layer.pads[1], layer.input_size[1]
            across, kw = layer.strides[1] * (steps.width - 1) + 1, layer.kernel_size[1]
            rows = np.full((*maps, steps.height, max(across + kw, left + width)), schedule.sees == "all", np.uint8)
            rows[..., left : left + width] = self.seen(organisation).reshape(*maps, *layer.input_size)
            columns = [rows[..., kx : kx + across : layer.strides[1]] for kx in range(kw)]
            return np.stack(columns, axis=2).reshape(*maps[:2], steps.values, -1)

        return self.once(("step_bits", *schedule.bits_key), find)
