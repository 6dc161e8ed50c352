"""The skip mode: lanes run apart within a window, as in Cnvlutin (ISCA 2016) and Cnvlutin2 (arXiv 1705.00125)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.timing.accounts import LANES, MEASURED
from cnvlutin2.timing.prepared import NO_ROWS, PreparedLayer
from cnvlutin2.timing.schedule import Schedule
from cnvlutin2.timing.slots import Counts
from cnvlutin2.timing.workers import split

_ROW_GRAIN = 1 << 19  # lane additions worth a thread
_PAIR_GRAIN = 1 << 24  # pairs of a run and a filter worth a thread
_CYCLES, _FILTER_CYCLES, _PRODUCTS, _USEFUL, _MACS, _COSTS, _WORK, _WAITS = range(len(MEASURED))


def time_skip(prepared: PreparedLayer, schedule: Schedule) -> tuple[Counts, Counts]:
    """Return cycles ``[N]`` and slots ``[N, kinds]`` of a layer in skip mode."""
    if schedule.organisation.skip_weights == "none":
        return schedule.lane_account(_measure_lanes(prepared, schedule))
    measured = np.zeros((prepared.layer.images, len(MEASURED)), np.int64)
    measured[:, _PRODUCTS], measured[:, _USEFUL] = _products_with_weights(prepared, schedule)
    measured[:, _MACS] = prepared.effectual_macs
    if schedule.unit_runs:
        _measure_unit_runs(prepared, schedule, measured)
    elif schedule.free_filters:
        _measure_free_filters(prepared, schedule, measured)
    else:
        _measure_waiting_filters(prepared, schedule, measured)
    return schedule.skip_account(measured)


def _measure_lanes(prepared: PreparedLayer, schedule: Schedule) -> Counts:
    """Return what follows from the activations alone (`LANES`), ``[N, quantities]``: every filter of every tile does the same."""
    o = schedule.organisation
    found = np.empty((prepared.layer.images, len(LANES)), np.int64)
    if schedule.unit_runs:
        found[:, 0] = schedule.unit_window_cycles * schedule.steps.windows * schedule.groups
        found[:, 1] = (1 + o.run_overhead) * schedule.window_runs * schedule.steps.windows * schedule.groups
    else:
        found[:, 0], found[:, 1] = _lane_cycles(prepared, schedule)
    found[:, 2] = prepared.windows_seen_by(o)
    found[:, 3] = prepared.windows_seen
    found[:, 4] = prepared.effectual_macs
    return found


def _lane_cycles(prepared: PreparedLayer, schedule: Schedule) -> tuple[Counts, Counts]:
    """Add up, over all windows and groups, the slowest lane's cycles and all lanes' cycles, ``[N]`` each."""
    o, steps = schedule.organisation, schedule.steps
    kernel = prepared.kernels.interleaved_cycles if o.lane_map == "interleaved" else prepared.kernels.sliced_cycles
    cycles = prepared.run_cycles(o)
    what = (cycles, o.run_overhead, schedule.lane_parts, schedule.pad_loads, o.lanes)

    def task(first: int, last: int) -> Counts:
        sums = np.zeros(len(cycles), np.int64)
        kernel(*what, steps.geometry, steps.height, steps.width, first, last, sums)
        return sums

    grain = 1 + _ROW_GRAIN // (cycles.shape[1] * steps.width * steps.steps)
    slowest = _sum(split(task, len(cycles) * steps.outputs[0], prepared.jobs, grain))
    every = prepared.over_windows(cycles, schedule.most_cycles, steps) + schedule.groups * schedule.flat_cycles
    return slowest.reshape(-1, schedule.groups).sum(axis=1), every


def _products_with_weights(prepared: PreparedLayer, schedule: Schedule) -> tuple[Counts, Counts]:
    """Return the products that an organisation which skips weights executes, and those with an effectual activation, ``[N]``."""
    if schedule.organisation.skip_weights == "per_filter" and schedule.sees == "effectual":
        return prepared.effectual_macs, prepared.effectual_macs
    shared = schedule.organisation.skip_weights == "shared"
    per_tile, weights = schedule.organisation.filters_per_tile, prepared.weights
    filters = weights.shared_filter_counts(per_tile) if shared else weights.filter_counts
    return prepared.products(schedule.organisation, filters), prepared.dot(prepared.position_counts, filters)


def _measure_unit_runs(prepared: PreparedLayer, schedule: Schedule, measured: Counts) -> None:
    """A run of one value takes one cycle whatever it is: only what is multiplied in it depends on the values."""
    o, windows = schedule.organisation, schedule.steps.windows
    measured[:, _CYCLES] = schedule.unit_window_cycles * schedule.window_passes
    measured[:, _FILTER_CYCLES] = schedule.unit_window_cycles * windows * schedule.filters
    measured[:, _COSTS] = schedule.window_runs * windows * schedule.filters
    if o.skip_weights == "per_filter" and not schedule.free_filters:  # a filter's cycle is another's of its tile
        measured[:, _WORK] = prepared.products(schedule.organisation, prepared.weights.shared_filter_counts(o.filters_per_tile))
    else:
        measured[:, _WORK] = measured[:, _PRODUCTS]


def _measure_waiting_filters(prepared: PreparedLayer, schedule: Schedule, measured: Counts) -> None:
    """The filters of a tile wait for each other at every run."""
    windows, bricks, tile_totals, work, costs = prepared.once(
        ("filters", *schedule.sums_key), lambda: _waiting_filters(prepared, schedule)
    )
    _add_passes({"window": windows, "brick": bricks}, tile_totals, schedule, measured)
    measured[:, _WORK], measured[:, _COSTS] = work, costs


def _measure_free_filters(prepared: PreparedLayer, schedule: Schedule, measured: Counts) -> None:
    """Every filter walks its lane's runs on its own."""
    windows, tile_totals, waits, costs = prepared.once(("filters", *schedule.sums_key), lambda: _free_filters(prepared, schedule))
    _add_passes({"window": windows}, tile_totals, schedule, measured)
    measured[:, _WORK] = measured[:, _PRODUCTS]
    measured[:, _WAITS], measured[:, _COSTS] = waits, costs


def _add_passes(by_sync: Mapping[str, Counts], tile_totals: Counts, schedule: Schedule, measured: Counts) -> None:
    """Add up the cycles of all passes, ``[groups, passes, N]``, as tiles wait for each other."""
    sync = schedule.organisation.tile_sync
    by_pass = (tile_totals.max(axis=3) if sync == "layer" else by_sync[sync]).sum(axis=0)
    measured[:, _CYCLES] = by_pass.sum(axis=0)
    measured[:, _FILTER_CYCLES] = schedule.pass_filters @ by_pass


def _waiting_filters(prepared: PreparedLayer, schedule: Schedule) -> list[Counts]:
    digits, leaders = prepared.weights.leads(schedule.organisation)
    weights = (digits, leaders.reshape(-1))
    passes, images = _by_pass(prepared, schedule)
    shapes = [passes, passes, (*passes, schedule.tile_filters.shape[1]), images, images]
    return _count_pairs(prepared, schedule, prepared.kernels.weighted_cycles, weights, shapes)


def _free_filters(prepared: PreparedLayer, schedule: Schedule) -> list[Counts]:
    weights = (prepared.weights.walks(schedule.organisation),)
    passes, images = _by_pass(prepared, schedule)
    shapes = [passes, (*passes, schedule.tile_filters.shape[1]), images, images]
    return _count_pairs(prepared, schedule, prepared.kernels.free_filter_cycles, weights, shapes)


def _by_pass(prepared: PreparedLayer, schedule: Schedule) -> tuple[tuple[int, int, int], tuple[int]]:
    """Return the shapes of sums by group, pass and image, and by image."""
    return (schedule.groups, schedule.passes, prepared.layer.images), (prepared.layer.images,)


def _count_pairs(
    prepared: PreparedLayer,
    schedule: Schedule,
    kernel: Callable[..., None],
    weights: tuple[NDArray[np.integer], ...],
    shapes: Sequence[tuple[int, ...]],
) -> list[Counts]:
    """Run a kernel over the pairs of activation runs and filters' masks; return what it adds up, in the shapes given."""
    o, steps, runs = schedule.organisation, schedule.steps, schedule.runs
    rows = _padded_rows(prepared, schedule)
    worst = max(runs.longest, int(rows.max())) if rows.size else runs.longest
    what = (prepared.run_masks(o), rows, *weights, schedule.tile_filters)
    where = (*runs.lane_order(steps.steps), worst, o.run_overhead, steps.geometry, steps.height, steps.width)

    def task(first: int, last: int) -> list[Counts]:
        found = [np.zeros(shape, np.int64) for shape in shapes]
        kernel(*what, *where, first, last, *found)
        return found

    blocks = schedule.groups * schedule.passes * -(-prepared.layer.images * steps.windows // prepared.kernels.BLOCK)
    pairs = prepared.kernels.BLOCK * schedule.window_runs * min(schedule.group_filters, o.filters)
    parts = split(task, blocks, prepared.jobs, 1 + _PAIR_GRAIN // pairs)
    return [_sum(each) for each in zip(*parts, strict=True)]


def _sum(parts: Sequence[Counts]) -> Counts:
    """Add up what threads found."""
    if len(parts) == 1:
        return parts[0]
    out: Counts = np.sum(parts, axis=0)
    return out


def _padded_rows(prepared: PreparedLayer, schedule: Schedule) -> NDArray[np.uint8]:
    """Return the rows of each run in the shape of the masks, ``[groups, runs, images * places + 1]``; one in the padding."""
    rows = prepared.run_rows(schedule.organisation)
    if rows is NO_ROWS:
        return rows
    images, groups = prepared.layer.images, schedule.groups
    out = np.ones((groups, rows.shape[1], images * rows.shape[2] + 1), np.uint8)
    by_image = rows.reshape(images, groups, *rows.shape[1:])
    out[..., :-1] = np.moveaxis(by_image, 0, 2).reshape(groups, rows.shape[1], -1)
    return out
