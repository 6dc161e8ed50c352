"""Effectual bits to run counts and run masks, of activations and of weights."""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cnvlutin2.kernels.bytewise import plus

Bytes = NDArray[np.uint8]


@njit(nogil=True, cache=True)
def run_counts(bits: Bytes, starts: NDArray[np.int32], stops: NDArray[np.int32], first: int, last: int, out: Bytes) -> None:
    """Count the effectual values of every run at every position.

    Parameters
    ----------
    bits : uint8 ``[maps, values, positions]``, 0 or 1
    starts, stops : int32 ``[runs]``
        The values of each run; at most 64.
    first, last : int
        Which runs to do, of all maps one after another.
    out : uint8 ``[maps, runs, positions]``
    """
    for item in range(first, last):
        m, r = item // starts.size, item % starts.size
        row = out[m, r]
        row[:] = 0
        for v in range(starts[r], stops[r]):
            values = bits[m, v]
            for x in range(row.size):
                row[x] = plus(row[x], values[x])


@njit(nogil=True, cache=True)
def row_run_counts(
    bits: Bytes, starts: NDArray[np.int32], stops: NDArray[np.int32], hop: int, first: int, last: int, out: Bytes
) -> None:
    """Count the effectual values of every run of row-packed steps.

    Parameters
    ----------
    bits : uint8 ``[maps, height, padded width * channels]``
    starts, stops : int32 ``[runs]``
    hop : int
        Values from one window to the next: horizontal stride times channels.
    first, last : int
        Which runs to do, of all maps one after another.
    out : uint8 ``[maps, runs, height * output width]``
    """
    height = bits.shape[1]
    across = out.shape[2] // height
    for item in range(first, last):
        m, r = item // starts.size, item % starts.size
        for y in range(height):
            for x in range(across):
                count = 0
                for v in range(x * hop + starts[r], x * hop + stops[r]):
                    count += bits[m, y, v]
                out[m, r, y * across + x] = count


@njit(nogil=True, cache=True)
def run_masks(bits: Bytes, starts: NDArray[np.int32], stops: NDArray[np.int32], first: int, last: int, out: Bytes) -> None:
    """Pack the effectual bits of every run into bytes, first value lowest.

    Parameters
    ----------
    bits : uint8 ``[maps, values, positions]``
    starts, stops : int32 ``[runs]``
    first, last : int
        Which runs to do, of all maps one after another.
    out : uint8 ``[maps, runs, bytes, positions]``
    """
    for item in range(first, last):
        m, r = item // starts.size, item % starts.size
        for b in range(out.shape[2]):
            row = out[m, r, b]
            row[:] = 0
            for v in range(starts[r] + 8 * b, min(stops[r], starts[r] + 8 * b + 8)):
                weight = np.uint8(1 << (v - starts[r] - 8 * b))
                values = bits[m, v]
                for x in range(row.size):
                    row[x] |= values[x] * weight


@njit(nogil=True, cache=True)
def row_run_masks(
    bits: Bytes, starts: NDArray[np.int32], stops: NDArray[np.int32], hop: int, first: int, last: int, out: Bytes
) -> None:
    """Pack the effectual bits of every run of row-packed steps (arguments as `row_run_counts`, `run_masks`)."""
    height = bits.shape[1]
    across = out.shape[3] // height
    for item in range(first, last):
        m, r = item // starts.size, item % starts.size
        for y in range(height):
            for x in range(across):
                for b in range(out.shape[2]):
                    byte = 0
                    for v in range(starts[r] + 8 * b, min(stops[r], starts[r] + 8 * b + 8)):
                        byte |= bits[m, y, x * hop + v] << (v - starts[r] - 8 * b)
                    out[m, r, b, y * across + x] = byte


@njit(nogil=True, cache=True)
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
    """Pack the effectual bits of the weights that meet every run.

    Parameters
    ----------
    weights : int16 ``[Co, Cg, Kh, Kw]``
    threshold : int
    group_filters : int
        Filters of a group.
    row_packed : bool
        Whether a step is a window row (values x first, channel inside) or a position.
    starts, stops : int32 ``[runs]``
    first, last : int
        Which filters to do.
    out : uint8 ``[groups, passes, steps * runs, tiles, filters per tile, bytes]``, zeroed
        Tiles are those in use.
    """
    channels, height, width = weights.shape[1:]
    tiles, slots = out.shape[3:5]
    runs = starts.size
    for f in range(first, last):
        g, inside = f // group_filters, f % group_filters
        p, place = inside // (tiles * slots), inside % (tiles * slots)
        t, slot = place // slots, place % slots
        for ky in range(height):
            for kx in range(1 if row_packed else width):
                step = ky if row_packed else ky * width + kx
                for r in range(runs):
                    masks = out[g, p, step * runs + r, t, slot]
                    for b in range((stops[r] - starts[r] + 7) >> 3):
                        begin = starts[r] + 8 * b
                        byte = 0
                        for v in range(begin, min(begin + 8, stops[r])):
                            w = weights[f, v % channels, ky, v // channels] if row_packed else weights[f, v, ky, kx]
                            byte |= ((w >= threshold) | (w <= -threshold)) << (v - begin)
                        masks[b] = byte


@njit(nogil=True, cache=True)
def weight_counts(weights: NDArray[np.int16], threshold: int, filters: int, out: NDArray[np.int32], shared: bool) -> None:
    """Count, for each place in the kernel, the filters that are busy there.

    Parameters
    ----------
    weights : int16 ``[groups, group filters, places]``
    threshold : int
    filters : int
        Filters of a tile.
    out : int32 ``[groups, places]``, zeroed
        Filters whose weight is effectual; with `shared`, all filters of every tile that has an effectual weight there.
    """
    groups, count, places = weights.shape
    busy = np.empty(places, np.uint8)
    for g in range(groups):
        sums = out[g]
        for start in range(0, count, filters):
            stop = min(start + filters, count)
            busy[:] = 0
            for f in range(start, stop):
                row = weights[g, f]
                for i in range(places):
                    hit = np.uint8((row[i] >= threshold) | (row[i] <= -threshold))
                    if shared:
                        busy[i] |= hit
                    else:
                        sums[i] += hit
            if shared:
                for i in range(places):
                    sums[i] += busy[i] * (stop - start)
