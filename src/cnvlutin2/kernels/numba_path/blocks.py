"""Blocks of windows: what each step reads, how many cycles a byte holds, sums by image."""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cnvlutin2.kernels.vectors import SIZE

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

BLOCK = 512  # windows held at a time, at most: their sums stay in the second-level cache


@njit(nogil=True, cache=True)
def block_size(windows: int) -> int:
    """Return how many windows each block holds: whole vectors, all blocks about equally full."""
    blocks = -(-windows // BLOCK)
    return -(-windows // (blocks * SIZE)) * SIZE


@njit(nogil=True, cache=True)
def sources(geometry: tuple[int, ...], height: int, width: int, start: int, count: int, pad: int, out: NDArray[np.int32]) -> None:
    """Find the position that each step of `count` windows reads; `pad` stands for the padding (and fills the block)."""
    kh, kw, sy, sx, top, left, dy, dx, oh, ow = geometry
    out[:] = pad
    for i in range(count):
        image, place = (start + i) // (oh * ow), (start + i) % (oh * ow)
        oy, ox = place // ow, place % ow
        for ky in range(kh):
            y = oy * sy - top + ky * dy
            if y < 0 or y >= height:
                continue
            for kx in range(kw):
                x = ox * sx - left + kx * dx
                if 0 <= x < width:
                    out[ky * kw + kx, i] = (image * height + y) * width + x


@njit(nogil=True, cache=True)
def segments(source: NDArray[np.int32], count: int, cuts: NDArray[np.int32]) -> None:
    """Find where consecutive windows read consecutive positions.

    Parameters
    ----------
    source : int32 ``[steps, windows]``
    count : int
        Windows that count.
    cuts : int32 ``[steps, windows + 2]``
        How many segments there are, or 0 if they are too short to be worth it; the first window of each, and the end.
    """
    for step in range(source.shape[0]):
        row, cut = source[step], cuts[step]
        found = 0
        for i in range(count):
            if i == 0 or row[i] != row[i - 1] + 1:
                found += 1
                cut[found] = i
        cut[found + 1] = count
        cut[0] = found if found * 8 <= count else 0


@njit(nogil=True, cache=True)
def gather(masks: Bytes, source: NDArray[np.int32], cuts: NDArray[np.int32], out: Bytes) -> None:
    """Copy what a block of windows reads, byte plane by byte plane; `cuts` are those of `segments`."""
    for b in range(masks.shape[0]):
        row, target = masks[b], out[b]
        if cuts[0] == 0:
            for x in range(target.size):
                target[x] = row[source[x]]
        for i in range(1, cuts[0] + 1):
            begin = source[cuts[i]]
            length = cuts[i + 1] - cuts[i]
            read, written = row[begin : begin + length], target[cuts[i] : cuts[i + 1]]
            for x in range(length):
                written[x] = read[x]


@njit(nogil=True, cache=True)
def burst_runs(longest: int, rows: Bytes) -> int:
    """Return how many runs' cycles a byte holds: no run takes more than its values or its rows."""
    worst = np.int64(longest)
    for row in rows.flat:
        worst = max(worst, np.int64(row))
    return int(255 // worst)


@njit(nogil=True, cache=True)
def slowest_tiles(tile_most: Ints, start: int, count: int, per_image: int, windows: Ints, tile_totals: Ints) -> None:
    """Add up, by image, each tile's cycles (``[images, tiles]``) and those of every window's slowest tile (``[images]``)."""
    x = 0
    while x < count:
        image = (start + x) // per_image
        stop = min(count, (image + 1) * per_image - start)
        for t in range(tile_most.shape[0]):
            total = np.int64(0)
            for i in range(x, stop):
                total += tile_most[t, i]
            tile_totals[image, t] += total
        for i in range(x, stop):
            slowest = np.int64(0)
            for t in range(tile_most.shape[0]):
                slowest = max(slowest, tile_most[t, i])
            windows[image] += slowest
        x = stop


@njit(nogil=True, cache=True)
def add_by_image(values: NDArray[Any], start: int, count: int, per_image: int, times: int, out: Ints) -> None:
    """Add the values of `count` windows, `times` each, to those of their images."""
    x = 0
    while x < count:
        image = (start + x) // per_image
        stop = min(count, (image + 1) * per_image - start)
        total = np.int64(0)
        for i in range(x, stop):
            total += np.int64(values[i])
        out[image] += total * times
        x = stop
