"""Verilog as Yosys writes it, made fit to read: without aliases that nobody uses, and with a line a port."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

_NAME = r"(?:\\\S+ |[A-Za-z_$][\w$]*)"
_ANY_NAME = re.compile(_NAME)
_DECLARED = re.compile(rf"^  (wire|reg|input|output) (?:signed )?(\[[^\]]+\] )?({_NAME})(?: = 0)?;$")
_ASSIGNED = re.compile(rf"^  assign ({_NAME})(?:\[[^\]]+\])? = ")
_GUARD = re.compile(r"\$auto\$verilog_backend\S*")


def tidy(text: str) -> Iterator[str]:
    """Yield the modules of a text.

    Parameters
    ----------
    text : str
        As Yosys writes it.
    """
    for module in re.findall(r"^module .*?^endmodule\n", text, re.MULTILINE | re.DOTALL):
        yield _tidy_module(module)


def _tidy_module(module: str) -> str:
    lines = _with_short_guard(module).splitlines()
    ports = {found[3] for found in map(_DECLARED.match, lines) if found and found[1] in ("input", "output")}
    while True:
        kept = list(_without_unused(lines, ports))
        if len(kept) == len(lines):
            return "\n".join([*_with_joined_ports(kept), ""])
        lines = kept


def _without_unused(lines: list[str], ports: set[str]) -> Iterator[str]:
    """Yield lines, without signals of which nothing is read."""
    read = Counter[str]()
    for line in lines:
        declared, assigned = _DECLARED.match(line), _ASSIGNED.match(line)
        read.update(_ANY_NAME.findall(line))
        if declared:
            read[declared[3]] -= 1
        elif assigned:
            read[assigned[1]] -= 1
    for line in lines:
        declared, assigned = _DECLARED.match(line), _ASSIGNED.match(line)
        name = declared[3] if declared else assigned[1] if assigned else None
        if name is None or name in ports or read[name]:
            yield line


def _with_joined_ports(lines: list[str]) -> Iterator[str]:
    """Yield lines, without the second declaration of ports."""
    directions: dict[str, int] = {}
    out: list[str] = []
    for line in lines:
        found = _DECLARED.match(line)
        if found and found[1] in ("input", "output"):
            directions[found[3]] = len(out)
        elif found and found[3] in directions:
            if found[1] == "reg":
                at = directions[found[3]]
                out[at] = out[at].replace("output ", "output reg ", 1)
            continue
        out.append(line)
    return iter(out)


def _with_short_guard(module: str) -> str:
    """Return a module whose processes are woken at the start by a register of a short name."""
    return _GUARD.sub("started", module)
