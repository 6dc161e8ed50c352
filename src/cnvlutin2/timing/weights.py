"""`PreparedWeights`: masks and counts of a layer's weights; they outlive the batches of a run."""

from __future__ import annotations

from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.kernels import backend
from cnvlutin2.network.layer import Layer
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.program import Part
from cnvlutin2.timing.schedules import Schedules, Works
from cnvlutin2.timing.workers import default_jobs, split

if TYPE_CHECKING:
    from cnvlutin2.timing.layer import Plan

Masks = NDArray[np.uint8]

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
        self._leaders: dict[tuple[object, ...], tuple[Masks, NDArray[np.uint16]]] = {}
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
            self._parts[works] = Part(works, self.filter_counts)
        return self._parts[works]

    def masks(self, organisation: Organisation) -> Masks:
        """Return the effectual weights that meet each run, ``[groups, passes, steps * runs, tiles, filters, bytes]``.

        With ``skip_weights = shared`` the filters of a tile are joined into one.
        """
        key = self._key(organisation)
        if key not in self._masks:
            self._masks[key] = self._pack(organisation)
        return self._masks[key]

    def lead_masks(self, organisation: Organisation) -> tuple[Masks, NDArray[np.uint16]]:
        """Return the masks with the filters in front that may be their tile's busiest, and how many these are.

        Returns
        -------
        masks : uint8, shaped as `masks`
        leaders : uint16 ``[groups, passes, steps * runs, tiles]``
        """
        key = self._key(organisation)
        if key not in self._leaders:
            filters = 1 if organisation.skip_weights == "shared" else min(organisation.filters_per_tile, self._group_filters)
            # Looking for them pays where more windows than filters are to come.
            worth = self._windows > filters > 1
            masks = self._masks.get(key) if worth else self.masks(organisation)
            if masks is None:
                masks = self._pack(organisation)  # not kept: what leads is
            leaders = np.full(masks.shape[:4], masks.shape[4], np.uint16)
            self._leaders[key] = (self._lead(masks, leaders) if worth else masks, leaders)
        return self._leaders[key]

    @property
    def nbytes(self) -> int:
        """Bytes of all masks that are kept."""
        kept = {id(array): array.nbytes for array in self._masks.values()}
        for masks, leaders in self._leaders.values():
            kept |= {id(masks): masks.nbytes, id(leaders): leaders.nbytes}
        return sum(kept.values())

    def _key(self, organisation: Organisation) -> tuple[object, ...]:
        o, schedule = organisation, self.schedules.of(organisation)
        return (schedule.runs, schedule.steps.row_packed, o.tiles, o.filters_per_tile, o.skip_weights)

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
