"""Amaranth's own simulator: needs no Verilog and no tool beside the package, and is slow; for small layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from amaranth.sim import Simulator
from amaranth.sim import SimulatorContext as Context

from cnvlutin2.hardware.design.node import Node
from cnvlutin2.hardware.port_words import Transfers, Words
from cnvlutin2.hardware.simulators.protocol import Design, LayerRunner, PassJob, PassResult
from cnvlutin2.hardware.stimuli import PassStimuli


class AmaranthSimulator:
    """Runs a design as it is described, without emitting it."""

    name = "amaranth"

    @contextmanager
    def open(self, design: Design, wave: Path | None = None) -> Iterator[LayerRunner]:
        """Elaborate a design, and give what runs layers (`HardwareSimulator.open`)."""
        bench = Bench(Node(design.parameters))
        with ExitStack() as stack:
            if wave is not None:
                stack.enter_context(bench.simulator.write_vcd(stack.enter_context(wave.open("w", encoding="utf-8"))))
            yield bench.run


class Bench:
    """Plays passes into the ports of a node.

    Parameters
    ----------
    node : Node
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.simulator = Simulator(node)
        self.simulator.add_clock(1e-9)
        self.simulator.add_testbench(self._play)
        self._waiting: list[tuple[PassStimuli, int]] = []
        self._found: list[PassResult] = []
        self._in_nm: Transfers | None = None

    def run(self, jobs: Iterable[PassJob]) -> Iterator[PassResult]:
        """Run passes as they come (`LayerRunner`)."""
        for job in jobs:
            self._waiting.append((job.stimuli, job.limit))
            while not self._found:
                self.simulator.advance()
            yield self._found.pop()

    async def _play(self, ctx: Context) -> None:
        while True:
            if self._waiting:
                self._found.append(await self._pass(ctx, *self._waiting.pop()))
            await ctx.tick()

    async def _pass(self, ctx: Context, stimuli: PassStimuli, limit: int) -> PassResult:
        node, ports = self.node, self.node.signature.members
        for name in ports:
            if name in stimuli.settings or name.startswith("fetch_"):
                ctx.set(getattr(node, name), stimuli.settings.get(name, 0))
        await self._load(ctx, "weights", stimuli.weights)
        if node.parameters.mask_streams:
            await self._load(ctx, "masks", stimuli.masks)
        if node.parameters.nm_rows and stimuli.nm is not self._in_nm:
            await self._load(ctx, "nm", stimuli.nm)
            self._in_nm = stimuli.nm
        outcome = _Outcome(stimuli.windows, node)
        feeders = [_Feeder(node, lane, stimuli) for lane in range(node.parameters.lanes)]
        ctx.set(node.start, 1)
        for elapsed in range(limit):
            for feeder in feeders:
                feeder.offer(ctx)
            outcome.look(ctx)
            taken = [bool(ctx.get(feeder.ready)) for feeder in feeders]
            done = ctx.get(node.done)
            await ctx.tick()
            ctx.set(node.start, 0)
            for feeder, moves in zip(feeders, taken, strict=True):
                feeder.advance(moves)
            if done:
                return outcome.result(ctx, elapsed)
        return outcome.result(ctx, -1)

    async def _load(self, ctx: Context, stream: str, transfers: Transfers) -> None:
        ports = {part: getattr(self.node, f"{stream}_t{part}") for part in ("valid", "data", "user")}
        for words, user in zip(_numbers(transfers.data), _numbers(transfers.user), strict=True):
            for part, value in (("valid", 1), ("data", words), ("user", user)):
                ctx.set(ports[part], value)
            await ctx.tick()
        ctx.set(ports["valid"], 0)


class _Feeder:
    """Offers a lane its runs."""

    def __init__(self, node: Node, lane: int, stimuli: PassStimuli) -> None:
        self._ports = [getattr(node, f"run_{lane}_t{part}") for part in ("valid", "data", "user", "last")]
        self.ready = getattr(node, f"run_{lane}_tready")
        self._data, self._user = _numbers(stimuli.rows.data), _numbers(stimuli.rows.user)
        self._order, self._window_runs = stimuli.order[lane].tolist(), stimuli.window_runs[lane]
        self._next = 0
        self._valid = False

    def offer(self, ctx: Context) -> None:
        """Put the next run on the ports."""
        self._valid = self._next < len(self._order)
        row = self._order[self._next] if self._valid else 0
        last = self._valid and (self._next + 1) % self._window_runs == 0
        for port, value in zip(self._ports, (self._valid, self._data[row], self._user[row], last), strict=True):
            ctx.set(port, int(value))

    def advance(self, taken: bool) -> None:
        """Go to the next run if this one was taken."""
        self._next += taken and self._valid


class _Outcome:
    """Collects what comes out of a pass."""

    def __init__(self, windows: int, node: Node) -> None:
        p = node.parameters
        self._node, self._seats = node, (windows, p.tiles, p.filters_per_tile)
        self._outputs, self._came = np.zeros(self._seats, np.int64), np.zeros(windows, np.int64)
        self._ends = np.zeros(windows, np.int64)

    def look(self, ctx: Context) -> None:
        """Take what comes out in this cycle."""
        node = self._node
        windows = len(self._ends)
        if ctx.get(node.wend) and ctx.get(node.wend_window) < windows:
            self._ends[ctx.get(node.wend_window)] = ctx.get(node.wend_cycle)
        if ctx.get(node.outputs_tvalid) and ctx.get(node.outputs_tuser) < windows:
            window = ctx.get(node.outputs_tuser)
            self._came[window] += 1
            bits, together = node.parameters.accumulator_bits, ctx.get(node.outputs_tdata)
            fields = [together >> i * bits & ((1 << bits) - 1) for i in range(self._outputs[window].size)]
            self._outputs[window].flat = [value - (value >> bits - 1 << bits) for value in fields]

    def result(self, ctx: Context, elapsed: int) -> PassResult:
        """Return all of it."""
        cycles, starved = ctx.get(self._node.cycles), ctx.get(self._node.starved)
        return PassResult(self._outputs, self._ends, self._came, cycles, starved, elapsed)


def _numbers(words: Words) -> Sequence[int]:
    """Return rows of words as numbers."""
    return [int.from_bytes(row.astype("<u4").tobytes(), "little") for row in words]
