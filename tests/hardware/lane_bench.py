"""Lanes and their barrier in Amaranth's own simulator: fed with runs, watched cycle by cycle."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.sim import Simulator
from dice import Dice
from lane_reference import Issue, RefRun

from cnvlutin2.hardware.design.barrier import Barrier
from cnvlutin2.hardware.design.lane import Lane, LaneShape

Windows = list[list[list[RefRun]]]
"""``[windows][lanes][runs]``; a lane without runs has none in any window."""


class Watched:
    """What came out of a pass: the cycle after the last of each window, and what every stream of every lane issued when."""

    def __init__(self, lanes: int, streams: int) -> None:
        self.ends: list[int] = []
        self.issues: list[list[list[Issue]]] = [[[] for _ in range(streams)] for _ in range(lanes)]
        self.starved = 0
        self.closed = 0


def run_bits(shape: LaneShape, run: RefRun) -> int:
    """A run in the bits of the row port; where slots have offsets, its values come from the front."""
    layout = shape.run
    b, o, brick = layout.data_bits, layout.offset_bits, layout.brick
    slots = list(range(brick))
    mask = run.mask
    if layout.slot_offsets:
        slots = [i for i in range(brick) if run.mask >> i & 1]
        mask = (1 << len(slots)) - 1
    bits = mask
    for slot, offset in enumerate(slots):
        bits |= run.values[offset] << brick + slot * b
        bits |= offset << brick + brick * b + slot * o if layout.slot_offsets else 0
    at = brick + brick * b + (brick * o if layout.slot_offsets else 0)
    return bits | (run.rows << at if layout.rows_bits else 0)


def simulate(shape: LaneShape, windows: Windows, *, window_overhead: int = 0, stalls: float = 0, seed: int = 0) -> Watched:
    """Run a pass; rows are late with a probability of `stalls` in a cycle."""
    lanes = len(windows[0])
    m = Module()
    units = [Lane(shape) for _ in range(lanes)]
    m.submodules.barrier = barrier = Barrier(lanes, window_overhead)
    for number, lane in enumerate(units):
        m.submodules[f"lane_{number}"] = lane
        m.d.comb += [barrier.fin[number].eq(lane.fin), barrier.p_valid[number].eq(lane.p_valid), lane.go.eq(barrier.go)]
    used = [bool(runs) for runs in windows[0]]
    queues = [[(run, q == len(window[n]) - 1) for window in windows for q, run in enumerate(window[n])] for n in range(lanes)]
    weights = [[run.weights for run in runs] for runs in windows[0]]
    rng, watched = Dice(str(seed)), Watched(lanes, shape.streams)

    async def bench(ctx: Any) -> None:
        ctx.set(barrier.enable, sum(flag << number for number, flag in enumerate(used)))
        cycle: int | None = None
        for _ in range(5000):
            for number, lane in enumerate(units):
                offered = bool(queues[number]) and not rng.happens(stalls)
                ctx.set(lane.valid, offered)
                if offered:
                    run, last = queues[number][0]
                    ctx.set(lane.run.as_value(), run_bits(shape, run))
                    ctx.set(lane.last, last)
            if cycle is not None:
                _watch(ctx, units, cycle, watched)
                watched.closed += not ctx.get(barrier.open)
                cycle += 1
            if ctx.get(barrier.wend):
                assert cycle is not None
                watched.ends.append(cycle)
                if len(watched.ends) == len(windows):
                    return
            if ctx.get(barrier.go) and cycle is None:
                cycle = 0
            reads = [_taken(ctx, lane, queue, shape.weight_masks) for lane, queue in zip(units, queues, strict=True)]
            await ctx.tick()
            for number, read in enumerate(reads):
                if read is not None:
                    mask = sum(bits << s * shape.run.brick for s, bits in enumerate(weights[number][read]))
                    ctx.set(units[number].mask.as_value(), mask)
        raise AssertionError("the pass does not end")

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return watched


def _taken(ctx: Any, lane: Lane, queue: list[tuple[RefRun, bool]], weight_masks: bool) -> int | None:
    """Take the row that the lane takes off its queue; return which weights' masks it reads."""
    if not (ctx.get(lane.valid) and ctx.get(lane.ready)):
        return None
    queue.pop(0)
    return int(ctx.get(lane.mask_q)) if weight_masks else None


def _watch(ctx: Any, units: list[Lane], cycle: int, watched: Watched) -> None:
    for number, lane in enumerate(units):
        watched.starved += ctx.get(lane.starved)
        for s in range(lane.shape.streams):
            if ctx.get(lane.val) >> s & 1:
                found = (ctx.get(port[s]) for port in (lane.act, lane.off, lane.q))
                watched.issues[number][s].append(Issue(cycle, *found))
