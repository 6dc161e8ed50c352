"""Runs of ineffectual values between effectual ones, for the reference codecs; compiled."""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cnvlutin2.encodings._kernels.bits import ONE, ZERO, Integer, Values, Word, mark, popcount

_SIX = Word(6)


@njit(nogil=True, cache=True)
def add_gaps(values: Values, high: int, low: int, spans: NDArray[np.int64], fillers: NDArray[np.int64], gap: int) -> Integer:
    """Count fillers of runs of ineffectual values.

    Parameters
    ----------
    values : int16, flat, in storage order
    high, low : int
        An effectual value is greater, or less.
    spans : int64 ``[codecs]``
        Values that one filler covers.
    fillers : int64 ``[codecs]``
        Added to.
    gap : int
        Ineffectual values since the last effectual one, before `values`.

    Returns
    -------
    int
        The same, after `values`.
    """
    bitmap = mark(values, high, low)
    least = spans.min()
    next_place = Word(0)  # where the current run began, shifted by `gap`
    shift = Word(gap)
    for w in range(Word(bitmap.size)):
        word = bitmap[w]
        while word != ZERO:
            place = (w << _SIX) + popcount(~word & (word - ONE)) + shift
            length = np.int64(place - next_place)
            if length >= least:
                for k in range(spans.size):
                    fillers[k] += length // spans[k]
            next_place = place + ONE
            word &= word - ONE
    return np.int64(Word(values.size) + shift - next_place)
