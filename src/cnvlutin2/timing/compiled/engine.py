"""`CompiledEngine`: cycles and slots by compiled kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.layer import Geometry, Layer
from cnvlutin2.organisation import Organisation, with_overrides
from cnvlutin2.simd import VECTOR
from cnvlutin2.timing.compiled.lanes import count_lanes
from cnvlutin2.timing.compiled.pairs import count_pairs
from cnvlutin2.timing.compiled.plan import LayerPlan, OrganisationPlan, plan_layer
from cnvlutin2.timing.compiled.records import FIRST_TABLE, STORED, Bytes
from cnvlutin2.timing.compiled.sums import count_sums
from cnvlutin2.timing.compiled.tuning import BAND, THREAD_GRAIN
from cnvlutin2.timing.engine import Counts, Engine, LayerTimings, OrganisationTiming, RunMode, Timing
from cnvlutin2.timing.observed import ObservedWeights
from cnvlutin2.timing.options import Knows, any_value, either, one_of, refuse, unknown_options, whole_number
from cnvlutin2.timing.threads import default_jobs, split

KNOWN: dict[str, Knows] = {
    **dict.fromkeys(
        ("tiles", "filters_per_tile", "lanes", "brick", "data_bits", "run_overhead", "window_overhead"), whole_number
    ),
    **dict.fromkeys(("layer_mode", "format", "skip_activations"), any_value),
    "skip_weights": one_of("none", "shared", "per_filter"),
    "filter_sync": either(one_of("brick", "window"), whole_number),
    "filter_map": one_of("blocked", "spread"),
    "group_map": one_of("serial", "parallel"),
    "tile_sync": one_of("brick", "window", "layer"),
    "lane_map": one_of("sliced", "interleaved"),
    "detect": one_of("output", "dispatch"),
    "packing": one_of("row", "brick"),
}
"""The values of parameters that the engine knows; what the kernels do not do of them it leaves to the plain engine."""


Unit = tuple[int, int, int, int]
"""What a thread does at a time: a layer, a band of it, the first of some images, and their end."""


class CompiledEngine:
    """Counts by compiled kernels: layer by layer, large ones band by band, shared among threads.

    Parameters
    ----------
    jobs : int, optional
        Threads; by default all processors. The counts do not depend on it.
    fallback : Engine
        Who times what the kernels do not do (`cnvlutin2.timing.compiled.recording.unknown_to_kernels`).
    """

    name = "compiled"

    def __init__(self, fallback: Engine, jobs: int | None = None) -> None:
        self._jobs = default_jobs() if jobs is None else jobs
        self._fallback = fallback
        self._sets: list[tuple[tuple[Organisation, ...], dict[str, _Planned]]] = []
        self._weights: dict[str, tuple[_Weights, ObservedWeights]] = {}

    def unknown(self, organisation: Organisation) -> tuple[str, ...]:
        """Return what of an organisation is not known; see `Engine.unknown`."""
        return unknown_options(organisation, KNOWN)

    def time(self, layers: Sequence[Layer], organisations: Sequence[Organisation]) -> list[LayerTimings]:
        """Count the cycles and slots of layers under organisations; see `Engine.time`."""
        plans = self._plans(layers, tuple(organisations))
        made = [_Counting(layer, plan) for layer, plan in zip(layers, plans, strict=True)]
        units = [
            (i, band, first, min(first + together, layer.images))
            for i, (layer, plan) in enumerate(zip(layers, plans, strict=True))
            for band, record in enumerate(plan.bands)
            for together in (max(1, BAND // record.activations),)
            for first in range(0, layer.images, together)
        ]
        bits = max(made[i].bits(band, last - first) for i, band, first, last in units)

        def task(first: int, last: int) -> None:
            room = np.empty(bits, np.uint8)
            for i, band, begin, end in units[first:last]:
                made[i].count(band, begin, end, room)

        activations = sum(layer.activations.size for layer in layers)
        split(task, len(units), self._jobs, 1 + len(units) * THREAD_GRAIN // activations)
        return [each.timings(organisations, self._fallback) for each in made]

    def window_ends(self, layer: Layer, organisation: Organisation, mode: RunMode) -> Counts:
        """Return the cycle of its pass in which each window has ended; see `Engine.window_ends`."""
        chosen = with_overrides(organisation, {"layer_mode": mode})
        self._check(chosen)
        plan = plan_layer(layer, ObservedWeights(layer), [chosen], in_bands=False)
        found = plan.organisations[0]
        if mode == "skip" and found.skip is None:
            return self._fallback.window_ends(layer, organisation, mode)
        schedule = found.schedule
        shape = layer.images, schedule.groups, schedule.passes, schedule.steps.windows
        counting = _Counting(layer, plan)
        record, room = plan.bands[0], np.empty(counting.bits(0, layer.images), np.uint8)
        counting.count(0, 0, layer.images, room)
        cycles = np.full(shape, schedule.dense_window_cycles, np.int64)
        if record.lanes:
            by_lane = np.zeros((1, layer.images, schedule.groups, schedule.steps.windows), np.int64)
            count_lanes(record.lanes[0], room, 0, layer.images, counting.results[0], by_lane)
            cycles[:] = by_lane[0][:, :, None]
        elif record.pairs:
            by_tile = np.zeros((*shape[:3], schedule.seats.tile_filters.shape[1], shape[3]), np.int64)
            count_pairs(record.pairs[0], room, 0, layer.images, counting.results[0], by_tile)
            by_tile += chosen.window_overhead
            if chosen.tile_sync == "layer":
                return by_tile.cumsum(axis=4).max(axis=3)
            return by_tile.max(axis=3).cumsum(axis=3)
        elif mode == "skip":  # every run takes one cycle
            cycles[:] = schedule.lane_order.lengths.max() * (1 + chosen.run_overhead)
        return (cycles + chosen.window_overhead).cumsum(axis=3)

    def _check(self, organisation: Organisation) -> None:
        refuse(self.name, organisation, self.unknown(organisation))

    def _plans(self, layers: Sequence[Layer], organisations: tuple[Organisation, ...]) -> list[LayerPlan]:
        """Return the layers' plans, which are made for the first batch of each."""
        known = next((plans for chosen, plans in self._sets if chosen == organisations), None)
        if known is None:
            for organisation in organisations:
                self._check(organisation)
            known = {}
            self._sets.append((organisations, known))
        return [self._plan(layer, organisations, known) for layer in layers]

    def _plan(self, layer: Layer, organisations: tuple[Organisation, ...], known: dict[str, _Planned]) -> LayerPlan:
        found = known.get(layer.name)
        if found is None or not found.made_for.fits(layer):
            found = known[layer.name] = _Planned(_Weights.of(layer), plan_layer(layer, self.observed(layer), organisations))
        return found.plan

    def observed(self, layer: Layer) -> ObservedWeights:
        """Return the counts of a layer's weights, which outlive its batches."""
        made_for, weights = self._weights.get(layer.name, (None, None))
        if made_for is None or weights is None or not made_for.fits(layer):
            made_for, weights = self._weights[layer.name] = _Weights.of(layer), ObservedWeights(layer)
        return weights


@dataclass(frozen=True, eq=False)
class _Weights:
    """All of a layer that a plan depends on: everything but its activations."""

    geometry: Geometry
    first: bool
    weight_threshold: int
    weights: NDArray[np.int16]

    @classmethod
    def of(cls, layer: Layer) -> _Weights:
        return cls(layer.geometry, layer.first, layer.weight_threshold, layer.weights)

    def fits(self, layer: Layer) -> bool:
        """Whether a layer differs in its activations alone."""
        alike = layer.geometry == self.geometry and (layer.first, layer.weight_threshold) == (self.first, self.weight_threshold)
        return alike and (layer.weights is self.weights or np.array_equal(layer.weights, self.weights))


@dataclass(frozen=True, eq=False)
class _Planned:
    """A layer's plan, and what it was made for."""

    made_for: _Weights
    plan: LayerPlan


class _Counting:
    """A batch of a layer while it is counted: `results` are by band, image and result; bands are added up in the end."""

    def __init__(self, layer: Layer, plan: LayerPlan) -> None:
        self._layer, self._plan = layer, plan
        self._values = np.ascontiguousarray(layer.activations).reshape(-1)
        self._sums = np.empty((len(plan.bands), layer.images, plan.bands[0].layer.factors.shape[0]), np.int64)
        self.results = np.zeros((len(plan.bands), layer.images, *plan.constants.shape), np.int64)
        self.results[0] = plan.constants

    def bits(self, band: int, images: int) -> int:
        """Return the bytes that the bits of some images of a band take, with what vectors reach beyond them."""
        return images * self._plan.bands[band].activations + VECTOR

    def count(self, band: int, first: int, last: int, room: Bytes) -> None:
        """Count some images of a band; `room` is for their bits."""
        record, results, none = self._plan.bands[band], self.results[band], _NO_WINDOWS
        count_sums(record.layer, self._values, self._layer.threshold, first, last, room, self._sums[band], results)
        for lanes in record.lanes:
            count_lanes(lanes, room, first, last, results, none)
        for pairs in record.pairs:
            count_pairs(pairs, room, first, last, results, _NO_TILES)

    def timings(self, organisations: Sequence[Organisation], fallback: Engine) -> LayerTimings:
        """Return what was found, once all bands of all images are counted."""
        plan = self._plan
        sums, results = self._sums[: plan.summed], self.results
        found = sums[0] if len(sums) == 1 else sums.sum(axis=0)
        left = [
            o for o, each in zip(organisations, plan.organisations, strict=True) if each.skip is None and each.mode != "dense"
        ]
        others = fallback.time([self._layer], left)[0].organisations if left else ()
        by_result = results[0] if len(results) == 1 else results.sum(axis=0)
        return LayerTimings(found[:, STORED], found[:, FIRST_TABLE], _Timings(plan.organisations, by_result, others))


class _Timings(Sequence[OrganisationTiming]):
    """What each organisation takes, made when it is asked for: most organisations share their results."""

    def __init__(self, plans: Sequence[OrganisationPlan], results: Counts, others: Sequence[OrganisationTiming]) -> None:
        self._plans, self._results = plans, results
        left = iter(others)
        self._others = (
            [None if each.skip is not None or each.mode == "dense" else next(left) for each in plans] if others else None
        )

    def __len__(self) -> int:
        return len(self._plans)

    @overload
    def __getitem__(self, i: int) -> OrganisationTiming: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[OrganisationTiming]: ...
    def __getitem__(self, i: int | slice) -> OrganisationTiming | Sequence[OrganisationTiming]:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        other = self._others[i] if self._others is not None else None
        if other is not None:
            return other
        plan = self._plans[i]
        return OrganisationTiming(plan.mode, plan.schedule.dense_cycles, self._timing(plan.skip), self._timing(plan.dense))

    def _timing(self, result: int | None) -> Timing | None:
        return None if result is None else Timing(self._results[:, result, 0], self._results[:, result, 1:])


_NO_WINDOWS: Counts = np.zeros((0, 0, 0, 0), np.int64)
_NO_TILES: Counts = np.zeros((0, 0, 0, 0, 0), np.int64)
"""Where nobody asks for the cycles of windows."""
