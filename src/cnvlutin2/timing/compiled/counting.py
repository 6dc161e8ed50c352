"""A batch of a layer while it is counted, and what was found of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import overload

import numpy as np

from cnvlutin2.layer import Layer
from cnvlutin2.timing.compiled.plan import LayerPlan, OrganisationPlan
from cnvlutin2.timing.compiled.records import LAYER, MACS, STORED, Bytes
from cnvlutin2.timing.compiled.sums import count_sums
from cnvlutin2.timing.engine import Counts, LayerTimings, OrganisationTiming, Timing

NO_WINDOWS: Counts = np.zeros((0, 0, 0, 0), np.int64)
NO_TILES: Counts = np.zeros((0, 0, 0, 0, 0), np.int64)
"""Where nobody asks for the cycles of windows."""


class Counting:
    """A batch of a layer while it is counted.

    Parameters
    ----------
    layer : Layer
    plan : LayerPlan

    Attributes
    ----------
    results : int64 ``[bands, N, results, columns]``
        Cycles and slots; bands are added up in the end.
    """

    def __init__(self, layer: Layer, plan: LayerPlan) -> None:
        self._plan, self._threshold, self._values = plan, layer.threshold, layer.activations.ravel()
        bands, images = len(plan.bands), len(layer.activations)
        if bands == images == 1:
            self.results = plan.constants.copy()
        else:
            self.results = np.zeros((bands, images, *plan.constants.shape[2:]), np.int64)
            self.results[0] = plan.constants[0]

    def count(self, band: int, first: int, last: int, room: Bytes) -> None:
        """Count some images of a band; `room` is for their bits, and for what vectors reach beyond them."""
        record, results = self._plan.bands[band], self.results[band]
        count_sums(record.layer, self._values, self._threshold, first, last, room, results)
        for count_lanes, lanes in record.lanes:
            count_lanes(lanes, room, first, last, results, NO_WINDOWS)
        for count_pairs, pairs in record.pairs:
            count_pairs(pairs, room, first, last, results, NO_TILES)

    def timings(self, others: Sequence[OrganisationTiming]) -> LayerTimings:
        """Return what was found, once all bands of all images are counted; `others` are those of `LayerPlan.left`."""
        by_result = self.results[0] if len(self.results) == 1 else self.results.sum(axis=0)
        stored, macs = by_result[:, LAYER, STORED], by_result[:, LAYER, MACS]
        return LayerTimings(stored, macs, OrganisationTimings(self._plan, by_result, others))


class OrganisationTimings(Sequence[OrganisationTiming]):
    """What each organisation takes, made when it is asked for: most organisations share their results."""

    def __init__(self, plan: LayerPlan, results: Counts, others: Sequence[OrganisationTiming]) -> None:
        self._plan, self._results, self._others = plan, results, others

    @cached_property
    def _made(self) -> list[OrganisationTiming]:
        others = iter(self._others)  # in the order of the organisations
        return [next(others) if found.left else self._make(found) for found in self._plan.organisations]

    def __len__(self) -> int:
        return len(self._plan.organisations)

    @overload
    def __getitem__(self, i: int) -> OrganisationTiming: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[OrganisationTiming]: ...
    def __getitem__(self, i: int | slice) -> OrganisationTiming | Sequence[OrganisationTiming]:
        return self._made[i]

    def __iter__(self) -> Iterator[OrganisationTiming]:
        return iter(self._made)

    def _make(self, found: OrganisationPlan) -> OrganisationTiming:
        return OrganisationTiming(found.mode, found.schedule.dense_cycles, self._timing(found.skip), self._timing(found.dense))

    def _timing(self, result: int | None) -> Timing | None:
        return None if result is None else Timing(self._results[:, result, 0], self._results[:, result, 1:])
