"""`FilterSlot`: what a tile has for each of its filters: a multiplier a lane, an adder tree, an accumulator."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Signal, Value, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from cnvlutin2.hardware.design.hierarchy import place
from cnvlutin2.hardware.design.multiplier import Multiplier

LATENCY = 3
"""Cycles from activations and weights to the accumulator that has them."""


class FilterSlot(Component):
    """Multiplies what the lanes give, adds it up, and adds that to the accumulator of the window.

    Parameters
    ----------
    lanes, data_bits : int
    accumulator_bits : int
        Whatever a window adds up to has to fit.

    Attributes
    ----------
    activations, weights : In ``[lanes]``
        0 for a lane that issues nothing.
    first : In
        Two cycles after the activations: they are those of a window's first cycle.
    accumulator : Out
        Three cycles after the activations: what they and those before them in the window add up to.
    """

    def __init__(self, lanes: int, data_bits: int, accumulator_bits: int) -> None:
        self.lanes, self.data_bits, self.accumulator_bits = lanes, data_bits, accumulator_bits
        super().__init__(
            {
                "activations": In(data.ArrayLayout(signed(data_bits), lanes)),
                "weights": In(data.ArrayLayout(signed(data_bits), lanes)),
                "first": In(1),
                "accumulator": Out(signed(accumulator_bits)),
            }
        )
        self._kept = Signal(signed(accumulator_bits), name="kept_accumulator", reset_less=True)

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m = Module()
        products = []
        for lane in range(self.lanes):
            multiplier = Multiplier(self.data_bits)
            place(m, platform, f"multiplier_{lane}", multiplier)
            product = Signal(signed(2 * self.data_bits), name=f"product_{lane}", reset_less=True)
            m.d.comb += multiplier.activation.eq(self.activations[lane]), multiplier.weight.eq(self.weights[lane])
            m.d.sync += product.eq(multiplier.product)
            products.append(product)
        tree = adder_tree(products)
        total = Signal(tree.shape(), name="sum", reset_less=True)
        m.d.sync += total.eq(tree)
        kept = Signal(signed(self.accumulator_bits))
        with m.If(~self.first):
            m.d.comb += kept.eq(self._kept)
        m.d.sync += self._kept.eq(kept + total)
        m.d.comb += self.accumulator.eq(self._kept)
        return m


def adder_tree(values: Sequence[Value]) -> Value:
    """Return the sum of some values, added up two by two."""
    if len(values) == 1:
        return values[0]
    pairs = [sum(values[i + 1 : i + 2], values[i]) for i in range(0, len(values), 2)]
    return adder_tree(pairs)
