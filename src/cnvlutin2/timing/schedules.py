"""`Schedules`: what is to be timed of a layer for many organisations, and what these share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from cnvlutin2.encodings import get_format
from cnvlutin2.network.layer import Layer
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.accounts import Account
from cnvlutin2.timing.schedule import Schedule
from cnvlutin2.timing.steps import StepMap

_KEPT = 64  # organisations whose schedules are kept for a layer


class LanePlan(NamedTuple):
    """Schedules that skip no weights and share their lanes, and what a kernel that does a whole layer takes of them.

    Parameters
    ----------
    places : list of int
        Which of `Works.skips` they are.
    first : Schedule
        One of them.
    pieces : tuple
        What runs and bricks have in common, and how each schedule stores bricks.
    lanes : tuple
        How runs go to lanes and windows.
    account : Account
        From what the kernel finds to cycles and slots, for all of them.
    """

    places: list[int]
    first: Schedule
    pieces: tuple[Any, ...]
    lanes: tuple[Any, ...]
    account: Account

    @classmethod
    def of(cls, schedules: Sequence[Schedule], places: list[int]) -> LanePlan:
        """Return the plan of some schedules with the same `Schedule.lane_key`."""
        chosen = [schedules[i] for i in places]
        first, o = chosen[0], chosen[0].organisation
        load_type = max((s.load_type for s in chosen), key=lambda t: np.dtype(t).itemsize)
        widest = next(s for s in chosen if s.load_type is load_type)
        counts = np.arange(o.brick + 1)
        forms = [(get_format(s.organisation.format), s.organisation.brick, s.organisation.data_bits) for s in chosen]
        raw = [
            f.raw_bricks(counts, *how) if s.sees == "raw" else np.zeros(counts.size, np.bool_)
            for s, (f, *how) in zip(chosen, forms, strict=True)
        ]
        sizes = np.stack([f.brick_bits(counts, *how) for f, *how in forms])
        row_bits = np.array([s.organisation.row_bits if s.has_rows else 0 for s in chosen])
        pieces = (*first.pieces, first.run_bricks, np.stack(raw).view(np.uint8), sizes, row_bits)
        steps = first.steps
        unit = (first.unit_window_cycles * steps.windows, (1 + o.run_overhead) * first.window_runs * steps.windows)
        lanes = (first.runs.longest, unit, o.run_overhead, first.lane_parts, widest.pad_loads, widest.wide, o.lanes)
        where = (steps.geometry, steps.height, steps.width, *steps.uses)
        return cls(places, first, pieces, (*lanes, *where), Account.stacked([s.lane_account for s in chosen]))


class Works(NamedTuple):
    """What is to be timed of a layer.

    Parameters
    ----------
    skips, denses : list of Schedule
        In skip mode and in dense mode.
    each : list of (Schedule, int or None, int or None)
        Of each organisation: its own schedule, and which of `skips` and `denses` tell its cycles in the modes that it may run in.
    plans : list of LanePlan
        Those of `skips` that a kernel can do together.
    """

    skips: list[Schedule]
    denses: list[Schedule]
    each: list[tuple[Schedule, int | None, int | None]]
    plans: list[LanePlan]


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
        self._layer = replace(layer, activations=layer.activations[:1])
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
            plans = [LanePlan.of(distinct, chosen) for chosen in together.values()]
            found = Works(distinct, list(denses.values()), each, plans)
            if all(id(o) in self._known for o in organisations):
                self._works[key] = found
        return found
