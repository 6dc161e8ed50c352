"""`Multiplier`: two's-complement, all bits of the product."""

from __future__ import annotations

from amaranth.hdl import Module, signed
from amaranth.lib.wiring import Component, In, Out


class Multiplier(Component):
    """A multiplier; combinational.

    Parameters
    ----------
    data_bits : int

    Attributes
    ----------
    activation, weight, product : In, In, Out
    """

    def __init__(self, data_bits: int) -> None:
        self.data_bits = data_bits
        super().__init__(
            {
                "activation": In(signed(data_bits)),
                "weight": In(signed(data_bits)),
                "product": Out(signed(2 * data_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m = Module()
        m.d.comb += self.product.eq(self.activation * self.weight)
        return m
