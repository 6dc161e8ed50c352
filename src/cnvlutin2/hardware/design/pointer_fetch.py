"""`PointerFetch`: finds the records of packed VIAI through the indirection array."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from cnvlutin2.encodings import get_format
from cnvlutin2.encodings.base import POINTER_UNIT_BITS
from cnvlutin2.hardware.design.encoders.record_layouts import packed_length
from cnvlutin2.hardware.parameters import most_rows

UNIT_DIGITS = POINTER_UNIT_BITS.bit_length() - 1
_FORMAT = "packed_viai"


class PointerFetch(Component):
    """Fetches a brick's record, and says how many NM rows it touched.

    It reads two memories: the indirection array, and NM's rows of ``R = B * b + B`` bits, in which the stream's bit `i` is bit
    ``i mod R`` of row ``i div R``. It reads one row after the other until the record is whole, then waits for the next place:
    a record is there ``3 + r`` cycles after its place went in, and with pointers for several bricks as many cycles later as the
    vectors stepped over have rows, and one more each. The model counts `r` alone, as of a unit that is never late.

    Parameters
    ----------
    brick, data_bits : int
    pointer_group : int
        Bricks to a pointer; up to ``pointer_group - 1`` records are stepped over by their vectors.
    pointer_bits : int
        Bits of a pointer, at least.
    coordinate_bits : int
        Bits of each of y, x and cb, and of what they are multiplied by.

    Attributes
    ----------
    row_bricks, position_bricks : In
        Bricks of a row of the map (``W * CB``) and of a position (``CB``). Row-packed: bricks of a row, and 1, and the brick in
        its row for x.
    places : stream, in
        Payload: ``y``, ``x``, ``cb``.
    records : stream, out
        Payload: ``bits``, as many as the largest record has, zero from its own end on; ``rows``, `r`, the rows that the
        record touches.
    pointer_en, pointer_address, pointer_data : Out, Out, In
        Reads the indirection array; a pointer counts 16-bit units. As of `Memory`, data come in the next cycle and stand.
    row_en, row_address, row_data : Out, Out, In
        Reads NM.
    """

    def __init__(self, brick: int, data_bits: int, pointer_group: int, pointer_bits: int, coordinate_bits: int) -> None:
        self.brick, self.data_bits, self.pointer_group = brick, data_bits, pointer_group
        most_bits = get_format(_FORMAT).most_bits(brick, data_bits)
        record = data.StructLayout({"bits": most_bits, "rows": range(most_rows(brick, data_bits) + 1)})
        super().__init__(
            {
                "row_bricks": In(coordinate_bits),
                "position_bricks": In(coordinate_bits),
                "places": In(stream.Signature(data.StructLayout(dict.fromkeys(("y", "x", "cb"), coordinate_bits)))),
                "records": Out(stream.Signature(record)),
                "pointer_en": Out(1),
                "pointer_address": Out(2 * coordinate_bits + 1),
                "pointer_data": In(pointer_bits),
                "row_en": Out(1),
                "row_address": Out(pointer_bits + UNIT_DIGITS),
                "row_data": In(brick * data_bits + brick),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m, records = Module(), self.records
        number, to_skip = Signal.like(self.pointer_address), Signal(range(self.pointer_group))
        unit, start = Signal(len(self.row_address)), Signal(range(len(self.row_data)))
        row, rows = Signal.like(self.row_address), Signal.like(records.payload.rows)
        read = _Read(m, self, start, rows)
        with m.If(records.ready):
            m.d.sync += records.valid.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                place, group = self.places.payload, divided(number, self.pointer_group)
                m.d.comb += [
                    number.eq(place.y * self.row_bricks + place.x * self.position_bricks + place.cb),
                    self.places.ready.eq(~records.valid | records.ready),
                    self.pointer_en.eq(self.places.valid & self.places.ready),
                    self.pointer_address.eq(group),
                ]
                with m.If(self.pointer_en):
                    m.d.sync += to_skip.eq(number - group * self.pointer_group)
                    m.next = "POINTER"
            with m.State("POINTER"):
                m.d.sync += unit.eq(self.pointer_data)
                m.next = "LOCATE"
            with m.State("LOCATE"):
                bit = Cat(Const(0, UNIT_DIGITS), unit)
                m.d.comb += self.row_en.eq(1), self.row_address.eq(divided(bit, len(self.row_data)))
                m.d.sync += row.eq(self.row_address), start.eq(bit - self.row_address * len(self.row_data)), rows.eq(1)
                m.d.sync += read.before.eq(0)
                m.next = "READ"
            with m.State("READ"):
                with m.If(~Mux(to_skip != 0, read.vector_whole, read.whole)):
                    m.d.comb += self.row_en.eq(1), self.row_address.eq(row + rows)
                    m.d.sync += rows.eq(rows + 1), read.before.eq(read.stored)
                with m.Elif(to_skip != 0):
                    m.d.sync += to_skip.eq(to_skip - 1), unit.eq(unit + (read.length >> UNIT_DIGITS))
                    m.next = "LOCATE"
                with m.Else():
                    m.d.sync += records.valid.eq(1), records.payload.bits.eq(read.record), records.payload.rows.eq(rows)
                    m.next = "IDLE"
        return m


class _Read:
    """What has been read from a record's first row on, the row that has just come included.

    Attributes
    ----------
    before, stored : Signal
        The rows read before, and with this one, from the first row's first bit on.
    vector_whole, whole : Signal
        The vector, and the record, is there to its end.
    length : Signal
        Bits of the record; has no meaning before its vector is whole.
    record : Value
        Its bits, zero from its end on.
    """

    def __init__(self, m: Module, unit: PointerFetch, start: Value, rows: Value) -> None:
        row_bits, brick, data_bits = len(unit.row_data), unit.brick, unit.data_bits
        most = most_rows(brick, data_bits)
        self.before, self.stored = Signal(most * row_bits, name="rows_before"), Signal(most * row_bits, name="rows_stored")
        record, there = Signal(len(unit.records.payload.bits), name="record"), Signal(range(most * row_bits + 1), name="there")
        moved, count = Signal(len(self.stored), name="row_moved"), Signal(range(brick + 1), name="count")
        self.length, self.vector_whole, self.whole = Signal(range(len(record) + 1)), Signal(), Signal()
        with m.Switch(rows):
            for number in range(1, most + 1):
                with m.Case(number):
                    below = Const(0, (number - 1) * row_bits)
                    m.d.comb += moved.eq(Cat(below, unit.row_data)), there.eq(number * row_bits - start)
        m.d.comb += [
            self.stored.eq(self.before | moved),
            record.eq(self.stored >> start),
            count.eq(sum(record[:brick], Const(0, 1))),
            self.length.eq(packed_length(count, brick, data_bits)),
            self.vector_whole.eq(there >= brick),
            self.whole.eq(there >= self.length),  # which is no less than the vector, whatever has come of it
        ]
        values = [record[brick + index * data_bits :][:data_bits] for index in range(brick)]
        self.record = Cat(record[:brick], *(Mux(count > index, value, 0) for index, value in enumerate(values)))


def divided(value: Value, divisor: int) -> Value:
    """Return an unsigned value divided by a constant, rounded down: a multiplication by the reciprocal, rounded up.

    With ``d <= 2^e`` and values below ``2^n``, ``ceil(2^(n+e) / d)`` is too large by less than ``2^-n`` of the quotient's unit:
    too little to carry any value over to the next quotient.
    """
    shift = len(value) + (divisor - 1).bit_length()
    return (value * Const(-(-(1 << shift) // divisor)))[shift:] if divisor > 1 else value
