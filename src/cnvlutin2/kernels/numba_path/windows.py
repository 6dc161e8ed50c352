"""Sums over windows that need no weights: places in the kernel, the slowest lane."""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


@njit(nogil=True, cache=True)
def run_costs(
    counts: Bytes,
    rows: Bytes,
    overhead: int,
    uses_down: NDArray[np.int32],
    uses_across: NDArray[np.int32],
    out: NDArray[Any],
    products: Ints,
    costs: Ints,
) -> None:
    """Turn the effectual counts of runs into cycles, and add both up over all windows.

    Parameters
    ----------
    counts : uint8 ``[maps, runs, height * width]``
    rows : uint8, the same shape or ``[0, 0, 0]``
        NM rows that fetching the run touches; 1 everywhere if empty.
    overhead : int
        Cycles added to every run.
    uses_down, uses_across : int32 ``[height]``, ``[width]``
        Windows that read a row, a column.
    out : integer, the same shape
        Cycles of each run, the overhead included.
    products, costs : int64 ``[maps]``
        Over all windows, the sum of the counts and of the cycles (without the overhead).
    """
    height, width = uses_down.size, uses_across.size
    for m in range(counts.shape[0]):
        all_products, all_costs = np.int64(0), np.int64(0)
        for r in range(counts.shape[1]):
            for y in range(height):
                begin = y * width
                row_products, row_costs = np.int32(0), np.int32(0)
                for x in range(width):
                    count = np.int32(counts[m, r, begin + x])
                    cost = max(count, np.int32(1))
                    if rows.size:
                        cost = max(count, np.int32(rows[m, r, begin + x]))
                    out[m, r, begin + x] = cost + overhead
                    row_products += count * uses_across[x]
                    row_costs += cost * uses_across[x]
                all_products += np.int64(row_products) * uses_down[y]
                all_costs += np.int64(row_costs) * uses_down[y]
        products[m] = all_products
        costs[m] = all_costs


@njit(nogil=True, cache=True)
def position_counts(bits: Bytes, geometry: tuple[int, ...], out: NDArray[np.int32]) -> None:
    """Count, for each place in the kernel, the windows in which the activation there is effectual.

    Parameters
    ----------
    bits : uint8 ``[channels, height, width]``
        Channels of any number of images.
    geometry : tuple
        Kernel height, width, strides (2), pads (top, left), dilations (2), output height, width.
    out : int32 ``[channels, kernel height, kernel width]``
    """
    kh, kw, sy, sx, top, left, dy, dx, oh, ow = geometry
    height, width = bits.shape[1:]
    across = np.empty((height, kw), np.int32)
    for c in range(bits.shape[0]):
        for kx in range(kw):
            begin = kx * dx - left  # of window 0
            first = max(0, -(begin // sx))
            last = min(ow, (width - 1 - begin) // sx + 1)
            for y in range(height):
                row = bits[c, y]
                count = np.int32(0)
                if sx == 1:
                    for x in range(first + begin, last + begin):
                        count += np.int32(row[x])
                else:
                    for o in range(first, last):
                        count += np.int32(row[o * sx + begin])
                across[y, kx] = count
        for ky in range(kh):
            for kx in range(kw):
                total = np.int32(0)
                for oy in range(oh):
                    y = oy * sy - top + ky * dy
                    if 0 <= y < height:
                        total += across[y, kx]
                out[c, ky, kx] = total


@njit(nogil=True, cache=True)
def sliced_window_cycles(
    cost: NDArray[Any],
    pad_cost: NDArray[np.int32],
    lane_runs: NDArray[np.int32],
    geometry: tuple[int, ...],
    height: int,
    width: int,
    first: int,
    last: int,
    out: Ints,
) -> None:
    """Add up the slowest lane of every window, lanes owning the same runs in every step.

    Parameters
    ----------
    cost : uint8 or uint16 ``[maps, runs, height * width]``
        Cycles of each run at each position.
    pad_cost : int32 ``[runs]``
        The same in the padding.
    lane_runs : int32 ``[lanes in use + 1]``
        The first run of each lane.
    geometry : tuple
        As in `position_counts`.
    first, last : int
        Which rows of windows to do, of all maps one after another.
    out : int64 ``[maps]``
        Added to.
    """
    kh, kw, sy, sx, top, left, dy, dx, oh, ow = geometry
    column = np.empty(width, np.int32)  # a lane's cycles in one column of the window row
    window = np.empty(ow, np.int32)
    slowest = np.empty(ow, np.int32)
    for item in range(first, last):
        m, oy = item // oh, item % oh
        slowest[:] = 0
        for lane in range(lane_runs.size - 1):
            column[:] = 0
            pad = np.int32(0)
            for r in range(lane_runs[lane], lane_runs[lane + 1]):
                pad += pad_cost[r]
                for ky in range(kh):
                    y = oy * sy - top + ky * dy
                    if 0 <= y < height:
                        row = cost[m, r, y * width : y * width + width]
                        for x in range(width):
                            column[x] += np.int32(row[x])
                    else:
                        for x in range(width):
                            column[x] += pad_cost[r]
            window[:] = 0
            for kx in range(kw):
                begin = kx * dx - left
                lo = min(ow, max(0, -(begin // sx)))
                hi = max(lo, min(ow, (width - 1 - begin) // sx + 1))
                for o in range(lo):
                    window[o] += pad * kh
                if sx == 1:
                    for o in range(lo, hi):
                        window[o] += column[o + begin]
                else:
                    for o in range(lo, hi):
                        window[o] += column[o * sx + begin]
                for o in range(hi, ow):
                    window[o] += pad * kh
            for o in range(ow):
                slowest[o] = max(slowest[o], window[o])
        total = np.int64(0)
        for o in range(ow):
            total += slowest[o]
        out[m] += total


@njit(nogil=True, cache=True)
def interleaved_window_cycles(
    cost: NDArray[Any],
    pad_cost: NDArray[np.int32],
    lanes: int,
    geometry: tuple[int, ...],
    height: int,
    width: int,
    first: int,
    last: int,
    out: Ints,
) -> None:
    """Add up the slowest lane of every window, runs going to the lanes in turn (arguments as `sliced_window_cycles`)."""
    kh, kw, sy, sx, top, left, dy, dx, oh, ow = geometry
    runs = cost.shape[1]
    loads = np.empty((lanes, ow), np.int32)
    for item in range(first, last):
        m, oy = item // oh, item % oh
        loads[:] = 0
        turn = 0
        for ky in range(kh):
            y = oy * sy - top + ky * dy
            for kx in range(kw):
                begin = kx * dx - left
                lo = min(ow, max(0, -(begin // sx))) if 0 <= y < height else ow
                hi = max(lo, min(ow, (width - 1 - begin) // sx + 1))
                for r in range(runs):
                    load = loads[turn % lanes]
                    turn += 1
                    for o in range(lo):
                        load[o] += pad_cost[r]
                    for o in range(lo, hi):
                        load[o] += np.int32(cost[m, r, y * width + o * sx + begin])
                    for o in range(hi, ow):
                        load[o] += pad_cost[r]
        total = np.int64(0)
        for o in range(ow):
            slowest = np.int32(0)
            for lane in range(lanes):
                slowest = max(slowest, loads[lane, o])
            total += slowest
        out[m] += total
