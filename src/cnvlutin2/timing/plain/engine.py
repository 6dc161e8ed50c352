"""`PlainEngine`: cycles, slots and windows' ends, added up from what the lanes do (docs/model.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cnvlutin2.layer import Layer
from cnvlutin2.mapping import Schedule
from cnvlutin2.organisation import LayerModes, Organisation
from cnvlutin2.timing.accounting import Measured, dense_timing, skip_timing
from cnvlutin2.timing.engine import Counts, LayerTimings, OrganisationTiming, RunMode, Timing
from cnvlutin2.timing.observed import ObservedLayer
from cnvlutin2.timing.options import Knows, any_value, either, one_of, refuse, unknown_options, whole_number
from cnvlutin2.timing.plain.operands import Operands
from cnvlutin2.timing.plain.passes import Ints, Pass, Walk

_MODES = one_of("skip", "dense", "auto")

KNOWN: Mapping[str, Knows] = {
    "tiles": whole_number,
    "filters_per_tile": whole_number,
    "lanes": whole_number,
    "brick": whole_number,
    "data_bits": whole_number,
    "skip_activations": one_of(True, False),
    "skip_weights": one_of("none", "shared", "per_filter"),
    "filter_sync": either(one_of("brick", "window"), whole_number),
    "filter_map": one_of("blocked", "spread"),
    "group_map": one_of("serial", "parallel"),
    "tile_sync": one_of("brick", "window", "layer"),
    "lane_map": one_of("sliced", "interleaved"),
    "layer_mode": either(_MODES, lambda value: isinstance(value, LayerModes) and all(map(_MODES, value.values()))),
    "run_overhead": whole_number,
    "window_overhead": whole_number,
    "format": any_value,
    "detect": one_of("output", "dispatch"),
    "packing": one_of("row", "brick"),
}
"""The parameters that the engine knows, and which of their values."""


class PassCounts(NamedTuple):
    """What is counted of a pass, window by window; all but the cycles is added up, in the order of `Measured`.

    Parameters
    ----------
    cycles : int64 ``[tiles, N, windows]``
        Cycles of each window in each tile, window overhead included; one "tile" if they wait for each other.
    products, useful, macs, costs, work, waits : int64 ``[N, windows]``
        As of `Measured`.
    """

    cycles: Counts
    products: Counts
    useful: Counts
    macs: Counts
    costs: Counts
    work: Counts
    waits: Counts

    @property
    def ends(self) -> Counts:
        """The cycle in which each window has ended in the slowest tile, ``[N, windows]``."""
        ends: Counts = self.cycles.cumsum(axis=2).max(axis=0)
        return ends


class PlainEngine:
    """Counts in NumPy; knows every parameter, and holds nothing from one batch to the next."""

    name = "plain"

    def unknown(self, organisation: Organisation) -> tuple[str, ...]:
        """Return what of an organisation the engine does not know, as ``key=value``."""
        return unknown_options(organisation, KNOWN)

    def time(self, layers: Sequence[Layer], organisations: Sequence[Organisation]) -> list[LayerTimings]:
        """Count the cycles and slots of layers under organisations (`Engine.time`)."""
        for organisation in organisations:
            refuse(self.name, organisation, self.unknown(organisation))
        found = []
        for layer in layers:
            observed = ObservedLayer(layer)
            timings = [_organisation_timing(observed, organisation) for organisation in organisations]
            found.append(LayerTimings(observed.effectual_activations, observed.effectual_macs, timings))
        return found

    def window_ends(self, layer: Layer, organisation: Organisation, mode: RunMode) -> Counts:
        """Return the cycle of its pass in which each window has ended in the slowest tile (`Engine.window_ends`)."""
        refuse(self.name, organisation, self.unknown(organisation))
        schedule = Schedule.of(layer.geometry, organisation)
        shape = layer.images, schedule.groups, schedule.passes, schedule.steps.windows
        if mode == "dense":
            window = schedule.dense_window_cycles + organisation.window_overhead
            return np.broadcast_to(window * np.arange(1, shape[-1] + 1, dtype=np.int64), shape).copy()
        operands = Operands(ObservedLayer(layer), schedule)
        ends = np.stack([count_pass(each).ends for each in passes(operands)], axis=1)
        return ends.reshape(shape)


def passes(operands: Operands) -> Iterator[Pass]:
    """Yield the passes of a layer, group after group."""
    for group in range(operands.schedule.groups):
        for number in range(operands.schedule.passes):
            yield Pass(operands, group, number)


def count_pass(each: Pass) -> PassCounts:
    """Count a pass, a block of windows at a time."""
    images, per_image = each.operands.images, each.schedule.steps.windows
    blocks = each.blocks(np.arange(images * per_image, dtype=np.int64))
    counted = [_count(each, each.walk(block), block) for block in blocks]
    cycles, *others = (np.concatenate(parts, axis=-1) for parts in zip(*counted, strict=True))
    return PassCounts(cycles.reshape(-1, images, per_image), *(other.reshape(images, per_image) for other in others))


def _count(each: Pass, walk: Walk, windows: Ints) -> tuple[Counts, ...]:
    """Return what is counted of some windows, as `PassCounts` has it but for the images."""
    columns, o = each.columns, each.schedule.organisation
    cycles = window_cycles(each.schedule, walk)
    products, useful, macs = each.multiplied(windows)
    # Filters that wait for each other at every run have the cost of the slowest one of their tile.
    sharing = np.arange(columns.filters.size) if o.filters_part else columns.tile_begins
    filters = np.add.reduceat(columns.filters, sharing)
    busy = np.maximum.reduceat(walk.products, sharing, axis=1)
    work = filters @ busy.sum(axis=0, dtype=np.int64)
    costs = filters @ np.maximum(busy, walk.rows[:, None]).sum(axis=0, dtype=np.int64)
    waits = np.zeros_like(work)
    if o.filters_part:  # up to the end of the tile's lane, whatever is not the filter's own runs
        overhead = o.run_overhead * each.schedule.window_runs * columns.filters.sum()
        waits = columns.by_tile() @ walk.lane_ends.sum(axis=0) - costs - overhead
    return cycles, products, useful, macs, costs, work, waits


def window_cycles(schedule: Schedule, walk: Walk) -> Counts:
    """Return the cycles of windows in each tile, ``[tiles, W]``, window overhead included; one "tile" if tiles wait."""
    by_tile: Counts = walk.lane_ends.max(axis=0)  # the slowest lane
    if schedule.organisation.tile_sync != "layer":
        by_tile = by_tile.max(axis=0, keepdims=True)
    return by_tile + schedule.organisation.window_overhead


def _organisation_timing(observed: ObservedLayer, organisation: Organisation) -> OrganisationTiming:
    layer, schedule = observed.layer, observed.schedule(organisation)
    mode = organisation.mode_for(layer.name, first=layer.first)
    skip = _skip(Operands(observed, schedule)) if mode in ("skip", "auto") else None
    dense = dense_timing(schedule, observed.effectual_in_windows, observed.effectual_macs) if mode in ("dense", "auto") else None
    return OrganisationTiming(mode, schedule.dense_cycles, skip, dense)


def _skip(operands: Operands) -> Timing:
    """Return cycles and slots in skip mode."""
    schedule, totals = operands.schedule, np.zeros((8, operands.images), np.int64)
    overhead = schedule.organisation.window_overhead * schedule.steps.windows
    for each in passes(operands):
        counts = count_pass(each)
        cycles = counts.ends[:, -1] - overhead
        totals[:2] += cycles, cycles * each.columns.filters.sum()
        totals[2:] += [quantity.sum(axis=1) for quantity in counts[1:]]
    return skip_timing(schedule, Measured(*totals))
