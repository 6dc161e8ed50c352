"""What fetching the bricks of a layer's input takes, where they follow each other without gaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings.base import Counts, Format, brick_sizes
from cnvlutin2.simd import Kernels, uses_numba

_BRICKS_TOGETHER = 1 << 18  # measured at a time, unless one image has more: bounds the memory beside the counts


def fetched(
    form: Format, counts: Counts, uses: NDArray[np.int64], brick: int, data_bits: int, kernels: Kernels | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the NM rows touched and the bits read over all fetches, of each image.

    Parameters
    ----------
    form : Format
    counts : uint8 ``[N, ...]``
        Effectual values of each storage brick, in storage order.
    uses : int64 ``[bricks]``
        How often each is fetched.
    brick, data_bits : int

    Returns
    -------
    rows, bits : int64 ``[N]``
    """
    images = len(counts)
    rows, bits = np.zeros(images, np.int64), np.zeros(images, np.int64)
    if uses_numba(kernels) and not form.own_rows:
        from cnvlutin2.encodings._kernels.streams import add_fetches

        flat = np.ascontiguousarray(counts, np.uint8).reshape(images, -1)
        add_fetches(flat, brick_sizes(form, brick, data_bits), uses, brick * data_bits + brick, rows, bits)
        return rows, bits
    together = max(1, _BRICKS_TOGETHER // uses.size)
    for first in range(0, images, together):
        some = counts[first : first + together]
        touched = np.stack([form.rows_touched(image, brick, data_bits) for image in some])
        rows[first : first + together] = touched.reshape(len(some), -1) @ uses
        bits[first : first + together] = form.brick_bits(some, brick, data_bits).reshape(len(some), -1) @ uses
    return rows, bits
