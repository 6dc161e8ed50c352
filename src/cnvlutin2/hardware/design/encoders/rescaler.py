"""`Rescaler`: from an accumulator to the value that is stored."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib.wiring import Component, In, Out

from cnvlutin2.numeric import limits


class Rescaler(Component):
    """Takes an accumulator to the scale of what the layer writes: shifts, rounds half to even, saturates.

    Fraction bits of the accumulator are those of activations and weights together; `shift` is by how many they are more than
    those of the tensor that is written. The result is `cnvlutin2.numeric.quantise` of the accumulator's value.

    Parameters
    ----------
    accumulator_bits, data_bits : int

    Attributes
    ----------
    accumulator : In, signed
    shift : In
        0 to ``accumulator_bits - 1``.
    rectify : In
        Negative accumulators become 0 first (ReLU).
    value : Out, signed, `data_bits` bits
    """

    def __init__(self, accumulator_bits: int, data_bits: int) -> None:
        self.accumulator_bits, self.data_bits = accumulator_bits, data_bits
        super().__init__(
            {
                "accumulator": In(signed(accumulator_bits)),
                "shift": In(range(accumulator_bits)),
                "rectify": In(1),
                "value": Out(signed(data_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m = Module()
        rectified = Signal(signed(self.accumulator_bits))
        quotient = Signal(signed(self.accumulator_bits))
        rounded = Signal(signed(self.accumulator_bits + 1))
        half = Signal(self.accumulator_bits)
        low, high = limits(self.data_bits)
        m.d.comb += [
            rectified.eq(Mux(self.rectify & (self.accumulator < 0), 0, self.accumulator)),
            quotient.eq(rectified >> self.shift),
            half.eq((1 << self.shift) >> 1),  # one less, and one more from an odd quotient: so a half goes to the even one
            rounded.eq((rectified + Mux(self.shift == 0, 0, half - 1 + quotient[0])) >> self.shift),
            self.value.eq(Mux(rounded < low, low, Mux(rounded > high, high, rounded))),
        ]
        return m
