"""The report: one HTML file that holds its data, style and script, and asks for nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
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

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}  # json.dumps writes all that is not ASCII as \\u.... itself


def write_page(results: Results, path: Path, trace: ViewerData | None, command: str) -> None:
    """Write the report; see `cnvlutin2.report.write_report`."""
    text = render(page_data(results, trace, command), title=", ".join(network.network for network in results.networks))
    # A name may hold half a surrogate pair; no encoding can, so the page shows what HTML shows for it.
    write_whole(path, lambda part: part.write_bytes(text.encode("utf-8", "xmlcharrefreplace")))


def render(data: dict[str, Any], title: str) -> str:
    """Return the page with its data.

    The page may run the one script and the one style that are its own, known by their hashes, and load nothing.
    """
    style, script = _asset("style.css"), _script()
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'; "
        "img-src data:"
    )
    parts = {
        "policy": html.escape(policy),
        "title": html.escape(title),
        "style": style,
        "data": to_script(data),
        "script": script,
    }
    # One pass: nothing in what is put in can be taken for a place to fill.
    return re.sub("@@([a-z]+)@@", lambda place: parts[place[1]], _asset("page.html"))


def to_script(data: object) -> str:
    """Return JSON that cannot end, open or confuse a script element, whatever its strings hold."""
    text = json.dumps(data, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text


def _script() -> str:
    parts = "".join(_asset(name) for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("page", name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
