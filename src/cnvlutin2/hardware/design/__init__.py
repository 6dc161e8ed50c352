"""The design: a file a part, described in Amaranth; `node` is the top (docs/hardware.md)."""
