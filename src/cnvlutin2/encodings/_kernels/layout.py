"""Maps to bricks and back: a transposition in small tiles."""

from __future__ import annotations

from cnvlutin2.encodings._kernels.bits import FOUR, ONE, THREE, TWO, ZERO, Values, Word
from cnvlutin2.simd.jit import kernel, making_helper

STRIP_VALUES = 12288
"""Values of bricks in a strip of positions: they stay in the first-level cache while all channels come by."""


@making_helper
def _strip(step: int) -> Word:
    """Return how many positions make a strip."""
    return Word(max(8, STRIP_VALUES // step))


@kernel
def block(maps: Values, channels: int, plane: int, width: int, first: int, rows: int, step: int, row: int, out: Values) -> None:
    """Copy rows of a map to storage order; fill is not written.

    Parameters
    ----------
    maps : int16, flat, ``[groups, channels, height, width]``
    channels, plane, width : int
        Channels of a group; values of a map; its width.
    first, rows : int
        Rows to copy, numbered over all groups.
    step, row : int
        Values from one position, and from one row, to the next in `out`.
    out : int16, flat
    """
    height = plane // width
    size, count, hop = Word(plane), Word(channels), Word(step)
    whole, strip = count - count % FOUR, _strip(step)
    r = first
    while r < first + rows:
        y = r % height
        # Rows that follow each other on both sides are one long row.
        run = min(height - y, first + rows - r) if row == width * step else 1
        base, start, across = Word(r // height * channels * plane + y * width), Word((r - first) * row), Word(run * width)
        for left in range(ZERO, across, strip):
            right = min(left + strip, across)
            for c in range(ZERO, whole, FOUR):
                one = base + c * size
                two, three, four = one + size, one + TWO * size, one + THREE * size
                to = start + left * hop + c
                for x in range(left, right):
                    out[to] = maps[one + x]
                    out[to + ONE] = maps[two + x]
                    out[to + TWO] = maps[three + x]
                    out[to + THREE] = maps[four + x]
                    to += hop
            for c in range(whole, count):
                for x in range(left, right):
                    out[start + x * hop + c] = maps[base + c * size + x]
        r += run


@kernel
def unblock(
    bricks: Values, channels: int, plane: int, width: int, first: int, rows: int, step: int, row: int, maps: Values
) -> None:
    """Copy rows in storage order back to the map; parameters as of `block`."""
    height = plane // width
    size, count, hop = Word(plane), Word(channels), Word(step)
    whole, strip = count - count % FOUR, _strip(step)
    r = first
    while r < first + rows:
        y = r % height
        run = min(height - y, first + rows - r) if row == width * step else 1
        base, start, across = Word(r // height * channels * plane + y * width), Word((r - first) * row), Word(run * width)
        for left in range(ZERO, across, strip):
            right = min(left + strip, across)
            tiled = right - (right - left) % FOUR
            for c in range(ZERO, whole, FOUR):
                for corner in range(left, tiled, FOUR):
                    for k in range(FOUR):
                        for x in range(FOUR):
                            maps[base + (c + k) * size + corner + x] = bricks[start + (corner + x) * hop + c + k]
                for x in range(tiled, right):
                    for k in range(FOUR):
                        maps[base + (c + k) * size + x] = bricks[start + x * hop + c + k]
            for c in range(whole, count):
                for x in range(left, right):
                    maps[base + c * size + x] = bricks[start + x * hop + c]
        r += run
