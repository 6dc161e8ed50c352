"""What streams are made of: the ports behind P, and how a stream picks the first value of its mask (docs/hardware.md)."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import In, Out, Signature

from cnvlutin2.hardware.design.run_layout import RunLayout


@dataclass(frozen=True)
class LaneShape:
    """What a lane is made of.

    Parameters
    ----------
    run : RunLayout
        The runs that it gets.
    streams : int
        Values that it issues in a cycle, `S`: 1 for ``skip_weights = none`` and ``shared``, a filter's each for ``per_filter``.
    weight_masks : bool
        Whether a run's values are also skipped for its weights' sake, by a mask a stream (``shared``, ``per_filter``).
    q_bits : int
        Bits of the number of a run in its window.
    run_overhead : int
        Cycles added to every run, but in a layer that runs dense.
    drift : int
        How many runs a stream may be ahead of the slowest one (``filter_sync``); 0 if they wait for each other at every run.
    gapless : bool
        Whether runs hold work in their first slots alone, so that nothing has to be found: one stream, no masks of weights.
    """

    run: RunLayout
    streams: int = 1
    weight_masks: bool = False
    q_bits: int = 8
    run_overhead: int = 0
    drift: int = 0
    gapless: bool = False

    @property
    def signature(self) -> Signature:
        """The ports of `Lane`."""
        ports = {
            "dense": In(1),
            "valid": In(1),
            "ready": Out(1),
            "run": In(self.run.shape),
            "last": In(1),
            "p_valid": Out(1),
            "fin": Out(1),
            "go": In(1),
            "starved": Out(1),
            **self._issued,
        }
        if self.weight_masks:
            ports["mask_en"] = Out(1)
            ports["mask_q"] = Out(self.q_bits)
            ports["mask"] = In(self.masks)
        return Signature(ports)

    @property
    def behind_p(self) -> Signature:
        """The ports of what works on the runs that P brings: `Walk` or `Drift`.

        ``p_...`` is the next run, `p_masks` what every stream has to issue of it. `load`: it is taken in this cycle.
        """
        return Signature(
            {
                "dense": In(1),
                "p_valid": In(1),
                "p_run": In(self.run.shape),
                "p_masks": In(self.masks),
                "p_last": In(1),
                "p_q": In(self.q_bits),
                "go": In(1),
                "load": Out(1),
                "fin": Out(1),
                "starved": Out(1),
                **self._issued,
            }
        )

    @property
    def masks(self) -> data.ArrayLayout:
        """A mask of a run's slots a stream."""
        return data.ArrayLayout(self.run.brick, self.streams)

    @property
    def _issued(self) -> dict[str, object]:
        run, streams = self.run, self.streams
        return {
            "val": Out(streams),
            "act": Out(data.ArrayLayout(run.data_bits, streams)),
            "off": Out(data.ArrayLayout(run.offset_bits, streams)),
            "q": Out(data.ArrayLayout(self.q_bits, streams)),
        }


def without_first(mask: Value) -> Value:
    """Return a mask without its lowest one."""
    return mask & (mask - 1)


def issue_first(m: Module, rest: Value, run: data.View, layout: RunLayout, act: Value, off: Value) -> None:
    """Set `act` and `off` to the value in the lowest slot of a mask and its offset; to 0 if there is none."""
    with m.Switch(rest):
        for i in range(layout.brick):
            with m.Case("-" * (layout.brick - 1 - i) + "1" + "0" * i):
                m.d.comb += [act.eq(run.values[i]), off.eq(run.offsets[i] if layout.slot_offsets else i)]


class Remaining:
    """What a run still takes after its work: the fetching of its rows, and its overhead behind both.

    Registers only where there is something to count. `hold`: cycles that the rows still take after this one, if the run takes
    more than one; `extra`: cycles of overhead, which begin when the work and the rows are done.

    Parameters
    ----------
    shape : LaneShape
    suffix : str
        Of the registers' names.
    """

    def __init__(self, shape: LaneShape, suffix: str = "") -> None:
        self._run_overhead = shape.run_overhead
        most_rows = (1 << shape.run.rows_bits) - 1
        self.hold = Signal(range(most_rows), name=f"hold{suffix}") if most_rows > 1 else None
        self.extra = Signal(range(shape.run_overhead + 1), name=f"extra{suffix}") if shape.run_overhead else None

    def count(self, m: Module, rest_after: Value) -> Value:
        """Count down, and return whether a run ends with this cycle that leaves `rest_after` to issue."""
        worked: Value = rest_after == 0
        if self.hold is not None:
            with m.If(self.hold != 0):
                m.d.sync += self.hold.eq(self.hold - 1)
            worked = worked & (self.hold == 0)
        if self.extra is None:
            return worked
        with m.If(worked & (self.extra != 0)):
            m.d.sync += self.extra.eq(self.extra - 1)
        return worked & (self.extra == 0)

    def begin(self, m: Module, rows: Value | None, dense: Value) -> None:
        """Take up a run that touches some NM rows."""
        if self.hold is not None and rows is not None:
            m.d.sync += self.hold.eq(Mux((rows == 0) | dense, 0, rows - 1))
        if self.extra is not None:
            m.d.sync += self.extra.eq(Mux(dense, 0, self._run_overhead))


def rows_of(run: data.View, layout: RunLayout) -> Value | None:
    """Return the NM rows that a run touches, if it says so."""
    return run.rows if layout.rows_bits else None
