"""`ValueQueue`: bricks in, their values out in order, some a cycle, across the ends of bricks."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from cnvlutin2.hardware.design.encoders.word_moves import moved_up


class ValueQueue(Component):
    """Shows the next values of the bricks that went in.

    A cycle's values may come from the end of one brick and the beginning of the next: so bricks that come without a gap pass at
    the full rate. They never come from three, nor hold two ends of bricks: a brick of fewer values than pass in a cycle enters
    only when nothing is left of the one before.

    Parameters
    ----------
    brick, data_bits : int
    slots : int
        Values that pass in a cycle, 1 to `brick`.

    Attributes
    ----------
    bricks : stream, in
        As of `Encoder`.
    advance : 1 bit, in
        The values shown are taken.
    values : in each slot ``value`` (its bits) and ``last`` (of its brick), out
        0 in slots without a value.
    filled : unsigned, out
        Values waiting, those shown included.
    """

    def __init__(self, brick: int, data_bits: int, slots: int) -> None:
        self.brick, self.data_bits, self.slots = brick, data_bits, slots
        self.room = brick if slots == brick else brick + slots - 1
        slot = data.StructLayout({"value": data_bits, "last": 1})
        super().__init__(
            {
                "bricks": In(stream.Signature(brick_layout(brick, data_bits))),
                "advance": In(1),
                "values": Out(data.ArrayLayout(slot, slots)),
                "filled": Out(range(self.room + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the circuit."""
        m = Module()
        width = self.data_bits + 1
        held = Signal(self.room * width)
        rest, left = Signal(self.room * width), Signal(range(self.room + 1))
        with m.If(self.advance):
            m.d.comb += [rest.eq(held[self.slots * width :]), left.eq(self._after_passing())]
        with m.Else():
            m.d.comb += [rest.eq(held), left.eq(self.filled)]
        m.d.comb += [
            Value.cast(self.values).eq(held[: self.slots * width]),
            self.bricks.ready.eq(self._has_room(left)),
        ]
        m.d.sync += [held.eq(rest), self.filled.eq(left)]
        with m.If(self.bricks.valid & self.bricks.ready):
            m.d.sync += [held.eq(rest | self._entering(m, left)), self.filled.eq(left + self.bricks.payload.count)]
        return m

    def _after_passing(self) -> Value:
        return Mux(self.filled > self.slots, self.filled - self.slots, 0)

    def _has_room(self, left: Value) -> Value:
        if self.slots == self.brick:
            return left == 0
        return (left == 0) | ((left < self.slots) & (self.bricks.payload.count >= self.slots))

    def _entering(self, m: Module, left: Value) -> Value:
        """Return the incoming brick's slots behind what is left; those of its fill are 0."""
        brick, words = self.bricks.payload, []
        for index in range(self.brick):
            there, last = index < brick.count, brick.count == index + 1
            words.append(Cat(Mux(there, brick["values"][index].as_unsigned(), 0), last))
        if self.room == self.brick:
            return Cat(*words)
        return moved_up(m, "entering", words, left[: (self.slots - 1).bit_length()], self.room)


def brick_layout(brick: int, data_bits: int) -> data.StructLayout:
    """Return the payload of a stream of bricks: the values as they are stored, and how many there are without the fill."""
    return data.StructLayout({"values": data.ArrayLayout(signed(data_bits), brick), "count": range(brick + 1)})
