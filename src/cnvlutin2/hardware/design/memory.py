"""`Memory`: one write and one read port, and the data read stand until the next read."""

from __future__ import annotations

from collections.abc import Mapping

from amaranth.hdl import Module
from amaranth.lib import memory
from amaranth.lib.wiring import In, Out

from cnvlutin2.hardware.design.hierarchy import WrittenPart


class Memory(WrittenPart):
    """A synchronous memory; a macro of the same ports takes its place.

    Parameters
    ----------
    width, depth : int
        Bits of a word, and words.

    Attributes
    ----------
    write_en, write_address, write_data : In
    read_en, read_address, read_data : In, In, Out
        The cycle after one with `read_en`, and until the next one, `read_data` is the word. Reading what is written in the same
        cycle has no meaning.
    """

    verilog = """\
module memory #(
  parameter WIDTH = 1,
  parameter DEPTH = 1,
  parameter ADDRESS = 1
) (
  input clk,
  input write_en,
  input [ADDRESS-1:0] write_address,
  input [WIDTH-1:0] write_data,
  input read_en,
  input [ADDRESS-1:0] read_address,
  output reg [WIDTH-1:0] read_data
);
  reg [WIDTH-1:0] words [0:DEPTH-1];
  initial read_data = 0; // for simulators that know unknown bits: an activation of 0 meets a weight that was never read
  always @(posedge clk) begin
    if (write_en) words[write_address] <= write_data;
    if (read_en) read_data <= words[read_address];
  end
endmodule
"""

    def __init__(self, width: int, depth: int) -> None:
        self.width, self.depth = width, depth
        super().__init__(
            {
                "write_en": In(1),
                "write_address": In(self.address_bits),
                "write_data": In(width),
                "read_en": In(1),
                "read_address": In(self.address_bits),
                "read_data": Out(width),
            }
        )

    @property
    def address_bits(self) -> int:
        """Bits of an address."""
        return max(1, (self.depth - 1).bit_length())

    @property
    def verilog_parameters(self) -> Mapping[str, int]:
        """What the module's parameters are for this part."""
        return {"WIDTH": self.width, "DEPTH": self.depth, "ADDRESS": self.address_bits}

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m = Module()
        m.submodules.words = words = memory.Memory(shape=self.width, depth=self.depth, init=[])
        write, read = words.write_port(), words.read_port()
        m.d.comb += [
            write.en.eq(self.write_en),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.en.eq(self.read_en),
            read.addr.eq(self.read_address),
            self.read_data.eq(read.data),
        ]
        return m
