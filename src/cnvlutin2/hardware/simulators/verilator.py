"""Verilator: the design as a program, built once for every text, that plays passes (`driver.cpp`)."""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import SimulatorError
from cnvlutin2.hardware.builds import Recipe, built, find_tool, kept_log
from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.hardware.port_words import Transfers, words_of
from cnvlutin2.hardware.ports import TOP, Ports, is_setting
from cnvlutin2.hardware.simulators.protocol import Design, LayerRunner, PassJob, PassResult
from cnvlutin2.hardware.stimuli import PassStimuli, no_transfers

_KEPT = struct.pack("<I", 0xFFFFFFFF)
LONG_SECONDS = 5
"""Simulations that take longer are told of."""
_STREAMS = ("weights", "masks", "nm")


class Verilator:
    """Runs emitted Verilog in Verilator.

    Parameters
    ----------
    tell : callable, optional
        Told, in a line, of builds.
    """

    name = "verilator"

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        self._tell = tell

    @contextmanager
    def open(self, design: Design, wave: Path | None = None) -> Iterator[LayerRunner]:
        """Build a design, and give what runs layers (`HardwareSimulator.open`)."""
        program = build(design.verilog, design.parameters, waves=wave is not None, tell=self._tell)
        arguments = [str(program), *([str(wave)] if wave else [])]
        used = _seconds_of_children()
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)  # noqa: S603
            try:
                player = _Player(process, design, log)
                yield player.run
                process.stdin.close()  # type: ignore[union-attr] # it is a pipe
                process.wait()
                seconds = _seconds_of_children() - used
                if self._tell is not None and seconds > LONG_SECONDS:
                    rate = f"{player.clocks / seconds:,.0f} a second of the simulator's process"
                    self._tell(f"simulated {player.clocks:,} clock cycles, loading included, {rate}")
            finally:
                process.kill()
                process.wait()
                process.stdout.close()  # type: ignore[union-attr] # it is a pipe


def _seconds_of_children() -> float:
    """Return the processor time that ended children have taken."""
    times = os.times()
    return times.children_user + times.children_system


def build(verilog: str, parameters: Parameters, *, waves: bool, tell: Callable[[str], None] | None = None) -> Path:
    """Return the program of a design."""
    ports = Ports.of(verilog, TOP)
    driver = resources.files(__package__).joinpath("driver.cpp").read_text("utf-8")
    verilator = find_tool("verilator", "verilator")
    find_tool("make", "make")
    find_tool("g++", "g++")
    command = [verilator, "--cc", "--exe", "--build", "-j", "1", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert"]
    command += ["--output-split", "20000", "-Wno-fatal", "-MAKEFLAGS", "OPT_FAST=-O1", "--Mdir", "."]
    command += ["--top-module", TOP, "--prefix", "Vnode", *(["--trace-fst"] if waves else [])]
    command += ["node.v", "driver.cpp", "-o", "node"]
    # What only comments tell apart, as where filters sit, is built once.
    code = "".join(line for line in verilog.splitlines(keepends=True) if not line.startswith("// "))
    files = [("node.v", code), ("driver.cpp", driver), ("ports.inc", port_functions(ports, parameters))]
    size = " x ".join(map(str, (parameters.tiles, parameters.filters_per_tile, parameters.lanes)))
    runtime = f"{_version(verilator)}, waves: {waves}"  # Verilator's own part of a program is compiled once
    what = f"{parameters.organisation.name} ({size}) in Verilator"
    return built(Recipe(what, files, [command], ["node"], runtime, ["verilated.o", "verilated_threads.o"]), tell) / "node"


@cache
def _version(verilator: str) -> str:
    done = subprocess.run([verilator, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip()


def port_functions(ports: Ports, parameters: Parameters) -> str:
    """Return the C++ that knows the ports of a design."""
    lanes, seats = parameters.lanes, parameters.tiles * parameters.filters_per_tile
    settings = [name for name in ports.inputs if is_setting(name)]
    streams = [name for name in _STREAMS if f"{name}_tvalid" in ports.inputs]
    text = [
        "struct Stream {",
        "    int data_words, user_words;",
        "    void (*offer)(const Word* data, const Word* user);",
        "    void (*withdraw)();",
        "    bool (*ready)();",
        "};",
        f"static const int LANES = {lanes}, SEATS = {seats}, ACCUMULATOR_BITS = {parameters.accumulator_bits};",
        f"static const int CONFIG_WORDS = {sum(words_of(ports.bits(name)) for name in settings)};",
        f"static const int RUN_DATA_WORDS = {words_of(ports.bits('run_0_tdata'))};",
        f"static const int RUN_USER_WORDS = {words_of(ports.bits('run_0_tuser'))};",
        "static const Stream STREAMS[] = {",
    ]
    for name in streams:
        data, user = words_of(ports.bits(f"{name}_tdata")), words_of(ports.bits(f"{name}_tuser"))
        offered = f"put(node->{name}_tdata, data); put(node->{name}_tuser, user); node->{name}_tvalid = 1;"
        text.append(
            f"    {{{data}, {user}, [](const Word* data, const Word* user) {{ {offered} }}, "
            f"[]() {{ node->{name}_tvalid = 0; }}, []() -> bool {{ return node->{name}_tready; }}}},"
        )
    text += ["};", "static void configure(const Word* words) {"]
    at = 0
    for name in settings:
        text.append(f"    put(node->{name}, words + {at});")
        at += words_of(ports.bits(name))
    text += ["}", "static void offer_run(int lane, bool valid, const Word* row, bool last) {", "    switch (lane) {"]
    for lane in range(lanes):
        row = f"put(node->run_{lane}_tdata, row); put(node->run_{lane}_tuser, row + RUN_DATA_WORDS);"
        flags = f"node->run_{lane}_tvalid = valid; node->run_{lane}_tlast = last;"
        text.append(f"    case {lane}: {flags} if (valid) {{ {row} }} break;")
    text += ["    }", "}", "static bool run_ready(int lane) {", "    switch (lane) {"]
    text += [f"    case {lane}: return node->run_{lane}_tready;" for lane in range(lanes)]
    text += ["    }", "    return false;", "}"]
    return "\n".join(text) + "\n"


class _Player:
    """Gives passes to a running program, and takes what comes out."""

    def __init__(self, process: subprocess.Popen[bytes], design: Design, log: IO[bytes]) -> None:
        self._process, self._parameters, self._log = process, design.parameters, log
        self._ports = Ports.of(design.verilog, TOP)
        self._rows: Transfers | None = None
        self._order: object = None
        self._in_nm: Transfers | None = None
        self.clocks = 0

    def run(self, jobs: Iterable[PassJob]) -> Iterator[PassResult]:
        """Run passes as they come (`LayerRunner`)."""
        for job in jobs:
            yield self._run_one(job)

    def _run_one(self, job: PassJob) -> PassResult:
        try:
            return self._run(job.stimuli, job.limit)
        except (BrokenPipeError, EOFError):
            raise SimulatorError(f"the simulator died{self._last_words()}") from None

    def _run(self, stimuli: PassStimuli, limit: int) -> PassResult:
        inward, outward = self._process.stdin, self._process.stdout
        if inward is None or outward is None:
            raise EOFError
        inward.write(struct.pack("<IIQ", 1, stimuli.windows, limit))
        inward.write(self._settings(stimuli))
        for name in _STREAMS:
            if f"{name}_tvalid" in self._ports.inputs:
                transfers = getattr(stimuli, name)
                self._send(inward, no_transfers() if transfers is self._in_nm else transfers)
        self._in_nm = stimuli.nm
        self._send_rows(inward, stimuli)
        inward.flush()
        done, cycles, starved, elapsed, self.clocks = struct.unpack("<4IQ", _exactly(outward, 24))
        windows = stimuli.windows
        ends, came = (np.frombuffer(_exactly(outward, 4 * windows), "<u4").astype(np.int64) for _ in range(2))
        p = self._parameters
        seats = p.tiles * p.filters_per_tile
        outputs = np.frombuffer(_exactly(outward, 8 * windows * seats), "<i8").astype(np.int64, copy=False)
        shaped = outputs.reshape(windows, p.tiles, p.filters_per_tile)
        return PassResult(shaped, ends, came, cycles, starved, elapsed if done else -1)

    def _settings(self, stimuli: PassStimuli) -> bytes:
        names = [name for name in self._ports.inputs if is_setting(name)]
        widths = {name: self._ports.bits(name) for name in names}
        values = {name: stimuli.settings.get(name, 0) % (1 << width) for name, width in widths.items()}
        return b"".join(value.to_bytes(4 * words_of(widths[name]), "little") for name, value in values.items())

    def _send_rows(self, inward: IO[bytes], stimuli: PassStimuli) -> None:
        if stimuli.rows is self._rows:
            inward.write(_KEPT)
        else:
            self._send(inward, stimuli.rows)
        for order, runs in zip(stimuli.order, stimuli.window_runs, strict=True):
            inward.write(struct.pack("<I", runs))
            if stimuli.order is self._order:
                inward.write(_KEPT)
            else:
                _write(inward, order.astype("<u4"))
        self._rows, self._order = stimuli.rows, stimuli.order

    @staticmethod
    def _send(inward: IO[bytes], transfers: Transfers) -> None:
        _write(inward, np.hstack(transfers).astype("<u4"))

    def _last_words(self) -> str:
        self._log.seek(0)
        text = self._log.read().decode("utf-8", "replace")
        log = kept_log("simulator", text)
        said = next((line.strip() for line in text.splitlines() if line.strip()), "")
        return f" with code {self._process.wait()}" + (f": {said[:160]}" if said else "") + f"; its log is {log}"


def _write(inward: IO[bytes], array: NDArray[np.generic]) -> None:
    inward.write(struct.pack("<I", len(array)))
    inward.write(np.ascontiguousarray(array).data if array.size else b"")


def _exactly(outward: IO[bytes], size: int) -> bytes:
    found = outward.read(size)
    if len(found) != size:
        raise EOFError
    return found
