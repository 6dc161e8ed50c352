"""What a notebook shows of results: the answer as a table; all text in it is made harmless."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from cnvlutin2.errors import one_line
from cnvlutin2.results.network_result import NetworkResult
from cnvlutin2.results.speedups import WAITING


def html_table(headings: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> str:
    """Return a table for a notebook; the first cell of a row is its name.

    Parameters
    ----------
    headings : sequence of str
    rows : iterable of sequence of str
        As long as `headings`.
    note : str
        Stands below.
    """
    head = "".join(f"<th>{_safe(text)}</th>" for text in headings)
    body = "".join(
        f"<tr><th>{_safe(name)}</th>{''.join(f'<td>{_safe(cell)}</td>' for cell in cells)}</tr>" for name, *cells in rows
    )
    below = f"<p>{_safe(note)}</p>" if note else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"


def results_html(networks: Sequence[NetworkResult], archs: Sequence[str]) -> str:
    """Return both speed-ups of each network under each organisation, and what one must know to believe them."""
    rows, notes = [], []
    for network in networks:
        rows.append([network.network, *(f"{network.speedup(arch):.2f}x" for arch in archs)])
        if network.costs:
            waited = (network.speedup_with_waiting(arch) for arch in archs)
            rows.append(["with waiting", *("" if speedup is None else f"{speedup:.2f}x" for speedup in waited)])
        said = [f"{len(network.images)} image{'s' if len(network.images) != 1 else ''}"]
        said += ["synthetic values"] if network.synthetic else []
        said += [network.coverage.left_out_text()] if network.left_out else []
        if network.accuracy is not None and network.accuracy.correct is not None:
            said.append(f"{network.accuracy.correct} of {network.accuracy.images} classified correctly")
        notes.append(f"{network.network}: {', '.join(said)}")
    if any(network.costs for network in networks):
        notes.append(WAITING)
    return html_table(["speed-up", *archs], rows, "; ".join(notes))


def _safe(text: str) -> str:
    return html.escape(one_line(text))
