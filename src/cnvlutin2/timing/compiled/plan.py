"""`LayerPlan`: what the kernels take to time a layer under some organisations, whatever its activations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.layer import Layer
from cnvlutin2.mapping import Schedule, StepMap
from cnvlutin2.organisation import Mode, Organisation
from cnvlutin2.simd import VECTOR
from cnvlutin2.timing.compiled import recording
from cnvlutin2.timing.compiled.bands import Band, bands_of, whole
from cnvlutin2.timing.compiled.held import Held, hold
from cnvlutin2.timing.compiled.knowledge import KNOWN, left_to_plain
from cnvlutin2.timing.compiled.lanes import LaneKernel, lane_kernel
from cnvlutin2.timing.compiled.packing import Walks
from cnvlutin2.timing.compiled.pairs import PairKernel, pair_kernel
from cnvlutin2.timing.compiled.records import DRIFTING, WAITING, LaneRecord, LayerRecord, PairRecord, room_for
from cnvlutin2.timing.compiled.results import ResultTable
from cnvlutin2.timing.compiled.sharing import pairs_key, skip_key
from cnvlutin2.timing.compiled.tuning import ACTIVATIONS_PER_NS, BAND, LOOKS_PER_NS
from cnvlutin2.timing.observed import ObservedWeights
from cnvlutin2.timing.options import unknown_options

Ways = list[tuple[Schedule, int, NDArray[np.int64]]]
"""Schedules that are measured together: with each the result that follows, and the factors by which it does."""


@dataclass(frozen=True, eq=False)
class OrganisationPlan:
    """Where an organisation's cycles are found.

    Parameters
    ----------
    schedule : Schedule
    mode : {"skip", "dense", "auto"}
    skip, dense : int or None
        Which of the layer's results tell about the modes that `mode` needs.
    left : bool
        Whether it is left to the plain engine.
    """

    schedule: Schedule
    mode: Mode
    skip: int | None
    dense: int | None
    left: bool


@dataclass(frozen=True, eq=False)
class BandPlan:
    """A band of a layer: which of its rows are done, and with which records.

    Parameters
    ----------
    activations : int
        Of an image of the band.
    images_together : int
        Images that are done at a time.
    work_ns : int
        About what an image takes.
    layer, lanes, pairs
        What the kernels take, and which kernels.
    """

    activations: int
    images_together: int
    work_ns: int
    layer: Held[LayerRecord]
    lanes: tuple[tuple[LaneKernel, Held[LaneRecord]], ...]
    pairs: tuple[tuple[PairKernel, Held[PairRecord]], ...]


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """A layer under some organisations.

    Parameters
    ----------
    organisations : list of OrganisationPlan
    constants : int64 ``[1, 1, results, columns]``
        Cycles and slots that depend on no activation, of a band and an image.
    bands : list of BandPlan
        Together they are the layer, once for those organisations that do bands and once, whole, for the others.
    left : tuple of int
        Which of the organisations are left to the plain engine.
    work_ns : int
        About what an image takes.
    """

    organisations: list[OrganisationPlan]
    constants: NDArray[np.int64]
    bands: list[BandPlan]
    left: tuple[int, ...]
    work_ns: int


def plan_layer(
    layer: Layer, weights: ObservedWeights, organisations: Sequence[Organisation], *, in_bands: bool = True
) -> LayerPlan:
    """Plan a layer under organisations that the engine knows.

    Parameters
    ----------
    layer : Layer
        Any batch of it: its activations are not looked at.
    weights : ObservedWeights
    organisations : sequence of Organisation
    in_bands : bool
        Whether a large layer may be done band by band.
    """
    return _Planner(layer, weights, in_bands).plan(organisations)


class _Planner:
    def __init__(self, layer: Layer, weights: ObservedWeights, in_bands: bool) -> None:
        self._layer, self._weights = layer, weights
        self._bands = bands_of(layer.geometry) if in_bands else whole(layer.geometry)
        self._results = ResultTable(weights)
        self._walks = Walks(layer)
        self._lanes: dict[Hashable, Ways] = defaultdict(list)
        self._pairs: dict[tuple[Hashable, int], Ways] = defaultdict(list)

    def plan(self, organisations: Sequence[Organisation]) -> LayerPlan:
        """See `plan_layer`."""
        plans = [self._organisation(organisation) for organisation in organisations]
        alone = len(self._bands) == 1
        # What is carried from row to row, or known at a pass' end alone, is not done in bands.
        banded_lanes = {key: some for key, some in self._lanes.items() if alone or not any(s.has_rows for s, _, _ in some)}
        banded_pairs = {key: some for key, some in self._pairs.items() if alone or not _needs_whole(some[0][0])}
        bands = [self._band(band, banded_lanes, banded_pairs, summed=True) for band in self._bands]
        lanes = {key: some for key, some in self._lanes.items() if key not in banded_lanes}
        pairs = {key: some for key, some in self._pairs.items() if key not in banded_pairs}
        if lanes or pairs:
            (band,) = whole(self._layer.geometry)
            bands.append(self._band(band, lanes, pairs, summed=False))
        left = tuple(i for i, each in enumerate(plans) if each.left)
        return LayerPlan(plans, np.stack(self._results.constants)[None, None], bands, left, sum(band.work_ns for band in bands))

    def _organisation(self, organisation: Organisation) -> OrganisationPlan:
        schedule = Schedule.of(self._layer.geometry, organisation)
        mode = organisation.mode_for(self._layer.name, first=self._layer.first)
        skip = None if mode == "dense" else self._skip(schedule)
        left = unknown_options(organisation, KNOWN) or (mode != "dense" and skip is None)
        return OrganisationPlan(
            schedule, mode, skip, None if left or mode == "skip" else self._results.dense(schedule), bool(left)
        )

    def _skip(self, schedule: Schedule) -> int | None:
        """Return which result tells about skip mode, or None if the kernels do not do it."""
        if left_to_plain(schedule):
            return None
        key, o = skip_key(schedule), schedule.organisation
        known = self._results.known(key)
        if known is not None:
            return known
        if schedule.runs.longest == 1 and not schedule.has_rows and schedule.view != "raw":
            return self._results.unit_runs(schedule, key)
        if o.skip_weights == "none":
            result, factors = self._results.lanes(schedule, key)
            lanes = (schedule.together, schedule.steps, schedule.runs, o.brick, o.run_overhead)
            # Streams of records are walked whole, those of rows apart from what may be done in bands.
            streams = len(self._bands) > 1 and schedule.has_rows
            raw_rows = key if schedule.view == "raw" and schedule.steps.row_packed else None
            self._lanes[lanes, streams, raw_rows].append((schedule, result, factors))
            return result
        result, factors = self._results.pairs(schedule, key)
        walk = self._walks.number(schedule)
        measured = pairs_key(schedule, drifting=self._walks[walk].kind == DRIFTING)
        self._pairs[measured, walk].append((schedule, result, factors))
        return result

    def _band(
        self,
        band: Band,
        lanes: dict[Hashable, Ways],
        pairs: dict[tuple[Hashable, int], Ways],
        *,
        summed: bool,
    ) -> BandPlan:
        g, steps = band.geometry, StepMap.of(band.geometry, 1, "brick")
        tables = [np.moveaxis(table, 0, 2).reshape(steps.steps, -1) for table in self._results.tables]
        factors = self._results.factors
        layer = LayerRecord(
            channels=g.channels,
            places=g.height * g.width,
            map_places=self._layer.geometry.height * g.width,
            first_place=band.first_row * g.width,
            reads=recording.read_words(steps, *band.own_rows),
            tables=np.ascontiguousarray(np.stack(tables), np.int32),
            factors=factors if summed else np.zeros_like(factors),
        )
        lane_records = [self._lane_record(band, some) for some in lanes.values()]
        pair_records = [self._pair_record(band, some, walk) for (_, walk), some in pairs.items()]
        return BandPlan(
            activations=g.channels * g.height * g.width,
            images_together=max(1, BAND // (g.channels * g.height * g.width)),
            work_ns=g.channels * g.height * g.width // ACTIVATIONS_PER_NS + sum(map(_looks, pair_records)) // LOOKS_PER_NS,
            layer=hold(layer),
            lanes=tuple((lane_kernel(record), hold(record)) for record in lane_records),
            pairs=tuple((pair_kernel(record), hold(record)) for record in pair_records),
        )

    def _lane_record(self, band: Band, some: Ways) -> LaneRecord:
        schedules = [_of_band(schedule, band) for schedule, _, _ in some]
        first, storage = schedules[0], recording.storage_record(schedules)
        o, windows = first.organisation, first.steps.windows
        bricks_matter = not first.steps.row_packed and bool(storage.mixed.any() or storage.row_bits.any())
        slowest = int(first.lane_order.lengths.max()) * (1 + o.run_overhead) * windows
        return LaneRecord(
            steps=recording.steps_record(first),
            pieces=recording.piece_record(first),
            storage=storage,
            row_bricks=recording.row_bricks_record(first),
            windows=recording.windows_record(first.steps),
            walk=recording.lane_walk(first),
            counted=first.runs.longest > 1 or bricks_matter,
            bricks_matter=bricks_matter,
            wide=max(recording.longest_lane(schedule) for schedule in schedules) > 255,
            least=(slowest, first.window_runs * windows),
            factors=np.stack([factors for _, _, factors in some]),
            results=np.array([result for _, result, _ in some], np.int64),
        )

    def _pair_record(self, band: Band, some: Ways, walk: int) -> PairRecord:
        schedule = _of_band(some[0][0], band)
        o, runs, sees_all = schedule.organisation, schedule.runs, schedule.view == "all"
        return PairRecord(
            steps=recording.steps_record(schedule),
            storage=recording.storage_record([schedule]),
            brick_edges=np.append(np.arange(0, runs.values, o.brick), runs.values).astype(np.int32),
            run_bricks=np.ascontiguousarray(schedule.run_bricks),
            reads=recording.reads_record(schedule.steps, sees_all=sees_all),
            walk=self._walks[walk],
            drift=o.drift or 0,
            barrier=o.tile_sync == "brick",
            apart=o.tile_sync == "layer",
            sees_all=sees_all,
            starts=runs.starts,
            stops=runs.stops,
            planes=-(-runs.longest // 8),
            most_runs=int(schedule.lane_order.lengths.max()),
            worst=max(runs.longest, recording.most_rows(schedule)),
            overhead=o.run_overhead,
            wide=recording.longest_lane(schedule) > 255,
            factors=np.stack([factors for _, _, factors in some]),
            results=np.array([result for _, result, _ in some], np.int64),
        )


def _of_band(schedule: Schedule, band: Band) -> Schedule:
    """Return the schedule of a band of a layer."""
    return Schedule(band.geometry.side_by_side(schedule.together), schedule.organisation, schedule.together)


def _needs_whole(schedule: Schedule) -> bool:
    """Whether a layer cannot be done in bands: records follow each other without gaps, or tiles wait at a pass' end alone."""
    return schedule.has_rows or schedule.organisation.tile_sync == "layer"


def _looks(record: PairRecord) -> int:
    """Return how many digits of weights are looked up for 64 windows at a time."""
    weights = record.walk.weights
    in_each = int(record.walk.leaders.sum(dtype=np.int64)) * weights.shape[5] if record.walk.kind == WAITING else weights.size
    return in_each * room_for(record.reads.windows) // VECTOR
