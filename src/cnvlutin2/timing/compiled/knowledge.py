"""What the compiled engine knows, and what of it the kernels do; the rest is left to the plain engine."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cnvlutin2.encodings import get_format
from cnvlutin2.mapping import Schedule
from cnvlutin2.timing.compiled.recording import longest_lane, worst_cycles
from cnvlutin2.timing.options import Knows, any_value, either, one_of, unknown_options, whole_number

KNOWN: Mapping[str, Knows] = {
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
"""The values of parameters that the engine knows."""


def left_to_plain(schedule: Schedule) -> str:
    """Return why a layer is left to the plain engine in skip mode, or nothing if the kernels do it.

    Such layers are rare; docs/performance.md says what that costs.
    """
    o, runs = schedule.organisation, schedule.runs
    weights, unknown = o.skip_weights != "none", unknown_options(o, KNOWN)
    if unknown:
        return ", ".join(unknown)
    if get_format(o.format).own_rows and schedule.has_rows:
        return "rows that a format finds in a way of its own"
    if not weights and (not runs.sliced or schedule.view == "all"):
        return "interleaved lanes or zeros multiplied, where no weights are skipped"
    if schedule.view == "raw" and weights:
        return "raw bricks where weights are skipped"
    lane = int(np.add.reduceat(worst_cycles(schedule), schedule.runs.lane_parts[:-1]).max()) if not weights else 0
    if max(longest_lane(schedule), _all_lanes(schedule), lane) >= 1 << 16:
        return "cycles beyond 16 bits in a window"
    return ""


def _all_lanes(schedule: Schedule) -> int:
    """Return the most cycles, or values, of all lanes at one place, beyond one a run."""
    return max(int(worst_cycles(schedule).sum()), schedule.steps.values, schedule.steps.steps)
