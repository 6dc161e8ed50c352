"""`FrontEnd`: makes a run of a row, which holds it in the bits of its format (docs/hardware.md)."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
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
        m = Module()
        form, record, live = self.layout.form, self.row.record, self.row.live
        b, brick = self.layout.data_bits, self.layout.brick
        marks = {"viai": brick, "packed_viai": brick, "roe": 1}.get(form, 0)  # what stands before the values
        raw = [self._clean(m, record[marks + i * b :][:b], i) for i in range(brick)]
        if form in ("zfnaf", "roe"):
            self._entries(m, raw)
        elif form in ("viai", "packed_viai"):
            self._marked(m, raw)
        else:
            found = Cat(*(value != 0 for value in raw))
            m.d.comb += self.run.mask.eq(Mux(self.dense, live, found) if form == "raw" else live)
            m.d.comb += [self.run.values[i].eq(raw[i]) for i in range(brick)]
        if self.layout.rows_bits:
            m.d.comb += self.run.rows.eq(self.row.rows)
        return m

    def _clean(self, m: Module, stored: Value, i: int) -> Signal:
        """Return a value stored raw, 0 if it is not effectual."""
        b = self.layout.data_bits
        clean, magnitude = Signal(b, name=f"clean_{i}"), Signal(b, name=f"magnitude_{i}")
        m.d.comb += [
            magnitude.eq(Mux(stored[-1], -stored, stored)),
            clean.eq(Mux(magnitude >= self.threshold, stored, 0)),
        ]
        return clean

    def _entries(self, m: Module, raw: list[Signal]) -> None:
        """Effectual values with their offsets, from the front; those of value 0 are fill."""
        layout, roe = self.layout, self.layout.form == "roe"
        b, brick, width = layout.data_bits, layout.brick, layout.data_bits + layout.run.offset_bits
        stored_raw = Signal()
        m.d.comb += stored_raw.eq(self.dense | ~self.row.record[0] if roe else self.dense)
        entries = self.row.record[int(roe) :]
        for i in range(brick):
            entry = entries[i * width : (i + 1) * width] if (i + 1) * width <= len(entries) else Const(0, width)
            issued = self.row.live[i]
            if roe and self.detect:
                issued = Mux(self.dense, issued, raw[i] != 0)
            m.d.comb += [
                self.run.mask[i].eq(Mux(stored_raw, issued, entry[:b] != 0)),
                self.run.values[i].eq(Mux(stored_raw, raw[i], entry[:b])),
                self.run.offsets[i].eq(Mux(stored_raw, i, entry[b:])),
            ]

    def _marked(self, m: Module, raw: list[Signal]) -> None:
        """A vector says which values are effectual; these stand in place, or packed from the front."""
        b, brick = self.layout.data_bits, self.layout.brick
        vector, stored = self.row.record[:brick], self.row.record[brick:]
        m.d.comb += self.run.mask.eq(Mux(self.dense, self.row.live, vector))
        for i in range(brick):
            value: Value = stored[i * b : (i + 1) * b]
            if self.layout.form == "packed_viai" and i:
                before = Signal(range(i + 1), name=f"before_{i}")
                m.d.comb += before.eq(sum(vector[j] for j in range(i)))
                value = stored[: (i + 1) * b].word_select(before, b)
            m.d.comb += self.run.values[i].eq(Mux(self.dense, raw[i], value))
