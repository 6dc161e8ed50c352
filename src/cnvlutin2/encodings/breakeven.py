"""The density below which a format is smaller than dense storage."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cnvlutin2.encodings.references import ENTROPY, GAP_CODECS, binary_entropy
from cnvlutin2.encodings.registry import get_format

_GRID, _HALVINGS = 256, 40


def break_even(name: str, brick: int = 16, data_bits: int = 16, pointer_bits: float = 0.0) -> float | None:
    """Return the density at which a format or reference codec takes as much as `dense`, and below which it takes less.

    For bricks without fill, whose values are effectual independently of each other with the same probability.

    Parameters
    ----------
    name : str
        A format's, or ``run_length``, ``relative_index``, ``entropy``.
    brick, data_bits : int
    pointer_bits : float
        Bits of pointers a brick (of a pointer, divided by the pointer group).

    Returns
    -------
    float or None
        None if it never takes less.
    """
    size = _size_of(name, brick, data_bits, pointer_bits)
    grid = [i / _GRID for i in range(_GRID + 1)]
    above = next((i for i, density in enumerate(grid) if size(density) >= data_bits), None)
    if above is None:
        return 1.0
    if above == 0:
        return None
    low, high = grid[above - 1], grid[above]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if size(middle) >= data_bits else (middle, high)
    return high


def _size_of(name: str, brick: int, data_bits: int, pointer_bits: float) -> Callable[[float], float]:
    """Return the function from density to expected bits a value."""
    for codec in GAP_CODECS:
        if codec.name == name:
            return lambda density: codec.bits_per_value(density, data_bits)
    if name == ENTROPY:
        return lambda density: binary_entropy(density) + density * data_bits
    counts = np.arange(brick + 1)
    bits = get_format(name).brick_bits(counts, brick, data_bits).astype(float) + pointer_bits
    ways = np.array([math.comb(brick, n) for n in counts], float)
    return lambda density: float((ways * density**counts * (1 - density) ** (brick - counts)) @ bits) / brick
