"""`Tile`: the weights of some filters in SB, and what multiplies and accumulates them."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from cnvlutin2.hardware.design.filter_slot import LATENCY, FilterSlot
from cnvlutin2.hardware.design.hierarchy import place
from cnvlutin2.hardware.design.memory import Memory
from cnvlutin2.hardware.design.selecting_slot import SelectingSlot
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
        first = Signal(LATENCY, name="first_at")
        wend = Signal(TILE_LATENCY, name="wend_at")
        writes = Signal(p.lanes)
        m.d.sync += first.eq((first << 1) | self.first), wend.eq((wend << 1) | self.wend)
        m.d.comb += self.accumulators_valid.eq(wend[-1])
        m.d.comb += [writes[lane].eq(self.weights_valid & (self.weights_lane == lane)) for lane in range(p.lanes)]
        if p.skip_weights == "per_filter":
            self._selecting_slots(m, platform, first[-1], writes)
        else:
            self._slots(m, platform, first[-1], writes)
        return m

    def _selecting_slots(self, m: Module, platform: object, first: Value, writes: Signal) -> None:
        """Put in slots with banks of their own: a multiplier reads its weight where its stream says."""
        p = self.parameters
        for f in range(p.filters_per_tile):
            slot = SelectingSlot(p)
            place(m, platform, f"filter_{f}", slot)
            m.d.comb += [
                slot.first.eq(first),
                slot.weights_write.eq(writes),
                slot.weights_word.eq(self.weights_word),
                slot.weight.eq(self.weights[f]),
                self.accumulators[f].eq(slot.accumulator),
                slot.val.eq(Cat(self.val[lane * p.tile_streams + f] for lane in range(p.lanes))),
                slot.act.eq(Cat(self.act[lane * p.tile_streams + f] for lane in range(p.lanes))),
                slot.word.eq(Cat(self.word[lane * p.tile_streams + f] for lane in range(p.lanes))),
            ]

    def _slots(self, m: Module, platform: object, first: Value, writes: Signal) -> None:
        """Put in a bank a lane, whose words are the weights of all filters, and slots to which lanes give the same."""
        p = self.parameters
        slots = [FilterSlot(p.lanes, p.data_bits, p.accumulator_bits) for _ in range(p.filters_per_tile)]
        for f, slot in enumerate(slots):
            place(m, platform, f"filter_{f}", slot)
            m.d.comb += slot.first.eq(first), self.accumulators[f].eq(slot.accumulator)
        for lane in range(p.lanes):
            act = Signal(p.data_bits, name=f"act_{lane}", reset_less=True)
            with m.If(self.val[lane]):
                m.d.sync += act.eq(self.act[lane])
            with m.Else():
                m.d.sync += act.eq(0)
            bank = Memory(p.data_bits * p.filters_per_tile, p.window_runs << p.offset_bits)
            place(m, platform, f"sb_{lane}", bank)
            m.d.comb += [
                bank.write_en.eq(writes[lane]),
                bank.write_address.eq(self.weights_word),
                bank.write_data.eq(self.weights),
                bank.read_en.eq(self.val[lane]),
                bank.read_address.eq(self.word[lane]),
            ]
            for f, slot in enumerate(slots):
                m.d.comb += slot.activations[lane].eq(act), slot.weights[lane].eq(bank.read_data.word_select(f, p.data_bits))
