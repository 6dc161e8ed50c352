"""Icarus Verilog: the emitted text and a test bench, compiled for every layer and run."""
