"""Effectual bits to run counts and run masks, of activations and of weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd.jit import kernel
from cnvlutin2.simd.narrow import both, larger, plus

Bytes = NDArray[np.uint8]


@kernel
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
        row, values = out[m, r], bits[m, starts[r]]
        for x in range(row.size):
            row[x] = values[x]
        v = starts[r] + 1
        while v + 3 < stops[r]:  # several at once: sums are taken from memory and put back less often
            a, b, c, d = bits[m, v], bits[m, v + 1], bits[m, v + 2], bits[m, v + 3]
            for x in range(row.size):
                row[x] = plus(plus(row[x], plus(a[x], b[x])), plus(c[x], d[x]))
            v += 4
        while v < stops[r]:
            a = bits[m, v]
            for x in range(row.size):
                row[x] = plus(row[x], a[x])
            v += 1


@kernel
def with_raw_bricks(
    counts: Bytes, raw: Bytes, run_of: NDArray[np.int32], brick_of: NDArray[np.int32], lengths: NDArray[np.int32], out: Bytes
) -> None:
    """Count what a lane takes for effectual where every value of a raw brick is.

    Parameters
    ----------
    counts : uint8 ``[maps, pieces, places]``
        Effectual values of each piece: what a run and a storage brick have in common.
    raw : uint8 ``[maps, bricks, places]``
        255 where the brick is stored raw, else 0.
    run_of, brick_of, lengths : int32 ``[pieces]``
        The run and the brick of each piece, and its values.
    out : uint8 ``[maps, runs, places]``
    """
    for m in range(counts.shape[0]):
        for i in range(counts.shape[1]):
            piece, flags, total = counts[m, i], raw[m, brick_of[i]], out[m, run_of[i]]
            length = np.uint8(lengths[i])
            if i == 0 or run_of[i] != run_of[i - 1]:
                for x in range(total.size):
                    total[x] = larger(piece[x], both(flags[x], length))
            else:
                for x in range(total.size):
                    total[x] = plus(total[x], larger(piece[x], both(flags[x], length)))


@kernel
def run_masks(bits: Bytes, starts: NDArray[np.int32], stops: NDArray[np.int32], first: int, last: int, out: Bytes) -> None:
    """Pack the effectual bits of every run into bytes, first value lowest.

    Parameters
    ----------
    bits : uint8 ``[images, groups, values, places]``
    starts, stops : int32 ``[runs]``
    first, last : int
        Which runs to do, of all maps one after another.
    out : uint8 ``[groups, runs, bytes, images * places + 1]``
        The last place is left alone.
    """
    groups, places = bits.shape[1], bits.shape[3]
    for item in range(first, last):
        m, r = item // starts.size, item % starts.size
        n, g = m // groups, m % groups
        for b in range(out.shape[2]):
            row = out[g, r, b, n * places : (n + 1) * places]
            row[:] = 0
            begin = starts[r] + 8 * b
            for v in range(min(stops[r], begin + 8) - 1, begin - 1, -1):
                values = bits[n, g, v]
                for x in range(places):
                    row[x] = plus(plus(row[x], row[x]), values[x])


@kernel
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


@kernel
def lead_filters(weights: Bytes, first: int, last: int, out: Bytes, leaders: NDArray[np.uint16]) -> None:
    """Gather the filters of each tile that may have the most products in a run, whatever the activations.

    One whose weights' bits are all among another's never has more.

    Parameters
    ----------
    weights : uint8 ``[units, filters, bytes]``
        For every run of every tile.
    first, last : int
        Which units to do.
    out : uint8, the same shape
        The filters that lead, in front.
    leaders : uint16 ``[units]``
        How many there are.
    """
    filters, planes = weights.shape[1:]
    for unit in range(first, last):
        kept = 0
        for f in range(filters):
            covered = False
            i = 0
            while i < kept and not covered:
                inside, around = True, True  # this one in the other, and the other in this one
                for b in range(planes):
                    mine, other = weights[unit, f, b], out[unit, i, b]
                    inside &= mine | other == other
                    around &= mine | other == mine
                if inside:
                    covered = True
                elif around:
                    kept -= 1
                    for b in range(planes):
                        out[unit, i, b] = out[unit, kept, b]
                else:
                    i += 1
            if not covered:
                for b in range(planes):
                    out[unit, kept, b] = weights[unit, f, b]
                kept += 1
        leaders[unit] = kept


@kernel
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
