"""Which organisations share a layer's cycles and slots: those that differ only in what is known to make no difference to them.

What is not named here counts as it is set: an option that nobody thought of parts results, and is never taken for another.
"""

from __future__ import annotations

from collections.abc import Hashable

from cnvlutin2.mapping import Schedule
from cnvlutin2.organisation import Organisation

TOLD_BY_SCHEDULE = {"layer_mode", "detect", "skip_activations", "group_map", "filter_map", "lane_map", "packing"}
"""Options that work through what stands in the keys beside them: the mode, the view of activations, steps, runs and seats."""

STORAGE = {"format", "brick", "data_bits"}

SKIPPING = {"skip_weights", "filter_sync", "tile_sync", "run_overhead"}


def skip_key(schedule: Schedule) -> Hashable:
    """Return everything on which cycles and slots in skip mode depend."""
    o = schedule.organisation
    idle = {"filter_sync", "tile_sync"} if o.skip_weights == "none" else set() if o.filters_part else {"filter_sync"}
    return "skip", _mapped(schedule), _others(o, _told(schedule) | idle)


def pairs_key(schedule: Schedule, *, drifting: bool) -> Hashable:
    """Return everything on which what is measured of pairs depends, but for the weights as they are walked.

    How filters walk is told by these; how far they may be apart makes no difference unless they walk drifting.
    """
    idle = {"skip_weights"} if drifting else {"skip_weights", "filter_sync"}
    return _mapped(schedule), _others(schedule.organisation, _told(schedule) | idle)


def dense_key(schedule: Schedule) -> Hashable:
    """Return everything on which cycles and slots in dense mode depend."""
    return "dense", schedule.together, schedule.steps, _others(schedule.organisation, TOLD_BY_SCHEDULE | STORAGE | SKIPPING)


def _mapped(schedule: Schedule) -> Hashable:
    """Return how values fall on lanes, filters on tiles, and what lanes see."""
    return schedule.together, schedule.steps, schedule.runs, schedule.seats, schedule.view


def _told(schedule: Schedule) -> set[str]:
    """Return the options that stand in other keys, or make no difference to a layer in skip mode."""
    return TOLD_BY_SCHEDULE | (STORAGE if not schedule.has_rows and schedule.view != "raw" else set())


def _others(organisation: Organisation, left_out: set[str]) -> tuple[object, ...]:
    """Return the values of all options that concern cycles but some."""
    return tuple(getattr(organisation, name) for name in type(organisation).concerning("timing") if name not in left_out)
