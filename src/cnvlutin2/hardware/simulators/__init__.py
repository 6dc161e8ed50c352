"""Who runs the hardware: Verilator, Icarus Verilog, or Amaranth's own simulator."""
