"""`FrontEnd`: makes a run of a row, which holds it in the bits of its format (docs/hardware.md)."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib.wiring import Component, In, Out

from cnvlutin2.hardware.design.run_layout import RowLayout


class FrontEnd(Component):
    """Finds the effectual values of a run; combinational.

    Parameters
    ----------
    layout : RowLayout
        Of the rows.
    detect : bool
        ROE: whether zeros of records that are stored raw are found here too.

    Attributes
    ----------
    dense : In
        The layer runs dense: rows hold raw values, and all live ones are issued.
    threshold : In
        The least magnitude of an effectual value. Values stored raw that are below leave as 0. Zero is never effectual.
    row : In
        `RowLayout.shape`.
    run : Out
        `RunLayout.shape`.
    """

    def __init__(self, layout: RowLayout, *, detect: bool = False) -> None:
        self.layout, self.detect = layout, detect
        super().__init__(
            {
                "dense": In(1),
                "threshold": In(layout.data_bits),
                "row": In(layout.shape),
                "run": Out(layout.run.shape),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        return Module()
