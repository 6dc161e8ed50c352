"""`Drift`: a lane's streams each at a run of their own, some runs ahead of the slowest at most (docs/hardware.md)."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import Component

from cnvlutin2.hardware.design.streams import LaneShape, Remaining, issue_first, rows_of, without_first


class Drift(Component):
    """The current and `drift` following runs of a lane in NBin, and the place of every stream among them.

    Parameters
    ----------
    shape : LaneShape

    Attributes
    ----------
    as of `LaneShape.behind_p`

    Notes
    -----
    NBin's first `fill` entries hold runs, the oldest first. ``ended[s]`` of them stream `s` has ended; if ``active[s]``, it works
    on the one behind these, and ``rest[s]`` is what it has still to issue there. When all streams have ended the oldest run, all
    entries move up by one. P's run comes in behind the last, where there is room or where this cycle makes room; a stream may
    begin it in the next cycle. So no stream begins a run before all have ended the one ``drift + 1`` before. Once a window's last
    run is in (``closing``), P waits for the barrier.
    """

    def __init__(self, shape: LaneShape) -> None:
        self.shape = shape
        super().__init__(shape.behind_p)
        streams, entries = shape.streams, shape.drift + 1
        self.entries = entries
        self.opened, self.closing = Signal(), Signal()
        self.fill = Signal(range(entries + 1))
        self.runs = Signal(data.ArrayLayout(shape.run.shape, entries), reset_less=True)
        self.masks = Signal(data.ArrayLayout(shape.masks, entries), reset_less=True)
        self.numbers = Signal(data.ArrayLayout(shape.q_bits, entries), reset_less=True)
        self.active = Signal(streams)
        self.ended = Signal(data.ArrayLayout(range(entries + 1), streams))
        self.rest = Signal(shape.masks)
        self.remaining = [Remaining(shape, f"_{s}") for s in range(streams)]
        self.ends = Signal(streams)
        self.shift, self.push = Signal(), Signal()

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m = Module()
        ended_after = Signal(data.ArrayLayout(range(self.entries + 1), self.shape.streams))
        for s in range(self.shape.streams):
            after = without_first(self.rest[s])
            m.d.sync += self.rest[s].eq(after)
            m.d.comb += [
                self.ends[s].eq(self.active[s] & self.remaining[s].count(m, after)),
                ended_after[s].eq(self.ended[s] + self.ends[s]),
            ]
        self._move(m, ended_after)
        for s in range(self.shape.streams):
            self._begin(m, s, ended_after[s])
            self._issue(m, s)
        return m

    def _move(self, m: Module, ended_after: data.View) -> None:
        """Let the entries move up, P's run come in, and windows begin and end."""
        every = range(self.shape.streams)
        room = (self.fill != self.entries) | self.shift
        at_end = Cat(*(ended_after[s] == self.fill for s in every)).all()
        waiting = Cat(*(~self.active[s] & (self.ended[s] == self.fill) for s in every)).any()
        place = Signal(range(self.entries + 1))
        m.d.comb += [
            self.shift.eq(Cat(*(ended_after[s] != 0 for s in every)).all()),
            self.push.eq(self.p_valid & self.opened & ~self.closing & room),
            self.load.eq(self.push | self.p_valid & self.go),
            self.fin.eq(~self.opened | self.closing & at_end),
            self.starved.eq(self.opened & ~self.closing & waiting & (self.fill != self.entries)),
            place.eq(Mux(self.go, 0, self.fill - self.shift)),
        ]
        m.d.sync += self.fill.eq(Mux(self.go, self.load, self.fill - self.shift + self.push))
        with m.If(self.fin):
            m.d.sync += [self.opened.eq(0), self.closing.eq(0)]
        with m.If(self.shift):
            for i in range(self.entries - 1):
                m.d.sync += [values[i].eq(values[i + 1]) for values in (self.runs, self.masks, self.numbers)]
        with m.If(self.load):
            m.d.sync += [self.opened.eq(1), self.closing.eq(self.p_last)]
            for i in range(self.entries):
                with m.If(place == i):
                    m.d.sync += [
                        self.runs[i].eq(self.p_run),
                        self.masks[i].eq(self.p_masks),
                        self.numbers[i].eq(self.p_q),
                    ]

    def _begin(self, m: Module, s: int, ended_after: Value) -> None:
        """Let a stream that has ended its run begin the next one, from NBin or, where it comes in just now, from P."""
        fresh, kept = Signal(name=f"fresh_{s}"), Signal(name=f"kept_{s}")
        m.d.comb += [
            fresh.eq(self.load & (self.go | (ended_after == self.fill))),
            kept.eq(self.opened & (ended_after < self.fill)),
        ]
        m.d.sync += self.ended[s].eq(Mux(self.go, 0, ended_after - self.shift))
        with m.If(self.ends[s]):
            m.d.sync += self.active[s].eq(0)
        with m.If((~self.active[s] | self.ends[s]) & (fresh | kept)):
            mask = Mux(fresh, self.p_masks[s], Array(self.masks[i][s] for i in range(self.entries))[ended_after])
            m.d.sync += [self.active[s].eq(1), self.rest[s].eq(mask)]
            run = Mux(fresh, self.p_run.as_value(), Array(self.runs[i].as_value() for i in range(self.entries))[ended_after])
            self.remaining[s].begin(m, rows_of(data.View(self.shape.run.shape, run), self.shape.run), self.dense)

    def _issue(self, m: Module, s: int) -> None:
        own = Signal(self.shape.run.shape, name=f"own_{s}")
        m.d.comb += [
            own.eq(Array(self.runs[i] for i in range(self.entries))[self.ended[s]]),
            self.val[s].eq(self.rest[s].any()),
            self.q[s].eq(Array(self.numbers[i] for i in range(self.entries))[self.ended[s]]),
        ]
        issue_first(m, self.rest[s], own, self.shape.run, self.act[s], self.off[s])
