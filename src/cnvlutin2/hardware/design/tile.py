"""`Tile`: the weights of some filters in SB, and what multiplies and accumulates them."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from cnvlutin2.hardware.design.filter_slot import LATENCY, FilterSlot
from cnvlutin2.hardware.design.hierarchy import place
from cnvlutin2.hardware.design.memory import Memory
from cnvlutin2.hardware.parameters import Parameters

TILE_LATENCY = LATENCY + 1
"""Cycles from what a lane issues to the accumulators that have it: SB is read in the first."""


class Tile(Component):
    """A tile.

    A bank of SB holds the weights that are read together: a lane's, for all filters, or of each filter by itself where these have
    streams of their own.

    Parameters
    ----------
    parameters : Parameters

    Attributes
    ----------
    val, act, word : In ``[lanes * tile_streams]``
        Of stream `s` of lane `l`, at ``l * tile_streams + s``: whether it issues, its activation, and the place of the weight
        in its bank.
    first, wend : In
        It is a window's first cycle, and its last.
    weights_valid, weights_lane, weights_word, weights : In
        Writes the weights of all filters for a lane and a word.
    accumulators, accumulators_valid : Out
        Of the filters; valid in the one cycle in which they are those of a whole window.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = p = parameters
        streams = p.lanes * p.tile_streams
        super().__init__(
            {
                "val": In(streams),
                "act": In(data.ArrayLayout(p.data_bits, streams)),
                "word": In(data.ArrayLayout(p.word_bits, streams)),
                "first": In(1),
                "wend": In(1),
                "weights_valid": In(1),
                "weights_lane": In(p.lane_bits),
                "weights_word": In(p.word_bits),
                "weights": In(data.ArrayLayout(p.data_bits, p.filters_per_tile)),
                "accumulators": Out(data.ArrayLayout(signed(p.accumulator_bits), p.filters_per_tile)),
                "accumulators_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m, p = Module(), self.parameters
        first, wend = Signal(LATENCY), Signal(TILE_LATENCY)
        m.d.sync += first.eq((first << 1) | self.first), wend.eq((wend << 1) | self.wend)
        m.d.comb += self.accumulators_valid.eq(wend[-1])
        acts = [Signal(p.data_bits, name=f"act_{i}") for i in range(p.lanes * p.tile_streams)]
        for i, act in enumerate(acts):
            with m.If(self.val[i]):
                m.d.sync += act.eq(self.act[i])
            with m.Else():
                m.d.sync += act.eq(0)
        weights = self._weights(m, platform)
        for f in range(p.filters_per_tile):
            slot = FilterSlot(p.lanes, p.data_bits, p.accumulator_bits)
            place(m, platform, f"filter_{f}", slot)
            m.d.comb += slot.first.eq(first[-1]), self.accumulators[f].eq(slot.accumulator)
            for lane in range(p.lanes):
                stream = lane * p.tile_streams + f % p.tile_streams
                m.d.comb += slot.activations[lane].eq(acts[stream]), slot.weights[lane].eq(weights[lane][f])
        return m

    def _weights(self, m: Module, platform: object) -> list[list[Value]]:
        """Return the weight that each lane reads for each filter."""
        p = self.parameters
        together = p.filters_per_tile // p.tile_streams
        found = []
        for lane in range(p.lanes):
            writes = Signal(name=f"sb_{lane}_write")
            m.d.comb += writes.eq(self.weights_valid & (self.weights_lane == lane))
            read = []
            for s in range(p.tile_streams):
                stream = lane * p.tile_streams + s
                bank = Memory(p.data_bits * together, p.window_runs << p.offset_bits)
                place(m, platform, f"sb_{lane}" if p.tile_streams == 1 else f"sb_{lane}_{s}", bank)
                own = self.weights.as_value().word_select(s, bank.width)
                m.d.comb += [
                    bank.write_en.eq(writes),
                    bank.write_address.eq(self.weights_word),
                    bank.write_data.eq(own),
                    bank.read_en.eq(self.val[stream]),
                    bank.read_address.eq(self.word[stream]),
                ]
                read += [bank.read_data.word_select(f, p.data_bits) for f in range(together)]
            found.append(read)
        return found
