"""`PreparedLayer`: what the organisations share of one layer, computed once and on demand."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings import Packing, brick_counts, get_format
from cnvlutin2.kernels import backend
from cnvlutin2.network.layer import Layer
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.steps import RunTable, StepMap, run_table
from cnvlutin2.timing.weights import PreparedWeights
from cnvlutin2.timing.workers import default_jobs, split

Bytes = NDArray[np.uint8]
Counts = NDArray[np.int64]

_THREAD_GRAIN = 1 << 21  # values below which a thread costs more than it brings
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
        self._steps: dict[tuple[int, str], StepMap] = {}
        self._cache: dict[tuple[object, ...], NDArray[np.generic]] = {}

    @cached_property
    def bits(self) -> Bytes:
        """Effectual activations, uint8 ``[N, C, H, W]`` of 0 and 1."""
        return np.ascontiguousarray(self.layer.effectual_activations()).view(np.uint8)

    @cached_property
    def position_counts(self) -> NDArray[np.int32]:
        """Windows in which the activation is effectual, ``[N, C, Kh, Kw]``."""
        return self.positions_of(self.bits)

    @cached_property
    def effectual_macs(self) -> Counts:
        """Products of an effectual activation and an effectual weight, padding left out, ``[N]``."""
        return dot(self.position_counts, self.weights.filter_counts)

    @cached_property
    def windows_seen(self) -> Counts:
        """Effectual activations over all windows, ``[N]``."""
        counts: Counts = self.position_counts.sum(axis=(1, 2, 3), dtype=np.int64)
        return counts

    @cached_property
    def activation_counts(self) -> Counts:
        """Effectual activations stored, ``[N]``."""
        counts: Counts = np.count_nonzero(self.bits.reshape(self.layer.images, -1), axis=1).astype(np.int64)
        return counts

    def positions_of(self, bits: Bytes) -> NDArray[np.int32]:
        """Count, for each place in the kernel, the windows in which a bit is set, ``[N, C, Kh, Kw]``."""
        layer = self.layer
        (kh, kw), (oh, ow) = layer.kernel_size, layer.output_size
        geometry = (kh, kw, *layer.strides, *layer.pads[:2], *layer.dilations, oh, ow)
        flat = bits.reshape(-1, *layer.input_size)
        out = np.empty((flat.shape[0], kh, kw), np.int32)

        def task(first: int, last: int) -> None:
            self.kernels.position_counts(flat[first:last], geometry, out[first:last])

        split(task, flat.shape[0], self.jobs, 1 + _THREAD_GRAIN // (4 * flat[0].size * kw))
        return out.reshape(layer.images, -1, kh, kw)

    def steps(self, organisation: Organisation) -> StepMap:
        """Return where the layer's steps lie."""
        key = (organisation.brick, organisation.packing)
        if key not in self._steps:
            self._steps[key] = StepMap.of(self.layer, *key)
        return self._steps[key]

    def runs(self, organisation: Organisation) -> RunTable:
        """Return the runs that a step is cut into."""
        values = self.steps(organisation).values
        return run_table(values, organisation.lanes, organisation.brick, organisation.lane_map)

    def packing(self, organisation: Organisation) -> Packing:
        """Return how the layer is stored."""
        return "row" if self.steps(organisation).row_packed else "brick"

    def brick_counts(self, brick: int, packing: Packing) -> Bytes:
        """Return the effectual values of every storage brick, ``[N, groups, H, W, bricks]``, without `W` if row-packed."""
        key = ("brick_counts", brick, packing)
        if key not in self._cache:
            self._cache[key] = brick_counts(self.bits.view(np.bool_), brick, self.layer.groups, packing)
        return self._cache[key]  # type: ignore[return-value]

    def seen(self, organisation: Organisation) -> Bytes:
        """Return the activations that a lane takes for effectual, uint8 ``[N, C, H, W]`` of 0 and 1."""
        if not organisation.skip_activations:
            return np.ones_like(self.bits)
        if not sees_raw_bricks(organisation):
            return self.bits
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

    def run_counts(self, organisation: Organisation) -> Bytes:
        """Return the values that a lane takes for effectual in every run, ``[maps, runs, places]``."""
        steps, runs = self.steps(organisation), self.runs(organisation)
        key = ("run_counts", seen_key(organisation), runs.lanes, organisation.lane_map, organisation.brick, steps.row_packed)
        if key not in self._cache:
            if sees_raw_bricks(organisation) and not steps.row_packed:
                self._cache[key] = self._raw_run_counts(organisation, runs)
            else:
                self._cache[key] = self._count(self._step_bits(organisation, steps), steps, runs.starts, runs.stops)
        return self._cache[key]  # type: ignore[return-value]

    def _count(self, bits: Bytes, steps: StepMap, starts: NDArray[np.int32], stops: NDArray[np.int32]) -> Bytes:
        """Count the bits of some ranges of every step's values, ``[maps, ranges, places]``."""
        out = np.empty((self._maps, starts.size, steps.height * steps.width), np.uint8)
        hop = self.layer.strides[1] * self.layer.group_channels

        def task(first: int, last: int) -> None:
            if steps.row_packed:
                self.kernels.row_run_counts(bits, starts, stops, hop, first, last, out)
            else:
                self.kernels.run_counts(bits, starts, stops, first, last, out)

        self._split_ranges(task, bits, starts.size)
        return out

    def _raw_run_counts(self, organisation: Organisation, runs: RunTable) -> Bytes:
        """Count what a lane sees where raw bricks are all effectual to it, from the pieces that runs and bricks share."""
        steps, brick = self.steps(organisation), organisation.brick
        starts = np.union1d(runs.starts, np.arange(0, steps.values, brick)).astype(np.int32)
        stops = np.append(starts[1:], steps.values).astype(np.int32)
        counts = self.brick_counts(brick, "brick")
        raw = get_format(organisation.format).raw_bricks(counts, brick, organisation.data_bits)
        by_brick = np.moveaxis(raw.reshape(self._maps, steps.height * steps.width, -1), 2, 1)
        effectual = self._count(self._step_bits(None, steps), steps, starts, stops)
        lengths = (stops - starts).astype(np.uint8)[:, None]
        pieces = np.where(by_brick[:, starts // brick], lengths, effectual)
        if starts.size == runs.runs:
            return pieces
        return np.add.reduceat(pieces, np.searchsorted(starts, runs.starts), axis=1, dtype=np.uint8)

    def _split_ranges(self, task: Callable[[int, int], None], bits: Bytes, ranges: int) -> None:
        """Share the ranges of all maps among the threads."""
        split(task, self._maps * ranges, self.jobs, 1 + _THREAD_GRAIN * ranges // bits[0].size)

    def run_masks(self, organisation: Organisation) -> Bytes:
        """Return the bits behind `run_counts`, ``[groups, runs, bytes, images * places + 1]``; the last place is the padding."""
        steps, runs = self.steps(organisation), self.runs(organisation)
        key = ("run_masks", seen_key(organisation), runs.lanes, organisation.lane_map, organisation.brick, steps.row_packed)
        if key not in self._cache:
            bits, places = self._step_bits(organisation, steps), steps.height * steps.width
            planes = runs.planes
            images, groups = self.layer.images, self.layer.groups
            masks = np.empty((self._maps, runs.runs, planes, places), np.uint8)

            hop = self.layer.strides[1] * self.layer.group_channels

            def task(first: int, last: int) -> None:
                if steps.row_packed:
                    self.kernels.row_run_masks(bits, runs.starts, runs.stops, hop, first, last, masks)
                else:
                    self.kernels.run_masks(bits, runs.starts, runs.stops, first, last, masks)

            self._split_ranges(task, bits, runs.runs)
            out = np.zeros((groups, runs.runs, planes, images * places + 1), np.uint8)
            by_image = masks.reshape(images, groups, runs.runs, planes, places)
            out[..., :-1] = np.moveaxis(by_image, 0, 3).reshape(groups, runs.runs, planes, -1)
            if not organisation.skip_activations:
                full = np.arange(8 * planes) < runs.lengths[:, None]
                out[..., -1] = np.packbits(full, axis=1, bitorder="little")
            self._cache[key] = out
        return self._cache[key]  # type: ignore[return-value]

    def run_rows(self, organisation: Organisation) -> Bytes:
        """Return the NM rows that fetching each run touches, ``[maps, runs, places]``, or `NO_ROWS` if always one."""
        layer, brick = self.layer, organisation.brick
        if organisation.format != "packed_viai" or self.packing(organisation) == "row":
            return NO_ROWS
        runs = self.runs(organisation)
        key = ("run_rows", brick, organisation.data_bits, runs.lanes, organisation.lane_map)
        if key not in self._cache:
            counts = self.brick_counts(brick, "brick")
            touched = get_format(organisation.format).rows_touched
            rows = np.stack([touched(image, brick, organisation.data_bits) for image in counts])
            by_brick = np.moveaxis(rows.reshape(self._maps, layer.input_size[0] * layer.input_size[1], -1), 2, 1)
            # A run is no longer than a brick, so it lies in two bricks at most.
            out = np.maximum(by_brick[:, runs.starts // brick], by_brick[:, (runs.stops - 1) // brick])
            self._cache[key] = np.ascontiguousarray(out)
        return self._cache[key]  # type: ignore[return-value]

    def weight_masks(self, organisation: Organisation) -> Bytes:
        """Return the effectual weights that meet each run; see `PreparedWeights.masks`."""
        return self.weights.masks(organisation, self.steps(organisation), self.runs(organisation))

    @property
    def _maps(self) -> int:
        return self.layer.images * self.layer.groups

    def _step_bits(self, organisation: Organisation | None, steps: StepMap) -> Bytes:
        """Return the seen bits by step, ``[maps, values, places]``; row-packed, padded rows ``[maps, height, values]``.

        With no organisation, the effectual ones.
        """
        layer, seen = self.layer, self.bits if organisation is None else self.seen(organisation)
        maps = seen.reshape(self._maps, layer.group_channels, *layer.input_size)
        if not steps.row_packed:
            return maps.reshape(self._maps, layer.group_channels, -1)
        across = (steps.outputs[1] - 1) * layer.strides[1] + layer.kernel_size[1]  # places that the windows reach
        left, width = layer.pads[1], layer.input_size[1]
        padding = 1 if organisation is not None and not organisation.skip_activations else 0
        rows = np.full((self._maps, layer.input_size[0], max(across, left + width), layer.group_channels), padding, np.uint8)
        rows[:, :, left : left + width] = np.moveaxis(maps, 1, 3)
        return rows.reshape(self._maps, layer.input_size[0], -1)


def sees_raw_bricks(organisation: Organisation) -> bool:
    """Whether bricks stored raw reach the lanes without offsets."""
    return organisation.format == "roe" and organisation.detect == "output" and organisation.skip_activations


def seen_key(organisation: Organisation) -> tuple[object, ...]:
    """What `PreparedLayer.seen` depends on."""
    if sees_raw_bricks(organisation):
        return ("raw", organisation.brick, organisation.data_bits, organisation.packing)
    return ("effectual" if organisation.skip_activations else "all",)


def dot(positions: NDArray[np.int32], filters: NDArray[np.int32]) -> Counts:
    """Return, by image, the sum over places in the kernel of windows times filters."""
    out: Counts = np.einsum("ni,i->n", positions.reshape(len(positions), -1), filters.ravel(), dtype=np.int64)
    return out
