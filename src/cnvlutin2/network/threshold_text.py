"""Thresholds as people write them: ``8``, ``real:0.05``, or a YAML file that maps layers, and ``default``, to these."""

from __future__ import annotations

from pathlib import Path

from cnvlutin2.errors import ConfigError, short
from cnvlutin2.network.thresholds import Threshold, Thresholds
from cnvlutin2.yaml_text import read_mapping

FORMS = "an integer is LSBs, 'real:X' real units, FILE.yaml a map of layer (or default) to either"


def read_thresholds(text: str | None, source: str) -> Thresholds:
    """Read a text that gives thresholds.

    Parameters
    ----------
    text : str or None
        ``8``, ``real:0.05``, or the name of a YAML file; None for none.
    source : str
        The option or key that gave it, for messages.

    Raises
    ------
    ConfigError
        Names the option or file and what is allowed.
    """
    if text is None:
        return Thresholds()
    if not text.endswith((".yaml", ".yml")):
        return Thresholds(read_threshold(text, "", source))
    values = read_mapping(Path(text), "map of thresholds")
    if not values:
        raise ConfigError("holds no thresholds; map layers, or default, to them", source=text)
    return thresholds_of(values, text)


def thresholds_of(values: dict[str, object], source: str) -> Thresholds:
    """Return the thresholds that a mapping of layers, and ``default``, gives."""
    layers = {name: read_threshold(value, name, source) for name, value in values.items()}
    return Thresholds(layers.pop("default", None), layers)


def read_threshold(given: object, where: str, source: str) -> Threshold:
    """Read one threshold: ``8`` or ``real:0.05``."""
    text = str(given) if isinstance(given, (str, int)) and not isinstance(given, bool) else ""
    real = text.startswith("real:")
    try:
        value = float(text.removeprefix("real:")) if real else int(text)
    except ValueError:
        raise ConfigError(f"cannot read the threshold {short(given)}: {FORMS}", where, source) from None
    try:
        return Threshold(value, real)
    except ConfigError as error:
        raise ConfigError(str(error), where, source) from None
