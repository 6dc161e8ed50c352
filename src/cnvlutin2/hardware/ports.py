"""`Ports`: names and widths of the ports of emitted Verilog, read from its text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

_MODULE = re.compile(r"^module (\S+?)\s*\((.*?)^endmodule", re.MULTILINE | re.DOTALL)
_PORT = re.compile(r"^\s*(input|output)\s+(?:wire |reg )?(?:signed )?(?:\[(\d+):0\]\s*)?(\w+)\s*;", re.MULTILINE)


_SETTING = re.compile("lane_enable|windows|force_masks|threshold|feed|fetch_.*")

TOP = "node"
"""The top of a design."""


def is_setting(port: str) -> bool:
    """Whether an input of the top is one that holds still in a pass."""
    return _SETTING.fullmatch(port) is not None


@dataclass(frozen=True)
class Ports:
    """The ports of a module.

    Parameters
    ----------
    inputs, outputs : mapping of str to int
        Bits of each, in the order of the text.
    """

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]

    @classmethod
    def of(cls, verilog: str, module: str) -> Self:
        """Read them from the text that defines a module.

        Raises
        ------
        KeyError
            If no module has that name.
        """
        body = {name.lstrip("\\"): text for name, text in _MODULE.findall(verilog)}[module]
        found: dict[str, dict[str, int]] = {"input": {}, "output": {}}
        for direction, high, name in _PORT.findall(body):
            found[direction][name] = int(high or 0) + 1
        return cls(found["input"], found["output"])

    def bits(self, name: str) -> int:
        """Return the bits of a port; 0 if there is none of that name."""
        return self.inputs.get(name, self.outputs.get(name, 0))
