"""The NM rows that the records of a stream lie in, and what fetching them takes; compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd.jit import kernel, making_helper

Bytes = NDArray[np.uint8]
Counts = NDArray[np.int64]


@making_helper
def next_record(begin: int, bits: int, row_bits: int) -> tuple[int, int]:
    """Return where the record after one begins, from the start of a row, and how many rows this one touches."""
    begin += bits
    crossed = int(begin > row_bits)  # arithmetic, for as a branch it is a coin toss; further rows are rare
    begin -= crossed * row_bits
    touched = 1 + crossed
    while begin > row_bits:
        begin -= row_bits
        touched += 1
    return (begin if begin < row_bits else 0), touched


@kernel
def stream_rows(counts: Bytes, sizes: Counts, row_bits: int, out: Bytes) -> None:
    """Find the NM rows that each record of a stream without gaps lies in.

    Parameters
    ----------
    counts : uint8, 3-dimensional
        Effectual values of each brick; the order of the indices is the storage order, whatever the order in memory.
    sizes : int64 ``[brick + 1]``
        Bits of a record by its effectual values.
    row_bits : int
    out : uint8, the same shape
    """
    begin = int(np.int64(0))
    for i in range(counts.shape[0]):
        for j in range(counts.shape[1]):
            for k in range(counts.shape[2]):
                begin, out[i, j, k] = next_record(begin, sizes[counts[i, j, k]], row_bits)


@kernel
def add_fetches(counts: Bytes, sizes: Counts, uses: Counts, row_bits: int, rows: Counts, bits: Counts) -> None:
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
        begin = int(np.int64(0))  # bits of the row before the record
        all_bits, all_rows = np.int64(0), np.int64(0)
        for brick in range(counts.shape[1]):
            size, times = sizes[counts[image, brick]], uses[brick]
            all_bits += size * times
            begin, touched = next_record(begin, size, row_bits)
            all_rows += touched * times
        bits[image] += all_bits
        rows[image] += all_rows
