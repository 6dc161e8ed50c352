"""What each lane does in chosen windows, run by run, as the plain engine has it (docs/model.md).

The engine adds up; this module keeps what it adds, for a few windows of the first pass of the first group of one image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.layer import Layer
from cnvlutin2.mapping import Schedule
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.engine import RunMode
from cnvlutin2.timing.observed import ObservedLayer
from cnvlutin2.timing.plain import Operands, Pass

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LaneWork:
    """The work of every lane in some windows; `W` windows, `R` runs of a window, lane by lane in their order.

    Parameters
    ----------
    begins : int32 ``[lanes in use + 1]``
        The first run of each lane, and the end.
    steps, starts, lengths : int32 ``[R]``
        Step of each run, its first value in the step, how many values it has.
    stride : int
        From one value of a run to the next: 1, or the lanes in dense mode, where lanes take turns.
    seen, effectual : uint8 ``[R, W, bytes]``
        Values that occupy the lane (its own skipping of activations applied) and those that are effectual, first value lowest.
    weights : uint8 ``[R, columns, bytes]`` or None
        The weights that are not skipped, of each filter, tile by tile, or of each tile where it skips together. None if no
        weight is skipped.
    tile_begins : int64 ``[tiles]``
        The first column of each tile that may differ from others.
    rows : uint8 ``[R, W]``
        NM rows that fetching each run touches.
    costs : int64 ``[R, walkers, W]``
        Cycles of each run with its overhead, until the walker goes on. Who walks are filters, where those of a tile may be at
        different runs; else tiles, or all of them together where they wait for each other at every run or do the same anyway.
    waits : int64 ``[R, walkers, W]``
        Cycles that each walker waits before it may begin the run.
    """

    begins: NDArray[np.int32]
    steps: NDArray[np.int32]
    starts: NDArray[np.int32]
    lengths: NDArray[np.int32]
    stride: int
    seen: Bytes
    effectual: Bytes
    weights: Bytes | None
    tile_begins: Ints
    rows: Bytes
    costs: Ints
    waits: Ints

    def columns(self, tile: int) -> slice:
        """Return which columns are a tile's."""
        ends = [*self.tile_begins[1:].tolist(), None]
        return slice(int(self.tile_begins[tile]), ends[tile])


def first_pass(layer: Layer, organisation: Organisation) -> Pass:
    """Return the first pass of a layer's first group, all images of the layer in it (`Layer.image` chooses one)."""
    return Pass(Operands(ObservedLayer(layer), Schedule.of(layer.geometry, organisation)), 0, 0)


def window_runs(chosen: Pass, mode: RunMode) -> int:
    """Return the runs of a window as `lane_work` has them."""
    if mode == "skip":
        return chosen.schedule.window_runs
    return _dense_lanes(chosen.schedule) * chosen.schedule.steps.steps * len(_dense_pieces(chosen.schedule))


def lane_ends(chosen: Pass, mode: RunMode, windows: Ints) -> Ints:
    """Return the cycle at which each lane ends, ``[lanes in use, tiles, W]``, without window overhead.

    Tiles that do not differ, or wait for each other at every run, are one.
    """
    if mode == "dense":
        return np.full((_dense_lanes(chosen.schedule), 1, windows.size), chosen.schedule.dense_window_cycles, np.int64)
    return np.concatenate([chosen.walk(block).lane_ends for block in chosen.blocks(windows)], axis=2)


def lane_work(chosen: Pass, mode: RunMode, windows: Ints) -> LaneWork:
    """Return what the lanes do in some windows.

    Parameters
    ----------
    chosen : Pass
    mode : {"skip", "dense"}
    windows : int64 ``[W]``
        Their numbers, counted along x, then y.
    """
    return _dense_work(chosen, windows) if mode == "dense" else _skip_work(chosen, windows)


def _skip_work(chosen: Pass, windows: Ints) -> LaneWork:
    schedule, columns, walk = chosen.schedule, chosen.columns, chosen.walk(windows)
    order, runs = walk.order, schedule.runs
    values = [slice(runs.starts[run], runs.stops[run]) for run in order.run_of]
    wanted = [columns.wanted[step, own].T for step, own in zip(order.step_of, values, strict=True)]
    part = schedule.organisation.filters_part
    ends = walk.ends if part else walk.released
    before = np.zeros_like(ends)
    before[1:] = ends[:-1]
    before[order.begins[:-1]] = 0
    begins = walk.begins if part else before
    return LaneWork(
        begins=order.begins,
        steps=order.step_of,
        starts=runs.starts[order.run_of],
        lengths=runs.lengths[order.run_of],
        stride=1,
        seen=_packed(_bits(chosen, chosen.operands.seen, windows, order.step_of, values), runs.longest),
        effectual=_packed(_bits(chosen, chosen.operands.effectual, windows, order.step_of, values), runs.longest),
        weights=None if schedule.organisation.skip_weights == "none" else _packed(wanted, runs.longest),
        tile_begins=columns.tile_begins,
        rows=walk.rows,
        costs=ends - begins,
        waits=begins - before,
    )


def _dense_work(chosen: Pass, windows: Ints) -> LaneWork:
    """All lanes take consecutive values of a step together; a run here is what a lane takes in up to a brick's cycles."""
    schedule, pieces = chosen.schedule, _dense_pieces(chosen.schedule)
    lanes, steps = _dense_lanes(schedule), schedule.steps.steps
    places = [(lane, step, piece) for lane in range(lanes) for step in range(steps) for piece in pieces]
    values = [piece[:, lane][piece[:, lane] >= 0] for lane, _, piece in places]
    step_of = np.array([step for _, step, _ in places], np.int32)
    lengths = np.array([own.size for own in values], np.int32)
    everything = [np.ones((windows.size, own.size), np.bool_) for own in values]
    cycles = np.array([len(piece) for _, _, piece in places], np.int64)
    costs = np.repeat(cycles, windows.size).reshape(-1, 1, windows.size)
    longest = int(lengths.max())
    return LaneWork(
        begins=(np.arange(lanes + 1) * (steps * len(pieces))).astype(np.int32),
        steps=step_of,
        starts=np.array([own[0] if own.size else 0 for own in values], np.int32),
        lengths=lengths,
        stride=schedule.organisation.lanes,
        seen=_packed(everything, longest),
        effectual=_packed(_bits(chosen, chosen.operands.effectual, windows, step_of, values), longest),
        weights=None,
        tile_begins=np.array([0]),
        rows=np.ones((len(places), windows.size), np.uint8),
        costs=costs,
        waits=np.zeros_like(costs),
    )


def _dense_lanes(schedule: Schedule) -> int:
    """Return how many lanes have a value."""
    return int(np.count_nonzero(schedule.dense_values[0] >= 0))


def _dense_pieces(schedule: Schedule) -> list[NDArray[np.int32]]:
    """Return the values that the lanes take in a step (`Schedule.dense_values`), cut into a brick's cycles."""
    values, brick = schedule.dense_values, schedule.organisation.brick
    return [values[first : first + brick] for first in range(0, len(values), brick)]


def _bits(
    chosen: Pass,
    bits: NDArray[np.bool_],
    windows: Ints,
    step_of: NDArray[np.int32],
    values: list[slice] | list[NDArray[np.int32]],
) -> list[NDArray[np.bool_]]:
    """Return the bits of the values of some steps, ``[W, values]`` each."""
    places = chosen.operands.places(windows)
    own = bits[chosen.group]
    return [own[:, places[step]][which].T for step, which in zip(step_of, values, strict=True)]


def _packed(bits: list[NDArray[np.bool_]], longest: int) -> Bytes:
    """Return bits ``[n, values]`` of each run as bytes, ``[R, n, bytes]``, the first value lowest."""
    out = np.zeros((len(bits), len(bits[0]), longest), np.bool_)
    for row, run in zip(out, bits, strict=True):
        row[:, : run.shape[1]] = run
    return np.packbits(out, axis=2, bitorder="little")
