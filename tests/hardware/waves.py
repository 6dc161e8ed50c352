"""Waves as a simulator writes them (VCD): the values of some signals, clock cycle for clock cycle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

Cycle = dict[str, int]
"""Values of signals by their names, as given, during a clock cycle."""


def read_waves(path: Path, signals: Mapping[str, Sequence[str]], clock: Sequence[str]) -> Iterator[Cycle]:
    """Yield the values of signals during each clock cycle: those that the rising edge at its end finds.

    Parameters
    ----------
    path : Path
    signals : mapping of str to sequence of str
        Scopes and name of each signal, by the name that it shall have.
    clock : sequence of str
    """
    with path.open(encoding="utf-8") as lines:
        codes = dict(_declared(lines))
        wanted = {codes[tuple(place)]: name for name, place in signals.items()}
        values = dict.fromkeys(wanted.values(), 0)
        tick, changes = codes[tuple(clock)], dict[str, str]()
        for line in (line.strip() for line in lines):
            if line.startswith("#"):
                if changes.pop(tick, "0") == "1":
                    yield dict(values)
                values.update({wanted[code]: int(bits, 2) for code, bits in changes.items() if code in wanted})
                changes = {}
            elif line.startswith("b"):
                bits, code = line[1:].split()
                changes[code] = bits
            elif line[:1] in ("0", "1"):
                changes[line[1:]] = line[0]


def _declared(lines: Iterator[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the scopes and names of signals, and the codes that stand for them; read up to the end of the header."""
    scopes: list[str] = []
    for words in (line.split() for line in lines):
        match words[:1]:
            case ["$scope"]:
                scopes.append(words[2])
            case ["$upscope"]:
                scopes.pop()
            case ["$var"]:
                yield (*scopes, words[4]), words[3]
            case ["$enddefinitions"]:
                return
