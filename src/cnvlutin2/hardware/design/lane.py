"""`Lane`: walks the runs of a neuron lane and issues a value a cycle to every stream (docs/hardware.md)."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out, Signature

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
    """

    run: RunLayout
    streams: int = 1
    weight_masks: bool = False
    q_bits: int = 8
    run_overhead: int = 0
    drift: int = 0

    @property
    def signature(self) -> Signature:
        """The ports of `Lane`."""
        run, streams = self.run, self.streams
        ports = {
            "dense": In(1),
            "valid": In(1),
            "ready": Out(1),
            "run": In(run.shape),
            "last": In(1),
            "p_valid": Out(1),
            "fin": Out(1),
            "go": In(1),
            "starved": Out(1),
            "val": Out(streams),
            "act": Out(data.ArrayLayout(run.data_bits, streams)),
            "off": Out(data.ArrayLayout(run.offset_bits, streams)),
            "q": Out(data.ArrayLayout(self.q_bits, streams)),
        }
        if self.weight_masks:
            ports["mask_en"] = Out(1)
            ports["mask_q"] = Out(self.q_bits)
            ports["mask"] = In(data.ArrayLayout(run.brick, streams))
        return Signature(ports)


class Lane(Component):
    """A lane: P, the next run, and the current one (with a drift, the current and those that follow in NBin).

    Parameters
    ----------
    shape : LaneShape

    Attributes
    ----------
    dense : In
        Take weight masks for ones and add no run overhead: the layer runs dense. Does not change in a pass.
    valid, ready, run, last : In, Out, In, In
        The row port: a run is taken in a cycle in which both are 1; `last` says that it is the lane's last of the window. `ready`
        comes from registers and `go` alone.
    mask_en, mask_q, mask : Out, Out, In
        With weight masks: read those of run `mask_q` of the window. `mask` has them from the cycle after one with `mask_en` until
        the cycle of the next one, as a synchronous memory with a read enable gives them. `mask_en` is ``valid & ready``.
    p_valid, fin, go : Out, Out, In
        The lane holds a next run; it has no work of this window left after this cycle (or no window is open); the barrier opens
        the next window with the next cycle. `p_valid` and `fin` come from registers alone.
    starved : Out
        The window is open, and a run that is due has not come.
    val, act, off, q : Out
        Of every stream: whether it issues a value in this cycle, which one, its offset in the run, and the number of the run in
        the window; from registers alone. ``q * brick + off`` is its weight's place in SB. Without `val` the rest has no meaning.
    """

    def __init__(self, shape: LaneShape) -> None:
        self.shape = shape
        super().__init__(shape.signature)

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        return Module()
