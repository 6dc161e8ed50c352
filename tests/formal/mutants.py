"""Mutants of the design, each a small mistake, and the claim that it breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from barrier_spec import barrier_claims
from control_spec import control_claims
from dispatcher_spec import dispatcher_claims
from drift_spec import drift_claims
from fifo_spec import fifo_claims
from lane_spec import lane_claims
from prover import Claims
from windows_spec import windows_claims

from cnvlutin2.hardware.design import barrier, dispatcher, drift, fifo, front_ends, lane, streams, walk, window_control
from cnvlutin2.hardware.design.lane import LaneShape
from cnvlutin2.hardware.design.run_layout import Form, RowLayout, RunLayout

DESIGN = (barrier, dispatcher, drift, fifo, front_ends, lane, streams, walk, window_control)


@dataclass(frozen=True)
class Mutant:
    """One place of a module's source, what it becomes, and the claim of a design that this breaks."""

    module: ModuleType
    old: str
    new: str
    claims: Callable[[], Claims]
    broken: str


def _plain() -> Claims:
    return lane_claims(LaneShape(RunLayout(4, 2, rows_bits=2), q_bits=2), invariants=False)


def _weights() -> Claims:
    return lane_claims(LaneShape(RunLayout(4, 2, slot_offsets=True), 2, True, q_bits=2), invariants=False)


def _streams() -> Claims:
    return lane_claims(LaneShape(RunLayout(2, 2), 2, True, q_bits=2), invariants=False)


def _windows() -> Claims:
    return windows_claims(LaneShape(RunLayout(2, 2), q_bits=2), 2, invariants=False)


def _drift() -> Claims:
    return drift_claims(LaneShape(RunLayout(2, 2), 2, True, q_bits=3, drift=1), invariants=False)


def _barrier() -> Claims:
    return barrier_claims(3, 2, invariants=False)


def _fifo() -> Claims:
    return fifo_claims(2, 2, invariants=False)


def _control() -> Claims:
    return control_claims(invariants=False)


def _dispatcher(form: Form) -> Callable[[], Claims]:
    return lambda: dispatcher_claims(RowLayout(form, 4, 4), 2)


_STARTS = "self.load.eq(self.p_valid & ((self.run_last & ~self.last) | self.starved | self.go))"
_READY = "self.ready.eq(~self.p_valid | behind.load)"

MUTANTS = {
    "a bubble between runs": Mutant(
        walk, _STARTS, "self.load.eq(self.p_valid & (self.starved | self.go))", _plain, "accepts_whenever_it_can"
    ),
    "a run begins before the window opens": Mutant(
        walk,
        _STARTS,
        "self.load.eq(self.p_valid & (self.run_last | self.starved | self.go))",
        _plain,
        "issues_in_an_open_window_0",
    ),
    "a cycle more than there are values": Mutant(
        walk,
        "self.remaining.count(m, Cat(*after))",
        "self.remaining.count(m, self.rest.as_value())",
        _plain,
        "takes_exactly_its_cost",
    ),
    "the last value is dropped": Mutant(
        walk,
        "self.remaining.count(m, Cat(*after))",
        "self.remaining.count(m, Cat(*map(without_first, after)))",
        _plain,
        "never_idles_with_work_0",
    ),
    "the rows of a run take no time": Mutant(
        streams, "worked = worked & (self.hold == 0)", "pass", _plain, "takes_exactly_its_cost"
    ),
    "the highest value first": Mutant(
        streams,
        'm.Case("-" * (layout.brick - 1 - i) + "1" + "0" * i)',
        'm.Case("0" * (layout.brick - 1 - i) + "1" + "-" * i)',
        _plain,
        "issues_in_order_with_its_own_offset_0",
    ),
    "the neighbour's offset": Mutant(streams, "else i)", "else i ^ 1)", _plain, "issues_in_order_with_its_own_offset_0"),
    "a window ends with its first run": Mutant(
        walk,
        "self.wdone | (self.run_last & self.last)",
        "self.wdone | self.run_last",
        _plain,
        "ends_its_window_with_its_last_run",
    ),
    "a run every other cycle": Mutant(lane, _READY, "self.ready.eq(~self.p_valid)", _plain, "accepts_whenever_it_can"),
    "a held run is overwritten": Mutant(lane, _READY, "self.ready.eq(1)", _plain, "loses_nothing_at_the_handshake"),
    "runs are numbered on and on": Mutant(
        lane, "Mux(self.last, 0, self.next_q + 1)", "self.next_q + 1", _plain, "issues_of_the_run_0"
    ),
    "the masks of the run before": Mutant(
        lane, "self.mask_q.eq(self.next_q)", "self.mask_q.eq(self.p_q)", _streams, "reads_masks_with_the_run"
    ),
    "weights are not asked": Mutant(lane, "Mux(self.dense, held, held & weights)", "held", _weights, "issues_each_value_once_0"),
    "weights are asked by slot": Mutant(
        lane, "if self.shape.run.slot_offsets:", "if not self.shape.run.slot_offsets:", _weights, "never_idles_with_work_0"
    ),
    "a stream drifts too far": Mutant(
        drift, "room = (self.fill != self.entries) | self.shift", "room = self.opened", _drift, "loses_nothing_at_the_handshake"
    ),
    "a run comes in a cycle late": Mutant(
        drift,
        "room = (self.fill != self.entries) | self.shift",
        "room = self.fill != self.entries",
        _drift,
        "accepts_whenever_it_can",
    ),
    "a stream begins where it has been": Mutant(
        drift, "kept.eq(self.opened & (ended_after < self.fill))", "kept.eq(self.opened)", _drift, "issues_each_value_once_0"
    ),
    "entries move up too early": Mutant(
        drift,
        "self.shift.eq(Cat(*(ended_after[s] != 0 for s in every)).all())",
        "self.shift.eq(Cat(*(ended_after[s] != 0 for s in every)).any())",
        _drift,
        "issues_of_the_run_0",
    ),
    "a window opens before its runs are there": Mutant(
        barrier,
        "(self.p_valid | ~self.enable).all()",
        "(self.p_valid | ~self.enable).any()",
        _barrier,
        "opens_no_window_without_its_runs",
    ),
    "the barrier forgets a lane": Mutant(
        barrier, "(self.fin | ~self.enable).all()", "(self.fin[1:] | ~self.enable[1:]).all()", _barrier, "waits_for_every_lane"
    ),
    "a lane is cut off by the others": Mutant(
        barrier,
        "(self.fin | ~self.enable).all()",
        "(self.fin & self.enable).any()",
        _windows,
        "lane_0_begins_a_window_with_a_run",
    ),
    "a bubble between windows": Mutant(
        barrier, "(self.wend | ~self.open)", "~self.open", _barrier, "loses_no_cycle_between_windows"
    ),
    "a cycle of overhead too few": Mutant(
        barrier, "self.held == self.window_overhead", "self.held == self.window_overhead - 1", _barrier, "marks_the_last_cycle"
    ),
    "only cycles with a window open are counted": Mutant(
        window_control, "self.running & (self.open | opened)", "self.running & self.open", _control, "counts_every_clock_cycle"
    ),
    "the cycle of a window's end is left out": Mutant(
        window_control,
        "self.window_cycle.eq(self.cycles + 1)",
        "self.window_cycle.eq(self.cycles)",
        _control,
        "tells_when_a_window_ended",
    ),
    "a FIFO takes a run too many": Mutant(
        fifo, "self.in_ready.eq(level != self.depth)", "self.in_ready.eq(1)", _fifo, "keeps_order"
    ),
    "a FIFO waits until it is empty": Mutant(
        fifo, "(~self.out_valid | self.out_ready)", "~self.out_valid", _fifo, "gives_a_word_a_cycle"
    ),
    "a tile takes a run twice": Mutant(
        dispatcher,
        "taken.eq(self.row_valid[lane] & self.row_ready[lane])",
        "taken.eq(self.row_valid[lane])",
        _dispatcher("raw"),
        "gives_a_run_to_no_tile_twice",
    ),
    "a tile gets no run": Mutant(dispatcher, "ready.all()", "ready.any()", _dispatcher("raw"), "takes_a_run_when_all_tiles_can"),
    "the threshold itself is skipped": Mutant(
        front_ends, "magnitude >= self.threshold", "magnitude > self.threshold", _dispatcher("raw"), "finds_each_effectual_value"
    ),
    "packed values are taken one too far": Mutant(
        front_ends,
        "sum(vector[j] for j in range(i))",
        "sum(vector[j] for j in range(i + 1))",
        _dispatcher("packed_viai"),
        "finds_values_with_their_own_offsets",
    ),
    "raw records are taken for entries": Mutant(
        front_ends, "self.dense | ~self.row.record[0]", "self.dense", _dispatcher("roe"), "finds_each_effectual_value"
    ),
}
