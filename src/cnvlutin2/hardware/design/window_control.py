"""`WindowControl`: begins and ends a pass, and counts its windows and cycles."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, In, Out

COUNT_BITS = 32
"""Bits of what is counted: windows and cycles."""


class WindowControl(Component):
    """Control of a pass: from ``start`` over all windows to ``done``.

    Parameters
    ----------
    drain : int
        Cycles from the end of a window to its outputs, less one.

    Attributes
    ----------
    start, windows : In
    open, wend, waits : In
        Of the barrier: a window is open; this is its last cycle. Some lane waits for a run that is due.
    running : Out
        From the cycle after ``start`` to the end of the last window.
    busy, done, cycles, starved : Out
        As `node` has them.
    window_ended, window_number, window_cycle : Out
        In the cycle after the end of a window: so it is, its number, and the cycle in which it ended.
    last : Out
        What leaves the tiles in this cycle belongs to the last window of the pass.
    number : Out
        The number of the window that leaves the tiles in this cycle, if any does.
    leaves : In
        A window leaves the tiles.
    """

    def __init__(self, drain: int) -> None:
        self.drain = drain
        one = ("start", "open", "wend", "waits", "leaves")
        counted = ("cycles", "starved", "window_number", "window_cycle", "number")
        super().__init__(
            {name: In(1) for name in one}
            | {"windows": In(COUNT_BITS)}
            | {name: Out(1) for name in ("running", "busy", "done", "window_ended", "last")}
            | {name: Out(COUNT_BITS) for name in counted}
        )
        self.ended = Signal(COUNT_BITS)
        self.opened = Signal()

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m = Module()
        ended, opened = self.ended, self.opened
        counts = Signal()
        m.d.comb += counts.eq(self.running & (self.open | opened))
        m.d.comb += self.last.eq(self.number == self.windows - 1), self.done.eq(self.busy & self.leaves & self.last)
        m.d.sync += self.window_ended.eq(self.wend)
        with m.If(self.open):
            m.d.sync += opened.eq(1)
        with m.If(counts):
            m.d.sync += self.cycles.eq(self.cycles + 1)
            with m.If(self.waits | ~self.open):
                m.d.sync += self.starved.eq(self.starved + 1)
        with m.If(self.wend):
            m.d.sync += ended.eq(ended + 1), self.window_number.eq(ended), self.window_cycle.eq(self.cycles + 1)
            with m.If(ended == self.windows - 1):
                m.d.sync += self.running.eq(0)
        with m.If(self.leaves):
            m.d.sync += self.number.eq(self.number + 1)
        with m.If(self.done):
            m.d.sync += self.busy.eq(0)
        with m.If(self.start):
            m.d.sync += [self.running.eq(1), self.busy.eq(1), opened.eq(0)]
            m.d.sync += [count.eq(0) for count in (ended, self.number, self.cycles, self.starved)]
        return m
