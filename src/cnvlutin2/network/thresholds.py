"""`Threshold` and `Thresholds`: from which magnitude a value is effectual, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from cnvlutin2.errors import ConfigError

MAX_LSBS = 1 << 15
"""The largest magnitude of an int16, which is also the largest threshold that any value reaches."""


@dataclass(frozen=True)
class Threshold:
    """A magnitude from which a value is effectual: in LSBs of its tensor, or in real units.

    Raises
    ------
    ConfigError
        Unless it is a whole number of LSBs from 1 to `MAX_LSBS`, or a finite real number above 0.
    """

    value: float
    real: bool = False

    def __post_init__(self) -> None:
        if self.real and not 0 < self.value < math.inf:
            raise ConfigError(f"the threshold {self.value!r} is out of range: in real units it is finite and above 0")
        if not self.real and not (1 <= self.value <= MAX_LSBS and self.value == int(self.value)):
            raise ConfigError(f"the threshold {self.value!r} is out of range: in LSBs it is a whole number from 1 to {MAX_LSBS}")

    def __str__(self) -> str:
        return f"real:{float(self.value)!r}" if self.real else str(int(self.value))

    def in_lsbs(self, frac: int) -> int:
        """Return the least integer magnitude that is effectual, for a tensor of `frac` fraction bits."""
        if not self.real:
            return int(self.value)
        return max(1, int(np.ceil(np.ldexp(self.value, frac))))


@dataclass(frozen=True)
class Thresholds:
    """Thresholds by layer name, and the one of all other layers (`default`).

    With no `default`, a layer keeps its own (a trace may carry one).
    """

    default: Threshold | None = None
    layers: Mapping[str, Threshold] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.default is not None or bool(self.layers)

    def of(self, layer: str) -> Threshold | None:
        """Return the threshold set for a layer, or None if none was."""
        return self.layers.get(layer, self.default)

    def may_prune(self) -> bool:
        """Whether a value other than 0 may be ineffectual (what a threshold in real units is in LSBs depends on the scale)."""
        every = [*self.layers.values(), *([self.default] if self.default else [])]
        return any(threshold.real or threshold.value > 1 for threshold in every)

    def check_names(self, layers: Iterable[str], what: str = "threshold") -> None:
        """Refuse names that are not layers.

        Raises
        ------
        ConfigError
            Names the first one and lists the layers.
        """
        known = list(layers)
        for name in self.layers:
            if name not in known:
                raise ConfigError(f"no layer is called {name!r}; the layers are {', '.join(known)}", where=what)
