"""`PreparedWeights`: masks and counts of a layer's weights; they outlive the batches of a run."""

from __future__ import annotations

from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.kernels import backend
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.part import Part
from cnvlutin2.timing.schedules import Schedules, Works
from cnvlutin2.timing.workers import default_jobs, split

if TYPE_CHECKING:
    from cnvlutin2.timing.layer import Plan

Masks = NDArray[np.uint8]
Digits = NDArray[np.uint8]

_THREAD_GRAIN = 1 << 18  # weights below which a thread costs more than it brings
_MOST = 1 << 15  # no 16-bit magnitude is larger


class PreparedWeights:
    """A layer's weights as the organisations see them, computed once and on demand.

    Parameters
    ----------
    layer : Layer
        Any batch of it: its activations are not looked at.
    jobs : int, optional
        Threads; by default all processors.
    kernels : module, optional
        `cnvlutin2.kernels.backend`, by default as the environment asks.
    """

    def __init__(self, layer: Layer, jobs: int | None = None, kernels: ModuleType | None = None) -> None:
        self.jobs = default_jobs() if jobs is None else jobs
        self._kernels = backend() if kernels is None else kernels
        self._weights = np.ascontiguousarray(layer.weights)
        self.schedules = Schedules(layer)
        self._windows = layer.windows
        self._groups, self._group_filters = layer.groups, layer.group_filters
        self._threshold = min(layer.weight_threshold, _MOST + 1)
        self._shared_counts: dict[int, NDArray[np.int32]] = {}
        self._masks: dict[tuple[object, ...], Masks] = {}
        self._walks: dict[tuple[object, ...], Digits] = {}
        self._leads: dict[tuple[object, ...], tuple[Digits, NDArray[np.uint16]]] = {}
        self._parts: dict[Works, Part] = {}
        self.plans: dict[object, Plan] = {}
        """How networks that begin with this layer are timed; see `cnvlutin2.timing.layer`."""

    @cached_property
    def filter_counts(self) -> NDArray[np.int32]:
        """Filters of the group whose weight is effectual, ``[C, Kh, Kw]``."""
        return self._counts(self._group_filters, shared=False)

    @cached_property
    def effectual(self) -> int:
        """Effectual weights."""
        return int(self.filter_counts.sum(dtype=np.int64))

    def shared_filter_counts(self, filters_per_tile: int) -> NDArray[np.int32]:
        """Return the filters whose tile has an effectual weight, ``[C, Kh, Kw]``."""
        if filters_per_tile not in self._shared_counts:
            self._shared_counts[filters_per_tile] = self._counts(filters_per_tile, shared=True)
        return self._shared_counts[filters_per_tile]

    def part(self, works: Works) -> Part:
        """Return the layer's part of a program (`Part`) for some organisations."""
        if works not in self._parts:
            self._parts[works] = Part(works, self)
        return self._parts[works]

    def masks(self, organisation: Organisation) -> Masks:
        """Return the effectual weights that meet each run, ``[groups, passes, steps * runs, tiles, filters, bytes]``.

        With ``skip_weights = shared`` the filters of a tile are joined into one.
        """
        key = self._key(organisation)
        if key not in self._masks:
            self._masks[key] = self._pack(organisation)
        return self._masks[key]

    def walks(self, organisation: Organisation) -> Digits:
        """Return the masks as every lane walks them where its filters do so on their own.

        Returns
        -------
        uint8 ``[groups, passes, tiles, filters, runs of all lanes, digits]``
            Digits of the masks, of the kernels' `DIGIT_BITS`, those of four bits times 16; runs as in `RunTable.lane_order`.
        """
        key = self._key(organisation)
        if key not in self._walks:
            self._walks[key] = self._digits(self._packed(organisation), organisation, (0, 1, 3, 4, 2))
        return self._walks[key]

    def leads(self, organisation: Organisation) -> tuple[Digits, NDArray[np.uint16]]:
        """Return the masks as every lane walks them, with the filters in front that may be their tile's busiest.

        Returns
        -------
        digits : uint8 ``[groups, passes, tiles, runs of all lanes, filters, digits]``
            Digits of the masks, of the kernels' `DIGIT_BITS`, those of four bits times 16; runs as in `RunTable.lane_order`.
        leaders : uint16 ``[groups, passes, tiles, runs of all lanes]``
            How many filters these are.
        """
        key = self._key(organisation)
        if key not in self._leads:
            masks = self._packed(organisation)
            leaders = np.full(masks.shape[:4], masks.shape[4], np.uint16)
            # Looking for them pays where more windows than filters are to come.
            if self._windows > masks.shape[4] > 1:
                masks = self._lead(masks, leaders)
            by_lane = leaders[:, :, self._lane_runs(organisation)].swapaxes(2, 3)
            self._leads[key] = self._digits(masks, organisation, (0, 1, 3, 2, 4)), np.ascontiguousarray(by_lane)
        return self._leads[key]

    @property
    def nbytes(self) -> int:
        """Bytes of all masks that are kept."""
        kept = [*self._masks.values(), *self._walks.values(), *(array for lead in self._leads.values() for array in lead)]
        return sum(array.nbytes for array in kept)

    def _key(self, organisation: Organisation) -> tuple[object, ...]:
        o, schedule = organisation, self.schedules.of(organisation)
        return (schedule.runs, schedule.steps.row_packed, o.tiles, o.filters_per_tile, o.skip_weights)

    def _packed(self, organisation: Organisation) -> Masks:
        """Return the masks, which are not kept: what is made of them is."""
        known = self._masks.get(self._key(organisation))
        return self._pack(organisation) if known is None else known

    def _lane_runs(self, organisation: Organisation) -> NDArray[np.int32]:
        """Return the runs of all lanes among those of the steps, in the order in which lanes walk them."""
        schedule = self.schedules.of(organisation)
        _, step, run = schedule.runs.lane_order(schedule.steps.steps)
        return step * np.int32(schedule.runs.runs) + run

    def _digits(self, masks: Masks, organisation: Organisation, axes: tuple[int, ...]) -> Digits:
        """Cut masks into digits, runs in the order of the lanes and the axes before the last in the one given."""
        planes = masks.shape[5]
        kind = f"u{planes}" if planes in (1, 2, 4, 8) else f"V{planes}"  # a run's bytes are moved as one
        whole = masks.view(kind)[..., 0][:, :, self._lane_runs(organisation)]
        ordered = np.ascontiguousarray(whole.transpose(axes))
        flat = ordered.view(np.uint8).reshape(-1)
        longest = self.schedules.of(organisation).runs.longest
        if self._kernels.DIGIT_BITS == 8:
            return flat.reshape(*ordered.shape, planes)
        if longest <= 4:
            return np.left_shift(flat, 4, out=flat).reshape(*ordered.shape, 1)
        out = np.empty((flat.size, 2), np.uint8)
        np.left_shift(flat, 4, out=out[:, 0])
        np.bitwise_and(flat, 0xF0, out=out[:, 1])
        return np.ascontiguousarray(out.reshape(*ordered.shape, 2 * planes)[..., : -(-longest // 4)])

    def _pack(self, organisation: Organisation) -> Masks:
        schedule = self.schedules.of(organisation)
        steps, runs = schedule.steps, schedule.runs
        passes, tiles = schedule.tile_filters.shape
        filters = min(organisation.filters_per_tile, self._group_filters)
        out = np.zeros((self._groups, passes, schedule.window_runs, tiles, filters, runs.planes), np.uint8)
        what = (self._weights, self._threshold, self._group_filters, steps.row_packed, runs.starts, runs.stops)

        def task(first: int, last: int) -> None:
            self._kernels.weight_masks(*what, first, last, out)

        split(task, len(self._weights), self.jobs, 1 + _THREAD_GRAIN // self._weights[0].size)
        return np.bitwise_or.reduce(out, axis=4, keepdims=True) if organisation.skip_weights == "shared" else out

    def _lead(self, masks: Masks, leaders: NDArray[np.uint16]) -> Masks:
        """Return the masks with the leaders in front; `leaders` becomes their number."""
        units, out = masks.reshape(-1, *masks.shape[4:]), np.zeros_like(masks)
        found, flat = out.reshape(units.shape), leaders.reshape(-1)

        def task(first: int, last: int) -> None:
            self._kernels.lead_filters(units, first, last, found, flat)

        split(task, len(units), self.jobs, 1 + _THREAD_GRAIN // (units.shape[1] * units.shape[2]))
        return out

    def _counts(self, filters: int, *, shared: bool) -> NDArray[np.int32]:
        grouped = self._weights.reshape(self._groups, self._group_filters, -1)
        out = np.zeros((self._groups, grouped.shape[2]), np.int32)
        self._kernels.weight_counts(grouped, self._threshold, filters, out, shared)
        by_place: NDArray[np.int32] = out.reshape(-1, *self._weights.shape[2:])
        return by_place
