"""Units of the cost tables: every number carries one, and one of the wrong kind is refused."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cache

from cnvlutin2.errors import ConfigError

Dimension = tuple[tuple[str, int], ...]
"""Powers of the base dimensions, sorted by name."""

_UNITS: dict[str, tuple[str, Fraction]] = {
    "fJ": ("energy", Fraction(1, 1000)),
    "pJ": ("energy", Fraction(1)),
    "nJ": ("energy", Fraction(1000)),
    "um^2": ("area", Fraction(1, 10**6)),
    "mm^2": ("area", Fraction(1)),
    "nW": ("power", Fraction(1, 10**6)),
    "uW": ("power", Fraction(1, 1000)),
    "mW": ("power", Fraction(1)),
    "W": ("power", Fraction(1000)),
    "bit": ("information", Fraction(1)),
    "byte": ("information", Fraction(8)),
    "KiB": ("information", Fraction(8 * 1024)),
    "MiB": ("information", Fraction(8 * 1024**2)),
    "nm": ("length", Fraction(1)),
}
"""Of each unit its dimension and how many base units (pJ, mm^2, mW, bit, nm) it is."""


@cache
def parse_unit(text: str) -> tuple[Dimension, Fraction]:
    """Return the dimension of a unit such as ``fJ/bit`` and how many base units it is.

    Parameters
    ----------
    text : str
        A unit, or one divided by another.

    Raises
    ------
    ConfigError
        Lists the units.
    """
    parts = re.split(r"\s*/\s*", text.strip())
    if len(parts) > 2 or any(part not in _UNITS for part in parts):
        raise ConfigError(f"{text!r} is not a unit; write one of {', '.join(_UNITS)}, or one divided by another")
    powers: dict[str, int] = {}
    factor = Fraction(1)
    for part, power in zip(parts, (1, -1), strict=False):
        dimension, size = _UNITS[part]
        powers[dimension] = powers.get(dimension, 0) + power
        factor *= size**power
    return tuple(sorted((name, power) for name, power in powers.items() if power)), factor


def to_base(value: float, unit: str, wanted: str) -> float:
    """Convert a value to another unit of the same dimension.

    Parameters
    ----------
    value : float
        In `unit`.
    unit : str
    wanted : str
        The unit of the result, as ``pJ/bit``.

    Raises
    ------
    ConfigError
        If the two measure different things, or either is no unit.
    """
    return value * _factor(unit, wanted)


@cache
def _factor(unit: str, wanted: str) -> float:
    (found, factor), (expected, base) = parse_unit(unit), parse_unit(wanted)
    if found != expected:
        raise ConfigError(f"{unit!r} does not measure what is wanted here; give a unit such as {wanted}")
    return float(factor / base)
