"""`Encoder`: what stands behind a tile, or behind what puts bricks together."""

from __future__ import annotations

from amaranth.hdl import Module, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from cnvlutin2.encodings import get_format
from cnvlutin2.errors import ConfigError
from cnvlutin2.hardware.design.encoders.record_gathering import Gathering
from cnvlutin2.hardware.design.encoders.record_layouts import RECORDS
from cnvlutin2.hardware.design.encoders.value_queue import ValueQueue, brick_layout
from cnvlutin2.hardware.design.hierarchy import place


class Encoder(Component):
    """Encodes bricks, some values a cycle.

    Parameters
    ----------
    format_name : str
        One that has an encoder (`encoder_for`).
    brick : int
        Values a brick.
    data_bits : int
        Bits of a value as it is stored.
    values_per_cycle : int
        Values that pass in a cycle (`encoder_values_per_cycle`); 0 or `brick` and more: a brick a cycle.

    Attributes
    ----------
    threshold : unsigned, `data_bits` bits, in
        A value is effectual if its magnitude is at least this (`parameters.saturated_threshold`). It stands while values pass.
    bricks : stream, in
        Payload: ``values``, `brick` signed integers as they are stored, those from ``count`` on being ignored and stored as 0;
        ``count``, the values that the brick has without its fill, 1 to `brick`. `ready` may depend on ``count``.
    records : stream, out
        Payload: ``bits``, as many as the largest record has, zero from its own end on; ``length``, the record's bits.
        A record a brick, in order.
    busy : 1 bit, out
        Values are waiting or passing. `v` values of bricks that come without a gap keep it at 1 for ``ceil(v / n)`` cycles
        (a brick is never done in less than one), beginning with the cycle after the first brick's transfer; the last record is
        valid in the cycle in which it falls.
    """

    def __init__(self, format_name: str, brick: int, data_bits: int, values_per_cycle: int) -> None:
        self.format_name, self.brick, self.data_bits = format_name, brick, data_bits
        self.slots = min(values_per_cycle or brick, brick)
        most_bits = get_format(format_name).most_bits(brick, data_bits)
        super().__init__(
            {
                "threshold": In(unsigned(data_bits)),
                "bricks": In(stream.Signature(brick_layout(brick, data_bits))),
                "records": Out(stream.Signature(data.StructLayout({"bits": most_bits, "length": range(most_bits + 1)}))),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the circuit: a queue of values, what gathers a record from those that pass, and a register for it."""
        m = Module()
        queue = ValueQueue(self.brick, self.data_bits, self.slots)
        place(m, platform, "queue", queue)
        connect(m, flipped(self.bricks), queue.bricks)
        slots = [(queue.values[index].value, index < queue.filled, queue.values[index].last) for index in range(self.slots)]
        gathered = Gathering(m, self.brick, self.data_bits, slots, self.threshold, queue.advance)
        record, payload = RECORDS[self.format_name](gathered), self.records.payload
        m.d.comb += [
            queue.advance.eq(~gathered.completes | ~self.records.valid | self.records.ready),
            self.busy.eq(queue.filled != 0),
        ]
        with m.If(self.records.ready):
            m.d.sync += self.records.valid.eq(0)
        with m.If(queue.advance & gathered.completes):
            m.d.sync += [self.records.valid.eq(1), payload.bits.eq(record.bits), payload.length.eq(record.length)]
        return m


def encoder_for(format_name: str, brick: int, data_bits: int, values_per_cycle: int) -> Encoder:
    """Return the encoder of a format.

    Raises
    ------
    ConfigError
        If no encoder is built for the format; names those for which there is one.
    """
    if format_name not in RECORDS:
        raise ConfigError(
            f"no encoder is built for {format_name!r}; use one of {', '.join(RECORDS)}, or give it one "
            "in cnvlutin2.hardware.design.encoders.record_layouts",
            where="format",
        )
    return Encoder(format_name, brick, data_bits, values_per_cycle)
