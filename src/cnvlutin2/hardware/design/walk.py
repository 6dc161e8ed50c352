"""`Walk`: a lane's streams work on the current run, and all wait for the slowest of them (docs/hardware.md)."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib.wiring import Component

from cnvlutin2.hardware.design.streams import LaneShape, Remaining, issue_first, rows_of, without_first


class Walk(Component):
    """The current run of a lane.

    Parameters
    ----------
    shape : LaneShape

    Attributes
    ----------
    as of `LaneShape.behind_p`

    Notes
    -----
    ``rest`` is what every stream has not issued yet. The run ends with the cycle after which nothing is left of it, so that an
    empty run takes its one cycle without further logic.
    """

    def __init__(self, shape: LaneShape) -> None:
        self.shape = shape
        super().__init__(shape.behind_p)
        self.busy = Signal()
        self.wdone = Signal(init=1)
        self.current = Signal(shape.run.shape, reset_less=True)
        self.rest = Signal(shape.masks)
        self.last = Signal(reset_less=True)
        self.current_q = Signal(shape.q_bits, reset_less=True)
        self.remaining = Remaining(shape)
        self.run_last = Signal()

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m = Module()
        after = [self._after(s) for s in range(self.shape.streams)]
        m.d.comb += [
            self.run_last.eq(self.busy & self.remaining.count(m, Cat(*after))),
            self.fin.eq(self.wdone | (self.run_last & self.last)),
            self.starved.eq(~self.busy & ~self.wdone),
            self.load.eq(self.p_valid & ((self.run_last & ~self.last) | self.starved | self.go)),
        ]
        m.d.sync += [self.rest[s].eq(after[s]) for s in range(self.shape.streams)]
        with m.If(self.run_last):
            m.d.sync += [self.busy.eq(0), self.wdone.eq(self.last)]
        with m.If(self.load):
            m.d.sync += [
                self.busy.eq(1),
                self.wdone.eq(0),
                self.current.eq(self.p_run),
                self.rest.eq(self.p_masks),
                self.last.eq(self.p_last),
                self.current_q.eq(self.p_q),
            ]
            self.remaining.begin(m, rows_of(self.p_run, self.shape.run), self.dense)
        for s in range(self.shape.streams):
            m.d.comb += self.q[s].eq(self.current_q)
            self._issue(m, s)
        return m

    def _after(self, s: int) -> Value:
        """Return what is left for a stream after this cycle."""
        return without_first(self.rest[s])

    def _issue(self, m: Module, s: int) -> None:
        """Let a stream issue the first value that is left."""
        m.d.comb += self.val[s].eq(self.rest[s].any())
        issue_first(m, self.rest[s], self.current, self.shape.run, self.act[s], self.off[s])
