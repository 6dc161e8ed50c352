"""The report: one HTML file that holds its data, style and script, and asks for nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from cnvlutin2.files import write_whole
from cnvlutin2.report.page_data import page_data
from cnvlutin2.report.viewer import ViewerData
from cnvlutin2.results import Results

SCRIPTS = (
    "dom.js",
    "numbers.js",
    "chart.js",
    "controls.js",
    "tabs.js",
    "pairs.js",
    "speedup.js",
    "slots.js",
    "footprint.js",
    "energy.js",
    "density.js",
    "lanes.js",
    "trace.js",
    "panel.js",
    "closeup.js",
    "player.js",
    "viewer.js",
    "roofline.js",
    "table.js",
    "repeat.js",
    "main.js",
)
"""The parts of the script in the order in which they are joined."""
SHARED = ("dom.js", "numbers.js", "chart.js", "controls.js", "tabs.js", "pairs.js")
"""Those that know nothing of a run."""

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}  # json.dumps writes all that is not ASCII as \\u.... itself


def write_page(results: Results, path: Path, trace: ViewerData | None, command: str) -> None:
    """Write the report; see `cnvlutin2.report.write_report`."""
    text = render(page_data(results, trace, command), title=", ".join(network.network for network in results.networks))
    # A name may hold half a surrogate pair; no encoding can, so the page shows what HTML shows for it.
    write_whole(path, lambda part: part.write_bytes(text.encode("utf-8", "xmlcharrefreplace")))


def render(data: dict[str, Any], title: str, parts: Sequence[str] | None = None) -> str:
    """Return the page with its data.

    The page may run the one script and the one style that are its own, known by their hashes, and load nothing.

    Parameters
    ----------
    data : dict
    title : str
    parts : sequence of str, optional
        The texts that its script is made of, in order; by default those of a run's report.
    """
    style, script = _asset("style.css"), _joined([_asset(name) for name in SCRIPTS] if parts is None else parts)
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'; "
        "img-src data:"
    )
    fillings = {
        "policy": html.escape(policy),
        "title": html.escape(title),
        "style": style,
        "data": to_script(data),
        "script": script,
    }
    # One pass: nothing in what is put in can be taken for a place to fill.
    return re.sub("@@([a-z]+)@@", lambda place: fillings[place[1]], _asset("page.html"))


def to_script(data: object) -> str:
    """Return JSON that cannot end, open or confuse a script element, whatever its strings hold."""
    text = json.dumps(data, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text


def shared_parts() -> list[str]:
    """Return the parts of the script that every page begins with: elements, numbers, charts, selects, tabs."""
    return [_asset(name) for name in SHARED]


def _joined(parts: Sequence[str]) -> str:
    """Return parts of a script as one."""
    return f'(() => {{\n"use strict";\n{"".join(parts)}}})();\n'


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("page", name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
