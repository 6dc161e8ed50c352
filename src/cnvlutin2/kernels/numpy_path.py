"""The kernels in plain NumPy: the twins of `numba_path`, where the arguments are explained.

They loop over the runs of a window and over places in the kernel, never over windows, bricks or filters.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

BLOCK = 512
DIGIT_BITS = 8
MANY_LAYERS = False


def run_counts(bits: Bytes, starts: NDArray[np.int32], stops: NDArray[np.int32], first: int, last: int, out: Bytes) -> None:
    """Count the effectual values of every run at every position."""
    for r, maps in _runs_of_maps(first, last, starts.size):
        out[maps, r] = bits[maps, starts[r] : stops[r]].sum(axis=1, dtype=np.uint8)


def with_raw_bricks(
    counts: Bytes, raw: Bytes, run_of: NDArray[np.int32], brick_of: NDArray[np.int32], lengths: NDArray[np.int32], out: Bytes
) -> None:
    """Count what a lane takes for effectual where every value of a raw brick is."""
    pieces = np.maximum(counts, raw[:, brick_of] & lengths[:, None].astype(np.uint8))
    starts = np.searchsorted(run_of, np.arange(out.shape[1]))
    np.add.reduceat(pieces, starts, axis=1, dtype=np.uint8, out=out)


def run_masks(bits: Bytes, starts: NDArray[np.int32], stops: NDArray[np.int32], first: int, last: int, out: Bytes) -> None:
    """Pack the effectual bits of every run into bytes, first value lowest."""
    groups, places = bits.shape[1], bits.shape[3]
    for r, maps in _runs_of_maps(first, last, starts.size):
        for m in range(maps.start, maps.stop):
            n, g = divmod(m, groups)
            packed = np.packbits(bits[n, g, starts[r] : stops[r]], axis=0, bitorder="little")
            here = out[g, r, :, n * places : (n + 1) * places]
            here[:] = 0
            here[: len(packed)] = packed


def _runs_of_maps(first: int, last: int, runs: int) -> Iterator[tuple[int, slice]]:
    """Yield each run with the maps in which it is among the runs `first` to `last` of all maps one after another."""
    for r in range(runs):
        yield r, slice(max(0, -((r - first) // runs)), max(0, -((r - last) // runs)))


def weight_masks(
    weights: NDArray[np.int16],
    threshold: int,
    group_filters: int,
    row_packed: bool,
    starts: NDArray[np.int32],
    stops: NDArray[np.int32],
    first: int,
    last: int,
    out: Bytes,
) -> None:
    """Pack the effectual bits of the weights that meet every run."""
    tiles, slots = out.shape[3:5]
    runs = starts.size
    f = np.arange(first, last)
    g, inside = np.divmod(f, group_filters)
    p, place = np.divmod(inside, tiles * slots)
    t, slot = np.divmod(place, slots)
    busy = (weights[first:last] >= threshold) | (weights[first:last] <= -threshold)
    if row_packed:  # [filters, steps, values]
        steps = busy.transpose(0, 2, 3, 1).reshape(last - first, busy.shape[2], -1)
    else:
        steps = busy.transpose(0, 2, 3, 1).reshape(last - first, -1, busy.shape[1])
    for r, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        packed = np.packbits(steps[:, :, start:stop], axis=2, bitorder="little")
        for step in range(packed.shape[1]):
            out[g, p, step * runs + r, t, slot, : packed.shape[2]] = packed[:, step]


def weight_counts(weights: NDArray[np.int16], threshold: int, filters: int, out: NDArray[np.int32], shared: bool) -> None:
    """Count, for each place in the kernel, the filters that are busy there."""
    for start in range(0, weights.shape[1], filters):
        tile = weights[:, start : start + filters]
        busy = (tile >= threshold) | (tile <= -threshold)
        out += busy.any(axis=1) * np.int32(tile.shape[1]) if shared else busy.sum(axis=1, dtype=np.int32)


def lead_filters(weights: Bytes, first: int, last: int, out: Bytes, leaders: NDArray[np.uint16]) -> None:
    """Take all filters for leaders: which of them can be left out does not matter to the result."""
    out[first:last] = weights[first:last]
    leaders[first:last] = weights.shape[1]


def dot(positions: NDArray[np.int32], filters: NDArray[np.int32], out: Ints) -> None:
    """Add up, by image, windows times filters over all places in the kernel."""
    out[:] = np.einsum("ni,i->n", positions, filters, dtype=np.int64)


def position_counts(
    bits: Bytes, geometry: tuple[int, ...], height: int, width: int, reads: NDArray[np.uint64], out: NDArray[np.int32]
) -> None:
    """Count, for each place in the kernel, the windows in which the activation there is effectual."""
    kh, kw, sy, sx, top, left, dy, dx, oh, ow = geometry
    maps = bits.reshape(-1, height, width)
    for ky in range(kh):
        rows = _inside(oh, sy, ky * dy - top, height)
        for kx in range(kw):
            columns = _inside(ow, sx, kx * dx - left, width)
            out[:, ky * kw + kx] = maps[:, rows, columns].sum(axis=(1, 2), dtype=np.int32)


def _inside(windows: int, stride: int, begin: int, size: int) -> slice:
    """Return the positions within the map that the windows read at one place in the kernel."""
    first = max(0, -(begin // stride))
    last = max(first, min(windows, (size - 1 - begin) // stride + 1))
    return slice(first * stride + begin, max(0, last * stride + begin), stride) if last > first else slice(0, 0)


def sum_over_windows(values: Bytes, most: int, uses_down: NDArray[np.int32], uses_across: NDArray[np.int32], out: Ints) -> None:
    """Add up some planes of every map over all windows that read them."""
    out[:] = values.sum(axis=1, dtype=np.int64) @ np.outer(uses_down, uses_across).astype(np.int64).ravel()


def run_cycles(counts: Bytes, rows: Bytes, run_bricks: NDArray[np.int32], out: Bytes) -> None:
    """Find the cycles of every run, without overhead: its work, but no less than the rows that it touches."""
    np.maximum(counts, rows[:, run_bricks].max(axis=2) if rows.size else 1, out=out)


def sliced_cycles(
    cycles: Bytes,
    overhead: int,
    parts: NDArray[np.int32],
    pad_loads: NDArray[Any],
    lanes: int,
    geometry: tuple[int, ...],
    height: int,
    width: int,
    first: int,
    last: int,
    out: Ints,
) -> None:
    """Add up the slowest lane of every window, lanes owning the same runs in every step."""
    kh, kw, _, _, _, _, _, _, oh, ow = geometry
    for m, down in _rows_of_maps(first, last, oh):
        loads = np.add.reduceat(cycles[m].astype(np.int64), parts[:-1], axis=0).reshape(-1, height, width)
        window = np.zeros((len(loads), down.size, ow), np.int64)
        window += (np.diff(parts) * overhead * kh * kw)[:, None, None]
        for ky in range(kh):
            for kx in range(kw):
                window += _step(loads, pad_loads, geometry, down, ky, kx)
        out[m] += int(window.max(axis=0).sum())


def interleaved_cycles(
    cycles: Bytes,
    overhead: int,
    parts: NDArray[np.int32],
    pad_loads: NDArray[Any],
    lanes: int,
    geometry: tuple[int, ...],
    height: int,
    width: int,
    first: int,
    last: int,
    out: Ints,
) -> None:
    """Add up the slowest lane of every window, runs going to the lanes in turn."""
    kh, kw, _, _, _, _, _, _, oh, ow = geometry
    for m, down in _rows_of_maps(first, last, oh):
        loads = cycles[m].astype(np.int64).reshape(-1, height, width) + overhead
        sums = np.zeros((lanes, down.size, ow), np.int64)
        for ky in range(kh):
            for kx in range(kw):
                turns = (np.arange(len(loads)) + (ky * kw + kx) * len(loads)) % lanes
                np.add.at(sums, turns, _step(loads, pad_loads + overhead, geometry, down, ky, kx))
        out[m] += int(sums.max(axis=0).sum())


def _rows_of_maps(first: int, last: int, oh: int) -> Iterator[tuple[int, NDArray[np.intp]]]:
    for m in range(first // oh, -(-last // oh)):
        yield m, np.arange(max(first - m * oh, 0), min(last - m * oh, oh))


def _step(
    values: NDArray[Any],
    padding: NDArray[Any],
    geometry: tuple[int, ...],
    rows: NDArray[np.intp],
    ky: int,
    kx: int,
) -> NDArray[Any]:
    """Return what the windows of some rows see at one place in the kernel, ``[values, rows, output width]``."""
    _, _, sy, sx, top, left, dy, dx, _, ow = geometry
    y = rows * sy - top + ky * dy
    x = np.arange(ow) * sx - left + kx * dx
    inside = ((y >= 0) & (y < values.shape[1]))[:, None] & ((x >= 0) & (x < values.shape[2]))
    seen = values[:, np.clip(y, 0, values.shape[1] - 1)[:, None], np.clip(x, 0, values.shape[2] - 1)]
    step: NDArray[Any] = np.where(inside, seen, padding[:, None, None])
    return step


def _sources(geometry: tuple[int, ...], height: int, width: int, start: int, count: int, pad: int) -> NDArray[np.intp]:
    """Return the position that each step of `count` windows reads, ``[steps, windows]``; `pad` stands for the padding."""
    kh, kw, sy, sx, top, left, dy, dx, oh, ow = geometry
    image, place = np.divmod(np.arange(start, start + count), oh * ow)
    oy, ox = np.divmod(place, ow)
    ky, kx = np.divmod(np.arange(kh * kw), kw)
    y = oy * sy - top + (ky * dy)[:, None]
    x = ox * sx - left + (kx * dx)[:, None]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return np.where(inside, (image * height + y) * width + x, pad)


def _words(masks: Bytes) -> NDArray[np.uint64]:
    """Join the last axis' bytes into words."""
    shifts = np.arange(masks.shape[-1], dtype=np.uint64) * np.uint64(8)
    words: NDArray[np.uint64] = np.bitwise_or.reduce(masks.astype(np.uint64) << shifts, axis=-1)
    return words


def _products(masks: Bytes, weights: Bytes, place: NDArray[np.intp], g: int, run: int) -> NDArray[np.int64]:
    """Return the products of a run in every window with all of some filters' weights (the last axis is the masks')."""
    a = _words(masks[g, run][:, place].T)
    words = _words(weights)
    counts: NDArray[np.int64] = np.bitwise_count(a[(slice(None), *(None,) * words.ndim)] & words).astype(np.int64)
    return counts


def _blocks(first: int, last: int, shape: tuple[int, ...], per_image: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield group, pass, first window and windows of some passes of the blocks of the groups."""
    _, passes, images = shape
    blocks = -(-images * per_image // BLOCK)
    for item in range(first, last):
        start = item // passes % blocks * BLOCK
        yield item // (passes * blocks), item % passes, start, min(BLOCK, images * per_image - start)


def weighted_cycles(
    masks: Bytes,
    rows: Bytes,
    weights: Bytes,
    leaders: NDArray[np.uint16],
    tile_filters: NDArray[np.int32],
    lane_order: NDArray[np.int32],
    step_of: NDArray[np.int32],
    run_of: NDArray[np.int32],
    worst: int,
    run_overhead: int,
    geometry: tuple[int, ...],
    height: int,
    width: int,
    first: int,
    last: int,
    windows: Ints,
    bricks: Ints,
    tile_totals: Ints,
    work: Ints,
    costs: Ints,
) -> None:
    """Add up cycles where the filters of a tile wait for each other at every run."""
    per_image = geometry[8] * geometry[9]
    pad = masks.shape[3] - 1
    for g, p, start, count in _blocks(first, last, windows.shape, per_image):
        image = (start + np.arange(count)) // per_image
        source = _sources(geometry, height, width, start, count, pad)
        filters = tile_filters[p][tile_filters[p] > 0].astype(np.int64)
        tile_most = np.zeros((count, filters.size), np.int64)
        brick_most = np.zeros(count, np.int64)
        for begin, end in pairwise(lane_order):
            lane = np.full((count, filters.size), run_overhead * (end - begin), np.int64)
            lane_brick = np.full(count, run_overhead * (end - begin), np.int64)
            for k in range(begin, end):
                run, place = run_of[k], source[step_of[k]]
                r = rows[g, run, place].astype(np.int64) if rows.size else np.ones(count, np.int64)
                most = _products(masks, weights[g, p, : filters.size, k], place, g, run).max(axis=2)
                cost = np.maximum(most, r[:, None])
                lane += cost
                lane_brick += cost.max(axis=1)
                np.add.at(work, image, most @ filters)
                np.add.at(costs, image, cost @ filters)
            np.maximum(tile_most, lane, out=tile_most)
            np.maximum(brick_most, lane_brick, out=brick_most)
        np.add.at(tile_totals[g, p, :, : filters.size], image, tile_most)
        np.add.at(windows[g, p], image, tile_most.max(axis=1))
        np.add.at(bricks[g, p], image, brick_most)


def free_filter_cycles(
    masks: Bytes,
    rows: Bytes,
    weights: Bytes,
    tile_filters: NDArray[np.int32],
    lane_order: NDArray[np.int32],
    step_of: NDArray[np.int32],
    run_of: NDArray[np.int32],
    worst: int,
    run_overhead: int,
    geometry: tuple[int, ...],
    height: int,
    width: int,
    first: int,
    last: int,
    windows: Ints,
    tile_totals: Ints,
    waits: Ints,
    costs: Ints,
) -> None:
    """Add up cycles where every filter walks its lane's runs on its own until the window ends."""
    per_image = geometry[8] * geometry[9]
    pad = masks.shape[3] - 1
    for g, p, start, count in _blocks(first, last, windows.shape, per_image):
        image = (start + np.arange(count)) // per_image
        source = _sources(geometry, height, width, start, count, pad)
        filters = tile_filters[p][tile_filters[p] > 0].astype(np.int64)
        in_use = np.arange(weights.shape[3]) < filters[:, None]  # [tiles, filters]
        tile_most = np.zeros((count, filters.size), np.int64)
        for begin, end in pairwise(lane_order):
            lane = np.zeros((count, *in_use.shape), np.int64)
            for k in range(begin, end):
                run, place = run_of[k], source[step_of[k]]
                r = rows[g, run, place].astype(np.int64) if rows.size else np.ones(count, np.int64)
                products = _products(masks, weights[g, p, : filters.size, :, k], place, g, run)
                lane += np.maximum(products, r[:, None, None]) * in_use
            slowest = lane.max(axis=2)
            np.add.at(waits, image, slowest @ filters - lane.sum(axis=(1, 2)))
            np.add.at(costs, image, lane.sum(axis=(1, 2)))
            np.maximum(tile_most, slowest + run_overhead * (end - begin), out=tile_most)
        np.add.at(tile_totals[g, p, :, : filters.size], image, tile_most)
        np.add.at(windows[g, p], image, tile_most.max(axis=1))


def execute(
    masks: Bytes,
    weight_masks: Bytes,
    filters_per_tile: int,
    lane_order: NDArray[np.int32],
    step_of: NDArray[np.int32],
    run_of: NDArray[np.int32],
    starts: NDArray[np.int32],
    values: NDArray[np.int16],
    weights: NDArray[np.int16],
    source: NDArray[np.int32],
    image_windows: int,
    first: int,
    last: int,
    out: Ints,
    products: Ints,
) -> None:
    """Walk every lane's runs and accumulate the products of the offsets that its masks hold."""
    groups, runs, planes = masks.shape[:3]
    filters = weights.shape[3]
    tiles, slots = weight_masks.shape[3:5]
    image = np.arange(first, last) // image_windows
    p, inside = np.divmod(np.arange(filters), max(1, tiles * filters_per_tile))
    t, slot = np.divmod(inside, filters_per_tile)
    for g in range(groups):
        for step, run in zip(step_of[: lane_order[-1]], run_of[: lane_order[-1]], strict=True):
            place = source[step, first:last]
            for byte, bit in np.ndindex(planes, 8):
                busy = (masks[g, run, byte, place] >> bit) & 1
                if not busy.any():
                    continue
                value = starts[run] + 8 * byte + bit
                wanted = np.ones(filters, np.int64)
                if weight_masks.size:
                    mask = weight_masks[g, p, step * runs + run, t, slot if slots > 1 else 0, byte]
                    wanted = ((mask >> bit) & 1).astype(np.int64)
                a = values[g, value, place].astype(np.int64) * busy
                out[g, first:last] += a[:, None] * (weights[g, step, value] * wanted)
                np.add.at(products, image, busy * wanted.sum())
