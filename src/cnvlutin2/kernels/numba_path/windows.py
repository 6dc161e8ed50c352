"""Sums over windows that need no weights: places in the kernel, the slowest lane."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd import VECTOR as WORD
from cnvlutin2.simd.jit import helper, kernel
from cnvlutin2.simd.narrow import both, larger, plus
from cnvlutin2.simd.words import bits_in_both, word_at

BAND = 4096  # places of a padded map that are held at a time: they stay in the first-level cache

VECTOR = 32  # bytes that are added at once

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


@helper
def _first_inside(begin: int, stride: int, windows: int) -> int:
    """Return the first window whose place `begin + window * stride` is not before the map."""
    return min(windows, max(0, -(begin // stride)))


@helper
def _last_inside(begin: int, stride: int, windows: int, size: int) -> int:
    """Return the end of the windows whose place is not behind a map of `size`."""
    return max(0, min(windows, (size - 1 - begin) // stride + 1))


@kernel
def position_counts(
    bits: Bytes, geometry: tuple[int, ...], height: int, width: int, reads: NDArray[np.uint64], out: NDArray[np.int32]
) -> None:
    """Count, for each place in the kernel, the windows in which the activation there is effectual.

    Parameters
    ----------
    bits : uint8 ``[channels, height * width]``
        Channels of any number of images, 0 or 1.
    geometry : tuple
        Kernel height, width, strides (2), pads (top, left), dilations (2), output height, width.
    height, width : int
    reads : uint64 ``[kernel height * kernel width, words]``
        The places of the map that some window reads at each place in the kernel, 64 in a word (no two windows read the same).
    out : int32 ``[channels, kernel height * kernel width]``
    """
    channels, places = bits.shape
    words = np.empty(reads.shape[1], np.uint64)
    rest = np.zeros(WORD, np.uint8)
    flat = bits.reshape(bits.size)
    for c in range(channels):
        pack_words(flat, c * places, places, rest, words)
        for k in range(reads.shape[0]):
            count = np.uint64(0)
            for w in range(words.size):
                count += bits_in_both(words[w], reads[k, w])
            out[c, k] = count


@helper
def pack_words(bits: Bytes, begin: int, places: int, rest: Bytes, words: NDArray[np.uint64]) -> None:
    """Pack the bytes of a map, which begins at `begin`, into words.

    Parameters
    ----------
    bits : uint8, 1-dimensional
    begin, places : int
    rest : uint8 ``[64]``
        Scratch, for the end of `bits`.
    words : uint64 ``[ceil(places / 64)]``
    """
    for w in range(words.size):
        at = begin + w * WORD
        if at + WORD <= bits.size:
            words[w] = word_at(bits, at)
        else:
            for x in range(bits.size - at):
                rest[x] = bits[at + x]
            words[w] = word_at(rest, 0)
    if places % WORD:
        words[words.size - 1] &= (np.uint64(1) << np.uint64(places % WORD)) - np.uint64(1)


@kernel
def sum_over_windows(values: Bytes, most: int, uses_down: NDArray[np.int32], uses_across: NDArray[np.int32], out: Ints) -> None:
    """Add up some planes of every map over all windows that read them.

    Parameters
    ----------
    values : uint8 ``[maps, planes, height * width]``
    most : int
        No value is larger.
    uses_down, uses_across : int32 ``[height]``, ``[width]``
        Windows that read a row, a column.
    out : int64 ``[maps]``
    """
    height, width = uses_down.size, uses_across.size
    maps, planes, places = values.shape
    burst = 255 // most
    total = np.empty(places, np.uint8)
    for m in range(maps):
        out[m] = 0
        for begin in range(0, planes, burst):
            total[:] = 0
            for k in range(begin, min(begin + burst, planes)):
                add(values[m, k], places, total)
            for y in range(height):
                if uses_down[y] > 0:
                    row = total[y * width : y * width + width]
                    across = np.int64(0)
                    for x in range(width):
                        across += np.int64(row[x]) * uses_across[x]
                    out[m] += across * uses_down[y]


@kernel
def run_cycles(counts: Bytes, rows: Bytes, run_bricks: NDArray[np.int32], out: Bytes) -> None:
    """Find the cycles of every run, without overhead: its work, but no less than the rows that it touches.

    Parameters
    ----------
    counts : uint8 ``[maps, runs, places]``
        What a lane takes for effectual of each run.
    rows : uint8 ``[maps, bricks, places]`` or ``[0, 0, 0]``
        NM rows that fetching a storage brick touches; 1 everywhere if empty.
    run_bricks : int32 ``[runs, 2]``
        The first and the last storage brick of each run.
    out : uint8 ``[maps, runs, places]``
    """
    for m in range(counts.shape[0]):
        for r in range(counts.shape[1]):
            work, cycles = counts[m, r], out[m, r]
            if rows.size:
                front, back = rows[m, run_bricks[r, 0]], rows[m, run_bricks[r, 1]]
                for x in range(cycles.size):
                    cycles[x] = larger(work[x], larger(front[x], back[x]))
            else:
                one = np.uint8(1)
                for x in range(cycles.size):
                    cycles[x] = larger(work[x], one)


@helper
def add(values: NDArray[Any], size: int, out: NDArray[Any]) -> None:
    """Add the first `size` values to those of another array."""
    for x in range(size):
        out[x] += values[x]


@helper
def _add_shifted(values: NDArray[Any], shift: int, times: int, size: int, out: NDArray[Any]) -> None:
    """Add up `size` values and those that lie `shift` places behind, again and again."""
    if times == 3:  # the most common kernel, in one go
        second, third = values[shift:], values[2 * shift :]
        for x in range(size):
            out[x] = plus(plus(values[x], second[x]), third[x])
        return
    for x in range(size):
        out[x] = values[x]
    for i in range(1, times):
        add(values[i * shift :], size, out)


@helper
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


@kernel
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
    """Add up the slowest lane of every window, lanes owning the same runs in every step.

    Parameters
    ----------
    cycles : uint8 ``[maps, runs, height * width]``
        Of each run, without overhead.
    overhead : int
        Cycles added to every run.
    parts : int32 ``[lanes in use + 1]``
        The first run of each lane, and the end.
    pad_loads : uint8, uint16, int32 or int64 ``[lanes in use]``
        Cycles of each lane for a step in the padding, without overhead; of a type that holds a lane's cycles in any window.
    lanes : int
        Not looked at; `interleaved_cycles` needs it.
    geometry : tuple
        As in `position_counts`.
    first, last : int
        Which rows of windows to do, of all maps one after another.
    out : int64 ``[maps]``
        Added to.
    """
    kh, kw, sy, sx, top, left, dy, dx, oh, ow = geometry
    alone = geometry == (1, 1, 1, 1, 0, 0, 1, 1, height, width)  # every place is a window
    # Rows of the map and of windows lie one after another: what a window reads lies a fixed way from it, and what lies outside
    # of the map is masked.
    pitch = max(width, (ow - 1) * sx + 1)
    band = min(oh, max(1, BAND // pitch))
    down = (band - 1) * sy + (kh - 1) * dy + 1
    most = band * pitch + VECTOR
    padded = np.empty(down * pitch + VECTOR, pad_loads.dtype)
    column = np.empty(most + max(left, (kw - 1) * dx), pad_loads.dtype)
    slowest = np.empty(most, pad_loads.dtype)
    sums = np.empty(most, pad_loads.dtype)
    outside = np.zeros(most, pad_loads.dtype)  # places across the kernel that are beside the map
    around = np.empty(most, pad_loads.dtype)  # what they cost
    inside = np.empty((kw, 0 if alone else most), pad_loads.dtype)
    if not alone:
        _find_edges(kw, left, dx, width, pitch, band, inside, outside)
    # Made once: a view takes as long as a vector or two.
    a, b, c = column, column[dx if kw == 3 else 0 :], column[2 * dx if kw == 3 else 0 :]
    in_a, in_b, in_c = inside[0], inside[min(1, kw - 1)], inside[kw - 1]
    centre = column[left:]
    item = first
    while item < last:
        m, begin = item // oh, item % oh
        count = min(band, oh - begin, last - item)
        item += count
        origin = begin * sy - top  # the map's row that comes first
        above = min(height, max(0, origin))
        below = max(above, min(height, origin + (count - 1) * sy + (kh - 1) * dy + 1))
        size = count * pitch
        reach = size if alone else -(-size // VECTOR) * VECTOR  # whole vectors: what is behind the last row is not looked at
        slowest[:reach] = 0
        border, extra = -1, np.int64(-1)  # what is in the padding
        for lane in range(parts.size - 1):
            begin_run, end_run = parts[lane], parts[lane + 1]
            spent = overhead * (end_run - begin_run) * kh * kw
            if alone:
                row = cycles[m, begin_run, above * width : above * width + size]
                for x in range(size):
                    sums[x] = row[x] + spent
                for r in range(begin_run + 1, end_run):
                    add(cycles[m, r, above * width :], size, sums)
            else:
                if border != pad_loads[lane] or extra != spent:
                    border, extra = pad_loads[lane], spent
                    padded[:] = pad_loads[lane]
                    for x in range(reach):
                        around[x] = outside[x] * (kh * border) + spent
                if pitch == width:
                    _copy_lane(
                        cycles[m], begin_run, end_run, above * width, padded[(above - origin) * pitch :], (below - above) * width
                    )
                else:
                    for y in range(above, below):
                        _copy_lane(cycles[m], begin_run, end_run, y * width, padded[(y - origin) * pitch :], width)
                if sy == 1:
                    _add_shifted(padded, dy * pitch, kh, reach, centre)
                else:
                    for i in range(count):
                        _add_shifted(padded[i * sy * pitch :], dy * pitch, kh, pitch, centre[i * pitch :])
                if kw == 3:  # the most common kernel, in one go
                    for x in range(reach):
                        here = plus(both(a[x], in_a[x]), plus(both(b[x], in_b[x]), both(c[x], in_c[x])))
                        slowest[x] = larger(slowest[x], plus(here, around[x]))
                    continue
                for x in range(reach):
                    sums[x] = around[x]
                for kx in range(kw):
                    here, mask = column[kx * dx :], inside[kx]
                    for x in range(reach):
                        sums[x] = plus(sums[x], both(here[x], mask[x]))
            for x in range(reach):
                slowest[x] = larger(slowest[x], sums[x])
        if sx == 1 and ow == pitch:
            out[m] += _sum_strided(slowest, sx, size)
        else:
            for i in range(count):
                out[m] += _sum_strided(slowest[i * pitch : (i + 1) * pitch], sx, ow)


@helper
def _find_edges(
    kw: int, left: int, dx: int, width: int, pitch: int, rows: int, inside: NDArray[Any], outside: NDArray[Any]
) -> None:
    """Find which places across the kernel are inside the map (all bits 1, else 0), and how many are not, for rows of windows."""
    inside[:] = 0
    for kx in range(kw):
        shift, mask = kx * dx - left, inside[kx]
        low, high = min(pitch, max(0, -shift)), max(0, min(pitch, width - shift))
        for x in range(mask.size):
            mask[x] -= 1
        for i in range(rows):
            for x in range(i * pitch, i * pitch + low):
                mask[x] = 0
                outside[x] += 1
            for x in range(i * pitch + max(low, high), (i + 1) * pitch):
                mask[x] = 0
                outside[x] += 1


@helper
def _copy_lane(cycles: Bytes, begin_run: int, end_run: int, start: int, out: NDArray[Any], size: int) -> None:
    """Add up the runs of a lane in some places, which begin at `start`."""
    row = cycles[begin_run, start:]
    for x in range(size):
        out[x] = row[x]
    for r in range(begin_run + 1, end_run):
        add(cycles[r, start:], size, out)


@kernel
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
    """Add up the slowest lane of every window, runs going to the lanes in turn.

    Parameters are those of `sliced_cycles`, but that `parts` and `pad_loads` are by run, and

    lanes : int
    """
    kh, kw, sy, sx, top, left, dy, dx, oh, ow = geometry
    runs = cycles.shape[1]
    loads = np.empty((lanes, ow), pad_loads.dtype)
    for item in range(first, last):
        m, oy = item // oh, item % oh
        for lane in range(lanes):
            loads[lane] = overhead * ((runs * kh * kw - lane + lanes - 1) // lanes)
        turn = 0
        for ky in range(kh):
            y = oy * sy - top + ky * dy
            for kx in range(kw):
                shift = kx * dx - left
                inside = _first_inside(shift, sx, ow) if 0 <= y < height else ow
                outside = max(inside, _last_inside(shift, sx, ow, width))
                for r in range(runs):
                    total, pad, row = loads[turn % lanes], pad_loads[r], cycles[m, r, y * width + shift + inside * sx :]
                    turn += 1
                    for ox in range(inside):
                        total[ox] += pad
                    for ox in range(outside - inside):
                        total[inside + ox] += row[ox * sx]
                    for ox in range(outside, ow):
                        total[ox] += pad
        slowest = loads[0]
        for lane in range(lanes):
            for ox in range(ow):
                slowest[ox] = larger(slowest[ox], loads[lane, ox])
        out[m] += _sum_strided(slowest, 1, ow)


@kernel
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
