"""`Schedules`: what is to be timed of a layer for many organisations, and what these share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.schedule import Schedule
from cnvlutin2.timing.steps import StepMap

_KEPT = 64  # organisations whose schedules are kept for a layer


@dataclass(frozen=True, eq=False)
class Works:
    """What is to be timed of a layer.

    Parameters
    ----------
    positions : StepMap
        The places in the kernel, whatever the packing.
    groups : int
    skips, denses : list of Schedule
        In skip mode and in dense mode.
    each : list of (Schedule, int or None, int or None)
        Of each organisation: its own schedule, and which of `skips` and `denses` tell its cycles in the modes that it may run in.
    plans : list of list of int
        Which of `skips` a kernel can do together (`Schedule.lane_key`).
    """

    positions: StepMap
    groups: int
    skips: list[Schedule]
    denses: list[Schedule]
    each: list[tuple[Schedule, int | None, int | None]]
    plans: list[list[int]]


class Schedules:
    """A layer's schedules, worked out once for all its batches.

    Parameters
    ----------
    layer : Layer
        Any batch of it: its activations are not looked at.
    """

    def __init__(self, layer: Layer) -> None:
        self.positions = StepMap.of(layer, 1, "brick")
        """The places in the kernel, whatever the packing."""
        # Schedules outlive batches: of the activations only the shape is kept.
        shape = 1, *layer.activations.shape[1:]
        self._layer = replace(layer, activations=np.broadcast_to(np.zeros((), np.int16), shape))
        self._known: dict[int, Schedule] = {}
        self._works: dict[tuple[int, ...], Works] = {}

    def of(self, organisation: Organisation) -> Schedule:
        """Return the schedule of an organisation."""
        # By identity, which is quick; the schedule keeps its organisation alive, so that no other one gets the same.
        found = self._known.get(id(organisation))
        if found is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
                self._works.clear()
            found = self._known[id(organisation)] = Schedule.of(self._layer, organisation)
        return found

    def works(self, organisations: Sequence[Organisation]) -> Works:
        """Return what is to be timed; organisations that take the same cycles share it."""
        key = tuple(map(id, organisations))
        found = self._works.get(key)
        if found is None:
            schedules = [self.of(o) for o in organisations]
            skips = {s.skip_key: s for s in schedules if s.mode != "dense"}
            denses = {s.dense_key: s for s in schedules if s.mode != "skip"}
            places = [{key: i for i, key in enumerate(kinds)} for kinds in (skips, denses)]
            each = [
                (
                    s,
                    None if s.mode == "dense" else places[0][s.skip_key],
                    None if s.mode == "skip" else places[1][s.dense_key],
                )
                for s in schedules
            ]
            distinct = list(skips.values())
            together: dict[tuple[object, ...], list[int]] = defaultdict(list)
            for i, s in enumerate(distinct):
                if s.lane_key is not None:
                    together[s.lane_key].append(i)
            found = Works(self.positions, self._layer.groups, distinct, list(denses.values()), each, list(together.values()))
            if all(id(o) in self._known for o in organisations):
                self._works[key] = found
        return found
