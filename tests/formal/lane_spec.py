"""What a lane whose streams wait for each other at every run has to do, told from its ports alone.

The specification counts: a run's work is the number of its wanted values, and its cost follows from it (docs/model.md). The lane
has no such counter; that both always agree is what is proved.
"""

from __future__ import annotations

from functools import reduce

from amaranth.hdl import Cat, Const, Signal, Value
from ports_spec import PortsSpec, count_ones, first_is_right, larger, less, without_first
from prover import Claims

from cnvlutin2.hardware.design.lane import Lane, LaneShape
from cnvlutin2.hardware.design.lock_step import LockStep
from cnvlutin2.hardware.design.walk import Walk


class LaneSpec(PortsSpec):
    """The run that is worked on (``busy``), ``elapsed`` its cycles, this one included."""

    def __init__(self, claims: Claims, lane: Lane, go: Value | None = None) -> None:
        super().__init__(claims, lane, go)
        shape, streams = self.shape, range(self.shape.streams)
        self.open, self.busy, self.final = Signal(), Signal(), Signal()
        self.run, self.last, self.q = Signal(shape.run.shape), Signal(), Signal(shape.q_bits)
        self.todo = [Signal(shape.run.brick, name=f"todo_{s}") for s in streams]
        self.work = [Signal(range(shape.run.brick + 1), name=f"work_{s}") for s in streams]
        self.rows = Signal(max(1, shape.run.rows_bits), init=1)
        self.elapsed = Signal(range(shape.run.brick + (1 << shape.run.rows_bits) + shape.run_overhead + 2))
        self.base = larger(reduce(larger, self.work), self.rows)
        self._step()

    def _step(self) -> None:
        m = self.claims.m
        m.d.comb += [
            self.final.eq(self.busy & (self.elapsed == self.base + self.overhead)),
            self.load.eq(self.p_valid & ((self.final & ~self.last) | (self.open & ~self.busy) | self.go)),
            self.fin.eq(~self.open | (self.final & self.last)),
        ]
        m.d.sync += self.elapsed.eq(self.elapsed + 1)
        for s, todo in enumerate(self.todo):
            with m.If(self.lane.val[s]):
                m.d.sync += todo.eq(without_first(todo))
        with m.If(self.final):
            m.d.sync += [self.busy.eq(0), self.open.eq(~self.last)]
        with m.If(self.load):
            m.d.sync += [
                *(todo.eq(self.p_mask(s)) for s, todo in enumerate(self.todo)),
                *(work.eq(count_ones(self.p_mask(s))) for s, work in enumerate(self.work)),
                self.rows.eq(self.p_rows()),
                self.run.eq(self.p_run),
                self.last.eq(self.p_last),
                self.q.eq(self.p_q),
                self.elapsed.eq(1),
                self.busy.eq(1),
                self.open.eq(1),
            ]

    def claim_all(self) -> Claims:
        """Claim what the ports have to do, and what binds the lane's registers to the specification's."""
        claims, lane = self.claims, self.lane
        self.claim_ports(starved=self.open & ~self.busy)
        for s, todo in enumerate(self.todo):
            issued = lane.val[s]
            claims.claim(f"never_idles_with_work_{s}", issued, when=todo.any())
            claims.claim(f"issues_each_value_once_{s}", todo.any(), when=issued)
            claims.claim(f"issues_in_an_open_window_{s}", self.open & self.busy, when=issued)
            claims.claim(f"issues_of_the_run_{s}", lane.q[s] == self.q, when=issued)
            claims.claim(f"issues_all_of_a_run_{s}", ~without_first(todo).any(), when=self.final)
            claims.claim(f"issues_in_order_with_its_own_offset_{s}", first_is_right(lane, s, todo, self.run), when=issued)
        self._claim_invariants()
        return claims

    def _claim_invariants(self) -> None:
        claims, behind = self.claims, self.lane.behind
        assert isinstance(behind, Walk)
        claims.claim("takes_exactly_its_cost", behind.run_last == self.final)
        same = [
            behind.current.as_value() == self.run.as_value(),
            behind.last == self.last,
            behind.current_q == self.q,
            self.rows >= 1,
            self.elapsed >= 1,
            self.elapsed <= self.base + self.overhead,
            *(work <= self.shape.run.brick for work in self.work),
            *(count_ones(todo) == less(work, self.elapsed - 1) for todo, work in zip(self.todo, self.work, strict=True)),
        ]
        if behind.remaining.hold is not None:
            same.append(behind.remaining.hold == less(self.rows, self.elapsed))
        if behind.remaining.extra is not None:
            same.append(behind.remaining.extra == self.overhead - less(self.elapsed, self.base))
        claims.claim("invariant_now", Cat(*same).all(), when=self.busy)
        claims.claim("invariant_state", (behind.busy == self.busy) & (behind.wdone == ~self.open))
        claims.claim("invariant_open", self.open, when=self.busy)
        for s, todo in enumerate(self.todo):
            rest: Value = behind.rest[s]
            if isinstance(behind, LockStep):
                rest = (rest << behind.next_slot)[: len(todo)]
                claims.claim("invariant_slot", behind.next_slot == (self.elapsed - 1)[: len(behind.next_slot)], when=todo.any())
                claims.claim("invariant_cut", rest >> behind.next_slot == behind.rest[s], when=todo.any())
                claims.claim("invariant_gapless", self._is_gapless(behind.rest[s]))
                claims.claim("invariant_gapless_p", self._is_gapless(self.p_run.mask), when=self.p_valid)
            claims.claim(f"invariant_rest_{s}", rest == todo)
            claims.claim(f"invariant_idle_{s}", todo == Const(0), when=~self.busy)

    @staticmethod
    def _is_gapless(mask: Value) -> Value:
        return (mask & (mask + 1)) == 0


def lane_claims(shape: LaneShape, *, invariants: bool = True) -> Claims:
    """All that is claimed of a lane without drift."""
    return LaneSpec(Claims(invariants=invariants), Lane(shape)).claim_all()
