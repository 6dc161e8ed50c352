"""Hands on the report: what a person clicks, chooses and presses, and the report that they hold."""

from __future__ import annotations

import json

from chromium import Page

from cnvlutin2.organisation import Organisation, load_organisations, preset, with_overrides

NETWORK = "</title><script>window.hacked = 1</script>"
VIEWS = ("speedup", "slots", "footprint", "energy", "density", "lanes", "viewer", "roofline", "table", "repeat")
CHARTS = {"speedup": 3, "slots": 2, "footprint": 2, "energy": 2, "density": 2, "lanes": 1, "viewer": 2, "roofline": 1}
"""Charts of each view, of a report of two networks."""
ARROWS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Home": 36, "End": 35, "Escape": 27}


def organisations() -> list[Organisation]:
    """The presets, one with DRAM that is not unlimited, and one whose filters run free."""
    slow = with_overrides(preset("cnv2-dispatch"), {"name": "<i>slow</i> memory", "dram": 0.5, "window_overhead": 2})
    free = with_overrides(preset("cnv2-weights"), {"name": "free", "filter_sync": "window", "run_overhead": 1})
    return [*load_organisations("all"), slow, free]


def show(page: Page, view: str) -> None:
    page.run(f"document.getElementById('tab-{view}').click()")
    page.settle()


def select_of(view: str, label: str) -> str:
    """Return JavaScript for the select of a label."""
    labels = f"[...document.querySelectorAll('#view-{view} label')]"
    return f"{labels}.find(l => l.firstChild.textContent === {json.dumps(label)}).querySelector('select')"


def choose(page: Page, view: str, label: str, value: object) -> None:
    """Choose an option of a select by its value."""
    page.run(f"""(() => {{
        const select = {select_of(view, label)};
        select.value = {json.dumps(str(value))};
        if (select.value !== {json.dumps(str(value))}) throw new Error('no such option');
        select.dispatchEvent(new Event('change'));
    }})()""")


def options(page: Page, view: str, label: str) -> list[tuple[str, str]]:
    found = page.run(f"[...{select_of(view, label)}.options].map(o => [o.value, o.textContent])")
    return [(value, text) for value, text in found]


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.press(key, ARROWS.get(key, 32), " " if key == " " else "")
