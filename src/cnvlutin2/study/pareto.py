"""The Pareto front: points that no other beats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def pareto_front(costs: Sequence[Sequence[float]]) -> list[int]:
    """Return the points of which no other is better in one measure and as good in all.

    Parameters
    ----------
    costs : sequence of sequence of float
        By point, its measures; less is better in each.

    Returns
    -------
    list of int
        Indices, in order; points that are equal in all measures are all in it or all out of it.
    """
    table = np.asarray(costs, np.float64)
    found = []
    for index, row in enumerate(table):
        no_worse = (table <= row).all(axis=1)
        better = (table < row).any(axis=1)
        if not (no_worse & better).any():
            found.append(index)
    return found
