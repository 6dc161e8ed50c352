"""Blocks of windows: what each step reads, how many cycles a run takes at most, sums by image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd import VECTOR
from cnvlutin2.simd.jit import helper
from cnvlutin2.simd.lookups import DIGIT_BITS, digit
from cnvlutin2.simd.narrow import both, larger
from cnvlutin2.simd.vectors import load, splat, store

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

IN_BYTE = 8 // DIGIT_BITS
BLOCK = 512  # windows held at a time, at most: their sums stay in the second-level cache


@helper
def segments(geometry: tuple[int, ...], height: int, width: int, start: int, count: int) -> NDArray[np.int32]:
    """Find where consecutive windows read positions that are as far apart as the stride.

    Parameters
    ----------
    geometry : tuple
        As in `position_counts`.
    height, width : int
    start, count : int
        Windows, over all images.

    Returns
    -------
    int32 ``[steps, 2 + most segments, 2]``
        First how many segments there are, and how far behind its own position a window reads, were the stride 1; then of each
        segment the first window and the position that it reads, which is -1 in the padding; then where the last one ends.
    """
    kh, kw, sy, sx, top, left, dy, dx, oh, ow = geometry
    cuts = np.empty((kh * kw, 2 + 3 * (2 + count // ow), 2), np.int32)
    for step in range(kh * kw):
        ky, kx = step // kw, step % kw
        begin = kx * dx - left
        # The windows of a row that read inside: in between the padding on the left and that on the right.
        inside = min(ow, max(0, -(begin // sx)))
        outside = max(inside, min(ow, (width - 1 - begin) // sx + 1))
        found, follows = 0, -1
        cut = cuts[step]
        i, ox, row = 0, start % ow, start // ow
        oy, image = row % oh, row // oh * height
        while i < count:
            y = oy * sy - top + ky * dy
            if ox >= outside or y < 0 or y >= height:
                place, stop = -1, ow
            elif ox < inside:
                place, stop = -1, inside
            else:
                place, stop = (image + y) * width + begin + ox * sx, outside
            if place < 0 or place != follows:
                found += 1
                cut[found, 0], cut[found, 1] = i, place
            follows = place + (stop - ox) * sx if place >= 0 else -1
            i += stop - ox
            ox = stop
            if ox == ow:
                ox, oy = 0, oy + 1
                if oy == oh:
                    oy, image = 0, image + height
        cut[found + 1, 0] = count
        cut[0, 0], cut[0, 1] = found, (ky * dy - top) * width + begin
    return cuts


@helper
def is_flat(geometry: tuple[int, ...], height: int, width: int, masks: Bytes) -> bool:
    """Whether consecutive windows read consecutive positions, in the next row and the next image too, and padding is 0."""
    sy, sx, oh, ow = geometry[2], geometry[3], geometry[8], geometry[9]
    return sy == 1 and sx == 1 and oh == height and ow == width and masks[0, 0, 0, masks.shape[3] - 1] == 0


@helper
def gather(masks: Bytes, begin: int, places: int, cuts: NDArray[np.int32], step: int, stride: int, out: Bytes) -> None:
    """Copy what a block of windows reads of a run in a step.

    Parameters
    ----------
    masks : uint8, 1-dimensional
        Of all runs.
    begin : int
        Where the run's begin, ``[bytes, positions + 1]``; the last position is the padding.
    places : int
        ``positions + 1``.
    cuts, step
        As from `segments`, and which step. Views of single arrays are not passed about: to count their owners takes longer
        than to copy a segment.
    stride : int
        How far apart consecutive windows' positions are.
    out : uint8 ``[bytes, windows + VECTOR]``
        Whole vectors are written, so what comes after the last window counts for nothing.
    """
    for b in range(out.shape[0]):
        first = begin + b * places
        padding, vectors = splat(masks[first + places - 1]), stride == 1 and first + places + VECTOR <= masks.size
        x = np.int64(cuts[step, 1, 0])
        for i in range(1, cuts[step, 0, 0] + 1):
            place, last = np.int64(cuts[step, i, 1]), np.int64(cuts[step, i + 1, 0])
            if place >= 0 and not vectors:
                while x < last:
                    out[b, x] = masks[first + place]
                    x, place = x + 1, place + stride
            else:
                read = first + place - x
                while x < last:
                    store(out, b * out.shape[1] + x, load(masks, read + x) if place >= 0 else padding)
                    x += VECTOR
            x = last


@helper
def split(masks: Bytes, run: int, digits: Bytes) -> None:
    """Split what a block of windows reads of a run into digits.

    Parameters
    ----------
    masks : uint8 ``[bytes, windows + VECTOR]``
    run : int
    digits : uint8 ``[windows / VECTOR, runs, digits, VECTOR]``
        All of a vector of windows together.
    """
    vectors, runs, count = digits.shape[:3]
    for b in range(masks.shape[0]):
        for x in range(0, vectors * VECTOR, VECTOR):
            values = load(masks, b * masks.shape[1] + x)
            for d in range(b * IN_BYTE, min((b + 1) * IN_BYTE, count)):
                store(digits, (x * runs + run * VECTOR) * count + d * VECTOR, digit(values, d - b * IN_BYTE))


@helper
def find_inside(cuts: NDArray[np.int32], inside: Bytes) -> None:
    """Find which windows read inside of the map at each step (255, else 0), ``[steps, windows + VECTOR]``; see `segments`."""
    for step in range(cuts.shape[0]):
        for i in range(1, cuts[step, 0, 0] + 1):
            values = splat(np.uint8(255 if cuts[step, i, 1] >= 0 else 0))
            for x in range(cuts[step, i, 0], cuts[step, i + 1, 0], VECTOR):
                store(inside, step * inside.shape[1] + x, values)  # the next segment overwrites what is behind this one


@helper
def read_flat(masks: Bytes, at: int, places: int, planes: int, inside: Bytes, step: int, digits: Bytes, run: int) -> None:
    """Do what `gather` and `split` do where consecutive windows read consecutive positions, in the next row of the map too.

    Parameters
    ----------
    masks : uint8, 1-dimensional
    at : int
        Where what the first window reads lies in it, or would lie if rows went on beside the map.
    places : int
        ``positions + 1``.
    planes : int
        Bytes of the run's mask.
    inside : uint8 ``[steps, windows + VECTOR]``
        As from `find_inside`.
    step : int
    digits : uint8 ``[windows / VECTOR, runs, digits, VECTOR]``
    run : int
    """
    vectors, runs, count = digits.shape[:3]
    for b in range(planes):
        for x in range(0, vectors * VECTOR, VECTOR):
            values = both(load(masks, at + b * places + x), load(inside, step * (vectors + 1) * VECTOR + x))
            for d in range(b * IN_BYTE, min((b + 1) * IN_BYTE, count)):
                store(digits, (x * runs + run * VECTOR) * count + d * VECTOR, digit(values, d - b * IN_BYTE))


@helper
def flush(words: NDArray[np.uint16], times: int, total: Ints) -> None:
    """Add words, so many times each, to a total, and begin anew."""
    for x in range(words.size):
        total[x] += np.int64(words[x]) * times
        words[x] = 0


@helper
def raise_slowest(lanes: NDArray[Any], overhead: int, slowest: Ints) -> None:
    """Raise the cycles of every window to those of a lane and its overhead, and begin anew."""
    for x in range(lanes.size):
        slowest[x] = max(slowest[x], np.int64(lanes[x]) + overhead)
        lanes[x] = 0


@helper
def add_by_image(values: NDArray[Any], start: int, count: int, per_image: int, times: int, out: Ints) -> None:
    """Add the values of `count` windows, `times` each, to those of their images."""
    x = 0
    while x < count:
        image = (start + x) // per_image
        stop = min(count, (image + 1) * per_image - start)
        part, total = values[x:stop], np.int64(0)
        for i in range(part.size):  # from 0 on, which is vectorised
            total += np.int64(part[i])
        out[image] += total * times
        x = stop


@helper
def slowest_tiles(tile_most: Ints, start: int, count: int, per_image: int, windows: Ints, tile_totals: Ints) -> None:
    """Add up, by image, each tile's cycles (``[images, tiles]``) and those of every window's slowest tile (``[images]``).

    `tile_most` is overwritten.
    """
    once = int(np.int64(1))
    for t in range(tile_most.shape[0]):
        add_by_image(tile_most[t], start, count, per_image, once, tile_totals[:, t])
    slowest = tile_most[0]
    for t in range(1, tile_most.shape[0]):
        cycles = tile_most[t]
        for x in range(count):
            slowest[x] = larger(slowest[x], cycles[x])
    add_by_image(slowest, start, count, per_image, once, windows)
