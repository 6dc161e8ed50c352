"""Icarus Verilog: the emitted text and the test bench of a layer, compiled and run for every layer."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import ConfigError, SimulatorError
from cnvlutin2.hardware.builds import find_tool, first_error, kept_log
from cnvlutin2.hardware.simulators.protocol import Design, LayerRunner, PassJob, PassResult
from cnvlutin2.hardware.testbench import bench_files

LANGUAGE = "-g2005"
"""Which Verilog: what is emitted needs no newer one."""

Bits = NDArray[np.bool_]
_KNOWN = str.maketrans("xz", "00")
_UNKNOWN = str.maketrans("01xz", "0011")
"""Binary digits with 0 for what is unknown, and with 1 for what is and 0 for the rest."""


class Icarus:
    """Runs emitted Verilog in Icarus Verilog, by the test bench that `cnvlutin2 rtl` writes."""

    name = "iverilog"

    @contextmanager
    def open(self, design: Design, wave: Path | None = None) -> Iterator[LayerRunner]:
        """Give what runs layers (`HardwareSimulator.open`)."""
        find_tool("iverilog", "iverilog")
        find_tool("vvp", "iverilog")

        ran: list[str] = []

        def run(jobs: Iterable[PassJob]) -> Iterator[PassResult]:
            if wave and ran:
                raise ConfigError(
                    "iverilog writes the waves of one image of one layer; choose one, or use verilator", source="wave"
                )
            ran.append("a layer")
            with tempfile.TemporaryDirectory() as folder:
                yield from _run(design, list(jobs), Path(folder), wave)

        yield run


def _run(design: Design, jobs: Sequence[PassJob], folder: Path, wave: Path | None) -> Iterator[PassResult]:
    for name, text in {"node.v": design.verilog, **bench_files(design, jobs, "layer")}.items():
        (folder / name).write_text(text, "utf-8")
    _call(["iverilog", LANGUAGE, "-o", "bench.vvp", "bench.v", "node.v"], folder)
    waves = [f"+wave={wave.resolve()}", "-fst"] if wave else []
    _call(["vvp", "-n", "bench.vvp", "+results=results.txt", *waves], folder)
    results = (folder / "results.txt").read_text("utf-8").splitlines()
    p = design.parameters
    shape = jobs[0].work.windows, p.tiles, p.filters_per_tile
    found = [_nothing_yet(shape) for _ in jobs]
    for kind, number, *values in (line.split() for line in results):
        at = int(number)
        if kind == "pass":
            cycles, starved, elapsed = (int(value) for value in values)
            found[at] = found[at]._replace(cycles=cycles, starved=starved, elapsed=elapsed or -1)
        elif int(values[0]) >= shape[0]:
            continue
        elif kind == "window":
            found[at].window_ends[int(values[0])] = int(values[1])
        else:
            _take(found[at], int(values[0]), values[1], p.accumulator_bits, jobs[at].work.occupied)
    yield from found


def _nothing_yet(shape: tuple[int, int, int]) -> PassResult:
    ends, came = np.zeros((2, shape[0]), np.int64)
    return PassResult(np.zeros(shape, np.int64), ends, came, 0, 0, -1)


def _take(result: PassResult, window: int, digits: str, bits: int, occupied: Bits) -> None:
    """Put a window's outputs, as they were printed, into a result.

    What is unknown to the simulator never came, but at seats without a filter: nobody loads weights for these.
    """
    unknown, known = digits.translate(_UNKNOWN), digits.translate(_KNOWN)
    count = result.outputs[window].size
    odd, fields = ([int(text, 2) >> i * bits & ((1 << bits) - 1) for i in range(count)] for text in (unknown, known))
    if any(bits_odd and seat for bits_odd, seat in zip(odd, occupied.ravel().tolist(), strict=True)):
        return
    result.outputs_came[window] += 1
    result.outputs[window].flat = [field - (field >> bits - 1 << bits) for field in fields]


def _call(command: Sequence[str], folder: Path) -> None:
    with (folder / "log").open("w+", encoding="utf-8", errors="replace") as log:
        done = subprocess.run(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=False)  # noqa: S603
    if done.returncode:
        kept = kept_log(command[0], (folder / "log").read_text("utf-8", "replace"))
        raise SimulatorError(f"{command[0]} failed{first_error(kept)}; its log is {kept}")
