"""Weights as the kernels walk them: digits of the masks of effectual weights, run by run; they outlive a network's images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.layer import Layer
from cnvlutin2.mapping import Schedule
from cnvlutin2.simd.lookups import DIGIT_BITS
from cnvlutin2.timing.compiled.masks import lead_filters, weight_masks
from cnvlutin2.timing.compiled.records import FREE, WAITING, WalkRecord
from cnvlutin2.timing.compiled.tuning import LEAD_WINDOWS

MOST = 1 << 15  # no 16-bit magnitude is larger


def walk_record(schedule: Schedule, layer: Layer, kind: int, windows: int) -> WalkRecord:
    """Pack the weights of a layer as its lanes walk them.

    Parameters
    ----------
    schedule : Schedule
    layer : Layer
        With the groups set side by side that are computed together.
    kind : int
        How the filters of a tile walk a lane.
    windows : int
        Of an image: how often the weights are walked.
    """
    seats, runs, order = schedule.seats, schedule.runs, schedule.lane_order
    passes, tiles = seats.tile_filters.shape
    slots, planes = int(seats.slot_of.max()) + 1, -(-runs.longest // 8)
    masks = np.zeros((schedule.groups, passes, tiles, schedule.window_runs, slots, planes), np.uint8)
    threshold = min(layer.weight_threshold, MOST + 1)
    weight_masks(
        np.ascontiguousarray(layer.weights),
        threshold,
        schedule.steps.row_packed,
        (runs.starts, runs.stops),
        (seats.pass_of, seats.tile_of, seats.slot_of),
        masks,
    )
    masks = np.take(masks, order.step_of * np.int32(runs.runs) + order.run_of, axis=3)
    if schedule.organisation.skip_weights == "shared":
        masks = np.bitwise_or.reduce(masks, axis=4, keepdims=True)
    leaders = np.zeros(0, np.uint16)
    if kind == WAITING:
        units = masks.reshape(-1, *masks.shape[4:])
        leaders = np.full(len(units), units.shape[1], np.uint16)
        if windows > LEAD_WINDOWS * units.shape[1] > LEAD_WINDOWS:
            lead_filters(units, leaders)
    if kind == FREE:
        masks = np.ascontiguousarray(masks.swapaxes(3, 4))
    digits = _digits(masks, runs.longest)
    return WalkRecord(order.begins, order.step_of, order.run_of, digits, leaders, seats.tile_filters)


def _digits(masks: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Cut masks into the digits that the kernels look up; those of four bits are kept times 16."""
    if DIGIT_BITS == 8:
        return np.ascontiguousarray(masks)
    digits = np.empty((*masks.shape, 2), np.uint8)
    np.left_shift(masks, 4, out=digits[..., 0])
    np.bitwise_and(masks, 0xF0, out=digits[..., 1])
    return np.ascontiguousarray(digits.reshape(*masks.shape[:-1], -1)[..., : -(-longest // 4)])
