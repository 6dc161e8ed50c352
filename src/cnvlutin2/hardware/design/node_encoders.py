"""`NodeEncoders`: the encoders of all tiles, where what a tile puts out is a storage brick."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, signed, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from cnvlutin2.hardware.design.encoders import TileEncoder
from cnvlutin2.hardware.design.hierarchy import place
from cnvlutin2.hardware.design.window_control import COUNT_BITS
from cnvlutin2.hardware.parameters import Parameters


class NodeEncoders(Component):
    """An encoder a tile, and how long the layer waits for them.

    Parameters
    ----------
    parameters : Parameters
        With `encoder_depth`.

    Attributes
    ----------
    accumulators, accumulators_valid : In
        Of all tiles.
    shift, rectify, threshold : In
        As of `TileEncoder`.
    filters_<t> : In
        Filters of each tile.
    start, running : In
        A pass begins; windows are left.
    valid_<t>, ready_<t>, record_<t>, length_<t> : Out, In, Out, Out
        The records of each tile.
    waited : Out
        Cycles from the end of the last window to the last record.
    busy, lost : Out
        Bricks are held or encoded; one found no place in this pass.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = p = parameters
        self._encoders = [TileEncoder(p, p.encoder_depth) for _ in range(p.tiles)]
        tile = {
            "filters": In(range(p.brick + 1)),
            "valid": Out(1),
            "ready": In(1),
            "record": Out(p.record_most_bits),
            "length": Out(p.record_length_bits),
        }
        super().__init__(
            {
                "accumulators": In(data.ArrayLayout(signed(p.accumulator_bits), p.tiles * p.filters_per_tile)),
                "accumulators_valid": In(1),
                "shift": In(range(p.accumulator_bits)),
                "rectify": In(1),
                "threshold": In(unsigned(p.data_bits)),
                "start": In(1),
                "running": In(1),
                "waited": Out(COUNT_BITS),
                "busy": Out(1),
                "lost": Out(1),
                **{f"{name}_{t}": port for t in range(p.tiles) for name, port in tile.items()},
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m, p = Module(), self.parameters
        for t, encoder in enumerate(self._encoders):
            place(m, platform, f"encoder_{t}", encoder)
            own = slice(t * p.filters_per_tile, (t + 1) * p.filters_per_tile)
            m.d.comb += [
                encoder.accumulators.eq(Cat(*(self.accumulators[i] for i in range(own.start, own.stop)))),
                encoder.accumulators_valid.eq(self.accumulators_valid),
                encoder.filters.eq(getattr(self, f"filters_{t}")),
                encoder.shift.eq(self.shift),
                encoder.rectify.eq(self.rectify),
                encoder.threshold.eq(self.threshold),
                encoder.clear.eq(self.start),
                getattr(self, f"valid_{t}").eq(encoder.records.valid),
                getattr(self, f"record_{t}").eq(encoder.records.payload.bits),
                getattr(self, f"length_{t}").eq(encoder.records.payload.length),
                encoder.records.ready.eq(getattr(self, f"ready_{t}")),
            ]
        m.d.comb += self.lost.eq(Cat(each.lost for each in self._encoders).any())
        m.d.comb += self.busy.eq(Cat(each.busy | each.records.valid for each in self._encoders).any())
        self._count(m)
        return m

    def _count(self, m: Module) -> None:
        """Count what the encoders take after the last window."""
        ended = Signal()
        coming = Signal(self.parameters.drain + 1)  # a window on its way from the lanes to here
        m.d.sync += coming.eq(coming << 1 | self.running)
        with m.If(self.start):
            m.d.sync += self.waited.eq(0), ended.eq(0)
        with m.Elif(self.running):
            m.d.sync += ended.eq(1)
        with m.Elif(ended & (self.busy | coming.any() | self.accumulators_valid)):
            m.d.sync += self.waited.eq(self.waited + 1)
