"""Options of commands: listed by section, and read where they are more than a word (thresholds)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cnvlutin2.errors import ConfigError, short
from cnvlutin2.network import Threshold, Thresholds
from cnvlutin2.yaml_text import read_mapping

FORMS = "an integer is LSBs, 'real:X' real units, FILE.yaml a map of layer (or default) to either"

Adder = Callable[[Any], Any]
"""Adds an option to a command, as the decorator that it is."""


class SectionOption(click.Option):
    """An option that stands under a heading of its own in `--help`."""

    def __init__(self, *arguments: Any, section: str = "", **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose `--help` lists its options by section, those of none last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                sections.setdefault(getattr(parameter, "section", ""), []).append(record)
        others = sections.pop("", [])
        for section, records in [*sections.items(), ("Options", others)]:
            with formatter.section(section):
                formatter.write_dl(records)


def option(section: str, *declarations: str, **attributes: Any) -> Adder:
    """Return the decorator of an option under a heading."""
    return click.option(*declarations, cls=SectionOption, section=section, **attributes)


def with_options(*adders: Adder) -> Adder:
    """Add several options to a command, in order."""

    def add(command: Any) -> Any:
        for adder in reversed(adders):
            command = adder(command)
        return command

    return add


def read_thresholds(text: str | None, option: str) -> Thresholds:
    """Read a threshold option: ``8``, ``real:0.05``, or a YAML file that maps layers (and ``default``) to these.

    Raises
    ------
    ConfigError
        Names the option or file and what is allowed.
    """
    if text is None:
        return Thresholds()
    if not text.endswith((".yaml", ".yml")):
        return Thresholds(_threshold(text, "", option))
    values = read_mapping(Path(text), "map of thresholds")
    if not values:
        raise ConfigError("holds no thresholds; map layers, or default, to them", source=text)
    layers = {name: _threshold(value, name, text) for name, value in values.items()}
    return Thresholds(layers.pop("default", None), layers)


def _threshold(given: object, where: str, source: str) -> Threshold:
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
