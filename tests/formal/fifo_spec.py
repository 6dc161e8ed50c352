"""What the FIFO in front of a lane has to do: give what it took, in order, as soon as it can."""

from __future__ import annotations

from unittest.mock import patch

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib.wiring import Component
from prover import Claims

from cnvlutin2.hardware.design import fifo
from cnvlutin2.hardware.design.memory import Memory


class VisibleMemory(Component):  # type: ignore[misc] # Amaranth has no types
    """The memory as its ports are told, with words that an invariant can name."""

    def __init__(self, width: int, depth: int) -> None:
        told = Memory(width, depth)
        told._MustUse__used = True
        super().__init__(told.signature)
        self.address_bits, self.rows = told.address_bits, Array(Signal(width, name=f"word_{i}") for i in range(depth))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        with m.If(self.write_en):
            m.d.sync += self.rows[self.write_address].eq(self.write_data)
        with m.If(self.read_en):
            m.d.sync += self.read_data.eq(self.rows[self.read_address])
        return m


def fifo_claims(width: int, depth: int, *, invariants: bool = True) -> Claims:
    """All that is claimed of a FIFO."""
    claims = Claims(invariants=invariants)
    with patch.object(fifo, "Memory", VisibleMemory):
        unit = fifo.Fifo(width, depth)
    m = claims.m
    m.submodules.fifo = unit
    m.d.comb += [
        unit.in_valid.eq(claims.free(1, "in_valid")),
        unit.in_data.eq(claims.free(width, "in_data")),
        unit.out_ready.eq(claims.free(1, "out_ready")),
    ]
    # The words that were taken and not given, the oldest first: one may stand in the memory's read register.
    words = [Signal(width, name=f"queue_{i}") for i in range(depth + 1)]
    count, taken, given, waited = Signal(range(depth + 2)), Signal(), Signal(), Signal()
    m.d.comb += [taken.eq(unit.in_valid & unit.in_ready), given.eq(unit.out_valid & unit.out_ready)]
    m.d.sync += [count.eq(count + taken - given), waited.eq(count > unit.out_valid)]
    for i, word in enumerate(words):
        behind = words[i + 1] if i < depth else word
        with m.If(taken & (count - given == i)):
            m.d.sync += word.eq(unit.in_data)
        with m.Elif(given):
            m.d.sync += word.eq(behind)

    claims.claim("keeps_order", (count > 0) & (unit.out_data == words[0]), when=unit.out_valid)
    claims.claim("accepts_while_there_is_room", unit.in_ready, when=count < depth)
    claims.claim("gives_a_word_a_cycle", unit.out_valid, when=waited)
    if invariants:
        stored = unit.words.rows
        claims.claim("invariant_count", (count == unit.level + unit.out_valid) & (unit.level <= depth))
        end = unit.head + unit.level
        claims.claim("invariant_tail", unit.tail == Mux(end >= depth, end - depth, end))
        claims.claim("invariant_places", (unit.head < depth) & (unit.tail < depth))
        same = []
        for i in range(depth):
            place = unit.head + i
            word = Mux(unit.out_valid, words[i + 1], words[i])
            same.append((unit.level <= i) | (stored[Mux(place >= depth, place - depth, place)] == word))
        claims.claim("invariant_words", Cat(*same).all())
    return claims
