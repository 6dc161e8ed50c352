"""What is common to the specifications of all lanes: the ports, and the run that the lane holds ready."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Mux, Signal, Value
from prover import Claims

from cnvlutin2.hardware.design.lane import Lane
from cnvlutin2.hardware.design.run_layout import RunLayout


def count_ones(bits: Value) -> Value:
    return sum((bits[i] for i in range(1, len(bits))), bits[0])


def larger(a: Value, b: Value) -> Value:
    return Mux(a > b, a, b)


def less(a: Value, b: Value) -> Value:
    """``a - b``, or 0."""
    return Mux(a > b, a - b, 0)


def wanted(layout: RunLayout, run: Value, weights: Value | None, dense: Value) -> Value:
    """Which slots of a run a stream has to issue: those whose weight, at the slot's own offset, is wanted too."""
    found = []
    for i in range(layout.brick):
        weight: Value = weights[i] if weights is not None else None
        if weights is not None and layout.slot_offsets:
            weight = Cat(*((run.offsets[i] == offset) & weights[offset] for offset in range(layout.brick))).any()
        found.append(run.mask[i] if weight is None else run.mask[i] & (weight | dense))
    return Cat(*found)


def without_first(todo: Value) -> Value:
    """A slot stays if there is something to issue in one below it."""
    return Cat(*(todo[i] & (todo[:i].any() if i else 0) for i in range(len(todo))))


def first_is_right(lane: Lane, s: int, todo: Value, run: Value) -> Value:
    """Whether a stream issues the first value to do of a run, with its own offset."""
    layout, right = lane.shape.run, []
    for i in range(layout.brick):
        first = todo[i] & ~(todo[:i].any() if i else 0)
        offset = run.offsets[i] if layout.slot_offsets else i
        right.append(~first | ((lane.off[s] == offset) & (lane.act[s] == run.values[i])))
    return Cat(*right).all()


class PortsSpec:
    """A lane's ports, free but for what the barrier promises, and P: the run that was taken last and is not begun.

    Without a barrier, `go` comes whenever the lane has ended its window and holds a run.

    Subclasses say when it is begun (`load`) and when nothing of the window is left after a cycle (`fin`).
    """

    def __init__(self, claims: Claims, lane: Lane, go: Value | None = None) -> None:
        self.claims, self.lane, self.shape = claims, lane, lane.shape
        shape, m = lane.shape, claims.m
        m.submodules += lane
        self.dense, self.go = claims.constant(1, "dense"), claims.free(1, "go") if go is None else go
        m.d.comb += [lane.dense.eq(self.dense), lane.go.eq(self.go)]
        for name, width in (("valid", 1), ("run", shape.run.shape), ("last", 1)):
            m.d.comb += getattr(lane, name).eq(claims.free(width, name))
        if shape.gapless:
            claims.assume((lane.run.mask & (lane.run.mask + 1)) == 0)
        self.overhead = Mux(self.dense, 0, shape.run_overhead)
        self.load, self.fin, self.taken = Signal(), Signal(), Signal()
        self.p_valid, self.p_last, self.p_q = Signal(), Signal(), Signal(shape.q_bits)
        self.p_run, self.next_q = Signal(shape.run.shape), Signal(shape.q_bits)
        self.weights = Signal(shape.masks)
        m.d.comb += self.taken.eq(lane.valid & lane.ready)
        if go is None:
            claims.assume(~self.go | (self.fin & self.p_valid))
        with m.If(self.load):
            m.d.sync += self.p_valid.eq(0)
        with m.If(self.taken):
            m.d.sync += [
                self.p_valid.eq(1),
                self.p_run.eq(lane.run),
                self.p_last.eq(lane.last),
                self.p_q.eq(self.next_q),
                self.next_q.eq(Mux(lane.last, 0, self.next_q + 1)),
            ]
        if shape.weight_masks:
            # The memory of the masks: what is read stands until the next reading. Which masks it holds is free.
            read = claims.free(shape.masks, "read")
            with m.If(lane.mask_en):
                m.d.sync += self.weights.eq(read)
            m.d.comb += lane.mask.eq(self.weights)

    def p_mask(self, s: int) -> Value:
        """What a stream has to issue of P's run."""
        weights = self.weights[s] if self.shape.weight_masks else None
        return wanted(self.shape.run, self.p_run, weights, self.dense)

    def p_rows(self) -> Value:
        """The cycles that P's run takes at least."""
        return Mux(self.dense, 1, larger(self.p_run.rows, Const(1))) if self.shape.run.rows_bits else Const(1)

    def claim_ports(self, starved: Value) -> None:
        """Claim what has to happen at the row port, and to the barrier."""
        claims, lane = self.claims, self.lane
        claims.claim("holds_its_next_run", lane.p_valid == self.p_valid)
        claims.claim("accepts_whenever_it_can", lane.ready, when=~self.p_valid | self.load)
        claims.claim("loses_nothing_at_the_handshake", ~lane.ready, when=self.p_valid & ~self.load)
        claims.claim("ends_its_window_with_its_last_run", lane.fin == self.fin)
        claims.claim("is_starved_only_without_a_run", lane.starved == starved)
        if self.shape.weight_masks:
            claims.claim(
                "reads_masks_with_the_run", (lane.mask_en == self.taken) & (~lane.mask_en | (lane.mask_q == self.next_q))
            )
        same = [lane.p_run.as_value() == self.p_run.as_value(), lane.p_last == self.p_last, lane.p_q == self.p_q]
        claims.claim("invariant_p", Cat(*same).all(), when=self.p_valid)
        claims.claim("invariant_number", lane.next_q == self.next_q)
