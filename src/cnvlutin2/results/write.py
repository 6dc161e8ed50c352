"""Writing results: JSON, CSV, Parquet."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cnvlutin2.files import write_whole
from cnvlutin2.results.csv_cells import defused
from cnvlutin2.results.simulation_results import Results

if TYPE_CHECKING:
    import pandas as pd


def write_json(results: Results, target: str) -> None:
    """Write the results as JSON to a file, or to standard output for ``-``."""
    write_pieces(_json_pieces(results), target)


def write_csv(results: Results, target: str) -> None:
    """Write the runs as CSV to a file, or to standard output for ``-``; its texts are safe in a spreadsheet (`defused`)."""
    write_frame_csv(results.to_frame(), target)


def write_frame_csv(frame: pd.DataFrame, target: str) -> None:
    """Write a frame as CSV to a file, or to standard output for ``-``; its texts are safe in a spreadsheet (`defused`)."""
    write_text(defused(frame).to_csv(index=False), target)


def write_parquet(results: Results, target: str) -> None:
    """Write the runs as Parquet to a file."""
    frame = results.to_frame()
    write_whole(Path(target), lambda path: frame.to_parquet(path, index=False))


def _json_pieces(results: Results) -> Iterator[str]:
    """Yield `Results.to_dict` as JSON, run by run: of many images they would take far more memory than the results."""
    head = json.dumps({**results.without_runs(), "runs": []}, indent=1, allow_nan=False)
    yield head.removesuffix("]\n}")
    between = "\n  "
    for run in results.runs():
        yield between + json.dumps(run, indent=1, allow_nan=False).replace("\n", "\n  ")
        between = ",\n  "
    yield "\n ]\n}\n" if between.startswith(",") else "]\n}\n"


def write_text(text: str, target: str) -> None:
    """Write a text to a file, whole or not at all, or to standard output for ``-``."""
    write_pieces([text], target)


def write_pieces(pieces: Iterable[str], target: str) -> None:
    """Write a text that is made piece by piece."""
    if target == "-":
        sys.stdout.writelines(pieces)
        return

    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(pieces)

    write_whole(Path(target), write)
