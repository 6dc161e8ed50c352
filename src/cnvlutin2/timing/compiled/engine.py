"""`CompiledEngine`: cycles and slots by compiled kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.layer import Geometry, Layer
from cnvlutin2.organisation import Organisation, with_overrides
from cnvlutin2.simd import VECTOR
from cnvlutin2.timing.compiled.counting import Counting
from cnvlutin2.timing.compiled.knowledge import KNOWN
from cnvlutin2.timing.compiled.plan import LayerPlan, plan_layer
from cnvlutin2.timing.compiled.tuning import THREAD_GRAIN_NS
from cnvlutin2.timing.engine import Counts, Engine, LayerTimings, OrganisationTiming, RunMode
from cnvlutin2.timing.observed import ObservedWeights
from cnvlutin2.timing.options import refuse, unknown_options
from cnvlutin2.timing.threads import default_jobs, split

Unit = tuple[int, int, int, int]
"""What a thread does at a time: a layer, a band of it, the first of some images, and their end."""


class CompiledEngine:
    """Counts by compiled kernels: layer by layer, large ones band by band, shared among threads.

    Parameters
    ----------
    jobs : int, optional
        Threads; by default all processors. The counts do not depend on it.
    fallback : Engine
        Who times what this one does not (`cnvlutin2.timing.compiled.knowledge`).
    """

    name = "compiled"

    def __init__(self, fallback: Engine, jobs: int | None = None) -> None:
        self._jobs = default_jobs() if jobs is None else jobs
        self._fallback = fallback
        self._sets: list[tuple[tuple[Organisation, ...], dict[str, _Planned]]] = []
        self._weights: dict[str, tuple[_Weights, ObservedWeights]] = {}

    def unknown(self, organisation: Organisation) -> tuple[str, ...]:
        """Return what neither this engine nor the one that it leaves things to knows of an organisation; see `Engine.unknown`."""
        return unknown_options(organisation, KNOWN) and self._fallback.unknown(organisation)

    def time(self, layers: Sequence[Layer], organisations: Sequence[Organisation]) -> list[LayerTimings]:
        """Count the cycles and slots of layers under organisations; see `Engine.time`."""
        plans = self._plans(layers, tuple(organisations))
        made = list(map(Counting, layers, plans))
        units, bits = _units(layers, plans)

        def task(first: int, last: int) -> None:
            room = np.empty(bits, np.uint8)
            for i, band, begin, end in units[first:last]:
                made[i].count(band, begin, end, room)

        work_ns = sum(len(layer.activations) * plan.work_ns for layer, plan in zip(layers, plans, strict=True))
        split(task, len(units), self._jobs, 1 + len(units) * THREAD_GRAIN_NS // (1 + work_ns))
        return [
            counting.timings(self._others(layer, plan, organisations))
            for counting, layer, plan in zip(made, layers, plans, strict=True)
        ]

    def _others(self, layer: Layer, plan: LayerPlan, organisations: Sequence[Organisation]) -> Sequence[OrganisationTiming]:
        """Return what is left to the plain engine."""
        if not plan.left:
            return ()
        return self._fallback.time([layer], [organisations[i] for i in plan.left])[0].organisations

    def window_ends(self, layer: Layer, organisation: Organisation, mode: RunMode) -> Counts:
        """Return the cycle of its pass in which each window has ended; see `Engine.window_ends`."""
        refuse(self.name, organisation, self.unknown(organisation))
        chosen = with_overrides(organisation, {"layer_mode": mode})
        plan = plan_layer(layer, ObservedWeights(layer), [chosen], in_bands=False)
        found = plan.organisations[0]
        if plan.left:
            return self._fallback.window_ends(layer, organisation, mode)
        schedule = found.schedule
        shape = layer.images, schedule.groups, schedule.passes, schedule.steps.windows
        counting, record = Counting(layer, plan), plan.bands[0]
        room = np.empty(layer.images * record.activations + VECTOR, np.uint8)
        counting.count(0, 0, layer.images, room)
        cycles = np.full(shape, schedule.dense_window_cycles, np.int64)
        if record.lanes:
            by_lane = np.zeros((1, layer.images, schedule.groups, schedule.steps.windows), np.int64)
            ((count_lanes, lanes),) = record.lanes
            count_lanes(lanes, room, 0, layer.images, counting.results[0], by_lane)
            cycles[:] = by_lane[0][:, :, None]
        elif record.pairs:
            ((count_pairs, pairs),) = record.pairs
            by_tile = np.zeros((*shape[:3], int(schedule.seats.tile_of.max()) + 1, shape[3]), np.int64)
            count_pairs(pairs, room, 0, layer.images, counting.results[0], by_tile)
            by_tile += chosen.window_overhead
            if chosen.tile_sync == "layer":
                ends: Counts = by_tile.cumsum(axis=4).max(axis=3)
                return ends
            cycles = by_tile.max(axis=3) - chosen.window_overhead
        elif mode == "skip":  # every run takes one cycle
            cycles[:] = schedule.lane_order.lengths.max() * (1 + chosen.run_overhead)
        return (cycles + chosen.window_overhead).cumsum(axis=3)

    def _plans(self, layers: Sequence[Layer], organisations: tuple[Organisation, ...]) -> list[LayerPlan]:
        """Return the layers' plans, which are made for the first batch of each."""
        known = next((plans for chosen, plans in self._sets if chosen == organisations), None)
        if known is None:
            for organisation in organisations:
                refuse(self.name, organisation, self.unknown(organisation))
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
        if layer.weights is self.weights and layer.geometry is self.geometry and layer.first == self.first:
            return layer.weight_threshold == self.weight_threshold
        alike = layer.geometry == self.geometry and (layer.first, layer.weight_threshold) == (self.first, self.weight_threshold)
        return alike and (layer.weights is self.weights or np.array_equal(layer.weights, self.weights))


@dataclass(frozen=True, eq=False)
class _Planned:
    """A layer's plan, and what it was made for."""

    made_for: _Weights
    plan: LayerPlan


def _units(layers: Sequence[Layer], plans: Sequence[LayerPlan]) -> tuple[list[Unit], int]:
    """Return what threads do at a time, and the most bytes that the bits of a unit take with what vectors reach beyond them."""
    units: list[Unit] = []
    bits = 0
    for i, (layer, plan) in enumerate(zip(layers, plans, strict=True)):
        images = len(layer.activations)
        for band, record in enumerate(plan.bands):
            together = min(images, record.images_together)
            bits = max(bits, together * record.activations)
            for first in range(0, images, together):
                units.append((i, band, first, min(first + together, images)))  # noqa: PERF401 - a layer often is one unit
    return units, bits + VECTOR
