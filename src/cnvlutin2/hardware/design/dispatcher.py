"""`Dispatcher`: takes the rows that fetch brings and broadcasts their runs to the lanes of the tiles (docs/hardware.md)."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from cnvlutin2.hardware.design.front_ends import FrontEnd
from cnvlutin2.hardware.design.hierarchy import place
from cnvlutin2.hardware.design.run_layout import RowLayout


class Dispatcher(Component):
    """A front end a neuron lane, and its way to all tiles: a run leaves in the cycle in which all of them take it.

    Parameters
    ----------
    layout : RowLayout
        Of the rows.
    lanes : int
        `L`.
    tiles : int
        Who gets each lane's runs: FIFOs of tiles, or the one lane that works for all (1).
    detect : bool
        As of `FrontEnd`.

    Attributes
    ----------
    dense, threshold : In
        As of `FrontEnd`; do not change in a pass.
    row_valid, row_ready, row, row_last : In ``[lanes]``, Out, In, In
        Bit or element `l`: the row port of lane `l`. `row_ready` comes from `ready` alone.
    valid, ready : Out, In ``[lanes * tiles]``
        Bit ``l * tiles + t``: lane `l` to tile `t`. `ready` must not depend on `valid`. A tile's `valid` is there once all tiles
        are ready, so that all take a run in the same cycle.
    run, last : Out ``[lanes]``
        The run of each lane, the same for all tiles.
    """

    def __init__(self, layout: RowLayout, lanes: int, tiles: int = 1, *, detect: bool = False) -> None:
        self.layout, self.lanes, self.tiles, self.detect = layout, lanes, tiles, detect
        super().__init__(
            {
                "dense": In(1),
                "threshold": In(layout.data_bits),
                "row_valid": In(lanes),
                "row_ready": Out(lanes),
                "row": In(data.ArrayLayout(layout.shape, lanes)),
                "row_last": In(lanes),
                "valid": Out(lanes * tiles),
                "ready": In(lanes * tiles),
                "run": Out(data.ArrayLayout(layout.run.shape, lanes)),
                "last": Out(lanes),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m = Module()
        for lane in range(self.lanes):
            front_end = FrontEnd(self.layout, detect=self.detect)
            place(m, platform, f"front_end_{lane}", front_end)
            ready = self.ready[lane * self.tiles : (lane + 1) * self.tiles]
            taken = Signal(name=f"taken_{lane}")
            m.d.comb += [
                front_end.dense.eq(self.dense),
                front_end.threshold.eq(self.threshold),
                front_end.row.eq(self.row[lane]),
                self.run[lane].eq(front_end.run),
                self.last[lane].eq(self.row_last[lane]),
                self.row_ready[lane].eq(ready.all()),
                taken.eq(self.row_valid[lane] & self.row_ready[lane]),
                self.valid[lane * self.tiles : (lane + 1) * self.tiles].eq(taken.replicate(self.tiles)),
            ]
        return m
