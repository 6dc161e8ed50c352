"""Sums of floats in one order, so that energies are the same to the last bit wherever and with whatever else they are added up.

The builtin `sum` compensates its rounding from Python 3.12 on and does not before; NumPy's sums and matrix products choose their
order by shapes, memory layout and processor. Integers are exact either way and need none of this.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from functools import reduce
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Summand = TypeVar("Summand", float, NDArray[np.float64])


def sum_in_order(values: Iterable[Summand]) -> Summand:
    """Add up floats, or arrays element by element, from the first to the last, rounding each time."""
    return reduce(operator.add, values)


def total(values: NDArray[np.float64]) -> float:
    """Add up an array ``[N]`` from the first to the last."""
    found: float = sum_in_order(values.tolist())
    return found


def mean(values: NDArray[np.float64]) -> float:
    """Return the mean of an array ``[N]``, by `total`."""
    return total(values) / values.size
