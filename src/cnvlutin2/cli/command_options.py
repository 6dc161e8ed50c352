"""Options of commands, listed by section."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

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
