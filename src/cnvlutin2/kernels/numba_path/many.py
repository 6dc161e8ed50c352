"""Many layers in one call, one step of the work at a time, where layers are too small to share among threads.

These have no twins in `numpy_path`, which does every layer on its own. The tables are described in `cnvlutin2.kernels.records`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.kernels.addresses import array_at
from cnvlutin2.kernels.jit import helper, kernel
from cnvlutin2.kernels.narrow import larger, minus, plus, times
from cnvlutin2.kernels.numba_path.masks import next_record, run_counts, with_raw_bricks
from cnvlutin2.kernels.numba_path.windows import add, pack_words, run_cycles, sliced_cycles, sum_over_windows
from cnvlutin2.kernels.words import bits_in_both

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


@kernel
def address_of(values: NDArray[np.int16]) -> int:
    """Return where an array's values lie; NumPy takes six times as long to say it."""
    return values.ctypes.data


@kernel
def count_products(layers: Any, first: int, last: int, bits: Bytes, sums: Ints, measured: Ints) -> None:
    """Find which activations are effectual, and what follows from that whatever the organisation.

    Parameters
    ----------
    layers : records, `LAYER`
    first, last : int
        Which to do.
    bits : uint8
        Effectual activations of all layers, 1 or 0, and at least 64 bytes more.
    sums : int64 ``[layers and images, 3]``
        Effectual activations over all windows, their products with effectual weights, effectual activations stored.
    measured : int64 ``[results and images, 6]``
        `cnvlutin2.timing.part.QUANTITIES`, cycles left at 0 and all effectual values seen.
    """
    unused = np.empty(0, np.uint8)
    for i in range(first, last):
        layer = layers[i]
        channels, places, steps = layer.groups * layer.channels, layer.places, layer.geometry[0] * layer.geometry[1]
        values = array_at(layer.activations, (layer.images * channels * places,), np.int16)
        here = bits[layer.bits : layer.bits + values.size]
        least = np.uint16(layer.threshold)
        for x in range(values.size):
            value = values[x]
            here[x] = np.uint16(-value if value < 0 else value) >= least
        found = sums[layer.sums : layer.sums + layer.images]
        words = np.empty((places + 63) // 64, np.uint64)
        reads = array_at(layer.reads, (steps, words.size), np.uint64)
        filters = array_at(layer.filters, (channels, steps), np.int32)
        busy_filters = array_at(layer.busy_filters or layer.filters, (channels, steps), np.int32)
        for n in range(layer.images):
            seen, macs, busy, stored = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
            for c in range(channels):
                begin = layer.bits + (n * channels + c) * places
                if places * steps == 1:  # as in fully-connected layers
                    stored += bits[begin]
                    macs += bits[begin] * filters[c, 0]
                    busy += bits[begin] * busy_filters[c, 0]
                    continue
                pack_words(bits, begin, places, unused, words)
                for w in range(words.size):
                    stored += bits_in_both(words[w], words[w])
                for k in range(steps):
                    count = np.int64(0)
                    for w in range(words.size):
                        count += bits_in_both(words[w], reads[k, w])
                    seen += count
                    macs += count * filters[c, k]
                    busy += count * busy_filters[c, k]
            if places * steps == 1:
                is_read = np.int64(reads[0, 0])
                seen, macs, busy = stored * is_read, macs * is_read, busy * is_read
            found[n, 0], found[n, 1], found[n, 2] = seen, macs, stored
            for r in range(layer.results):
                result = measured[layer.measured + r * layer.images + n]
                result[0], result[1], result[2], result[3], result[4], result[5] = 0, 0, seen, seen, macs, busy


@helper
def _step_bits(layer: Any, plan: Any, bits: Bytes, out: Bytes) -> None:
    """Find the bits of a row-packed layer by step: a place holds the row that a window reads, x first, channel inside."""
    kw, stride, left, width = layer.geometry[1], layer.geometry[3], layer.geometry[5], layer.width
    # What a window reads at one place of the kernel is every so-manieth value of a row: these are brought together first.
    every = np.empty((stride, width // stride + 1), np.uint8)
    out[:] = 0
    for m in range(out.shape[0]):
        for c in range(layer.channels):
            for y in range(plan.height):
                begin = layer.bits + (m * layer.channels + c) * layer.places + y * width
                for phase in range(min(stride, width)):
                    read, written = bits[begin + phase : begin + width], every[phase]
                    if stride == 2:  # said apart, as a stride that is known is vectorised
                        for x in range((read.size + 1) // 2):
                            written[x] = read[2 * x]
                    else:
                        for x in range((read.size + stride - 1) // stride):
                            written[x] = read[x * stride]
                for kx in range(kw):
                    shift = kx - left
                    low = max(0, (stride - 1 - shift) // stride)
                    high = min(plan.width, (width - 1 - shift) // stride + 1)
                    if low < high:
                        source = every[shift % stride, low + shift // stride :]
                        row = out[m, kx * layer.channels + c, y * plan.width + low :]
                        for x in range(high - low):
                            row[x] = source[x]


@helper
def _stream_rows(counts: Bytes, groups: int, sizes: Ints, row_bits: int, out: Bytes) -> None:
    """Find the NM rows that each storage brick lies in, ``[maps, bricks, places]``; every image is a stream, places outermost."""
    maps, bricks, places = counts.shape
    # Where a record grows evenly and is no longer than a row, 16 bits hold where it begins in its row, and nothing is looked up.
    growth, most = sizes[1] - sizes[0], bricks * (sizes.size - 1)
    even = growth >= 0 and row_bits < 1 << 15 and most < 1 << 15
    for i in range(sizes.size):
        even &= sizes[i] == sizes[0] + i * growth and 0 < sizes[i] <= row_bits
    begins = np.empty(places, np.uint16)
    steps = np.empty(most + 1 if even else 0, np.int64)  # what all bricks of a place with so many values take of a row
    step = bricks * sizes[0] % row_bits
    for i in range(steps.size):
        steps[i] = step
        step += growth
        if step >= row_bits:
            step -= row_bits
    row, least, more, none, one = np.uint16(row_bits), np.uint16(sizes[0]), np.uint16(growth), np.uint16(0), np.uint8(1)
    begin = int(np.int64(0))
    for m in range(maps):
        if m % groups == 0:
            begin = 0
        if not even:
            for x in range(places):
                for b in range(bricks):
                    begin, out[m, b, x] = next_record(begin, sizes[counts[m, b, x]], row_bits)
            continue
        begins[:] = 0
        for b in range(bricks):
            add(counts[m, b], places, begins)
        for x in range(places):
            step = steps[begins[x]]
            begins[x] = begin
            begin += step
            if begin >= row_bits:
                begin -= row_bits
        for b in range(bricks):
            here, rows = counts[m, b], out[m, b]
            for x in range(places):
                end = plus(begins[x], plus(least, times(more, np.uint16(here[x]))))
                rows[x] = plus(one, np.uint8(end > row))
                begins[x] = minus(end, row if end >= row else none)


@helper
def _flag_bricks(in_bricks: Bytes, raw: Bytes, out: Bytes) -> None:
    """Flag the bricks that are stored raw with 255, others with 0."""
    maps, bricks, places = in_bricks.shape
    out[:] = 0
    for v in range(raw.size):
        if raw[v] > 0:
            count = np.uint8(v)
            for m in range(maps):
                for b in range(bricks):
                    flags, here = out[m, b], in_bricks[m, b]
                    for x in range(places):
                        flags[x] = larger(flags[x], np.uint8(-np.int64(here[x] == count)))


@kernel
def count_runs(layers: Any, lanes: Any, first: int, last: int, bits: Bytes, cycles: Bytes, measured: Ints) -> None:
    """Find the cycles of every run, for organisations that skip no weights.

    Parameters
    ----------
    layers, lanes : records, `LAYER` and `LANES`
    first, last : int
        Which of `lanes` to do.
    bits, measured
        As `count_products` leaves them; of `measured`, all lanes' cycles are set, and the values that they take for effectual.
    cycles : uint8
        Cycles of the runs of all layers, without overhead.
    """
    none = int(np.int64(0))  # a literal would have callees compiled for it as well
    for i in range(first, last):
        plan = lanes[i]
        layer = layers[plan.layer]
        if plan.idle:
            for x in range(layer.images * plan.ways):
                measured[layer.measured + plan.result * layer.images + x, 1] = plan.unit_every * layer.groups
            continue
        maps, places, runs, pieces = layer.images * layer.groups, plan.height * plan.width, plan.runs, plan.pieces
        values = 0 if plan.row_packed else maps * plan.values * places
        steps = bits[layer.bits : layer.bits + values].reshape(-1, plan.values, places)
        if plan.row_packed:
            steps = np.empty((maps, plan.values, places), np.uint8)
            _step_bits(layer, plan, bits, steps)
        starts, stops = array_at(plan.starts, (pieces,), np.int32), array_at(plan.stops, (pieces,), np.int32)
        run_of, brick_of = array_at(plan.run_of, (pieces,), np.int32), array_at(plan.brick_of, (pieces,), np.int32)
        run_bricks = array_at(plan.run_bricks, (runs, 2), np.int32)
        down, across = array_at(plan.uses_down, (plan.height,), np.int32), array_at(plan.uses_across, (plan.width,), np.int32)
        raw = array_at(plan.raw, (plan.ways, plan.counts), np.uint8)
        sizes = array_at(plan.sizes, (plan.ways, plan.counts), np.int64)
        row_bits = array_at(plan.row_bits, (plan.ways,), np.int64)
        counts = np.empty((maps, pieces, places), np.uint8)
        run_counts(steps, starts, stops, none, maps * pieces, counts)
        in_bricks = np.zeros((maps, plan.bricks, places), np.uint8)
        for m in range(maps):
            for k in range(pieces):
                add(counts[m, k], places, in_bricks[m, brick_of[k]])
        lengths = np.empty(pieces, np.int32)
        for k in range(pieces):
            lengths[k] = stops[k] - starts[k]
        every, seen = np.empty(maps, np.int64), np.empty(maps, np.int64)
        for way in range(plan.ways):
            mixed = False
            for v in range(plan.counts):
                mixed |= raw[way, v] > 0
            work = counts
            if mixed or pieces > runs:
                flags = np.empty((maps, plan.bricks, places), np.uint8)
                _flag_bricks(in_bricks, raw[way], flags)
                work = np.empty((maps, runs, places), np.uint8)
                with_raw_bricks(counts, flags, run_of, brick_of, lengths, work)
            if plan.longest == 1 and row_bits[way] == 0:
                every[:] = plan.unit_every
            else:
                rows = np.empty((none, none, none), np.uint8)
                if row_bits[way] > 0:
                    rows = np.empty((maps, plan.bricks, places), np.uint8)
                    _stream_rows(in_bricks, layer.groups, sizes[way], row_bits[way], rows)
                at, size = plan.cycles + way * maps * runs * places, maps * runs * places
                found = cycles[at : at + size].reshape(maps, runs, places)
                run_cycles(work, rows, run_bricks, found)
                sum_over_windows(found, plan.most_cycles, down, across, every)
                every += plan.flat_cycles
            if mixed:
                sum_over_windows(work, plan.longest, down, across, seen)
            for n in range(layer.images):
                result = measured[layer.measured + (plan.result + way) * layer.images + n]
                if mixed:
                    result[2] = 0
                for m in range(n * layer.groups, (n + 1) * layer.groups):
                    result[1] += every[m]
                    if mixed:
                        result[2] += seen[m]


@kernel
def walk_lanes(layers: Any, lanes: Any, first: int, last: int, unit: NDArray[Any], cycles: Bytes, measured: Ints) -> None:
    """Add up the slowest lane of every window, for organisations that skip no weights.

    Parameters
    ----------
    layers, lanes, cycles, measured
        As `count_runs` leaves them; of `measured`, the slowest lane's cycles are set.
    first, last : int
        Which of `lanes` to do.
    unit : uint8 or uint16 ``[1]``
        Only those are done whose loads are of this type.
    """
    none = int(np.int64(0))
    for i in range(first, last):
        plan = lanes[i]
        if plan.load_bytes != unit.itemsize:
            continue
        layer = layers[plan.layer]
        maps, places = layer.images * layer.groups, plan.height * plan.width
        g = plan.geometry
        geometry = (g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7], g[8], g[9])
        parts = array_at(plan.parts, (plan.lanes + 1,), np.int32)
        pad_loads = array_at(plan.pad_loads, (plan.lanes,), unit.dtype)
        row_bits = array_at(plan.row_bits, (plan.ways,), np.int64)
        slowest = np.empty(maps, np.int64)
        size = maps * plan.runs * places
        for way in range(plan.ways):
            if plan.longest == 1 and row_bits[way] == 0:
                slowest[:] = plan.unit_slowest
            else:
                slowest[:] = 0
                at = plan.cycles + way * size
                found = cycles[at : at + size].reshape(maps, plan.runs, places)
                rows = maps * geometry[8]
                sliced_cycles(
                    found, plan.overhead, parts, pad_loads, plan.lanes, geometry, plan.height, plan.width, none, rows, slowest
                )
            for n in range(layer.images):
                result = measured[layer.measured + (plan.result + way) * layer.images + n]
                for m in range(n * layer.groups, (n + 1) * layer.groups):
                    result[0] += slowest[m]
