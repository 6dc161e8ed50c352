"""The dense mode: all lanes take consecutive values of a step together, as in DaDianNao (MICRO 2014)."""

from __future__ import annotations

import numpy as np

from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.prepared import PreparedLayer
from cnvlutin2.timing.slots import Counts, complete


def dense_window_cycles(prepared: PreparedLayer, organisation: Organisation) -> int:
    """Return the cycles of one window of one pass, without overhead: ``ceil(n / L)`` a step."""
    steps = prepared.steps(organisation)
    return steps.steps * -(-steps.values // organisation.lanes)


def dense_cycles(prepared: PreparedLayer, organisation: Organisation) -> int:
    """Return the cycles of an image without overheads: the baseline of the organisation's own size."""
    return dense_window_cycles(prepared, organisation) * _windows_of_passes(prepared, organisation)


def time_dense(prepared: PreparedLayer, organisation: Organisation) -> tuple[Counts, Counts]:
    """Return cycles ``[N]`` and slots ``[N, kinds]`` of a layer in dense mode."""
    layer, steps = prepared.layer, prepared.steps(organisation)
    windows = _windows_of_passes(prepared, organisation)
    busy = dense_window_cycles(prepared, organisation)
    cycles = np.full(layer.images, (busy + organisation.window_overhead) * windows, np.int64)
    total = cycles * organisation.slots_per_cycle
    every_filter = steps.windows * layer.filters  # windows times filters
    products = steps.steps * steps.values * every_filter
    active = prepared.windows_seen * layer.group_filters
    slots = complete(
        total,
        {
            "unused_filters": total - (busy + organisation.window_overhead) * organisation.lanes * every_filter,
            "overhead": organisation.window_overhead * organisation.lanes * every_filter,
            "unused_lanes": busy * organisation.lanes * every_filter - products,
            "ineffectual_activation": products - active,
            "ineffectual_weight": active - prepared.effectual_macs,
            "effectual": prepared.effectual_macs,
        },
    )
    return cycles, slots


def _windows_of_passes(prepared: PreparedLayer, organisation: Organisation) -> int:
    layer = prepared.layer
    return layer.windows * layer.groups * -(-layer.group_filters // organisation.filters)
