"""Bands: rows of windows of a large layer, with the rows of the map that they read; each is a layer of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from cnvlutin2.layer import Geometry
from cnvlutin2.timing.compiled.tuning import BAND


@dataclass(frozen=True)
class Band:
    """Some rows of windows.

    Parameters
    ----------
    geometry : Geometry
        As a layer of its own.
    first_row : int
        The row of the map that is the band's first.
    own_rows : (int, int)
        The rows of the band that no other band counts as stored.
    """

    geometry: Geometry
    first_row: int
    own_rows: tuple[int, int]


def whole(geometry: Geometry) -> tuple[Band, ...]:
    """Return a layer as one band."""
    return (Band(geometry, 0, (0, geometry.height)),)


@lru_cache(maxsize=1024)
def bands_of(geometry: Geometry) -> tuple[Band, ...]:
    """Cut a layer into bands of about `BAND` activations, of which neighbours share the rows that both read."""
    g, (down, _) = geometry, geometry.outputs
    reach = (g.kernel[0] - 1) * g.dilations[0] + 1
    count = min(down, -(-g.channels * g.height * g.width // BAND))
    if count == 1 or max(g.pads[0], g.pads[2]) >= reach:  # a row of windows that lies in the padding has no row to read
        return whole(g)
    edges = [down * i // count for i in range(count + 1)]
    begins = [max(0, first * g.strides[0] - g.pads[0]) for first in edges[:-1]] + [g.height]
    begins[0] = 0
    bands = []
    for i, (first, last) in enumerate(pairwise(edges)):
        start, stop = first * g.strides[0] - g.pads[0], (last - 1) * g.strides[0] - g.pads[0] + reach
        end = max(min(stop, g.height), begins[i + 1])
        pads = max(0, -start), g.pads[1], max(0, stop - g.height), g.pads[3]
        shape = replace(g, height=end - begins[i], pads=pads)
        bands.append(Band(shape, begins[i], (0, begins[i + 1] - begins[i])))
    return tuple(bands)
