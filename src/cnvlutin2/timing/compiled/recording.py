"""From schedules to the records that the kernels take: what follows from shapes and organisations, worked out once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings import get_format
from cnvlutin2.mapping import Schedule, StepMap
from cnvlutin2.simd import LARGEST_ROW, VECTOR
from cnvlutin2.timing.compiled.records import (
    DRIFTING,
    FREE,
    WAITING,
    LaneWalk,
    PieceRecord,
    ReadsRecord,
    ReadWords,
    RowBricksRecord,
    StepsRecord,
    StorageRecord,
    WindowsRecord,
    room_for,
)
from cnvlutin2.timing.compiled.tuning import ROWS


def worst_cycles(schedule: Schedule) -> NDArray[np.int64]:
    """Return the cycles that each run of a step takes at most, without overhead."""
    cycles: NDArray[np.int64] = np.maximum(schedule.runs.lengths, most_rows(schedule)).astype(np.int64)
    return cycles


def most_rows(schedule: Schedule) -> int:
    """Return the most NM rows that a record can lie in."""
    o = schedule.organisation
    if not schedule.has_rows:
        return 1
    return (o.row_bits - 1 + get_format(o.format).most_bits(o.brick, o.data_bits) - 1) // o.row_bits + 1


def longest_lane(schedule: Schedule) -> int:
    """Return the most cycles that a lane can take in a window; without overhead where that is added apart."""
    o, order = schedule.organisation, schedule.lane_order
    worst = worst_cycles(schedule)[order.run_of] + (o.run_overhead if o.skip_weights == "none" or o.drift is not None else 0)
    return int(np.add.reduceat(worst, order.begins[:-1]).max())


@lru_cache(maxsize=1024)
def read_words(steps: StepMap, first_row: int, last_row: int) -> ReadWords:
    """Return the places that some window reads at each place in the kernel, and last those of some rows."""
    down, across = steps.kernel
    lines = [steps.reads_in_words(line * across, (line + 1) * across) for line in range(down)]
    stored = np.zeros(steps.places, np.bool_)
    stored[first_row * steps.width : last_row * steps.width] = True
    last = np.packbits(np.pad(stored, (0, -stored.size % 64)), bitorder="little").view("<u8").astype(np.uint64, copy=False)
    spans = np.repeat(np.array([(first, read.shape[1]) for first, read in lines], np.int32), across, axis=0)
    spans = np.concatenate([spans, np.array([(0, last.size)], np.int32)])
    return ReadWords(spans, np.concatenate([*(read.ravel() for _, read in lines), last]))


@lru_cache(maxsize=1024)
def steps_record(schedule: Schedule) -> StepsRecord:
    """Describe the steps."""
    g, steps = schedule.geometry, schedule.steps
    packed = steps.row_packed
    return StepsRecord(
        groups=g.groups,
        channels=g.group_channels,
        width=g.width,
        values=steps.values,
        rows=steps.height,
        columns=steps.width,
        kernel=steps.kernel,
        pads=steps.pads,
        dilations=steps.dilations,
        row_packed=packed,
        row_kernel=g.kernel[1] if packed else 0,
        row_stride=g.strides[1] if packed else 1,
        row_pad=g.pads[1] if packed else 0,
    )


@lru_cache(maxsize=1024)
def piece_record(schedule: Schedule) -> PieceRecord:
    """Cut a step where runs or storage bricks end."""
    values, brick = schedule.steps.values, schedule.organisation.brick
    brick_starts = np.arange(0, values, brick)
    run_starts = brick_starts if schedule.runs.longest == 1 else schedule.runs.starts
    starts = np.union1d(run_starts, brick_starts).astype(np.int32)
    run_of = np.searchsorted(run_starts, starts, side="right") - 1
    brick_of = (starts // brick).astype(np.int32)
    run_bricks = np.stack([run_starts, np.append(run_starts[1:], values) - 1], axis=1) // brick
    return PieceRecord(
        edges=np.append(starts, np.int32(values)),
        brick_of=brick_of,
        runs=np.searchsorted(run_of, np.arange(run_starts.size + 1)).astype(np.int32),
        bricks=np.searchsorted(brick_of, np.arange(-(-values // brick) + 1)).astype(np.int32),
        run_bricks=run_bricks.astype(np.int32),
    )


@lru_cache(maxsize=1024)
def lane_walk(schedule: Schedule) -> LaneWalk:
    """Describe what lanes do in a step."""
    runs, overhead = schedule.runs, schedule.organisation.run_overhead
    if runs.longest > 1:
        return LaneWalk(runs.lane_parts, np.ones(runs.lane_parts.size - 1, np.int32), runs.longest, overhead)
    bricks = np.arange(0, runs.values, runs.brick)
    sizes = np.minimum(runs.values - bricks, runs.brick).astype(np.int32)
    return LaneWalk(np.arange(bricks.size + 1, dtype=np.int32), sizes, runs.longest, overhead)


def storage_record(schedules: Sequence[Schedule]) -> StorageRecord:
    """Describe how bricks are stored in several ways, all with the same brick."""
    counts = np.arange(schedules[0].organisation.brick + 1)
    forms = [(s, get_format(s.organisation.format), (s.organisation.brick, s.organisation.data_bits)) for s in schedules]
    raw = [_ranges(f.raw_bricks(counts, *how)) if s.view == "raw" else [] for s, f, how in forms]
    most = max(map(len, raw))
    ranges = [[*some, *[some[-1]] * (most - len(some))] if some else [(0, 0)] * most for some in raw]
    sizes = np.stack([f.brick_bits(counts, *how) for _, f, how in forms]).astype(np.int64)
    mixed = np.array([bool(some) for some in raw])
    row_bits = np.array([s.organisation.row_bits if s.has_rows else 0 for s in schedules], np.int64)
    units = np.array([_row_units(*each) for each in zip(sizes, row_bits.tolist(), strict=True)], np.int64)
    as_ranges = np.array(ranges, np.uint8).reshape(len(ranges), most, 2)
    return StorageRecord(schedules[0].organisation.brick, as_ranges, mixed, sizes, row_bits, units)


def _ranges(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first number of each range that is flagged, and how many follow it."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0)).tolist()
    return [(first, end - first - 1) for first, end in zip(edges[::2], edges[1::2], strict=True)]


def _row_units(sizes: NDArray[np.int64], row_bits: int) -> int:
    """Return the units of an NM row if records are of whole units, grow evenly and are no longer than a row, else 0."""
    unit = math.gcd(row_bits, *sizes.tolist())
    growth = np.diff(sizes)
    even = row_bits > 0 and sizes[0] > 0 and sizes.max() <= row_bits and growth.min() == growth.max() >= 0
    return row_bits // unit if even and row_bits // unit <= LARGEST_ROW else 0


@lru_cache(maxsize=1024)
def row_bricks_record(schedule: Schedule) -> RowBricksRecord:
    """Describe the bricks of rows, if some are stored raw."""
    if not schedule.steps.row_packed or schedule.view != "raw":
        return RowBricksRecord(np.zeros((0, 0), np.uint64), np.zeros(0, np.int64))
    positions, brick = StepMap.of(schedule.geometry, 1, "brick"), schedule.organisation.brick
    values = np.repeat(positions.lines_used[1], schedule.geometry.group_channels, axis=1)
    bricks = np.pad(values, ((0, 0), (0, -values.shape[1] % brick))).reshape(len(values), -1, brick)
    words = np.packbits(np.pad(bricks, ((0, 0), (0, 0), (0, 64 - brick))), axis=2, bitorder="little").view("<u8")
    maps = min(schedule.groups, max(1, ROWS // positions.height))
    return RowBricksRecord(words[..., 0].astype(np.uint64), np.tile(positions.uses[0], maps))


@lru_cache(maxsize=1024)
def windows_record(steps: StepMap) -> WindowsRecord:
    """Describe where windows lie in rows as wide as the map, or wider if some begin behind it."""
    (oh, ow), (kh, kw), (sy, sx), (dy, dx) = steps.outputs, steps.kernel, steps.strides, steps.dilations
    pitch = max(steps.width, (ow - 1) * sx + 1)
    rows = np.zeros(((oh - 1) * sy + 1, pitch), np.uint8)
    rows[::sy, : (ow - 1) * sx + 1 : sx] = 255
    begins = np.pad(rows.ravel(), (0, -rows.size % VECTOR))
    read = np.arange(begins.size) % pitch - steps.pads[1] + (np.arange(kw) * dx)[:, None]
    down, across = steps.uses
    uses = np.zeros(room_for(steps.places), np.uint16)
    uses[: steps.places] = np.outer(down, across).ravel()
    single = (kh, kw, sy, sx, *steps.pads) == (1, 1, 1, 1, 0, 0)
    return WindowsRecord(
        pitch=pitch,
        room=begins.size,
        begins=begins,
        inside=np.where((read >= 0) & (read < steps.width), 255, 0).astype(np.uint8),
        uses=uses,
        above=steps.pads[0],
        below=max(0, (oh - 1) * sy + (kh - 1) * dy - steps.pads[0] - steps.height + 1),
        alone=single and (oh, ow) == (steps.height, steps.width),
    )


@lru_cache(maxsize=1024)
def reads_record(steps: StepMap, *, sees_all: bool) -> ReadsRecord:
    """Describe what windows read; where all is taken for effectual, the padding is read as well."""
    places = steps.places_read()
    flat = steps.strides == (1, 1) and steps.outputs == (steps.height, steps.width)
    ky, kx = np.divmod(np.arange(steps.steps), steps.kernel[1])
    offsets = (ky * steps.dilations[0] - steps.pads[0]) * steps.width + kx * steps.dilations[1] - steps.pads[1]
    inside = np.zeros((steps.steps, room_for(steps.windows)), np.uint8)
    inside[:, : steps.windows] = np.where((places >= 0) | sees_all, 255, 0)
    return ReadsRecord(
        windows=steps.windows,
        margin=(int(np.abs(offsets).max()) if flat else 1) + VECTOR,
        flat=flat,
        offsets=offsets.astype(np.int32),
        inside=inside if flat else np.zeros((0, 0), np.uint8),
        places=np.zeros((0, 0), np.int32) if flat else places,
    )


def kind_of(schedule: Schedule) -> int:
    """Return how the filters of a tile walk a lane."""
    if not schedule.organisation.filters_part:
        return WAITING
    return FREE if schedule.organisation.drift is None else DRIFTING
