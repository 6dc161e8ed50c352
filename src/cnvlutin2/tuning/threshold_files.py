"""Files of thresholds that `cnvlutin2 run --threshold` reads: real units, with the LSBs that they are on the tuning images."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from cnvlutin2.errors import one_line
from cnvlutin2.files import write_whole
from cnvlutin2.network import Thresholds
from cnvlutin2.tuning.tuning_result import Measured, TunedPoint, TuningResult

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "default"}


def file_names(path: Path, result: TuningResult) -> list[Path]:
    """Return a file's name for each point: the name itself if there is one, else with the point's limit before the ending."""
    if len(result.tuned) == 1:
        return [path]
    return [path.with_name(f"{path.stem}-{point.name}{path.suffix}") for point in result.tuned]


def weights_name(path: Path) -> Path:
    """Return the name of the file of weights' thresholds beside one of activations'."""
    return path.with_name(f"{path.stem}-weights{path.suffix}")


def write_thresholds(result: TuningResult, path: Path) -> list[Path]:
    """Write a file of thresholds for each point, and one beside it where weights have some.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    written = []
    for name, point in zip(file_names(path, result), result.tuned, strict=True):
        texts = {name: threshold_text(result, point)}
        if point.weight_thresholds:
            texts[weights_name(name)] = threshold_text(result, point, weights=True)
        for target, text in texts.items():
            write_whole(target, lambda part, text=text: part.write_text(text, "utf-8"))  # type: ignore[misc]
            written.append(target)
    return written


def threshold_text(result: TuningResult, point: TunedPoint, *, weights: bool = False) -> str:
    """Return a point's thresholds of activations, or of weights, as YAML."""
    thresholds = point.weight_thresholds if weights else point.thresholds
    lines = [f"# {one_line(line)}" for line in _head(result, point)]
    return "\n".join([*lines, *_entries(result, thresholds, weights)]) + "\n"


def _head(result: TuningResult, point: TunedPoint) -> list[str]:
    lines = [f"{result.network} under {result.arch}, {point.name}, speed-ups over the dense baseline"]
    for where in ("tuning", "validation"):
        before, found = getattr(result.baseline, where), getattr(point, where)
        if before and found:
            gain = f"{before.speedup:.3f}x to {found.speedup:.3f}x"
            lines.append(f"{where}, {found.images} images: {gain}, loss {found.loss:.3g}{_pairs(found)}")
    lines.append("LSBs are those of the tuning images; on other images the same threshold may be other LSBs")
    return lines


def _pairs(found: Measured) -> str:
    return "" if found.lost is None else f", {found.lost} lost, {found.won} won"


def _entries(result: TuningResult, thresholds: Thresholds, weights: bool) -> list[str]:
    if not thresholds.layers:
        return ["default: 1"]
    found = []
    for name, (frac, weight_frac) in result.scales.items():
        if name in thresholds.layers:
            bits = weight_frac if weights else frac
            lsbs = int(np.ldexp(thresholds.layers[name].value, bits))
            found.append(f"{_key(name)}: {thresholds.layers[name]}  # {lsbs} LSBs of 2^{-bits}")
    return found


def _key(name: str) -> str:
    """Return a layer's name as a YAML key: as it is, or as JSON has it, which YAML reads."""
    return name if _PLAIN.fullmatch(name) and name.lower() not in _WORDS else json.dumps(name)
