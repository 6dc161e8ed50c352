"""The study's page: one HTML file with its points in charts and a table that are linked."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

from cnvlutin2.files import write_whole
from cnvlutin2.organisation import Organisation, to_yaml
from cnvlutin2.report.html_page import render, shared_parts
from cnvlutin2.report.palette import organisation_styles
from cnvlutin2.study.point_table import remark_of

SCRIPTS = ("points.js", "scatter.js", "parallel.js", "pointtable.js", "studymain.js")
"""What the page's script is made of beside `cnvlutin2.report.html_page.SHARED`, in order."""

_MEASURES: Sequence[tuple[str, str, str, str]] = (
    ("time_ns", "time of an image", "time", "low"),
    ("total_cycles", "total cycles of an image", "whole", "low"),
    ("energy_pj", "energy of an image", "joules", "low"),
    ("area_mm2", "area", "area", "low"),
    ("speedup", "speed-up", "times", "high"),
    ("speedup_with_waiting", "speed-up with waiting", "times", "high"),
    ("energy_gain", "energy gain", "times", "high"),
    ("edp_gain", "energy-delay gain", "times", "high"),
    ("correct_share", "classified correctly", "percent", "high"),
    ("agree_share", "top-1 class kept", "percent", "high"),
)
"""Key, label, how it is shown, and which way is better."""
_FRONT = ("time_ns", "energy_pj", "area_mm2")
_PARALLEL = (*_FRONT, "speedup_with_waiting", "correct_share", "agree_share")


class Points(Protocol):
    """What the page is made of; a `cnvlutin2.study.Study` is."""

    about: Mapping[str, Any]

    @property
    def folder(self) -> Path: ...  # noqa: D102
    @property
    def records(self) -> list[dict[str, Any]]: ...  # noqa: D102
    def failures(self) -> list[dict[str, Any]]: ...  # noqa: D102


def write_study_page(data: dict[str, Any], path: Path) -> None:
    """Write a study's page, whole or not at all; `data` are those of `study_data`."""
    folder = resources.files(__package__).joinpath("page")
    parts = [*shared_parts(), *(folder.joinpath(name).read_text("utf-8") for name in SCRIPTS)]
    text = render(data, data["title"], parts)
    write_whole(path, lambda part: part.write_bytes(text.encode("utf-8", "xmlcharrefreplace")))


def study_data(study: Points, command: str) -> dict[str, Any]:
    """Return what the page shows, as plain values."""
    records = study.records
    archs = list(dict.fromkeys(record["arch"] for record in records))
    networks = list(dict.fromkeys(record["network"] for record in records))
    values = [_values(record) for record in records]
    known = [entry for entry in _MEASURES if any(each[entry[0]] is not None for each in values)]
    styles = organisation_styles(archs)
    files = {name: digest for source in study.about.get("sources", {}).values() for name, digest in _files(source)}
    return {
        "title": study.folder.resolve().name,
        "command": command,
        "networks": [{"name": name, "remark": next(remark_of(r) for r in records if r["network"] == name)} for name in networks],
        "archs": [{"name": name, "colour": styles[name].colour, "shape": styles[name].shape} for name in archs],
        "measures": [
            {**dict(zip(("key", "label", "format", "better"), entry, strict=True)), "front": entry[0] in _FRONT}
            | {"parallel": entry[0] in _PARALLEL}
            for entry in known
        ],
        "parameters": _differing(records),
        "points": [
            {
                "id": record["point"],
                "network": networks.index(record["network"]),
                "arch": archs.index(record["arch"]),
                "values": each,
                "parameters": {key: _shown(record[key]) for key in _differing(records)},
                "command": repeating(record),
                "yaml": to_yaml(Organisation.parse(record["organisation"])),
            }
            for record, each in zip(records, values, strict=True)
        ],
        "failed": [(failure["point"][:8], failure["error"]) for failure in study.failures()],
        "versions": study.about.get("versions", {}),
        "files": list(files.items()),
    }


def repeating(record: Mapping[str, Any]) -> str:
    """Return the command that repeats a point, whose organisation is in ``point.yaml``."""
    options: dict[str, Any] = dict(record["options"])
    words = ["cnvlutin2", "run", record["source"]]
    for path in options.pop("input", []):
        words += ["--input", path]
    for key, value in options.items():
        if key in ("mean", "std"):
            words += [f"--{key}", ",".join(map(str, value)) if isinstance(value, list) else str(value)]
        elif key == "conv_only":
            words += ["--conv-only"] if value else []
        else:
            words += [f"--{key.replace('_', '-')}", str(value)]
    for key in ("threshold", "weight_threshold"):
        words += [f"--{key.replace('_', '-')}", record[key]] if record["thresholds"][key] else []
    words += ["--quantised"] if record["quantised"] else []
    return shlex.join([*words, "--energy", record["energy_table"], "--arch", "point.yaml"])


def _values(record: Mapping[str, Any]) -> dict[str, float | None]:
    """Return a point's measures by key; None where they are not known."""
    images, accuracy = record["images"], record["accuracy"] or {}
    cycles = record["all_images"]["total_cycles"] / images
    found: dict[str, float | None] = {
        "time_ns": cycles / record["clock_ghz"],
        "total_cycles": cycles,
        "energy_pj": record["total_energy_pj"],
        "area_mm2": record["total_area_mm2"],
        **{key: record[key] for key in ("speedup", "speedup_with_waiting")},
        **{key: record["relative"][key] for key in ("energy_gain", "edp_gain")},
    }
    for key in ("correct", "agree"):
        count = accuracy.get(key)
        found[f"{key}_share"] = None if count is None else count / images
    return found


def _differing(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the parameters in which points differ."""
    first = records[0]
    skipped = ("layout", "point", "network", "arch")
    keys = list(first)[: list(first).index("images")]  # parameters come first in a record
    return [key for key in keys if key not in skipped and any(record[key] != first[key] for record in records)]


def _shown(value: object) -> str | float:
    """Return a parameter's value as an axis has it."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    return value if isinstance(value, (int, float, str)) else str(value)


def _files(source: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [*source.get("files", {}).items(), *source.get("inputs", {}).items()]
