"""The skip mode: lanes run apart within a window, as in Cnvlutin (ISCA 2016) and Cnvlutin2 (arXiv 1705.00125)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.prepared import NO_ROWS, PreparedLayer, dot
from cnvlutin2.timing.slots import Counts, complete
from cnvlutin2.timing.workers import split

_ROW_GRAIN = 1 << 20  # lane additions worth a thread
_PAIR_GRAIN = 1 << 22  # pairs of a run and a filter worth a thread


@dataclass(frozen=True)
class _Sums:
    """What the kernels find, over groups, passes, windows and runs.

    Parameters
    ----------
    cycles : int64 ``[N, groups, passes]``
        Without window overhead.
    products : int64 ``[N]``
        What is multiplied.
    useful : int64 ``[N]``
        The part of `products` whose activation is effectual.
    costs : int64 ``[N]``
        Cycles of all runs (without run overhead) as each filter sees them: of its tile, or its own where filters run free.
    work : int64 ``[N]``
        The part of `costs` in which some filter that this one shares its cost with has products.
    waits : int64 ``[N]``
        Cycles in which a free filter has ended its lane and its tile has not.
    """

    cycles: Counts
    products: Counts
    useful: Counts
    costs: Counts
    work: Counts
    waits: Counts


def time_skip(prepared: PreparedLayer, organisation: Organisation) -> tuple[Counts, Counts]:
    """Return cycles ``[N]`` and slots ``[N, kinds]`` of a layer in skip mode."""
    layer, steps, runs = prepared.layer, prepared.steps(organisation), prepared.runs(organisation)
    if organisation.skip_weights == "none":
        sums = _sums_without_weights(prepared, organisation)
    else:
        sums = _sums_with_weights(prepared, organisation)
    overhead = organisation.window_overhead * steps.windows  # of a pass
    by_pass = sums.cycles + overhead
    cycles = by_pass.sum(axis=(1, 2))
    total = cycles * organisation.slots_per_cycle
    lanes, in_use = organisation.lanes, runs.lanes_in_use(steps.steps)
    filters = _pass_filters(prepared, organisation).sum(axis=1)
    run_cycles = organisation.run_overhead * steps.steps * runs.runs * steps.windows
    return cycles, complete(
        total,
        {
            "unused_filters": lanes * (by_pass * (organisation.filters - filters)).sum(axis=(1, 2)),
            "overhead": (overhead * lanes + run_cycles) * layer.filters,
            "unused_lanes": (lanes - in_use) * (sums.cycles * filters).sum(axis=(1, 2)),
            "ineffectual_activation": sums.products - sums.useful,
            "ineffectual_weight": sums.useful - prepared.effectual_macs,
            "effectual": prepared.effectual_macs,
            "filter_sync": sums.waits + sums.work - sums.products,
            "fetch": sums.costs - sums.work,
        },
    )


def _busy_filters(prepared: PreparedLayer, organisation: Organisation) -> NDArray[np.int32]:
    """Return the filters whose weights let them multiply, at each place in the kernel, ``[C, Kh, Kw]``."""
    if organisation.skip_weights == "shared":
        return prepared.weights.shared_filter_counts(organisation.filters_per_tile)
    return prepared.weights.filter_counts


def _products_with_weights(prepared: PreparedLayer, organisation: Organisation) -> tuple[Counts, Counts]:
    """Return the products that an organisation which skips weights executes, and those with an effectual activation, ``[N]``."""
    layer, filters = prepared.layer, _busy_filters(prepared, organisation)
    useful = dot(prepared.position_counts, filters)
    if not organisation.skip_activations:
        return np.full(layer.images, layer.windows * filters.sum(dtype=np.int64)), useful
    seen = prepared.seen(organisation)
    return (useful if seen is prepared.bits else dot(prepared.positions_of(seen), filters)), useful


def _pass_filters(prepared: PreparedLayer, organisation: Organisation) -> NDArray[np.int32]:
    """Return the filters that each tile has in each pass, ``[passes, tiles in use]``."""
    count, per_tile = prepared.layer.group_filters, organisation.filters_per_tile
    tiles = min(organisation.tiles, -(-count // per_tile))
    passes = -(-count // organisation.filters)
    begin = np.arange(passes)[:, None] * organisation.filters + np.arange(tiles) * per_tile
    filters: NDArray[np.int32] = np.clip(count - begin, 0, per_tile).astype(np.int32)
    return filters


def _sums_without_weights(prepared: PreparedLayer, organisation: Organisation) -> _Sums:
    """Every filter of every tile does the same: one pass stands for all."""
    layer, steps, runs = prepared.layer, prepared.steps(organisation), prepared.runs(organisation)
    kernels = prepared.kernels
    counts, rows = prepared.run_counts(organisation), prepared.run_rows(organisation)
    overhead = organisation.run_overhead
    cost = np.empty(counts.shape, np.uint8 if overhead + organisation.brick < 256 else np.int32)
    maps = counts.shape[0]
    map_products, map_costs = np.empty(maps, np.int64), np.empty(maps, np.int64)
    kernels.run_costs(counts, rows, overhead, *steps.uses, cost, map_products, map_costs)
    # Padding holds zeros: a cycle a run, unless they are multiplied.
    pad_products = 0 if organisation.skip_activations else steps.values
    in_padding = np.ones_like(runs.lengths) if organisation.skip_activations else runs.lengths
    pad_cost = (in_padding + overhead).astype(np.int32)

    def task(first: int, last: int) -> Counts:
        found = np.zeros(maps, np.int64)
        where = (steps.geometry, steps.height, steps.width, first, last, found)
        if runs.run_lanes is not None:
            kernels.sliced_window_cycles(cost, pad_cost, runs.lane_runs, *where)
        else:
            kernels.interleaved_window_cycles(cost, pad_cost, runs.lanes, *where)
        return found

    grain = 1 + _ROW_GRAIN // (runs.runs * steps.width * (steps.kernel[0] + steps.kernel[1]))
    by_group = _sum(split(task, maps * steps.outputs[0], prepared.jobs, grain)).reshape(layer.images, layer.groups)
    passes = -(-layer.group_filters // organisation.filters)

    def over_filters(by_map: Counts, in_padding: int) -> Counts:
        with_padding = (by_map + steps.padded_steps * in_padding).reshape(layer.images, layer.groups)
        over: Counts = with_padding.sum(axis=1) * layer.group_filters
        return over

    products = over_filters(map_products, pad_products)
    return _Sums(
        cycles=np.repeat(by_group[:, :, None], passes, axis=2),
        products=products,
        useful=prepared.windows_seen * layer.group_filters,
        costs=over_filters(map_costs, int(in_padding.sum())),
        work=products,
        waits=np.zeros(layer.images, np.int64),
    )


def _sums_with_weights(prepared: PreparedLayer, organisation: Organisation) -> _Sums:
    """Activation runs against the filters' own masks: the pairs that the weight kernels count."""
    layer, steps, runs = prepared.layer, prepared.steps(organisation), prepared.runs(organisation)
    kernels = prepared.kernels
    images, groups = layer.images, layer.groups
    masks, weights = prepared.run_masks(organisation), prepared.weight_masks(organisation)
    rows = _padded_rows(prepared, organisation)
    tile_filters = _pass_filters(prepared, organisation)
    passes, tiles = tile_filters.shape
    blocks = np.arange(0, images * steps.windows, kernels.BLOCK)
    items = np.stack([a.ravel() for a in np.meshgrid(np.arange(groups), np.arange(passes), blocks, indexing="ij")], axis=1)
    # With a barrier at every run over all tiles, no filter can go ahead of it.
    free = (
        organisation.skip_weights == "per_filter" and organisation.filter_sync == "window" and organisation.tile_sync != "brick"
    )
    shared = (masks, rows, weights, tile_filters, *runs.lane_order(steps.steps), organisation.run_overhead)

    def task(first: int, last: int) -> list[Counts]:
        windows, bricks = (np.zeros((images, groups, passes), np.int64) for _ in range(2))
        tile_totals = np.zeros((images, groups, passes, tiles), np.int64)
        works, costs = (np.zeros(images, np.int64) for _ in range(2))
        where = (steps.geometry, steps.height, steps.width, items[first:last])
        if free:
            kernels.free_filter_cycles(*shared, *where, windows, tile_totals, works, costs)
        else:
            kernels.weighted_cycles(*shared, *where, windows, bricks, tile_totals, works, costs)
        return [windows, bricks, tile_totals, works, costs]

    pairs = kernels.BLOCK * steps.steps * runs.runs * min(layer.group_filters, organisation.filters)
    parts = split(task, len(items), prepared.jobs, 1 + _PAIR_GRAIN // pairs)
    windows, bricks, tile_totals, works, costs = (_sum(list(part)) for part in zip(*parts, strict=True))
    cycles = {"window": windows, "brick": bricks, "layer": tile_totals.max(axis=3)}[organisation.tile_sync]
    products, useful = _products_with_weights(prepared, organisation)
    if free:
        return _Sums(cycles, products, useful, costs, work=products, waits=works)
    return _Sums(cycles, products, useful, costs, work=works, waits=np.zeros(images, np.int64))


def _sum(parts: list[Counts]) -> Counts:
    """Add up what threads found."""
    out: Counts = np.sum(parts, axis=0)
    return out


def _padded_rows(prepared: PreparedLayer, organisation: Organisation) -> NDArray[np.uint8]:
    """Return the rows of each run in the shape of the masks, ``[groups, runs, images * places + 1]``; one in the padding."""
    rows = prepared.run_rows(organisation)
    if rows is NO_ROWS:
        return rows
    layer = prepared.layer
    out = np.ones((layer.groups, rows.shape[1], layer.images * rows.shape[2] + 1), np.uint8)
    by_image = rows.reshape(layer.images, layer.groups, *rows.shape[1:])
    out[..., :-1] = np.moveaxis(by_image, 0, 2).reshape(layer.groups, rows.shape[1], -1)
    return out
