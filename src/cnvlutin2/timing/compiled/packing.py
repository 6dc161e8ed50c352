"""Weights as the kernels walk them: digits of the masks of effectual weights, run by run; they outlive a network's images."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.layer import Layer
from cnvlutin2.mapping import Schedule
from cnvlutin2.simd.lookups import DIGIT_BITS
from cnvlutin2.timing.compiled.masks import lead_filters, weight_masks
from cnvlutin2.timing.compiled.recording import kind_of
from cnvlutin2.timing.compiled.records import DRIFTING, FREE, WAITING, WalkRecord
from cnvlutin2.timing.compiled.tuning import LEAD_WINDOWS

MOST = 1 << 15  # no 16-bit magnitude is larger


class Walks:
    """The weights of a layer as they are walked, each once, whatever organisations walk them.

    Parameters
    ----------
    layer : Layer
        Any batch of it.
    """

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._merged: dict[int, Layer] = {}
        self._records: list[tuple[Hashable, WalkRecord]] = []
        self._numbers: dict[Hashable, int] = {}

    def __getitem__(self, number: int) -> WalkRecord:
        return self._records[number][1]

    def number(self, schedule: Schedule) -> int:
        """Return which of the records a schedule's lanes walk."""
        mapped = schedule.together, schedule.steps, schedule.runs, schedule.seats
        key = mapped, schedule.organisation.skip_weights, kind_of(schedule)
        if key not in self._numbers:
            if schedule.together not in self._merged:
                self._merged[schedule.together] = self._layer.side_by_side(schedule.together)
            record = walk_record(schedule, self._merged[schedule.together], schedule.steps.windows)
            same = (i for i, (other, found) in enumerate(self._records) if other == mapped and _alike(found, record))
            self._numbers[key] = next(same, len(self._records))
            if self._numbers[key] == len(self._records):
                self._records.append((mapped, record))
        return self._numbers[key]


def _alike(a: WalkRecord, b: WalkRecord) -> bool:
    """Whether two records of one mapping are the same."""
    return a.kind == b.kind and np.array_equal(a.weights, b.weights) and np.array_equal(a.leaders, b.leaders)


def walk_record(schedule: Schedule, layer: Layer, windows: int) -> WalkRecord:
    """Pack the weights of a layer as its lanes walk them.

    Parameters
    ----------
    schedule : Schedule
    layer : Layer
        With the groups set side by side that are computed together.
    windows : int
        Of an image: how often the weights are walked.
    """
    seats, runs, order, kind = schedule.seats, schedule.runs, schedule.lane_order, kind_of(schedule)
    tile_filters = np.ascontiguousarray(seats.tile_filters[:, : int(seats.tile_of.max()) + 1])
    passes, tiles = tile_filters.shape
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
    none, lane_begins = np.zeros(0, np.uint16), order.begins[:-1]
    leaders, alike, full = none, none, np.zeros((*masks.shape[:3], 0), np.bool_)
    union = np.bitwise_or.reduce(masks, axis=(1, 2, 4), keepdims=True)
    if kind != WAITING:
        gathered, alike = _gather_alike(masks, order.begins, tile_filters)
        all_alike = alike >= tile_filters[..., None]
        kind = WAITING if all_alike.all() else kind
        if kind == DRIFTING:
            masks = gathered
            full = all_alike & np.logical_and.reduceat((masks[:, :, :, :, :1] == union).all(axis=(4, 5)), lane_begins, axis=3)
    if kind == WAITING:
        units = masks.reshape(-1, *masks.shape[4:])
        leaders = np.full(len(units), units.shape[1], np.uint16)
        if windows > LEAD_WINDOWS * units.shape[1] > LEAD_WINDOWS:
            lead_filters(units, leaders)
        masks = masks[:, :, :, :, : int(leaders.max())]
        led = (masks[:, :, :, :, :1] == union).all(axis=(4, 5)) & (leaders == 1).reshape(masks.shape[:4])
        full = np.logical_and.reduceat(led, lane_begins, axis=3)
    if kind == FREE:
        masks = np.ascontiguousarray(masks.swapaxes(3, 4))
    digits = _digits(masks, runs.longest)
    return WalkRecord(kind, order.begins, order.step_of, order.run_of, digits, leaders, alike.ravel(), full.ravel(), tile_filters)


def _gather_alike(
    masks: NDArray[np.uint8], begins: NDArray[np.int32], tile_filters: NDArray[np.int32]
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Put one of the filters of each tile in front that have in a lane all weights that any of the tile has, and the others last.

    They do the same, and where weights are hardly ever ineffectual they are most.

    Parameters
    ----------
    masks : uint8 ``[groups, passes, tiles, runs of a window, slots, bytes]``
    begins : int32 ``[lanes in use + 1]``
    tile_filters : int32 ``[passes, tiles]``

    Returns
    -------
    masks
        In this order.
    alike : uint16 ``[groups, passes, tiles, lanes in use]``
        How many they are, or 1.
    """
    gathered, alike = [], []
    for lane in np.split(masks, begins[1:-1], axis=3):
        others = (lane != np.bitwise_or.reduce(lane, axis=4, keepdims=True)).any(axis=(3, 5))
        place = np.where(others, 1, 2)
        np.put_along_axis(place, others.argmin(axis=3, keepdims=True), 0, axis=3)
        order = place.argsort(axis=3, kind="stable")
        gathered.append(np.take_along_axis(lane, order[:, :, :, None, :, None], axis=4))
        alike.append(np.maximum(1, np.minimum(tile_filters, np.count_nonzero(~others, axis=3))))
    return np.concatenate(gathered, axis=3), np.stack(alike, axis=3).astype(np.uint16)


def _digits(masks: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Cut masks into the digits that the kernels look up; those of four bits are kept times 16."""
    if DIGIT_BITS == 8:
        return np.ascontiguousarray(masks)
    digits = np.empty((*masks.shape, 2), np.uint8)
    np.left_shift(masks, 4, out=digits[..., 0])
    np.bitwise_and(masks, 0xF0, out=digits[..., 1])
    return np.ascontiguousarray(digits.reshape(*masks.shape[:-1], -1)[..., : -(-longest // 4)])
