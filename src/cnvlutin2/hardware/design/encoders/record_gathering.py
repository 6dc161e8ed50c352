"""`Gathering`: the values that pass in a cycle, and how a record's parts are gathered from them over its cycles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from cnvlutin2.encodings.storage import offset_bits
from cnvlutin2.hardware.design.encoders.word_moves import moved_down, moved_up, to_the_front


class Gathering:
    """Collects a record's parts from the slots in which values pass.

    The slots of a cycle belong to the open record up to the first one that is marked as the last of its brick, those after it to
    the next record. Each method returns a part of the open record with this cycle's slots in it, to be taken in the cycle in
    which `completes` is 1, and makes the registers that it needs.

    Parameters
    ----------
    m : Module
    brick, data_bits : int
    slots : sequence of (Value, Value, Value)
        Of each slot: the stored bits, whether there is a value, whether it is the last one of its brick.
    threshold : Value
    advance : Value
        Whether the slots are taken in this cycle.
    """

    def __init__(
        self,
        m: Module,
        brick: int,
        data_bits: int,
        slots: Sequence[tuple[Value, Value, Value]],
        threshold: Value,
        advance: Value,
    ) -> None:
        self._m, self._advance = m, advance
        self.brick, self.data_bits = brick, data_bits
        self.values = [value for value, _, _ in slots]
        self._parted = len(slots) < brick
        """Whether a record takes several cycles; else every cycle's slots are those of one record."""
        self._own, self._next = self._parts(slots)
        self.completes = Signal(name="completes")
        m.d.comb += self.completes.eq(Cat(*(valid & last for _, valid, last in slots)).any())
        self._threshold = threshold

    @cached_property
    def offsets(self) -> list[Value]:
        """The offset of each slot's value in its brick."""
        bits = offset_bits(self.brick)
        if not self._parted:
            return [Const(index, bits) for index in range(len(self.values))]
        offsets = [Signal(bits, name=f"offset{index}") for index in range(len(self.values))]
        for index, offset in enumerate(offsets):
            self._m.d.comb += offset.eq(Mux(self._next[index], index - self._boundary, self._place + index))
        return offsets

    def in_place(self, name: str, words: Sequence[Value]) -> Value:
        """Return ``brick`` words, those of each value at its offset in the brick, 0 for its fill."""
        own = [Mux(part, word, 0) for word, part in zip(words, self._own, strict=True)]
        if not self._parted:
            return Cat(*own)[:]
        late = [Mux(part, word, 0) for word, part in zip(words, self._next, strict=True)]
        here = moved_up(self._m, name, own, self._place, self.brick)
        return self._held(name, here, moved_down(self._m, name, late, self._boundary))

    def at_front(self, name: str, words: Sequence[Value], most: int) -> Value:
        """Return `most` words: those of the effectual values in their order, from the front, then 0."""
        own = to_the_front(self._m, f"{name}_own", words, self._kept_own)
        if not self._parted:
            return own[: most * len(words[0])]
        width = len(words[0])
        late = to_the_front(self._m, f"{name}_next", words, self._kept_next)
        split = [own[index * width : (index + 1) * width] for index in range(len(words))]
        return self._held(name, moved_up(self._m, name, split, self._rank, most), late[: most * width])

    def count(self) -> Value:
        """Return how many of the brick's values are effectual."""
        count = Signal(range(self.brick + 1), name="count")
        before = self._rank if self._parted else 0
        self._m.d.comb += count.eq(_sum(self._kept_own) + before)
        return count

    def _parts(self, slots: Sequence[tuple[Value, Value, Value]]) -> tuple[list[Value], list[Value]]:
        """Return which slots belong to the open record, and which to the next one; where the next begins is kept."""
        own, late = Signal(len(slots), name="of_this"), Signal(len(slots), name="of_next")
        self._boundary = Signal(range(len(slots)), name="boundary")
        before: Value = Const(0, 1)
        for index, (_, valid, last) in enumerate(slots):
            self._m.d.comb += [own[index].eq(valid & ~before), late[index].eq(valid & before)]
            if self._parted and index + 1 < len(slots):
                ended = Signal(name=f"ended{index}")
                with self._m.If(last & ~before):
                    self._m.d.comb += self._boundary.eq(index + 1)
                self._m.d.comb += ended.eq(before | last)
                before = ended
        return list(own), list(late)

    @cached_property
    def effectual(self) -> list[Value]:
        """Whether each slot's value has the threshold's magnitude."""
        found = Signal(len(self.values), name="effectual")
        for index, value in enumerate(self.values):
            magnitude = Signal(self.data_bits, name=f"magnitude{index}")
            number = value.as_signed()
            self._m.d.comb += [magnitude.eq(Mux(number < 0, -number, number)), found[index].eq(magnitude >= self._threshold)]
        return list(found)

    @cached_property
    def _kept_own(self) -> list[Value]:
        return self._both("kept_own", self.effectual, self._own)

    @cached_property
    def _kept_next(self) -> list[Value]:
        return self._both("kept_next", self.effectual, self._next)

    def _both(self, name: str, some: Sequence[Value], others: Sequence[Value]) -> list[Value]:
        found = Signal(len(some), name=name)
        self._m.d.comb += found.eq(Cat(*some) & Cat(*others))
        return list(found)

    @cached_property
    def _place(self) -> Value:
        """How many of the open record's values passed in cycles before."""
        return self._counted("place", self._own, self._next)

    @cached_property
    def _rank(self) -> Value:
        """How many of these were effectual."""
        return self._counted("rank", self._kept_own, self._kept_next)

    def _counted(self, name: str, own: Sequence[Value], late: Sequence[Value]) -> Value:
        """Return how many slots of the open record were marked in cycles before."""
        register = Signal(range(self.brick + 1), name=name)
        with self._m.If(self._advance):
            self._m.d.sync += register.eq(Mux(self.completes, _sum(late), register + _sum(own)))
        return register

    def _held(self, name: str, here: Value, late: Value) -> Value:
        """Return a part with this cycle's own words, and keep it, or from the record's end on what already is of the next one."""
        register, whole = Signal(len(here), name=f"{name}_held"), Signal(len(here), name=name)
        self._m.d.comb += whole.eq(register | here)
        with self._m.If(self._advance):
            self._m.d.sync += register.eq(Mux(self.completes, late, whole))
        return whole


def _sum(bits: Sequence[Value]) -> Value:
    total: Value = Const(0, 1)
    for bit in bits:
        total = total + bit
    return total
