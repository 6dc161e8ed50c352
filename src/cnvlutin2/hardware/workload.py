"""`Workload`: a layer as the hardware gets it, lane by lane and run by run, and what must come out (docs/hardware.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.layer import Layer
from cnvlutin2.mapping import Schedule
from cnvlutin2.numeric import effectual
from cnvlutin2.organisation import Organisation, with_overrides
from cnvlutin2.timing.engine import Engine, RunMode
from cnvlutin2.timing.observed import ObservedLayer
from cnvlutin2.timing.plain.operands import Operands
from cnvlutin2.timing.verify import convolve

Bits = NDArray[np.bool_]
Ints = NDArray[np.int64]
Values = NDArray[np.int16]
Scalar = TypeVar("Scalar", bound=np.generic)

_DENSE = {
    "layer_mode": "skip",
    "skip_activations": False,
    "skip_weights": "none",
    "lane_map": "sliced",
    "run_overhead": 0,
    "format": "dense",
    "detect": "dispatch",
}
"""How a skipping machine runs a layer dense: no mask, nobody waits for rows, and every lane has its slice."""


class Plan(NamedTuple):
    """Which values each lane takes, and in which order: no value yet. `R` kinds of runs are cut from a step.

    Parameters
    ----------
    taken : int32 ``[R, brick]``
        Which value of the step stands at each offset of a run; those of a run come first, behind them stands -1. In lock step, -2
        is an offset for which other lanes have a value and this one has none: a cycle passes.
    begins : int32 ``[lanes in use + 1]``
        The first run of each lane in a window, and the end. Lanes behind have no run at all.
    step_of, run_of : int32 ``[runs of a window]``
        The step of each, lane by lane as the lanes walk them, and which of the step's `R` runs it is.
    """

    taken: NDArray[np.int32]
    begins: NDArray[np.int32]
    step_of: NDArray[np.int32]
    run_of: NDArray[np.int32]

    @property
    def lanes_in_use(self) -> int:
        """Lanes that have a run in a window."""
        return self.begins.size - 1

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Runs of each lane in use."""
        return np.diff(self.begins)

    @property
    def longest(self) -> int:
        """Most runs of a lane in a window."""
        return int(self.lengths.max())


class Rows(NamedTuple):
    """What NM holds of a group: a row for each of the `R` runs at each place; the last place is the padding.

    Parameters
    ----------
    values : int16 ``[R, places + 1, brick]``
        As they were quantised; ineffectual ones too. 0 where a run has no value.
    effectual : bool ``[R, places + 1, brick]``
        Which of them are effectual: the others count as 0 in all products.
    seen : bool ``[R, places + 1, brick]``
        Which of them the lane takes for effectual, `m_A`.
    nm_rows : uint8 ``[R, places + 1]``
        NM rows that fetching the run touches, `r`.
    """

    values: Values
    effectual: Bits
    seen: Bits
    nm_rows: NDArray[np.uint8]


class PassWorkload(NamedTuple):
    """A pass of a group: what its lanes get in all windows of an image, and what must come out. `W` windows.

    Lane `l` walks, in window `w`, the rows ``(run_of[i], places[step_of[i], w])`` for `i` from ``begins[l]`` to ``begins[l+1]``;
    the one at `i` is its run ``q = i - begins[l]``, whose weights stand in SB from address ``q * brick`` on.

    Parameters
    ----------
    group, number : int
        Which group, and which of its passes.
    plan : Plan
    rows : Rows
    places : int32 ``[steps, W]``
        The place that each step of each window reads; the last one, ``rows.values.shape[1] - 1``, is the padding.
    weights : int16 ``[tiles, filters_per_tile, lanes, longest * brick]``
        SB, the ineffectual weights 0; seats without a filter, lanes without a run and offsets without a value hold 0.
    wanted : bool, as `weights`
        Which weights are not skipped: effectual ones (``per_filter``), those of an offset where some of the tile's weights are
        effectual (``shared``), all that have a value (``none``). Nothing in seats without a filter.
    occupied : bool ``[tiles, filters_per_tile]``
        Which seats have a filter.
    outputs : int64 ``[W, tiles, filters_per_tile]``
        The accumulators of every seat at the end of every window; 0 without a filter.
    window_ends : int64 ``[W]``
        The cycle of the pass in which each window has ended.
    """

    group: int
    number: int
    plan: Plan
    rows: Rows
    places: NDArray[np.int32]
    weights: Values
    wanted: Bits
    occupied: Bits
    outputs: Ints
    window_ends: Ints

    @property
    def windows(self) -> int:
        """Windows of an image."""
        return int(self.window_ends.size)

    @property
    def cycles(self) -> int:
        """Cycles of the pass."""
        return int(self.window_ends[-1])


@dataclass(frozen=True)
class Workload:
    """One image of a layer on an organisation: all passes of all groups.

    Parameters
    ----------
    layer : Layer
        Of one image.
    organisation : Organisation
    mode : {"skip", "dense"}
        How the layer runs.
    engine : Engine
        Who says when windows end.
    """

    layer: Layer
    organisation: Organisation
    mode: RunMode
    engine: Engine

    @cached_property
    def lock_step(self) -> bool:
        """Whether the machine has no lanes of their own: all take consecutive values of a step together."""
        return not self.organisation.skips

    @cached_property
    def operands(self) -> Operands:
        """What the lanes see, with the groups side by side that are computed so."""
        as_run = with_overrides(self.organisation, _DENSE) if self.mode == "dense" else self.organisation
        return Operands(ObservedLayer(self.layer), Schedule.of(self.layer.geometry, as_run))

    @property
    def schedule(self) -> Schedule:
        """How the layer falls on the machine."""
        return self.operands.schedule

    @cached_property
    def plan(self) -> Plan:
        """Which values each lane takes, and when."""
        return lock_step_plan(self.schedule) if self.lock_step else skipping_plan(self.schedule)

    @cached_property
    def outputs(self) -> Ints:
        """Integer accumulators of the thresholded tensors, ``[Co, windows]``."""
        outputs: Ints = convolve(self.layer).reshape(self.layer.filters, self.layer.windows)
        return outputs

    @cached_property
    def window_ends(self) -> Ints:
        """The cycle of its pass in which each window has ended, ``[groups, passes, windows]``."""
        ends: Ints = self.engine.window_ends(self.layer, self.organisation, self.mode)[0]
        return ends

    @property
    def cycles(self) -> int:
        """Cycles of the layer, over passes and groups."""
        return int(self.window_ends[..., -1].sum())

    def passes(self) -> Iterator[PassWorkload]:
        """Yield the passes, group after group."""
        schedule = self.schedule
        read = schedule.steps.places_read()
        places = np.where(read < 0, schedule.steps.places, read).astype(np.int32)
        for group in range(schedule.groups):
            rows = self.rows(group)
            for number in range(schedule.passes):
                yield self._pass(group, number, rows, places)

    def rows(self, group: int) -> Rows:
        """Return what NM holds of a group."""
        operands, taken = self.operands, self.plan.taken
        held = (taken >= 0)[:, None, :]

        def cut(by_value: NDArray[Scalar]) -> NDArray[Scalar]:
            """Cut ``[values of a step, places]`` into runs."""
            return np.moveaxis(by_value[np.maximum(taken, 0)], 1, 2)

        values = np.where(held, cut(operands.by_place(self.layer.activations)[group]), np.int16(0))
        effectual_ones = cut(operands.effectual[group]) & held
        if self.lock_step:  # all lanes take as long as the first
            seen = np.broadcast_to((taken != -1)[:, None, :], values.shape)
            return Rows(values, effectual_ones, seen, np.ones(values.shape[:2], np.uint8))
        return Rows(values, effectual_ones, cut(operands.seen[group]) & held, operands.rows[group])

    def _pass(self, group: int, number: int, rows: Rows, places: NDArray[np.int32]) -> PassWorkload:
        o, seats, plan = self.organisation, self.schedule.seats, self.plan
        own = np.flatnonzero(seats.pass_of == number)
        filters = group * seats.filters + own
        layer = self.operands.layer
        flat = layer.weights[filters].reshape(own.size, -1)
        kept = np.where(effectual(flat, layer.weight_threshold), flat, np.int16(0))
        met, held, due = self._met
        by_seat = np.zeros((o.tiles, o.filters_per_tile, *met.shape), np.int16)
        occupied = np.zeros((o.tiles, o.filters_per_tile), np.bool_)
        seat = seats.tile_of[own], seats.slot_of[own]
        by_seat[seat] = np.where(held, kept[:, met], np.int16(0))
        occupied[seat] = True
        outputs = np.zeros((self.layer.windows, o.tiles, o.filters_per_tile), np.int64)
        outputs[:, *seat] = self.outputs[filters].T
        wanted = self._wanted(by_seat, due) & occupied[..., None, None]
        ends = self.window_ends[group, number]
        return PassWorkload(group, number, plan, rows, places, by_seat, wanted, occupied, outputs, ends)

    @cached_property
    def _met(self) -> tuple[Ints, Bits, Bits]:
        """What stands at each address of each lane's bank, ``[lanes, words]``.

        Which of a filter's weights; whether there is one; whether the offset takes a cycle of a lane that skips nothing.
        """
        plan, lanes, brick = self.plan, self.organisation.lanes, self.organisation.brick
        met = np.zeros((lanes, plan.longest, brick), np.int64)
        held, due = np.zeros((2, *met.shape), np.bool_)
        weights = self.schedule.weights_met()
        for lane, (first, last) in enumerate(pairwise(plan.begins.tolist())):
            taken, own = plan.taken[plan.run_of[first:last]], (lane, slice(last - first))
            held[own], due[own] = taken >= 0, taken != -1
            met[own] = weights[plan.step_of[first:last, None], np.maximum(taken, 0)]
        return met.reshape(lanes, -1), held.reshape(lanes, -1), due.reshape(lanes, -1)

    def _wanted(self, weights: Values, due: Bits) -> Bits:
        kind = "none" if self.mode == "dense" else self.organisation.skip_weights
        effectual_ones: Bits = weights != 0
        if kind == "per_filter":
            return effectual_ones
        return np.broadcast_to(due if kind == "none" else effectual_ones.any(axis=1, keepdims=True), weights.shape)


def skipping_plan(schedule: Schedule) -> Plan:
    """Return what lanes that run apart take."""
    runs, order = schedule.runs, schedule.lane_order
    offset = np.arange(schedule.organisation.brick, dtype=np.int32)
    value = runs.starts[:, None] + offset
    taken = np.where(value < runs.stops[:, None], value, -1).astype(np.int32)
    return Plan(taken, order.begins, order.step_of, order.run_of)


def lock_step_plan(schedule: Schedule) -> Plan:
    """Return what lanes take that go together: lane `l` the values ``l, l + L, ..`` of every step, cut into runs of a brick.

    All lanes have runs of the same lengths; -2 is a cycle in which the others of the step have a value and the lane has none.
    """
    brick, by_cycle = schedule.organisation.brick, schedule.dense_values
    cycles, lanes = by_cycle.shape
    runs = -(-cycles // brick)
    taken = np.full((lanes, runs * brick), -1, np.int32)
    taken[:, :cycles] = np.where(by_cycle < 0, -2, by_cycle).T
    steps = schedule.steps.steps
    begins = np.arange(lanes + 1, dtype=np.int32) * np.int32(steps * runs)
    step, run = (a.ravel() for a in np.indices((steps, runs), dtype=np.int32))
    lane_first = np.repeat(np.arange(lanes, dtype=np.int32) * np.int32(runs), step.size)
    return Plan(taken.reshape(-1, brick), begins, np.tile(step, lanes), np.tile(run, lanes) + lane_first)
