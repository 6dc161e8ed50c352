"""From what is measured of a layer to cycles and slots, by linear formulas (docs/model.md, "Where the cycles go")."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.mapping import Schedule
from cnvlutin2.timing.engine import Counts, Timing
from cnvlutin2.timing.slots import SLOT_KINDS, complete


class Measured(NamedTuple):
    """What the slots of a layer in skip mode follow from, int64 ``[N]`` each.

    Parameters
    ----------
    cycles
        Of all windows, passes and groups, without window overhead.
    filter_cycles
        The same, each times the filters of its pass.
    products, useful, macs
        What is multiplied; the part whose activation is effectual; the part whose weight is effectual too.
    costs
        Cycles of all runs (without run overhead) as each filter sees them: of its tile, or its own where filters part.
    work
        The part of ``costs`` in which some filter that this one shares its cost with has products.
    waits
        Cycles until the end of its tile's lane in which a filter that parts from the others has no run, or may not begin one.
    """

    cycles: Counts
    filter_cycles: Counts
    products: Counts
    useful: Counts
    macs: Counts
    costs: Counts
    work: Counts
    waits: Counts


def skip_timing(schedule: Schedule, measured: Measured) -> Timing:
    """Return cycles and slots in skip mode."""
    o, m, windows = schedule.organisation, measured, schedule.steps.windows
    all_cycles = m.cycles + o.window_overhead * schedule.window_passes
    total = all_cycles * o.slots_per_cycle
    window_overhead = o.window_overhead * windows * schedule.filters  # over all filters
    run_overhead = o.run_overhead * schedule.window_runs * windows * schedule.filters
    slots = complete(
        total,
        {
            "unused_filters": total - o.lanes * (m.filter_cycles + window_overhead),
            "overhead": o.lanes * window_overhead + run_overhead,
            "unused_lanes": (o.lanes - schedule.lanes_in_use) * m.filter_cycles,
            "ineffectual_activation": m.products - m.useful,
            "ineffectual_weight": m.useful - m.macs,
            "effectual": m.macs,
            "filter_sync": m.waits + m.work - m.products,
            "fetch": m.costs - m.work,
        },
    )
    return Timing(all_cycles, slots)


def lanes_measured(schedule: Schedule, cycles: Counts, costs: Counts, seen: Counts, useful: Counts, macs: Counts) -> Measured:
    """Return what is measured where no weights are skipped: every filter of every tile does what its lanes do.

    Parameters
    ----------
    schedule : Schedule
    cycles, costs : int64 ``[N]``
        Of all windows of all groups, in one pass: the slowest lane's cycles; all runs' cycles, without run overhead.
    seen, useful : int64 ``[N]``
        Values over all windows that the lanes take for effectual, and those that are.
    macs : int64 ``[N]``
        Products of an effectual activation and an effectual weight.
    """
    filters = schedule.geometry.group_filters
    products = seen * filters
    return Measured(
        cycles=cycles * schedule.passes,
        filter_cycles=cycles * filters,
        products=products,
        useful=useful * filters,
        macs=macs,
        costs=costs * filters,
        work=products,
        waits=np.zeros_like(cycles),
    )


def dense_timing(schedule: Schedule, useful: Counts, macs: Counts) -> Timing:
    """Return cycles and slots in dense mode.

    Parameters
    ----------
    schedule : Schedule
    useful : int64 ``[N]``
        Effectual activations over all windows.
    macs : int64 ``[N]``
        Products of an effectual activation and an effectual weight.
    """
    o, busy = schedule.organisation, schedule.dense_window_cycles
    cycles = np.full_like(useful, (busy + o.window_overhead) * schedule.window_passes)
    total = cycles * o.slots_per_cycle
    window_filters = schedule.steps.windows * schedule.filters
    products = schedule.steps.steps * schedule.steps.values * window_filters
    active = useful * schedule.geometry.group_filters
    slots = complete(
        total,
        {
            "unused_filters": total - (busy + o.window_overhead) * o.lanes * window_filters,
            "overhead": o.window_overhead * o.lanes * window_filters,
            "unused_lanes": busy * o.lanes * window_filters - products,
            "ineffectual_activation": products - active,
            "ineffectual_weight": active - macs,
            "effectual": macs,
        },
    )
    return Timing(cycles, slots)


def as_columns(timing: Timing) -> NDArray[np.int64]:
    """Return cycles and slots in one array, ``[N, 1 + len(SLOT_KINDS)]``: what a linear formula gives."""
    return np.concatenate([timing.cycles[:, None], timing.slots], axis=1)


COLUMNS = 1 + len(SLOT_KINDS)
"""Of `as_columns`."""
