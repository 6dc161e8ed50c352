"""The page of a comparison: one HTML file of tables, without a script."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

from cnvlutin2.errors import short
from cnvlutin2.files import write_whole
from cnvlutin2.results.comparison import Comparison, Pair

MOST_ROWS = 2000
"""Numbers that the page lists; the largest changes of each measure come first, and it says how many there are."""


def write_comparison(comparison: Comparison, path: str | Path, names: tuple[str, str]) -> None:
    """Write the page of a comparison: one HTML file that opens from disk and loads nothing.

    Parameters
    ----------
    comparison : Comparison
    path : str or Path
        The file; it appears whole or not at all.
    names : (str, str)
        What the two are called.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    text = render_comparison(comparison, names)
    write_whole(Path(path), lambda part: part.write_bytes(text.encode("utf-8", "xmlcharrefreplace")))


def render_comparison(comparison: Comparison, names: tuple[str, str]) -> str:
    """Return the page."""
    style = resources.files(__package__).joinpath("page", "style.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    first, second = names
    figures = [(pair.network, pair.arch, *row) for pair in comparison.pairs for row in figure_rows(pair)]
    body = [
        f"<p class=eyebrow>Cnvlutin2 comparison</p><h1>{html.escape(first)} and {html.escape(second)}</h1>",
        f"<p class=facts>{html.escape(verdict(comparison))}</p>",
        _section("In figures", ["network", "organisation", "figure", first, second, "ratio"], figures, texts=3),
        _section("How they were made", ["what differs", first, second], setting_rows(comparison), texts=3),
        _section("In one alone", ["what"], [[text] for text in comparison.alone], texts=1),
        _section(
            "Numbers that differ",
            ["measure", "differ", "of", "largest change", "where"],
            [[m, f"{n:,}", f"{of:,}", _number(change), where] for m, n, of, change, where in comparison.by_measure()],
            texts=1,
        ),
        _section(*_listed(comparison, first, second), texts=5),
    ]
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; img-src data:"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f'<title>{html.escape(first)} and {html.escape(second)} · Cnvlutin2</title><link rel="icon" href="data:,">'
        f"<style>{style}</style></head>\n<body>{''.join(body)}</body></html>\n"
    )


def verdict(comparison: Comparison) -> str:
    """Say in a line how two results differ."""
    if comparison.equal:
        made = f"; {len(comparison.settings)} settings differ" if comparison.settings else ", and so is how they were made"
        return f"all {sum(comparison.compared.values()):,} numbers are equal{made}"
    return (
        f"{len(comparison.numbers):,} of {sum(comparison.compared.values()):,} numbers differ, and "
        f"{len(comparison.settings)} settings"
    )


def figure_rows(pair: Pair) -> list[tuple[str, str, str, str]]:
    """Return what a figure is, both values and their ratio, as texts, of every figure that is known."""
    rows = []
    for name, one in pair.first.items():
        other = pair.second[name]
        if one is not None or other is not None:
            rows.append((name, _number(one), _number(other), f"{other / one:.4g}" if one and other is not None else ""))
    return rows


def setting_rows(comparison: Comparison) -> list[list[str]]:
    """Return what differs in how two results were made, with both values, as texts."""
    return [[each.place, *("-" if v is None else short(v) for v in (each.first, each.second))] for each in comparison.settings]


def _listed(comparison: Comparison, first: str, second: str) -> tuple[str, list[str], list[list[str]]]:
    numbers = comparison.numbers
    shown = numbers.loc[numbers["change"].abs().sort_values(ascending=False).index[:MOST_ROWS]].sort_index()
    title = (
        "Every number that differs" if len(shown) == len(numbers) else f"The {MOST_ROWS:,} largest changes of {len(numbers):,}"
    )
    rows = [[str(v) for v in row[:5]] + [_number(v) for v in row[5:]] for row in shown.itertuples(index=False)]
    return title, ["network", "layer", "organisation", "image", "measure", first, second, "change"], rows


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,.6g}"


def _section(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]], texts: int) -> str:
    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=text' if i < texts else ''}>{html.escape(str(cell))}</{tag}>" for i, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    if not body:
        return ""
    table = f"<table><thead><tr>{cells(headings, 'th')}</tr></thead><tbody>{body}</tbody></table>"
    return f"<section class=card><h2>{html.escape(title)}</h2><div class=scroll>{table}</div></section>"
