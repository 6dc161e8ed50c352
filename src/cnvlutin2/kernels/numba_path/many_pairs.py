"""Many layers in one call where ineffectual weights are skipped; see `many`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.kernels.addresses import array_at
from cnvlutin2.kernels.numba_path.blocks import BLOCK
from cnvlutin2.kernels.numba_path.free import free_filter_cycles
from cnvlutin2.kernels.numba_path.masks import run_masks
from cnvlutin2.kernels.numba_path.weights import weighted_cycles
from cnvlutin2.kernels.records import FREE, TILE_SYNCS, WAITING
from cnvlutin2.simd.jit import helper, kernel

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

BRICK, LAYER = TILE_SYNCS.index("brick"), TILE_SYNCS.index("layer")


@helper
def _find_masks(layer: Any, plan: Any, bits: Bytes) -> Bytes:
    """Return the effectual activations of every run, ``[groups, runs, bytes, images * places + 1]``."""
    none = int(np.int64(0))  # a literal would have callees compiled for it as well
    places = plan.height * plan.width
    out = np.empty((layer.groups, plan.runs, plan.planes, layer.images * places + 1), np.uint8)
    out[:, :, :, layer.images * places] = 0
    starts, stops = array_at(plan.starts, (plan.runs,), np.int32), array_at(plan.stops, (plan.runs,), np.int32)
    size = layer.images * layer.groups * plan.values * places
    steps = bits[layer.bits : layer.bits + size].reshape(layer.images, layer.groups, plan.values, places)
    run_masks(steps, starts, stops, none, layer.images * layer.groups * plan.runs, out)
    return out


@helper
def _add_passes(plan: Any, tile_filters: NDArray[np.int32], by_pass: Ints, tile_totals: Ints, n: int, result: Ints) -> None:
    """Set the cycles of an image, and the same times the filters of each pass, from those by group, pass and image (and tile)."""
    result[0], result[2] = 0, 0
    for p in range(by_pass.shape[1]):
        filters, cycles = np.int64(0), np.int64(0)
        for t in range(tile_filters.shape[1]):
            filters += tile_filters[p, t]
        for g in range(by_pass.shape[0]):
            if plan.tile_sync == LAYER:
                slowest = np.int64(0)
                for t in range(tile_totals.shape[3]):
                    slowest = max(slowest, tile_totals[g, p, n, t])
                cycles += slowest
            else:
                cycles += by_pass[g, p, n]
        result[0] += cycles
        result[2] += cycles * filters


@kernel
def walk_waiting_pairs(layers: Any, pairs: Any, first: int, last: int, bits: Bytes, measured: Ints) -> None:
    """Time organisations whose filters wait for each other at every run.

    Parameters
    ----------
    layers, pairs : records, `LAYER` and `PAIRS`
    first, last : int
        Which of `pairs` to do; the others are passed over.
    bits, measured
        As `count_layers` leaves them; of `measured` is set what `cnvlutin2.timing.part.PAIR_QUANTITIES` says.
    """
    none = int(np.int64(0))
    no_rows = np.empty((none, none, none), np.uint8)
    for i in range(first, last):
        plan = pairs[i]
        if plan.kind != WAITING:
            continue
        layer = layers[plan.layer]
        images, groups, passes, tiles = layer.images, layer.groups, plan.passes, plan.tiles
        shape = (groups, passes, tiles, plan.walk, plan.filters, plan.digits)
        weights = array_at(plan.weights, shape, np.uint8)
        leaders = array_at(plan.leaders, (groups * passes * tiles * plan.walk,), np.uint16)
        tile_filters = array_at(plan.tile_filters, (passes, tiles), np.int32)
        lane_order = array_at(plan.lane_order, (plan.lanes + 1,), np.int32)
        step_of, run_of = array_at(plan.step_of, (plan.walk,), np.int32), array_at(plan.run_of, (plan.walk,), np.int32)
        g = plan.geometry
        geometry = (g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7], g[8], g[9])
        windows, bricks = np.zeros((groups, passes, images), np.int64), np.zeros((groups, passes, images), np.int64)
        tile_totals = np.zeros((groups, passes, images, tiles), np.int64)
        work, costs = np.zeros(images, np.int64), np.zeros(images, np.int64)
        blocks = groups * passes * ((images * geometry[8] * geometry[9] + BLOCK - 1) // BLOCK)
        weighted_cycles(
            _find_masks(layer, plan, bits),
            no_rows,
            weights,
            leaders,
            tile_filters,
            lane_order,
            step_of,
            run_of,
            plan.longest,
            plan.overhead,
            geometry,
            plan.height,
            plan.width,
            none,
            blocks,
            windows,
            bricks,
            tile_totals,
            work,
            costs,
        )
        by_pass = bricks if plan.tile_sync == BRICK else windows
        for n in range(images):
            result = measured[n, layer.measured + plan.result]
            _add_passes(plan, tile_filters, by_pass, tile_totals, n, result)
            result[1], result[3], result[5] = costs[n], result[5], work[n]


@kernel
def walk_free_pairs(layers: Any, pairs: Any, first: int, last: int, bits: Bytes, measured: Ints) -> None:
    """Time organisations whose filters walk the runs of their lane on their own; parameters are those of `walk_waiting_pairs`."""
    none = int(np.int64(0))
    no_rows = np.empty((none, none, none), np.uint8)
    for i in range(first, last):
        plan = pairs[i]
        if plan.kind != FREE:
            continue
        layer = layers[plan.layer]
        images, groups, passes, tiles = layer.images, layer.groups, plan.passes, plan.tiles
        shape = (groups, passes, tiles, plan.filters, plan.walk, plan.digits)
        weights = array_at(plan.weights, shape, np.uint8)
        tile_filters = array_at(plan.tile_filters, (passes, tiles), np.int32)
        lane_order = array_at(plan.lane_order, (plan.lanes + 1,), np.int32)
        step_of, run_of = array_at(plan.step_of, (plan.walk,), np.int32), array_at(plan.run_of, (plan.walk,), np.int32)
        g = plan.geometry
        geometry = (g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7], g[8], g[9])
        windows = np.zeros((groups, passes, images), np.int64)
        tile_totals = np.zeros((groups, passes, images, tiles), np.int64)
        waits, costs = np.zeros(images, np.int64), np.zeros(images, np.int64)
        blocks = groups * passes * ((images * geometry[8] * geometry[9] + BLOCK - 1) // BLOCK)
        free_filter_cycles(
            _find_masks(layer, plan, bits),
            no_rows,
            weights,
            tile_filters,
            lane_order,
            step_of,
            run_of,
            plan.longest,
            plan.overhead,
            geometry,
            plan.height,
            plan.width,
            none,
            blocks,
            windows,
            tile_totals,
            waits,
            costs,
        )
        for n in range(images):
            result = measured[n, layer.measured + plan.result]
            _add_passes(plan, tile_filters, windows, tile_totals, n, result)
            result[1], result[3], result[5] = costs[n], waits[n], 0
