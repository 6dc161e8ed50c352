"""Blocks of windows: what each step reads, how many cycles a byte holds, sums by image."""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

BLOCK = 512  # windows held at a time, at most: their sums stay in the second-level cache
VECTOR = 32  # bytes in a vector register; blocks are filled up to a multiple


@njit(nogil=True, cache=True)
def block_size(windows: int) -> int:
    """Return how many windows each block holds, so that all are about equally full."""
    blocks = -(-windows // BLOCK)
    return -(-windows // (blocks * VECTOR)) * VECTOR


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
def gather(masks: Bytes, source: NDArray[np.int32], out: Bytes) -> None:
    """Copy what a block of windows reads, byte plane by byte plane."""
    for b in range(masks.shape[0]):
        row, target = masks[b], out[b]
        for x in range(target.size):
            target[x] = row[source[x]]


@njit(nogil=True, cache=True)
def burst_runs(longest: int, rows: Bytes) -> int:
    """Return how many runs' cycles a byte holds: no run takes more than its values or its rows."""
    worst = np.int64(longest)
    if rows.size:
        worst = max(worst, np.int64(rows.max()))
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
def add_by_image(values: Ints, start: int, count: int, per_image: int, out: Ints) -> None:
    """Add the values of `count` windows to those of their images."""
    x = 0
    while x < count:
        image = (start + x) // per_image
        stop = min(count, (image + 1) * per_image - start)
        total = np.int64(0)
        for i in range(x, stop):
            total += values[i]
        out[image] += total
        x = stop
