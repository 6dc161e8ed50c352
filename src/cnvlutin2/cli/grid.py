"""`Grid`: cells by row and column, printed as a table, or where that is wider than the terminal as paragraphs."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cnvlutin2.cli.shown_names import shown_names
from cnvlutin2.errors import one_line

_UNLIMITED = 10_000
_NO_BREAK = "\xa0"
_PROSE = 120
"""What a paragraph takes of a wide terminal or a file."""
_NAMES, _NAMES_IN_FILES, _SHORT_NAMES = 28, 60, 18
"""Characters of a name in a table: usually, where a line may be of any length, where room is scarce."""


@dataclass(frozen=True)
class Grid:
    """Cells by row and column.

    Parameters
    ----------
    corner : str
        Heading of the rows' names.
    columns : sequence of str
        Headings.
    rows : sequence of (str, sequence of str)
        A name and a cell for each column. A name that begins with a space is a part of the row above it, and never cut.
    caption : str
        What a reader must know of it, printed below.
    title : str
        Printed above, if it has one.
    texts : tuple of str
        Headings of the columns that are texts, which stand to the left.
    total : bool
        Whether the last row is a total.
    paragraph_of : {"column", "row"}
        What becomes a paragraph where no table has room: what there is less of to compare.
    """

    corner: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    caption: str = ""
    title: str = ""
    texts: tuple[str, ...] = ()
    total: bool = False
    paragraph_of: Literal["column", "row"] = "column"

    def transposed(self) -> Grid:
        """Return the grid with columns for rows; it makes the same paragraphs."""
        cells = [[row[i] for _, row in self.rows] for i in range(len(self.columns))]
        of: Literal["column", "row"] = "row" if self.paragraph_of == "column" else "column"
        headings = [name.strip() for name, _ in self.rows]
        return replace(self, columns=headings, rows=list(zip(self.columns, cells, strict=True)), paragraph_of=of)

    def without(self, *columns: str) -> Grid:
        """Return the grid without some columns."""
        kept = [i for i, heading in enumerate(self.columns) if heading not in columns]
        rows = [(name, [cells[i] for i in kept]) for name, cells in self.rows]
        return replace(self, columns=[self.columns[i] for i in kept], rows=rows)


def console() -> Console:
    """Return a console on standard output: as wide as the terminal; elsewhere without an end, or as ``COLUMNS`` says."""
    columns = os.environ.get("COLUMNS", "")
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
    else:
        width = int(columns) if columns.isdecimal() and int(columns) else _UNLIMITED
    return Console(width=width, highlight=False)


def show(out: Console, *grids: Grid) -> None:
    """Print the first grid that has room as a table, with shorter names and less air if need be; else the first as paragraphs."""
    wide = out.width >= _UNLIMITED
    manners = ((_NAMES_IN_FILES if wide else _NAMES, False), (_NAMES, True), (_SHORT_NAMES, True))
    tables = ((grid, grid_table(grid, longest, tight=tight)) for grid in grids for longest, tight in manners)
    fits = ((grid, table) for grid, table in tables if _width(out, table) <= out.width)
    grid, table = next(fits, (grids[0], None))
    if grid.title:
        out.print(Text(grid.title, style="italic"), soft_wrap=True)
    if table is None:
        _print_paragraphs(out, grid)
    else:
        out.print(table)
    for line in grid.caption.splitlines():
        say(out, line, style="dim")
    out.print()


def say(out: Console, text: str, style: str = "") -> None:
    """Print a text on as many lines as it needs."""
    out.print(Text(_wrapped(one_line(text), min(out.width, _PROSE)), style=style), soft_wrap=True)


def grid_table(grid: Grid, longest_name: int = _NAMES, *, tight: bool = False) -> Table:
    """Return a grid as a table.

    Parameters
    ----------
    grid : Grid
    longest_name : int
        Characters of a row's name.
    tight : bool
        With headings on several lines and a space between columns.
    """
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1 if tight else 2, 0, 0))
    names = shown_names([name for name, _ in grid.rows if not name.startswith(" ")], longest_name)
    table.add_column(Text(_heading(grid.corner, tight and len(grid.corner) > max(map(len, names)))), no_wrap=True)
    for heading in grid.columns:
        table.add_column(Text(_heading(heading, tight)), justify="left" if heading in grid.texts else "right", no_wrap=True)
    unused = iter(names)
    for i, (name, cells) in enumerate(grid.rows, 1):
        shown = name if name.startswith(" ") else next(unused)
        table.add_row(Text(shown), *map(Text, cells), style="bold" if grid.total and i == len(grid.rows) else None)
    return table


def _heading(text: str, tight: bool) -> str:
    lines = [one_line(line) for line in text.splitlines()]
    return "\n".join(lines) if not tight else "\n".join(line.replace("-", "-\n").replace(" ", "\n") for line in lines)


def _width(out: Console, table: Table) -> int:
    return out.measure(table, options=out.options.update_width(_UNLIMITED)).maximum


def _print_paragraphs(out: Console, grid: Grid) -> None:
    names, headings = [name.strip() for name, _ in grid.rows], [" ".join(heading.split()) for heading in grid.columns]
    columns = list(zip(*(cells for _, cells in grid.rows), strict=True))
    of_rows = [(name, headings, cells) for name, (_, cells) in zip(names, grid.rows, strict=True)]
    of_columns = [(heading, names, cells) for heading, cells in zip(headings, columns, strict=True)]
    for head, keys, cells in of_rows if grid.paragraph_of == "row" else of_columns:
        pairs = [one_line(f"{key} {cell}") for key, cell in zip(keys, cells, strict=True) if cell.strip() not in ("", "-")]
        together = (pair if len(pair) > out.width // 2 else pair.replace(" ", _NO_BREAK) for pair in pairs)
        out.print(Text(one_line(head), style="bold"), soft_wrap=True)
        out.print(Text(_wrapped("; ".join(together), min(out.width, _PROSE), "  ").replace(_NO_BREAK, " ")), soft_wrap=True)


def _wrapped(text: str, width: int, indent: str = "") -> str:
    lines = textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return "\n".join(lines)
