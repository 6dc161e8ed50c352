"""What a lane has to do whose streams may be some runs ahead of the slowest, told from its ports alone.

The specification numbers the runs of a window and counts how many each stream has ended, in the words of docs/model.md: a stream
begins run `q` when it has ended run ``q - 1`` and all have ended run ``q - 1 - drift``. The lane has entries that move up, and
places among them; that both always agree is what is proved.
"""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Mux, Signal, Value
from ports_spec import PortsSpec, count_ones, first_is_right, larger, less, without_first
from prover import Claims

from cnvlutin2.hardware.design.drift import Drift
from cnvlutin2.hardware.design.lane import Lane, LaneShape


class DriftSpec(PortsSpec):
    """Counts of runs within the window, modulo ``2**q_bits``.

    ``ended[s]``: how many a stream has ended, so the number of the one that it is at; ``slowest``: how many all have ended;
    ``come``: how many have come into NBin. The last of them stand in a ring, each at its number.
    """

    def __init__(self, claims: Claims, lane: Lane, go: Value | None = None) -> None:
        super().__init__(claims, lane, go)
        shape, streams = self.shape, range(self.shape.streams)
        self.ring = 1 << shape.drift.bit_length()  # more than `drift`, and a power of two
        assert shape.q_bits > shape.drift.bit_length() + 1, "counts are compared by their differences"
        self.open, self.closing, self.come, self.slowest = Signal(), Signal(), Signal(shape.q_bits), Signal(shape.q_bits)
        self.runs = Array(Signal(shape.run.shape, name=f"run_{i}") for i in range(self.ring))
        self.masks = [Array(Signal(shape.run.brick, name=f"mask_{i}_{s}") for i in range(self.ring)) for s in streams]
        self.ended = [Signal(shape.q_bits, name=f"ended_{s}") for s in streams]
        self.ended_after = [Signal(shape.q_bits, name=f"ended_after_{s}") for s in streams]
        self.busy = [Signal(name=f"busy_{s}") for s in streams]
        self.final = [Signal(name=f"final_{s}") for s in streams]
        self.todo = [Signal(shape.run.brick, name=f"todo_{s}") for s in streams]
        self.work = [Signal(range(shape.run.brick + 1), name=f"work_{s}") for s in streams]
        self.rows = [Signal(max(1, shape.run.rows_bits), init=1, name=f"rows_{s}") for s in streams]
        most = shape.run.brick + (1 << shape.run.rows_bits) + shape.run_overhead + 2
        self.elapsed = [Signal(range(most), name=f"elapsed_{s}") for s in streams]
        self.base = [larger(work, rows) for work, rows in zip(self.work, self.rows, strict=True)]
        self.slowest_after = Signal(shape.q_bits)
        self._step()

    def _ahead(self, count: Value, of: Value) -> Value:
        """How far a count is ahead of another one."""
        return (count - of)[: self.shape.q_bits]

    def _step(self) -> None:
        m, shape = self.claims.m, self.shape
        at_end = Cat(*(ended == self.come for ended in self.ended_after)).all()
        m.d.comb += [
            # Everybody ends one run in a cycle at most, and so does the slowest.
            self.slowest_after.eq(self.slowest + Cat(*(ended != self.slowest for ended in self.ended_after)).all()),
            self.fin.eq(~self.open | (self.closing & at_end)),
            self.load.eq(self.p_valid & (self.go | (self.open & ~self.closing & self._room()))),
        ]
        for s in range(shape.streams):
            m.d.comb += [
                self.final[s].eq(self.busy[s] & (self.elapsed[s] == self.base[s] + self.overhead)),
                self.ended_after[s].eq(self.ended[s] + self.final[s]),
            ]
            self._stream(s)
        m.d.sync += [self.slowest.eq(Mux(self.go, 0, self.slowest_after)), self.come.eq(Mux(self.go, 1, self.come + self.load))]
        with m.If(self.fin):
            m.d.sync += [self.open.eq(0), self.closing.eq(0), self.come.eq(self.slowest_after)]
        with m.If(self.load):
            place = Mux(self.go, 0, self.come)[: (self.ring - 1).bit_length()]
            m.d.sync += [self.open.eq(1), self.closing.eq(self.p_last), self.runs[place].eq(self.p_run)]
            m.d.sync += [self.masks[s][place].eq(self.p_mask(s)) for s in range(shape.streams)]
        with m.If(self.go):
            m.d.sync += self.come.eq(1)

    def _room(self) -> Value:
        """Whether the next run may come: some stream may begin it as soon as it has ended the one before."""
        return self._ahead(self.come, self.slowest_after) <= self.shape.drift

    def _stream(self, s: int) -> None:
        m, shape = self.claims.m, self.shape
        number = Signal(shape.q_bits, name=f"next_{s}")
        m.d.comb += number.eq(Mux(self.go, 0, self.ended_after[s]))
        here = self.open & (number != self.come)
        allowed = self._ahead(number, self.slowest_after) <= shape.drift
        coming = self.load & (self.go | (number == self.come))
        place = number[: (self.ring - 1).bit_length()]
        mask = Mux(coming, self.p_mask(s), self.masks[s][place])
        m.d.sync += [self.ended[s].eq(number), self.elapsed[s].eq(self.elapsed[s] + 1)]
        with m.If(self.lane.val[s]):
            m.d.sync += self.todo[s].eq(without_first(self.todo[s]))
        with m.If(self.final[s]):
            m.d.sync += self.busy[s].eq(0)
        with m.If((~self.busy[s] | self.final[s]) & (coming | (here & allowed))):
            m.d.sync += [self.busy[s].eq(1), self.elapsed[s].eq(1), self.todo[s].eq(mask), self.work[s].eq(count_ones(mask))]
            if shape.run.rows_bits:
                kept = self.runs[place].rows
                m.d.sync += self.rows[s].eq(Mux(coming, self.p_rows(), Mux(self.dense | (kept == 0), 1, kept)))

    def claim_all(self) -> Claims:
        """Claim what the ports have to do, and what binds the lane's registers to the specification's."""
        claims, lane = self.claims, self.lane
        room = self._ahead(self.come, self.slowest) <= self.shape.drift
        waiting = Cat(*(~busy & (ended == self.come) for busy, ended in zip(self.busy, self.ended, strict=True))).any()
        self.claim_ports(starved=self.open & ~self.closing & room & waiting)
        for s, todo in enumerate(self.todo):
            issued, run = lane.val[s], self.runs[self.ended[s][: (self.ring - 1).bit_length()]]
            claims.claim(f"never_idles_with_work_{s}", issued, when=todo.any())
            claims.claim(f"issues_each_value_once_{s}", todo.any(), when=issued)
            claims.claim(f"issues_in_an_open_window_{s}", self.open & self.busy[s], when=issued)
            claims.claim(f"issues_of_the_run_{s}", lane.q[s] == self.ended[s], when=issued)
            claims.claim(f"issues_all_of_a_run_{s}", ~without_first(todo).any(), when=self.final[s])
            claims.claim(f"issues_in_order_with_its_own_offset_{s}", first_is_right(lane, s, todo, run), when=issued)
            claims.claim(
                f"is_no_more_than_the_drift_ahead_{s}",
                self._ahead(self.ended[s], self.slowest) <= self.shape.drift,
                when=self.busy[s],
            )
        claims.claim("knows_the_slowest", Cat(*(ended == self.slowest for ended in self.ended)).any(), when=self.open)
        self._claim_invariants()
        return claims

    def _claim_invariants(self) -> None:
        claims, behind, shape = self.claims, self.lane.behind, self.shape
        assert isinstance(behind, Drift)
        come = self._ahead(self.come, self.slowest)
        claims.claim("invariant_state", (behind.opened == self.open) & (behind.closing == self.closing))
        claims.claim("invariant_closing", self.open, when=self.closing)
        claims.claim("invariant_fill", (behind.fill == come) & (come <= shape.drift + 1))
        claims.claim("invariant_some", come >= 1, when=self.closing)
        for i in range(behind.entries):
            place = (self.slowest + i)[: (self.ring - 1).bit_length()]
            same = [
                behind.runs[i].as_value() == self.runs[place].as_value(),
                behind.numbers[i] == (self.slowest + i)[: shape.q_bits],
                *(behind.masks[i][s] == self.masks[s][place] for s in range(shape.streams)),
            ]
            claims.claim(f"invariant_entry_{i}", Cat(*same).all(), when=self.open & (come > i))
        number = Mux(self.open & ~self.closing, self.come, 0)
        claims.claim("invariant_next", Mux(self.p_valid, self.p_q, self.next_q) == number)
        claims.claim("invariant_after_p", self.next_q == Mux(self.p_last, 0, self.p_q + 1)[: shape.q_bits], when=self.p_valid)
        for s in range(shape.streams):
            self._claim_stream(s, come)

    def _claim_stream(self, s: int, come: Value) -> None:
        claims, behind = self.claims, self.lane.behind
        assert isinstance(behind, Drift)
        claims.claim(f"takes_exactly_its_cost_{s}", behind.ends[s] == self.final[s])
        ahead = self._ahead(self.ended[s], self.slowest)
        claims.claim(f"invariant_rest_{s}", behind.rest[s] == self.todo[s])
        claims.claim(f"invariant_idle_{s}", self.todo[s] == 0, when=~self.busy[s])
        claims.claim(f"invariant_active_{s}", behind.active[s] == self.busy[s])
        claims.claim(f"invariant_ended_{s}", (behind.ended[s] == ahead) & (ahead <= come))
        claims.claim(f"invariant_busy_{s}", self.open & (ahead != come), when=self.busy[s])
        # Who does nothing has ended all that has come.
        claims.claim(f"invariant_waits_{s}", ahead == come, when=~self.busy[s])
        same = [
            self.rows[s] >= 1,
            self.elapsed[s] >= 1,
            self.elapsed[s] <= self.base[s] + self.overhead,
            self.work[s] <= self.shape.run.brick,
            count_ones(self.todo[s]) == less(self.work[s], self.elapsed[s] - 1),
        ]
        if behind.remaining[s].hold is not None:
            same.append(behind.remaining[s].hold == less(self.rows[s], self.elapsed[s]))
        if behind.remaining[s].extra is not None:
            same.append(behind.remaining[s].extra == self.overhead - less(self.elapsed[s], self.base[s]))
        claims.claim(f"invariant_now_{s}", Cat(*same).all(), when=self.busy[s])


def drift_claims(shape: LaneShape, *, invariants: bool = True) -> Claims:
    """All that is claimed of a lane with drift."""
    return DriftSpec(Claims(invariants=invariants), Lane(shape)).claim_all()
