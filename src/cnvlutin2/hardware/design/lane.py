"""`Lane`: walks the runs of a neuron lane and issues a value a cycle to every stream (docs/hardware.md)."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component

from cnvlutin2.hardware.design.drift import Drift
from cnvlutin2.hardware.design.hierarchy import place
from cnvlutin2.hardware.design.lock_step import LockStep
from cnvlutin2.hardware.design.streams import LaneShape
from cnvlutin2.hardware.design.walk import Walk

__all__ = ["Lane", "LaneShape"]


class Lane(Component):
    """A lane: P, the next run, and the current one (with a drift, the current and those that follow in NBin).

    Parameters
    ----------
    shape : LaneShape

    Attributes
    ----------
    dense : In
        Take weight masks for ones, and add no cycles for NM rows or run overhead: the layer runs dense. Does not change in a
        pass.
    valid, ready, run, last : In, Out, In, In
        The row port: a run is taken in a cycle in which both are 1; `last` says that it is the lane's last of the window. `ready`
        comes from registers and `go` alone.
    mask_en, mask_q, mask : Out, Out, In
        With weight masks: read those of run `mask_q` of the window. `mask` has them from the cycle after one with `mask_en` until
        the cycle of the next one, as a synchronous memory with a read enable gives them. `mask_en` is ``valid & ready``.
    p_valid, fin, go : Out, Out, In
        The lane holds a next run; it has no work of this window left after this cycle (or no window is open); the barrier opens
        the next window with the next cycle. `p_valid` and `fin` come from registers alone.
    starved : Out
        The window is open, and a run that is due has not come.
    val, act, off, q : Out
        Of every stream: whether it issues a value in this cycle, which one, its offset in the run, and the number of the run in
        the window; from registers alone. ``q * brick + off`` is its weight's place in SB. Without `val` the rest has no meaning.
    """

    def __init__(self, shape: LaneShape) -> None:
        self.shape = shape
        super().__init__(shape.signature)
        self.p_run = Signal(shape.run.shape, reset_less=True)
        self.p_last = Signal(reset_less=True)
        self.p_q = Signal(shape.q_bits, reset_less=True)
        self.next_q = Signal(shape.q_bits)
        self.behind: Walk | Drift = Drift(shape) if shape.drift else LockStep(shape) if shape.gapless else Walk(shape)

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m = Module()
        behind = self.behind
        place(m, platform, type(behind).__name__.lower(), behind)
        m.d.comb += [
            behind.dense.eq(self.dense),
            behind.p_valid.eq(self.p_valid),
            behind.p_run.eq(self.p_run),
            behind.p_last.eq(self.p_last),
            behind.p_q.eq(self.p_q),
            behind.go.eq(self.go),
            self.fin.eq(behind.fin),
            self.starved.eq(behind.starved),
            *(getattr(self, port).eq(getattr(behind, port)) for port in ("val", "act", "off", "q")),
            *(behind.p_masks[s].eq(self._wanted(s)) for s in range(self.shape.streams)),
            self.ready.eq(~self.p_valid | behind.load),
        ]
        with m.If(behind.load):
            m.d.sync += self.p_valid.eq(0)
        with m.If(self.valid & self.ready):
            m.d.sync += [
                self.p_valid.eq(1),
                self.p_run.eq(self.run),
                self.p_last.eq(self.last),
                self.p_q.eq(self.next_q),
                self.next_q.eq(Mux(self.last, 0, self.next_q + 1)),
            ]
        if self.shape.weight_masks:
            m.d.comb += [self.mask_en.eq(self.valid & self.ready), self.mask_q.eq(self.next_q)]
        return m

    def _wanted(self, s: int) -> Value:
        """Return which slots of P a stream has to issue."""
        held = self.p_run.mask
        if not self.shape.weight_masks:
            return held
        weights = self.mask[s]
        if self.shape.run.slot_offsets:
            weights = Cat(*(weights.bit_select(self.p_run.offsets[i], 1) for i in range(self.shape.run.brick)))
        return Mux(self.dense, held, held & weights)
