"""Writing results: JSON, CSV, Parquet."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cnvlutin2.files import write_whole
from cnvlutin2.results.csv_cells import defused
from cnvlutin2.results.simulation_results import Results

if TYPE_CHECKING:
    import pandas as pd


def write_json(results: Results, target: str) -> None:
    """Write the results as JSON to a file, or to standard output for ``-``."""
    text = json.dumps(results.to_dict(), indent=1, allow_nan=False) + "\n"
    write_text(text, target)


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


def write_text(text: str, target: str) -> None:
    """Write a text to a file, whole or not at all, or to standard output for ``-``."""
    if target == "-":
        sys.stdout.write(text)
        return
    write_whole(Path(target), lambda path: path.write_text(text, "utf-8"))
