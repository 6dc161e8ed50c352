"""`SelectingSlot`: a filter's slot where filters skip weights of their own, each multiplier with its own activation and bank."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from cnvlutin2.hardware.design.filter_slot import FilterSlot
from cnvlutin2.hardware.design.hierarchy import place
from cnvlutin2.hardware.design.memory import Memory
from cnvlutin2.hardware.parameters import Parameters


class SelectingSlot(Component):
    """A bank of SB a multiplier, and a `FilterSlot` behind them.

    Parameters
    ----------
    parameters : Parameters

    Attributes
    ----------
    val, act, word : In ``[lanes]``
        As of `Tile`, of this filter's streams.
    first : In
        As of `FilterSlot`, three cycles after what is issued.
    weights_write, weights_word, weight : In
        Bit `l`: writes the weight of lane `l`, and where.
    accumulator : Out
        Four cycles after what is issued.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = p = parameters
        super().__init__(
            {
                "val": In(p.lanes),
                "act": In(data.ArrayLayout(p.data_bits, p.lanes)),
                "word": In(data.ArrayLayout(p.word_bits, p.lanes)),
                "first": In(1),
                "weights_write": In(p.lanes),
                "weights_word": In(p.word_bits),
                "weight": In(p.data_bits),
                "accumulator": Out(signed(p.accumulator_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m, p = Module(), self.parameters
        slot = FilterSlot(p.lanes, p.data_bits, p.accumulator_bits)
        place(m, platform, "slot", slot)
        m.d.comb += slot.first.eq(self.first), self.accumulator.eq(slot.accumulator)
        for lane in range(p.lanes):
            act = Signal(p.data_bits, name=f"act_{lane}", reset_less=True)
            with m.If(self.val[lane]):
                m.d.sync += act.eq(self.act[lane])
            with m.Else():
                m.d.sync += act.eq(0)
            bank = Memory(p.data_bits, p.window_runs << p.offset_bits)
            place(m, platform, f"sb_{lane}", bank)
            m.d.comb += [
                bank.write_en.eq(self.weights_write[lane]),
                bank.write_address.eq(self.weights_word),
                bank.write_data.eq(self.weight),
                bank.read_en.eq(self.val[lane]),
                bank.read_address.eq(self.word[lane]),
                slot.activations[lane].eq(act),
                slot.weights[lane].eq(bank.read_data),
            ]
        return m
