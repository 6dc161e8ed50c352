"""`Fetch`: brings the rows of a lane's runs, from its bank of NM or from outside (docs/hardware.md).

Addresses are counted by nested counters, with adders alone. From the inside out, the levels are: the runs of a step, kx, ky,
ox, oy. A step's rows in a bank follow one another from a base on; whenever a level advances, its steps are added to the base,
x and y. They also take off what the levels inside have added: the step of ky is the dilation for y, and ``-(Kw - 1)`` times
the dilation for x.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from cnvlutin2.hardware.design.run_layout import RowLayout
from cnvlutin2.hardware.parameters import Parameters

LEVELS = ("kx", "ky", "ox", "oy")
"""Levels of the counters, outside of the runs of a step."""

COORDINATE_BITS = 16
"""Bits of coordinates, two's complement, and of counts."""


def fetch_settings(parameters: Parameters) -> data.StructLayout:
    """Return the settings of a layer that all lanes share.

    ``counts``: how often each level is walked, less one. ``base_steps``, ``x_steps``, ``y_steps``: what is added when a level
    advances; ``base_start``, ``x_start``, ``y_start``: of the first step of the first window. Bases are counted modulo
    ``2**nm_address_bits``. ``width``, ``height``: places outside are padding.
    """
    levels, coordinate = len(LEVELS), signed(COORDINATE_BITS)
    return data.StructLayout(
        {
            "counts": data.ArrayLayout(COORDINATE_BITS, levels),
            "base_steps": data.ArrayLayout(parameters.nm_address_bits, levels),
            "x_steps": data.ArrayLayout(coordinate, levels),
            "y_steps": data.ArrayLayout(coordinate, levels),
            "base_start": parameters.nm_address_bits,
            "x_start": coordinate,
            "y_start": coordinate,
            "width": coordinate,
            "height": coordinate,
        }
    )


def row_layout(parameters: Parameters) -> RowLayout:
    """Return the layout of the rows of NM."""
    p = parameters
    return RowLayout(p.form, p.brick, p.data_bits, p.rows_bits)


class Fetch(Component):
    """Fetch of a lane: a register stage, before it the counters if there is NM inside.

    Parameters
    ----------
    parameters : Parameters

    Attributes
    ----------
    running : In
        Nothing is fetched or taken without.
    run_valid, run_ready, run, run_last : In, Out, In, In
        Runs from outside.
    valid, ready, row, last : Out, In, Out, Out
        The row port. `ready` may depend on `valid`.
    start, feed, settings, runs, tail : In
        With NM: begins with the first window; take runs from outside; `fetch_settings`; the runs of a step that this lane has,
        less one; and which offsets its last one has (the others have all).
    nm_en, nm_address, nm_data : Out, Out, In
        With NM: the read port of the lane's bank.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters, shape = parameters, row_layout(parameters).shape
        ports = {
            "running": In(1),
            "run_valid": In(1),
            "run_ready": Out(1),
            "run": In(shape),
            "run_last": In(1),
            "valid": Out(1),
            "ready": In(1),
            "row": Out(shape),
            "last": Out(1),
        }
        if parameters.nm_rows:
            ports |= {
                "start": In(1),
                "feed": In(1),
                "settings": In(fetch_settings(parameters)),
                "runs": In(COORDINATE_BITS),
                "tail": In(parameters.brick),
                "nm_en": Out(1),
                "nm_address": Out(parameters.nm_address_bits),
                "nm_data": In(shape),
            }
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m = Module()
        moves = Signal()
        from_outside = Signal()
        given = Signal.like(self.row, reset_less=True)
        m.d.comb += [
            moves.eq(self.running & (~self.valid | self.ready)),
            self.run_ready.eq(moves & from_outside),
            self.row.eq(given),
        ]
        with m.If(self.run_ready & self.run_valid):
            m.d.sync += given.eq(self.run), self.last.eq(self.run_last)
        arrives = self.run_valid
        if self.parameters.nm_rows:
            m.d.comb += from_outside.eq(self.feed)
            arrives = Mux(self.feed, self.run_valid, self._from_nm(m, moves))
        else:
            m.d.comb += from_outside.eq(1)
        with m.If(moves):
            m.d.sync += self.valid.eq(arrives)
        with m.Elif(self.ready):
            m.d.sync += self.valid.eq(0)
        return m

    def _from_nm(self, m: Module, moves: Signal) -> Signal:
        """Count addresses, and put what NM gives in place of what came from outside; return whether there is one more."""
        p, settings = self.parameters, self.settings
        run = Signal(COORDINATE_BITS)
        base = Signal(p.nm_address_bits)
        x = Signal(signed(COORDINATE_BITS))
        y = Signal(signed(COORDINATE_BITS))
        counts = [Signal(COORDINATE_BITS, name=f"{level}_count") for level in LEVELS]
        at_end = [Signal(name=f"{level}_at_end") for level in LEVELS]
        fetches = Signal()
        more = Signal()
        inside = Signal()
        read = Signal()
        live = Signal(p.brick)
        ends_step = Signal()
        padding = Signal()
        m.d.comb += [
            fetches.eq(moves & more & ~self.feed),
            ends_step.eq(run == self.runs),
            inside.eq((x >= 0) & (y >= 0) & (x < settings.width) & (y < settings.height)),
            self.nm_en.eq(fetches & inside),
            self.nm_address.eq(base + run),
            *(end.eq(count == settings.counts[level]) for level, (count, end) in enumerate(zip(counts, at_end, strict=True))),
        ]
        with m.If(fetches):
            m.d.sync += read.eq(inside), padding.eq(~inside)
            m.d.sync += live.eq(Mux(ends_step, self.tail, -1)), self.last.eq(ends_step & at_end[0] & at_end[1])
            m.d.sync += run.eq(Mux(ends_step, 0, run + 1))
            for level, count in enumerate(counts):
                with m.If(ends_step & Cat(at_end[:level]).all()):
                    m.d.sync += count.eq(Mux(at_end[level], 0, count + 1))
                    with m.If(~at_end[level]):
                        m.d.sync += [
                            base.eq(base + settings.base_steps[level]),
                            x.eq(x + settings.x_steps[level]),
                            y.eq(y + settings.y_steps[level]),
                        ]
            with m.If(ends_step & Cat(at_end).all()):
                m.d.sync += more.eq(0)
        with m.If(self.run_ready & self.run_valid):
            m.d.sync += read.eq(0), padding.eq(0)
        with m.If(self.start):
            m.d.sync += [count.eq(0) for count in (run, *counts)]
            m.d.sync += base.eq(settings.base_start), x.eq(settings.x_start), y.eq(settings.y_start), more.eq(1)
        with m.If(read):
            m.d.comb += self.row.eq(self.nm_data)
        with m.Elif(padding):
            m.d.comb += self.row.eq(0), self.row.live.eq(live)
            if p.form == "roe":
                m.d.comb += self.row.record.eq(1)  # no entries: an empty raw record would count as full of zeros
            if p.rows_bits:
                m.d.comb += self.row.rows.eq(1)
        return more
