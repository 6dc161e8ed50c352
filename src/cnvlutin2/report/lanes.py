"""What each lane does in chosen windows, run by run, from the tables that the timing model counts with (docs/model.md).

The timing model adds up; this module keeps what it adds, for a few windows of the first pass of the first group of one image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.organisation import Organisation, with_overrides
from cnvlutin2.timing import PreparedLayer
from cnvlutin2.timing.prepared import NO_ROWS
from cnvlutin2.timing.steps import StepMap

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

_PRODUCT_BYTES = 1 << 25  # masks of activations against weights held at a time


@dataclass(frozen=True, eq=False)
class LaneWork:
    """The work of every lane in some windows; `W` windows, `R` runs of a window, lane by lane in their order.

    Parameters
    ----------
    begins : int32 ``[lanes in use + 1]``
        The first run of each lane, and the end.
    steps, starts, lengths : int32 ``[R]``
        Step of each run, its first value in the step, how many values it has.
    stride : int
        From one value of a run to the next: 1, or the lanes in dense mode, where lanes take turns.
    seen, effectual : uint8 ``[R, W, bytes]``
        Values that occupy the lane (its own skipping of activations applied) and those that are effectual, first value lowest.
    weights : uint8 ``[R, tiles, filters, bytes]`` or None
        The weights that are not skipped; one "filter" if they are those of a whole tile. None if no weight is skipped.
    rows : uint8 ``[R, W]``
        NM rows that fetching each run touches.
    costs : int64 ``[R, W, tiles, filters]``
        Cycles of each run with its overhead, up to the barriers that every run has; one "tile" if all do the same, one
        "filter" unless filters run free.
    window_overhead : int
        Cycles that follow the last run.
    """

    begins: NDArray[np.int32]
    steps: NDArray[np.int32]
    starts: NDArray[np.int32]
    lengths: NDArray[np.int32]
    stride: int
    seen: Bytes
    effectual: Bytes
    weights: Bytes | None
    rows: Bytes
    costs: Ints
    window_overhead: int

    @cached_property
    def ends(self) -> Ints:
        """Cycle at which each lane ends in each tile, ``[W, tiles, lanes in use]``, window overhead left out."""
        by_lane: Ints = np.add.reduceat(self.costs, self.begins[:-1], axis=0).max(axis=3)
        return np.moveaxis(by_lane, 0, 2)

    @cached_property
    def cycles(self) -> Ints:
        """Cycles of each window, ``[W]``: when its slowest lane of its slowest tile ends, and the window overhead."""
        cycles: Ints = self.ends.max(axis=(1, 2)) + self.window_overhead
        return cycles


def lane_work(prepared: PreparedLayer, organisation: Organisation, mode: str, windows: NDArray[np.int64]) -> LaneWork:
    """Return what the lanes do in some windows of the layer's first image, group and pass.

    Parameters
    ----------
    prepared : PreparedLayer
        Of one image, or more: only the first is looked at (`PreparedLayer` of `Layer.image` saves the rest).
    organisation : Organisation
    mode : {"skip", "dense"}
    windows : int64 ``[W]``
        Their numbers, counted along x, then y.
    """
    steps = prepared.steps(organisation)
    where = window_places(steps, windows)
    return _dense_work(prepared, organisation, where) if mode == "dense" else _skip_work(prepared, organisation, where)


def window_places(steps: StepMap, windows: NDArray[np.int64]) -> Ints:
    """Return the place of the map that each step of each window reads, ``[steps, W]``; -1 in the padding."""
    (ky, kx), (oy, ox) = np.divmod(np.arange(steps.steps), steps.kernel[1]), np.divmod(windows, steps.outputs[1])
    y = oy * steps.strides[0] - steps.pads[0] + ky[:, None] * steps.dilations[0]
    x = ox * steps.strides[1] - steps.pads[1] + kx[:, None] * steps.dilations[1]
    inside = (y >= 0) & (y < steps.height) & (x >= 0) & (x < steps.width)
    places: Ints = np.where(inside, y * steps.width + x, -1)
    return places


def _skip_work(prepared: PreparedLayer, organisation: Organisation, where: Ints) -> LaneWork:
    runs, steps = prepared.runs(organisation), prepared.steps(organisation)
    begins, step, run = runs.lane_order(steps.steps)
    seen = _masks(prepared, organisation, where, step, run)
    rows = prepared.run_rows(organisation)
    touched = np.ones(seen.shape[:2], np.uint8)
    if rows is not NO_ROWS:
        touched = np.where(where[step] < 0, 1, rows[0][run[:, None], where[step]])
    weights = None
    if organisation.skip_weights != "none":
        weights = prepared.weight_masks(organisation)[0, 0, step * runs.runs + run]
    return LaneWork(
        begins=begins,
        steps=step,
        starts=runs.starts[run],
        lengths=runs.lengths[run],
        stride=1,
        seen=seen,
        effectual=_masks(prepared, _only_effectual(organisation), where, step, run),
        weights=weights,
        rows=touched,
        costs=_costs(organisation, seen, weights, touched),
        window_overhead=organisation.window_overhead,
    )


def _costs(organisation: Organisation, seen: Bytes, weights: Bytes | None, rows: Bytes) -> Ints:
    """Return the cycles of runs, ``[R, W, tiles, filters]`` as `LaneWork` has them."""
    least, overhead = rows[:, :, None, None], organisation.run_overhead
    if weights is None:
        return np.maximum(_ones(seen)[:, :, None, None], least).astype(np.int64) + overhead
    free = (
        organisation.skip_weights == "per_filter" and organisation.filter_sync == "window" and organisation.tile_sync != "brick"
    )
    found = []
    chunk = 1 + _PRODUCT_BYTES // weights.size
    for first in range(0, seen.shape[1], chunk):  # a few windows at a time, for the sake of memory
        products = _ones(seen[:, first : first + chunk, None, None] & weights[:, None])
        cost = np.maximum(products, least[:, first : first + chunk])
        found.append(cost if free else cost.max(axis=3, keepdims=True))
    costs = np.concatenate(found, axis=1).astype(np.int64)
    return (costs.max(axis=2, keepdims=True) if organisation.tile_sync == "brick" else costs) + overhead


def _dense_work(prepared: PreparedLayer, organisation: Organisation, where: Ints) -> LaneWork:
    """All lanes take consecutive values of a step together; a run here is what a lane takes in up to a brick's cycles."""
    lanes, brick, steps = organisation.lanes, organisation.brick, prepared.steps(organisation)
    busy = -(-steps.values // lanes)  # cycles of a step
    lane, step, first = (
        a.ravel()
        for a in np.meshgrid(
            np.arange(min(lanes, steps.values)), np.arange(steps.steps), np.arange(0, busy, brick), indexing="ij"
        )
    )
    cycles = np.minimum(busy - first, brick)
    starts = first * lanes + lane
    lengths = np.minimum(cycles, -(-(steps.values - starts) // lanes))
    bits = _step_bits(prepared, organisation, where)
    value = starts[:, None] + np.arange(brick) * lanes
    inside = np.arange(brick) < lengths[:, None]
    effectual = bits[step[:, None], np.where(inside, value, 0)] & inside[:, :, None]  # [R, brick, W]
    windows = where.shape[1]
    everything = np.repeat(inside[:, None], windows, axis=1)
    return LaneWork(
        begins=np.searchsorted(lane, np.arange(lane[-1] + 2)).astype(np.int32),
        steps=step.astype(np.int32),
        starts=starts.astype(np.int32),
        lengths=lengths.astype(np.int32),
        stride=lanes,
        seen=np.packbits(everything, axis=2, bitorder="little"),
        effectual=np.packbits(np.swapaxes(effectual, 1, 2), axis=2, bitorder="little"),
        weights=None,
        rows=np.ones((lane.size, windows), np.uint8),
        costs=np.repeat(cycles[:, None], windows, axis=1)[:, :, None, None].astype(np.int64),
        window_overhead=organisation.window_overhead,
    )


def _step_bits(prepared: PreparedLayer, organisation: Organisation, where: Ints) -> NDArray[np.bool_]:
    """Return which values of each step are effectual, ``[steps, values, W]``."""
    whole = with_overrides(_only_effectual(organisation), {"lane_map": "interleaved"})  # runs are bricks of the step
    runs, steps = prepared.runs(whole), prepared.steps(whole)
    step, run = (a.ravel() for a in np.indices((steps.steps, runs.runs)))
    bits = np.unpackbits(_masks(prepared, whole, where, step, run), axis=2, count=organisation.brick, bitorder="little")
    by_step = bits.reshape(steps.steps, runs.runs, -1, organisation.brick)
    values = np.moveaxis(by_step, 2, 3).reshape(steps.steps, -1, where.shape[1])
    return values[:, : steps.values].astype(np.bool_)


def _masks(
    prepared: PreparedLayer, organisation: Organisation, where: Ints, step: NDArray[np.integer], run: NDArray[np.integer]
) -> Bytes:
    """Return the seen bits of some runs, ``[R, W, bytes]``."""
    masks = prepared.run_masks(organisation)[0]
    padding = masks.shape[2] - 1
    place = np.where(where < 0, padding, where)[step]
    found: Bytes = masks[run[:, None], :, place]
    return found


def _only_effectual(organisation: Organisation) -> Organisation:
    """Return an organisation of the same runs whose lanes see what is effectual."""
    changes = {"format": "dense", "detect": "dispatch", "skip_activations": True, "layer_mode": "skip"}
    return with_overrides(organisation, changes)


def _ones(masks: Bytes) -> Bytes:
    """Count the ones of masks of up to 64 bits, over the last axis."""
    counts: Bytes = np.bitwise_count(masks)
    ones = counts[..., 0].copy()
    for plane in range(1, masks.shape[-1]):  # at most 8; NumPy is slow to add over so short an axis
        ones += counts[..., plane]
    return ones
