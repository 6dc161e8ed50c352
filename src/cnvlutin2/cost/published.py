"""What others published, with where it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from ruamel.yaml import YAML


@dataclass(frozen=True)
class Figure:
    """A published figure.

    Parameters
    ----------
    value : float
    text : str
        What it says.
    source : str
    how : {"read", "recalled", "derived"}
        Read in the source, well known but not read again in it, or arithmetic on others.
    """

    value: float
    text: str
    source: str
    how: str


@cache
def _data() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("published.yaml").read_text("utf-8")
    data: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return data


def published_figures() -> Mapping[str, Figure]:
    """Return the figures of the Cnvlutin paper that can be compared, by name."""
    return {name: Figure(**entry) for name, entry in _data()["figures"].items()}


def published_dense_cycles() -> list[tuple[tuple[int, int, int, int, int], int]]:
    """Return layers (input channels, filters, map, kernel, pad) and DaDianNao's compute cycles for them."""
    return [(tuple(entry["layer"]), entry["cycles"]) for entry in _data()["dense_cycles"]]


def published_thresholds() -> Mapping[str, tuple[list[int], float]]:
    """Return, by network, loss-free thresholds (LSBs, by layer) and the speed-up with them; recalled."""
    return {name: (entry["lsbs"], entry["speedup"]) for name, entry in _data()["thresholds"].items()}
