"""Runs of ineffectual values between effectual ones, for the reference codecs; compiled."""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings._kernels.bits import EIGHT, FOUR, ONE, TWO, ZERO, Integer, Word, popcount
from cnvlutin2.simd.jit import kernel, making_helper

WORD_VALUES = 16
"""Values that are looked at together: channels of a position, or what follows in a map; runs between them are shorter than any
filler covers."""
_STRIP = 512  # positions whose words stay in the first-level cache

Counts = NDArray[np.int64]
Gaps = tuple[Integer, Integer, Integer]
"""How far a stream has been walked: its values so far, the effectual ones, and the place after the last of these."""


@kernel
def count_gaps(maps: NDArray[np.uint8], gap_bits: Counts, effectual: Counts, fillers: Counts, tails: Counts) -> None:
    """Count each array's effectual values, and the fillers of runs of ineffectual ones, in storage order.

    Parameters
    ----------
    maps : uint8 ``[N, groups, channels, positions]``
        1 where a value is effectual, else 0.
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
        place: Integer = 0
        found: Integer = 0
        after_last: Integer = 0
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
                            row[x] = (row[x] << 1) | values[x]
                place, found, after_last = _walk(
                    words[:, :across], channels, gap_bits, fillers[image], (place, found, after_last)
                )
        effectual[image] += found
        tails[image] = place - after_last


@kernel
def count_gaps_of_words(
    words: NDArray[np.uint16], values: int, gap_bits: Counts, effectual: Counts, fillers: Counts, tails: Counts
) -> None:
    """Count the same in arrays whose values lie in storage order, as those of a channel a group do.

    Parameters
    ----------
    words : uint16 ``[N, words, 1]``
        A bit a value, the lowest first.
    values : int
        Of an array.
    gap_bits, effectual, fillers, tails
        As of `count_gaps`.
    """
    for image in range(words.shape[0]):
        place, found, after_last = _walk(words[image], values, gap_bits, fillers[image], (0, 0, 0))
        effectual[image] += found
        tails[image] = place - after_last


@making_helper
def _walk(words: NDArray[np.uint16], channels: int, gap_bits: Counts, fillers: Counts, so_far: Gaps) -> Gaps:
    """Walk words ``[words, positions]`` position by position, the last word of each holding what is left of its channels."""
    place, found, after_last = np.int64(so_far[0]), np.int64(so_far[1]), np.int64(so_far[2])
    for x in range(words.shape[1]):
        for k in range(words.shape[0]):
            word = Word(words[k, x])
            if word != ZERO:
                gap = place + np.int64(popcount(~word & (word - ONE))) - after_last
                if gap >= WORD_VALUES:
                    for codec in range(gap_bits.size):
                        fillers[codec] += gap >> gap_bits[codec]
                found += np.int64(popcount(word))
                word |= word >> ONE
                word |= word >> TWO
                word |= word >> FOUR
                after_last = place + np.int64(popcount(word | (word >> EIGHT)))
            place += min(WORD_VALUES, channels - WORD_VALUES * k)
    return place, found, after_last
