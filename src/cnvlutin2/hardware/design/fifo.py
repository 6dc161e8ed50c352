"""`Fifo`: runs on their way to a lane of a tile."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, In, Out

from cnvlutin2.hardware.design.hierarchy import place
from cnvlutin2.hardware.design.memory import Memory


class Fifo(Component):
    """A first-in first-out memory; the word that leaves next stands in the register of its memory's read port.

    Parameters
    ----------
    width, depth : int
        Bits of a word, and words of the memory, 2 or more; with 3 a word can enter and one leave in every cycle.

    Attributes
    ----------
    in_valid, in_ready, in_data : In, Out, In
    out_valid, out_ready, out_data : Out, In, Out
        `in_ready` and `out_valid` come from registers alone.
    """

    def __init__(self, width: int, depth: int) -> None:
        self.width, self.depth = width, depth
        super().__init__(
            {
                "in_valid": In(1),
                "in_ready": Out(1),
                "in_data": In(width),
                "out_valid": Out(1),
                "out_ready": In(1),
                "out_data": Out(width),
            }
        )
        self.words = Memory(width, depth)
        self.level = Signal(range(depth + 1))
        self.head = Signal(self.words.address_bits)
        self.tail = Signal(self.words.address_bits)

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m = Module()
        words, level, head, tail = self.words, self.level, self.head, self.tail
        place(m, platform, "entries", words)
        takes = Signal()
        reads = Signal()
        m.d.comb += [
            self.in_ready.eq(level != self.depth),
            takes.eq(self.in_valid & self.in_ready),
            reads.eq((level != 0) & (~self.out_valid | self.out_ready)),
            words.write_en.eq(takes),
            words.write_address.eq(tail),
            words.write_data.eq(self.in_data),
            words.read_en.eq(reads),
            words.read_address.eq(head),
            self.out_data.eq(words.read_data),
        ]
        m.d.sync += level.eq(level + takes - reads)
        for moves, place_of in ((takes, tail), (reads, head)):
            with m.If(moves):
                with m.If(place_of == self.depth - 1):
                    m.d.sync += place_of.eq(0)
                with m.Else():
                    m.d.sync += place_of.eq(place_of + 1)
        with m.If(reads):
            m.d.sync += self.out_valid.eq(1)
        with m.Elif(self.out_ready):
            m.d.sync += self.out_valid.eq(0)
        return m
