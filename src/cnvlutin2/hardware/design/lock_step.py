"""`LockStep`: a lane of the dense machine, which takes value after value and finds nothing (docs/hardware.md)."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value

from cnvlutin2.hardware.design.streams import LaneShape
from cnvlutin2.hardware.design.walk import Walk


class LockStep(Walk):
    """The current run of a lane whose runs are gapless: a counter instead of a search for the next one of a mask.

    Parameters
    ----------
    shape : LaneShape
        With a stream, and without offsets or masks of weights.
    """

    def __init__(self, shape: LaneShape) -> None:
        super().__init__(shape)
        self.next_slot = Signal(shape.run.offset_bits)

    def _after(self, s: int) -> Value:
        return self.rest[s][1:]

    def _issue(self, m: Module, s: int) -> None:
        with m.If(self.load):
            m.d.sync += self.next_slot.eq(0)
        with m.Else():
            m.d.sync += self.next_slot.eq(self.next_slot + 1)
        m.d.comb += [self.val[s].eq(self.rest[s][0]), self.off[s].eq(self.next_slot)]
        with m.Switch(self.next_slot):
            for i in range(self.shape.run.brick):
                with m.Case(i):
                    m.d.comb += self.act[s].eq(self.current.values[i])
