"""`Barrier`: opens a window when all lanes have ended the one before (docs/hardware.md)."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Out


class Barrier(Component):
    """Lets lanes wait for the slowest of them at the end of every window.

    Parameters
    ----------
    lanes : int
        How many wait for each other, those of all tiles.
    window_overhead : int
        Cycles added to every window.

    Attributes
    ----------
    enable : In
        The lanes that have runs in this pass, at least one; does not change in a pass.
    fin, p_valid : In
        Of every lane (`Lane`).
    go : Out
        The next cycle is the first of a window: the lanes load their first runs. Comes when no window is open after this cycle
        and all lanes hold a run.
    first, wend : Out
        This cycle is the first of a window; it is its last, overhead included.
    open : Out
        A window is open in this cycle.
    """

    def __init__(self, lanes: int, window_overhead: int = 0) -> None:
        self.lanes, self.window_overhead = lanes, window_overhead
        super().__init__(
            {
                "enable": In(lanes),
                "fin": In(lanes),
                "p_valid": In(lanes),
                "go": Out(1),
                "first": Out(1),
                "wend": Out(1),
                "open": Out(1),
            }
        )
        self.all_fin = Signal()
        self.held = Signal(range(window_overhead + 1)) if window_overhead else None

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m = Module()
        m.d.comb += [
            self.all_fin.eq((self.fin | ~self.enable).all()),
            self.wend.eq(self.open & self.all_fin & self._held_long_enough(m)),
            self.go.eq((self.wend | ~self.open) & (self.p_valid | ~self.enable).all() & self.enable.any()),
        ]
        m.d.sync += [self.first.eq(self.go), self.open.eq(self.go | (self.open & ~self.wend))]
        return m

    def _held_long_enough(self, m: Module) -> Value:
        """Count the window's overhead once all lanes have ended, and return whether it is over with this cycle."""
        if self.held is None:
            return Const(1)
        over = self.held == self.window_overhead
        with m.If(self.open & self.all_fin):
            m.d.sync += self.held.eq(Mux(over, 0, self.held + 1))
        return over
