"""Runs of ineffectual values between effectual ones, for the reference codecs; compiled."""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cnvlutin2.encodings._kernels.bits import ONE, ZERO, Values, Word, mark, popcount

_SIX = Word(6)
Counts = NDArray[np.int64]


@njit(nogil=True, cache=True)
def add_gaps(values: Values, high: int, low: int, spans: Counts, effectual: Counts, fillers: Counts, gaps: Counts) -> None:
    """Count effectual values, and fillers of runs of ineffectual ones, in the next part of several streams.

    Parameters
    ----------
    values : int16 ``[streams, values]``, in storage order
    high, low : int
        An effectual value is greater, or less.
    spans : int64 ``[codecs]``
        Values that one filler covers.
    effectual, fillers : int64 ``[streams]``, ``[streams, codecs]``
        Added to.
    gaps : int64 ``[streams]``
        Ineffectual values since the last effectual one, before `values`; replaced by the same after them.
    """
    least = spans[0]
    for k in range(1, spans.size):
        least = min(least, spans[k])
    for stream in range(values.shape[0]):
        bitmap = mark(values[stream], high, low)
        next_place = Word(0)  # where the current run began, shifted by the gap before
        shift = Word(gaps[stream])
        found = 0
        for w in range(Word(bitmap.size)):
            word = bitmap[w]
            while word != ZERO:
                place = (w << _SIX) + popcount(~word & (word - ONE)) + shift
                length = np.int64(place - next_place)
                if length >= least:
                    for k in range(spans.size):
                        fillers[stream, k] += length // spans[k]
                next_place = place + ONE
                word &= word - ONE
                found += 1
        effectual[stream] += found
        gaps[stream] = np.int64(Word(values.shape[1]) + shift - next_place)
