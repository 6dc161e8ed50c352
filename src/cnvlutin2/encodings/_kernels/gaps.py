"""Runs of ineffectual values between effectual ones, for the reference codecs; compiled."""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings._kernels.bits import EIGHT, FOUR, ONE, TWO, ZERO, Integer, Word, popcount
from cnvlutin2.simd.jit import kernel

WORD_VALUES = 16
"""Channels of a position that are looked at together; runs between them are shorter than any filler covers."""
_STRIP = 512  # positions whose words stay in the first-level cache

Counts = NDArray[np.int64]


@kernel
def count_gaps(
    maps: NDArray[np.int16], high: int, low: int, gap_bits: Counts, effectual: Counts, fillers: Counts, tails: Counts
) -> None:
    """Count each array's effectual values, and the fillers of runs of ineffectual ones, in storage order.

    Parameters
    ----------
    maps : int16 ``[N, groups, channels, positions]``
    high, low : int
        An effectual value is greater, or less.
    gap_bits : int64 ``[codecs]``
        Logarithms of the values that one filler covers, which are at least `WORD_VALUES`.
    effectual, fillers : int64 ``[N]``, ``[N, codecs]``
        Added to.
    tails : int64 ``[N]``
        Set to the ineffectual values after the last effectual one.
    """
    groups, channels, positions = maps.shape[1:]
    words = np.empty(((channels + WORD_VALUES - 1) // WORD_VALUES, _STRIP), np.uint16)
    for image in range(maps.shape[0]):
        place = 0
        found: Integer = 0
        after_last: Integer = 0  # place after the last effectual value
        for group in range(groups):
            for left in range(0, positions, _STRIP):
                across = min(_STRIP, positions - left)
                for k in range(words.shape[0]):
                    row = words[k]
                    row[:across] = 0
                    # By shifts of one, which stay 16 bits wide when they are compiled.
                    for c in range(min(channels, WORD_VALUES * (k + 1)) - 1, WORD_VALUES * k - 1, -1):
                        values = maps[image, group, c, left : left + across]
                        for x in range(across):
                            row[x] = (row[x] << 1) | (values[x] > high) | (values[x] < low)
                for x in range(across):
                    for k in range(words.shape[0]):
                        word = Word(words[k, x])
                        if word != ZERO:
                            gap = place + np.int64(popcount(~word & (word - ONE))) - after_last
                            if gap >= WORD_VALUES:
                                for codec in range(gap_bits.size):
                                    fillers[image, codec] += gap >> gap_bits[codec]
                            found += np.int64(popcount(word))
                            word |= word >> ONE
                            word |= word >> TWO
                            word |= word >> FOUR
                            after_last = place + np.int64(popcount(word | (word >> EIGHT)))
                        place += min(WORD_VALUES, channels - WORD_VALUES * k)
        effectual[image] += found
        tails[image] = place - after_last
