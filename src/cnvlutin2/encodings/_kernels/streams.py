"""What fetching the records of streams takes, compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.kernels.jit import kernel

Counts = NDArray[np.int64]


@kernel
def add_fetches(counts: NDArray[np.uint8], sizes: Counts, uses: Counts, row_bits: int, rows: Counts, bits: Counts) -> None:
    """Add up the rows that records without gaps touch, and their bits, as often as each is fetched.

    Parameters
    ----------
    counts : uint8 ``[N, bricks]``
        Effectual values of each brick in storage order; each image's stream starts a row.
    sizes : int64 ``[brick + 1]``
        Bits of a record by its effectual values.
    uses : int64 ``[bricks]``
    row_bits : int
    rows, bits : int64 ``[N]``
        Added to.
    """
    for image in range(counts.shape[0]):
        begin = 0  # bits of the row before the record
        for brick in range(counts.shape[1]):
            size, times = sizes[counts[image, brick]], uses[brick]
            bits[image] += size * times
            begin += size
            touched = 1
            while begin > row_bits:
                begin -= row_bits
                touched += 1
            rows[image] += touched * times
            if begin == row_bits:
                begin = 0
