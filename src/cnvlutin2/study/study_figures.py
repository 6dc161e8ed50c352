"""Figures of a study for papers: points in time and area, and in time and energy, with the front that no other point beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cnvlutin2.report.figure_specs import CONFIG, WIDTH_PT, Spec
from cnvlutin2.report.figures import write_specs
from cnvlutin2.report.palette import organisation_styles
from cnvlutin2.study.pareto import pareto_front

_HEIGHT_PT = 170
_ACROSS = {"area": ("area_mm2", "area, mm²"), "energy": ("energy_uj", "energy of an image, µJ")}


def write_study_figures(records: Sequence[Mapping[str, Any]], directory: Path) -> list[Path]:
    """Write the figures of a study's points, each as PDF, SVG and PNG; return what was written.

    Raises
    ------
    ToolMissing
        Without the extra ``[report]``.
    OutputError
        If a file cannot be written.
    """
    return write_specs(study_specs(records), directory)


def study_specs(records: Sequence[Mapping[str, Any]]) -> dict[str, Spec]:
    """Return the specifications by file name (without ending), those of each network if there are several."""
    networks = list(dict.fromkeys(record["network"] for record in records))
    found = {}
    for number, network in enumerate(networks, 1):
        rows = [_row(record) for record in records if record["network"] == network]
        for name, (key, title) in _ACROSS.items():
            found[f"time-{name}" if len(networks) == 1 else f"time-{name}-{number}"] = _front(rows, key, title, network)
    return found


def _row(record: Mapping[str, Any]) -> dict[str, object]:
    cycles = record["all_images"]["total_cycles"] / record["images"]
    time, energy = cycles / record["clock_ghz"] / 1000, record["total_energy_pj"] / 1e6
    return {"arch": record["arch"], "time_us": time, "area_mm2": record["total_area_mm2"], "energy_uj": energy}


def _front(rows: list[dict[str, Any]], across: str, title: str, network: str) -> Spec:
    """Return points in time and another measure, and the line through those that no other beats in the two."""
    best = [rows[i] for i in pareto_front([(row[across], row["time_us"]) for row in rows])]
    best.sort(key=lambda row: (row[across], row["time_us"]))
    styles = organisation_styles(list(dict.fromkeys(row["arch"] for row in rows)))
    scale = {"zero": False, "nice": True}
    x = {"field": across, "type": "quantitative", "title": title, "scale": scale}
    y = {"field": "time_us", "type": "quantitative", "title": "time of an image, µs", "scale": scale}
    colours = {"domain": list(styles), "range": [style.colour for style in styles.values()]}
    shapes = {"domain": list(styles), "range": [style.shape for style in styles.values()]}
    marks = {
        "color": {"field": "arch", "type": "nominal", "scale": colours},
        "shape": {"field": "arch", "type": "nominal", "scale": shapes},
    }
    dash = {"type": "line", "color": "#5c6670", "strokeWidth": 0.8, "strokeDash": [3, 2]}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "config": CONFIG,
        "width": WIDTH_PT,
        "height": _HEIGHT_PT,
        "autosize": {"type": "fit", "contains": "padding"},
        "title": {"text": [network], "fontSize": 8, "fontWeight": "normal", "anchor": "start"},
        "layer": [
            {"data": {"values": best}, "mark": dash, "encoding": {"x": x, "y": y}},
            {
                "data": {"values": rows},
                "mark": {"type": "point", "filled": True, "size": 24, "opacity": 1},
                "encoding": {"x": x, "y": y, **marks},
            },
        ],
    }
