"""Sums over windows that need no weights: places in the kernel, the slowest lane."""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cnvlutin2.kernels.narrow import larger, plus

BAND = 4096  # places of a padded map that are held at a time: they stay in the first-level cache

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


@njit(nogil=True, cache=True)
def _first_inside(begin: int, stride: int, windows: int) -> int:
    """Return the first window whose place `begin + window * stride` is not before the map."""
    return min(windows, max(0, -(begin // stride)))


@njit(nogil=True, cache=True)
def _last_inside(begin: int, stride: int, windows: int, size: int) -> int:
    """Return the end of the windows whose place is not behind a map of `size`."""
    return max(0, min(windows, (size - 1 - begin) // stride + 1))


@njit(nogil=True, cache=True)
def _reach(begin: int, windows: int, size: int) -> tuple[int, int]:
    """Return the first and the last (excluded) place of a map that windows read which start at `begin`, one beside another."""
    first, last = max(0, begin), min(size, begin + windows)
    return (first, last) if first < last else (0, 0)


@njit(nogil=True, cache=True)
def _total(values: Bytes) -> np.int32:
    total = np.uint32(0)
    for x in range(values.size):
        total = plus(total, np.uint32(values[x]))
    return np.int32(total)


@njit(nogil=True, cache=True)
def _count_most(bits: Bytes, geometry: tuple[int, ...], height: int, width: int, out: NDArray[np.int32]) -> None:
    """Do the same where a place in the kernel reads most of the map, without strides: count all, take away what is not read."""
    kh, kw, _, _, top, left, dy, dx, oh, ow = geometry
    edges = np.empty(height, np.int32)
    for c in range(bits.shape[0]):
        values = bits[c]
        total = _total(values)
        for ky in range(kh):
            low, high = _reach(ky * dy - top, oh, height)
            inside = total - _total(values[: low * width]) - _total(values[high * width :])
            for kx in range(kw):
                out[c, ky * kw + kx] = inside
        for kx in range(kw):
            first, last = _reach(kx * dx - left, ow, width)
            if first == 0 and last == width:
                continue
            every_edge = np.int32(0)
            for y in range(height):
                edge = np.int32(0)
                for x in range(y * width, y * width + first):
                    edge += np.int32(values[x])
                for x in range(y * width + last, y * width + width):
                    edge += np.int32(values[x])
                edges[y] = edge
                every_edge += edge
            for ky in range(kh):
                low, high = _reach(ky * dy - top, oh, height)
                beside = every_edge
                for y in range(low):
                    beside -= edges[y]
                for y in range(high, height):
                    beside -= edges[y]
                out[c, ky * kw + kx] -= beside


@njit(nogil=True, cache=True)
def position_counts(
    bits: Bytes, geometry: tuple[int, ...], height: int, width: int, column: NDArray[Any], out: NDArray[np.int32]
) -> None:
    """Count, for each place in the kernel, the windows in which the activation there is effectual.

    Parameters
    ----------
    bits : uint8 ``[channels, height * width]``
        Channels of any number of images, 0 or 1.
    geometry : tuple
        Kernel height, width, strides (2), pads (top, left), dilations (2), output height, width.
    height, width : int
    column : integer ``[width]``
        Scratch, of a type that holds `height`: a column's effectual values in the rows that a place in the kernel reads.
    out : int32 ``[channels, kernel height * kernel width]``
    """
    kh, kw, sy, sx, top, left, dy, dx, oh, ow = geometry
    if sy == sx == 1 and 2 * oh > height and 2 * ow > width:
        _count_most(bits, geometry, height, width, out)
        return
    for c in range(bits.shape[0]):
        for ky in range(kh):
            begin = ky * dy - top
            column[:] = 0
            for oy in range(_first_inside(begin, sy, oh), _last_inside(begin, sy, oh, height)):
                row = bits[c, (oy * sy + begin) * width : (oy * sy + begin + 1) * width]
                for x in range(width):
                    column[x] += row[x]
            for kx in range(kw):
                begin = kx * dx - left
                count = np.int32(0)
                for ox in range(_first_inside(begin, sx, ow), _last_inside(begin, sx, ow, width)):
                    count += np.int32(column[ox * sx + begin])
                out[c, ky * kw + kx] = count


@njit(nogil=True, cache=True)
def sum_over_windows(values: Bytes, uses_down: NDArray[np.int32], uses_across: NDArray[np.int32], out: Ints) -> None:
    """Add up some planes of every map over all windows that read them.

    Parameters
    ----------
    values : uint8 ``[maps, planes, height * width]``
    uses_down, uses_across : int32 ``[height]``, ``[width]``
        Windows that read a row, a column.
    out : int64 ``[maps]``
    """
    height, width = uses_down.size, uses_across.size
    total = np.empty(width, np.int32)
    for m in range(values.shape[0]):
        out[m] = 0
        for y in range(height):
            total[:] = 0
            for k in range(values.shape[1]):
                row = values[m, k, y * width : y * width + width]
                for x in range(width):
                    total[x] += row[x]
            across = np.int64(0)
            for x in range(width):
                across += np.int64(total[x]) * uses_across[x]
            out[m] += across * uses_down[y]


@njit(nogil=True, cache=True)
def _add_costs(
    counts: Bytes, rows: Bytes, run_bricks: NDArray[np.int32], m: int, r: int, start: int, overhead: int, load: NDArray[Any]
) -> None:
    """Add a run's cycles at the places from `start` on: its work, but no less than the rows that it touches."""
    work = counts[m, r, start : start + load.size]
    if rows.size:
        front = rows[m, run_bricks[r, 0], start : start + load.size]
        back = rows[m, run_bricks[r, 1], start : start + load.size]
        for x in range(load.size):
            load[x] += larger(work[x], larger(front[x], back[x])) + overhead
    else:
        one = np.uint8(1)
        for x in range(load.size):
            load[x] += larger(work[x], one) + overhead


@njit(nogil=True, cache=True)
def _add(values: NDArray[Any], out: NDArray[Any]) -> None:
    for x in range(out.size):
        out[x] += values[x]


@njit(nogil=True, cache=True)
def _sum_strided(values: NDArray[Any], stride: int, count: int) -> np.int64:
    """Add up `count` values, every `stride`-th."""
    total = np.int64(0)
    if stride == 1:  # said apart, as only this is vectorised
        for x in range(count):
            total += np.int64(values[x])
    else:
        for x in range(count):
            total += np.int64(values[x * stride])
    return total


@njit(nogil=True, cache=True)
def sliced_cycles(
    counts: Bytes,
    rows: Bytes,
    run_bricks: NDArray[np.int32],
    overhead: int,
    parts: NDArray[np.int32],
    pad_loads: NDArray[Any],
    wide: NDArray[Any],
    lanes: int,
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
    counts : uint8 ``[maps, runs, height * width]``
        Effectual values of each run.
    rows : uint8 ``[maps, bricks, height * width]`` or ``[0, 0, 0]``
        NM rows that fetching a storage brick touches; 1 everywhere if empty.
    run_bricks : int32 ``[runs, 2]``
        The first and the last storage brick of each run.
    overhead : int
        Cycles added to every run.
    parts : int32 ``[lanes in use + 1]``
        The first run of each lane, and the end.
    pad_loads : uint8, uint16, int32 or int64 ``[lanes in use]``
        Cycles of each lane for a step in the padding; of a type that holds a lane's cycles in any window.
    wide : empty, uint16, uint32 or int64
        Of a type that holds all lanes' cycles in any window.
    lanes : int
        Not looked at; `interleaved_cycles` needs it.
    geometry : tuple
        As in `position_counts`.
    first, last : int
        Which rows of windows to do, of all maps one after another.
    out : int64 ``[maps, 2]``
        Added to: over all windows, the slowest lane's cycles and all lanes' cycles.
    """
    kh, kw, sy, sx, top, left, dy, dx, oh, ow = geometry
    alone = geometry == (1, 1, 1, 1, 0, 0, 1, 1, height, width)  # every place is a window
    across = (ow - 1) * sx + (kw - 1) * dx + 1  # of the padded map, as far as windows reach
    band = max(1, BAND // (across * sy))
    down = (band - 1) * sy + (kh - 1) * dy + 1
    load = np.empty(min(height, down) * width, pad_loads.dtype)
    padded = np.empty(down * across, pad_loads.dtype)
    column = np.empty(band * across, pad_loads.dtype)
    window = np.empty(band * across, pad_loads.dtype)
    slowest = np.empty(band * across, pad_loads.dtype)
    every = np.empty(band * across, wide.dtype)
    inside = min(width, max(0, across - left))
    item = first
    while item < last:
        m, begin = item // oh, item % oh
        count = min(band, oh - begin, last - item)
        item += count
        origin = begin * sy - top  # the map's row that comes first in the padded one
        above = min(height, max(0, origin))
        below = max(above, min(height, origin + (count - 1) * sy + (kh - 1) * dy + 1))
        # What a place adds up is a window if it stands where one starts; the others are passed over at the end.
        size, reach = count * across, count * across - (kw - 1) * dx
        slowest[:size] = 0
        every[:size] = 0
        for lane in range(parts.size - 1):
            here = load[: (below - above) * width]
            here[:] = 0
            for r in range(parts[lane], parts[lane + 1]):
                _add_costs(counts, rows, run_bricks, m, r, above * width, overhead, here)
            sums = here
            if not alone:
                padded[:] = pad_loads[lane]
                for y in range(above, below):
                    target = padded[(y - origin) * across + left : (y - origin) * across + left + inside]
                    row = here[(y - above) * width : (y - above) * width + inside]
                    for x in range(inside):
                        target[x] = row[x]
                column[:size] = 0
                if sy == 1:
                    for ky in range(kh):
                        _add(padded[ky * dy * across : ky * dy * across + size], column[:size])
                else:
                    for i in range(count):
                        for ky in range(kh):
                            start = (i * sy + ky * dy) * across
                            _add(padded[start : start + across], column[i * across : (i + 1) * across])
                window[:reach] = 0
                for kx in range(kw):
                    _add(column[kx * dx : kx * dx + reach], window[:reach])
                sums = window
            for x in range(reach):
                slowest[x] = larger(slowest[x], sums[x])
                every[x] += sums[x]
        for i in range(count):
            out[m, 0] += _sum_strided(slowest[i * across : (i + 1) * across], sx, ow)
            out[m, 1] += _sum_strided(every[i * across : (i + 1) * across], sx, ow)


@njit(nogil=True, cache=True)
def interleaved_cycles(
    counts: Bytes,
    rows: Bytes,
    run_bricks: NDArray[np.int32],
    overhead: int,
    parts: NDArray[np.int32],
    pad_loads: NDArray[Any],
    wide: NDArray[Any],
    lanes: int,
    geometry: tuple[int, ...],
    height: int,
    width: int,
    first: int,
    last: int,
    out: Ints,
) -> None:
    """Add up the slowest lane of every window, runs going to the lanes in turn.

    Parameters are those of `sliced_cycles`, but that `parts` and `pad_loads` are by run, and

    lanes : int
    """
    kh, kw, sy, sx, top, left, dy, dx, oh, ow = geometry
    runs = counts.shape[1]
    load = np.empty(width, pad_loads.dtype)
    loads = np.empty((lanes, ow), pad_loads.dtype)
    for item in range(first, last):
        m, oy = item // oh, item % oh
        loads[:] = 0
        turn = 0
        for ky in range(kh):
            y = oy * sy - top + ky * dy
            low, high = (y * width, (y + 1) * width) if 0 <= y < height else (0, 0)
            for kx in range(kw):
                shift = kx * dx - left
                inside = _first_inside(shift, sx, ow) if low < high else ow
                outside = max(inside, _last_inside(shift, sx, ow, width))
                for r in range(runs):
                    total, pad = loads[turn % lanes], pad_loads[r]
                    turn += 1
                    here = load[: high - low]
                    here[:] = 0
                    _add_costs(counts, rows, run_bricks, m, r, low, overhead, here)
                    for ox in range(inside):
                        total[ox] += pad
                    for ox in range(inside, outside):
                        total[ox] += here[ox * sx + shift]
                    for ox in range(outside, ow):
                        total[ox] += pad
        slowest = loads[0]
        for lane in range(lanes):
            out[m, 1] += _sum_strided(loads[lane], 1, ow)
            for ox in range(ow):
                slowest[ox] = larger(slowest[ox], loads[lane, ox])
        out[m, 0] += _sum_strided(slowest, 1, ow)


@njit(nogil=True, cache=True)
def dot(positions: NDArray[np.int32], filters: NDArray[np.int32], out: Ints) -> None:
    """Add up, by image, windows times filters over all places in the kernel.

    Parameters
    ----------
    positions : int32 ``[images, places]``
    filters : int32 ``[places]``
    out : int64 ``[images]``
    """
    for n in range(positions.shape[0]):
        total = np.int64(0)
        for i in range(filters.size):
            total += np.int64(positions[n, i]) * filters[i]
        out[n] = total
