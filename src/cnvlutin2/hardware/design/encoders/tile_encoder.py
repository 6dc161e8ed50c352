"""`TileEncoder`: what a tile's accumulators go through on their way to NM, where they are a storage brick."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value, signed, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from cnvlutin2.hardware.design.encoders.encoder import encoder_for
from cnvlutin2.hardware.design.encoders.rescaler import Rescaler
from cnvlutin2.hardware.design.fifo import Fifo
from cnvlutin2.hardware.design.hierarchy import place
from cnvlutin2.hardware.parameters import Parameters


class TileEncoder(Component):
    """Rescales the accumulators of a window, holds the brick until the encoder has time for it, and encodes it.

    It does not press back on the lanes: a brick that finds no place is lost, and `lost` says so.

    Parameters
    ----------
    parameters : Parameters
        With `bricks_are_outputs`; the format and `encoder_values_per_cycle` are its organisation's.
    depth : int
        Bricks that wait, 2 or more. As many as a pass has windows never lose one.

    Attributes
    ----------
    accumulators, accumulators_valid : In
        As of `Tile`.
    filters : In
        Filters that the tile has in this pass; without any nothing is written. Like all that follows, it stands while the pass
        is encoded.
    shift, rectify : In
        As of `Rescaler`.
    threshold : In
        Of the layer that reads the records (`parameters.saturated_threshold`).
    clear : In
        Sets `lost` back.
    records : stream, out
        As of `Encoder`: a record a window.
    busy : Out
        A brick is held that is not encoded yet.
    lost : Out
        A brick found no place since it was set back.
    """

    def __init__(self, parameters: Parameters, depth: int) -> None:
        self.parameters, self.depth, p = parameters, depth, parameters
        organisation = p.organisation
        self._encoder = encoder_for(organisation.format, p.brick, p.data_bits, organisation.encoder_values_per_cycle)
        super().__init__(
            {
                "accumulators": In(data.ArrayLayout(signed(p.accumulator_bits), p.filters_per_tile)),
                "accumulators_valid": In(1),
                "filters": In(range(p.brick + 1)),
                "shift": In(range(p.accumulator_bits)),
                "rectify": In(1),
                "threshold": In(unsigned(p.data_bits)),
                "clear": In(1),
                "records": Out(stream.Signature(self._encoder.records.payload.shape())),
                "busy": Out(1),
                "lost": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m, encoder = Module(), self._encoder
        held = Fifo(self.parameters.brick * self.parameters.data_bits, self.depth)
        place(m, platform, "held", held)
        place(m, platform, "encoder", encoder)
        waiting = Signal(range(self.depth + 3))
        m.d.comb += [
            held.in_valid.eq(self.accumulators_valid & (self.filters != 0)),
            held.in_data.eq(self._rescaled(m, platform)),
            encoder.bricks.valid.eq(held.out_valid),
            Value.cast(encoder.bricks.payload["values"]).eq(held.out_data),
            encoder.bricks.payload.count.eq(self.filters),
            held.out_ready.eq(encoder.bricks.ready),
            encoder.threshold.eq(self.threshold),
            self.busy.eq((waiting != 0) | encoder.busy),
        ]
        connect(m, encoder.records, flipped(self.records))
        enters, leaves = held.in_valid & held.in_ready, held.out_valid & held.out_ready
        m.d.sync += waiting.eq(waiting + enters - leaves)
        with m.If(held.in_valid & ~held.in_ready):
            m.d.sync += self.lost.eq(1)
        with m.Elif(self.clear):
            m.d.sync += self.lost.eq(0)
        return m

    def _rescaled(self, m: Module, platform: object) -> Value:
        """Return the values of the brick."""
        p, values = self.parameters, []
        for index in range(p.brick):
            rescaler = Rescaler(p.accumulator_bits, p.data_bits)
            place(m, platform, f"rescaler_{index}", rescaler)
            m.d.comb += [
                rescaler.accumulator.eq(self.accumulators[index]),
                rescaler.shift.eq(self.shift),
                rescaler.rectify.eq(self.rectify),
            ]
            values.append(rescaler.value)
        return Cat(*values)
