"""Whole layers in one call: the other kernels one after another, where a layer is too small to share among threads.

These have no twin in `numpy_path`, which takes the same steps one call at a time.
"""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cnvlutin2.kernels.narrow import larger
from cnvlutin2.kernels.numba_path.masks import next_record, run_counts, with_raw_bricks
from cnvlutin2.kernels.numba_path.windows import dot, position_counts, sliced_cycles, sum_over_windows

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


@njit(nogil=True, cache=True)
def layer_products(
    bits: Bytes,
    geometry: tuple[int, ...],
    height: int,
    width: int,
    column: NDArray[Any],
    filters: NDArray[np.int32],
    positions: NDArray[np.int32],
    seen: Ints,
    macs: Ints,
) -> None:
    """Count windows by place in the kernel, and add them up, by image, for one filter and for all.

    Parameters are those of `position_counts` (with `positions` for its result) and

    filters : int32 ``[channels * places in the kernel]``
        Filters whose weight is effectual.
    seen, macs : int64 ``[images]``
        Effectual activations over all windows; their products with effectual weights.
    """
    position_counts(bits, geometry, height, width, column, positions)
    images = seen.size
    by_image = positions.reshape(images, positions.size // images)
    dot(by_image, filters, macs)
    for n in range(images):
        total = np.int64(0)
        for i in range(by_image.shape[1]):
            total += by_image[n, i]
        seen[n] = total


@njit(nogil=True, cache=True)
def lane_quantities(
    bits: Bytes,
    groups: int,
    starts: NDArray[np.int32],
    stops: NDArray[np.int32],
    run_of: NDArray[np.int32],
    brick_of: NDArray[np.int32],
    run_bricks: NDArray[np.int32],
    raw: Bytes,
    sizes: Ints,
    row_bits: Ints,
    longest: int,
    unit_cycles: tuple[int, int],
    overhead: int,
    parts: NDArray[np.int32],
    pad_loads: NDArray[Any],
    wide: NDArray[Any],
    lanes: int,
    geometry: tuple[int, ...],
    height: int,
    width: int,
    uses_down: NDArray[np.int32],
    uses_across: NDArray[np.int32],
    seen: Ints,
    macs: Ints,
    out: Ints,
) -> None:
    """Find what the slots of a layer follow from where no weights are skipped, for several ways to store it.

    Parameters
    ----------
    bits : uint8 ``[maps, channels, height * width]``
    groups : int
    starts, stops, run_of, brick_of : int32 ``[pieces]``
        What runs and storage bricks have in common: values, and which run and brick each is part of.
    run_bricks : int32 ``[runs, 2]``
        The first and the last storage brick of each run.
    raw : uint8 ``[ways, brick + 1]``
        1 if a brick of so many effectual values is stored raw, without offsets.
    sizes : int64 ``[ways, brick + 1]``
        Bits of a record of so many effectual values.
    row_bits : int64 ``[ways]``
        Of an NM row; 0 if every brick has one of its own.
    longest : int
        Values of the longest run.
    unit_cycles : tuple of int
        Of a map whose runs take one cycle each, over all windows: the slowest lane's cycles and all lanes' cycles.
    overhead, parts, pad_loads, wide, lanes, geometry, height, width
        As in `sliced_cycles`.
    uses_down, uses_across : int32
        As in `sum_over_windows`.
    seen, macs : int64 ``[images]``
        As found by `layer_products`.
    out : int64 ``[ways, images, 5]``
        Over all windows, the slowest lane's cycles, all lanes' cycles, values that the lanes take for effectual; `seen`, `macs`.
    """
    maps, _, places = bits.shape
    pieces, runs, bricks = starts.size, run_bricks.shape[0], brick_of[-1] + 1
    lengths = np.empty(pieces, np.int32)
    for i in range(pieces):
        lengths[i] = stops[i] - starts[i]
    none = int(np.int64(0))  # a literal would have the kernels compiled for it as well
    counts = np.empty((maps, pieces, places), np.uint8)
    run_counts(bits, starts, stops, none, maps * pieces, counts)
    in_bricks = np.zeros((maps, bricks, places), np.uint8)
    for m in range(maps):
        for i in range(pieces):
            total, piece = in_bricks[m, brick_of[i]], counts[m, i]
            for x in range(places):
                total[x] += piece[x]
    any_raw = False
    for flag_of_count in raw.flat:
        if flag_of_count > 0:
            any_raw = True
    flags = np.zeros((maps, bricks, places if any_raw or pieces > runs else 0), np.uint8)
    work = np.empty((maps, runs, flags.shape[2]), np.uint8)
    no_rows = np.empty((0, 0, 0), np.uint8)
    sums = np.empty((maps, 2), np.int64)
    over_windows = np.empty(maps, np.int64)
    for way in range(raw.shape[0]):
        mixed = False
        flags[:] = 0
        for v in range(raw.shape[1]):
            if raw[way, v] == 0:
                continue
            mixed = True
            count = np.uint8(v)
            for m in range(maps):
                for b in range(bricks):
                    flag, in_brick = flags[m, b], in_bricks[m, b]
                    for x in range(places):
                        flag[x] = larger(flag[x], np.uint8(in_brick[x] == count))
        runs_of_way = counts
        if mixed or pieces > runs:
            with_raw_bricks(counts, flags, run_of, brick_of, lengths, work)
            runs_of_way = work
        rows = no_rows
        if row_bits[way] > 0:
            rows = np.empty((maps, bricks, places), np.uint8)
            begin = none
            for m in range(maps):
                if m % groups == 0:  # every image is a stream
                    begin = none
                for x in range(places):
                    for b in range(bricks):  # those of a position come together
                        begin, rows[m, b, x] = next_record(begin, sizes[way, in_bricks[m, b, x]], row_bits[way])
        sums[:] = 0
        last = maps * geometry[8]
        if longest == 1 and row_bits[way] == 0:
            for m in range(maps):
                sums[m, 0], sums[m, 1] = unit_cycles
        else:
            sliced_cycles(
                runs_of_way, rows, run_bricks, overhead, parts, pad_loads, wide, lanes, geometry, height, width, none, last, sums
            )
        if mixed:
            sum_over_windows(work, uses_down, uses_across, over_windows)
        for n in range(seen.size):
            out[way, n, 0], out[way, n, 1], out[way, n, 2] = 0, 0, 0 if mixed else seen[n]
            out[way, n, 3], out[way, n, 4] = seen[n], macs[n]
            for g in range(groups):
                m = n * groups + g
                out[way, n, 0] += sums[m, 0]
                out[way, n, 1] += sums[m, 1]
                if mixed:
                    out[way, n, 2] += over_windows[m]
