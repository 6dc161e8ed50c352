"""The examples run as they stand, and the notebooks' outputs are those of this version."""

from __future__ import annotations

import importlib.util
import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shown import check_shown

from cnvlutin2.encodings import Format
from cnvlutin2.numeric import effectual
from cnvlutin2.testing import integer_arrays

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_runs(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out or any(isinstance(value, type) for value in found.values()), "it shows nothing"


def test_layers_of_arrays_are_read_back_from_their_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path(str(EXAMPLES / "own_layers.py"), run_name="__main__")
    again = found["cnvlutin2"].simulate("traces", organisations="cnv,cnv2-weights")
    assert [run["cycles"] for run in again.runs()] == [run["cycles"] for run in found["results"].runs()]


class TestOwnFormat:
    form: Format = runpy.run_path(str(EXAMPLES / "front_viai.py"))["FrontViai"]()

    @given(st.integers(1, 5).flatmap(lambda n: integer_arrays((n, 8), 12, 3)))
    def test_there_and_back(self, bricks: np.ndarray[Any, np.dtype[np.int16]]) -> None:
        mask = effectual(bricks, 3)
        counts = mask.sum(axis=1)
        records = self.form.to_records(bricks, mask, 12)
        assert records.shape[1] == self.form.most_bits(8, 12)
        assert sum(self.form.parts(counts, 8, 12).values()) == self.form.stream_bits(counts, 8, 12)
        values, faults = self.form.from_records(records, 8, 12, 3)
        assert (values == np.where(mask, bricks, 0)).all()
        assert not faults.any()

    def test_damage_is_noticed(self) -> None:
        bricks = np.array([[5, 0, 0, 7, 0, 0, 0, 0]], np.int16)
        records = self.form.to_records(bricks, bricks != 0, 12)
        for bit in range(records.shape[1]):
            flipped = records.copy()
            flipped[0, bit] ^= 1
            values, faults = self.form.from_records(flipped, 8, 12, 1)
            # A flipped bit of a value is another value; of the vector or of the empty room it is a fault.
            assert faults[0] or (8 <= bit < 8 + 2 * 12 and (values != bricks).sum() == 1)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_shows_what_it_computes(path: Path, tmp_path: Path) -> None:
    for needed in ("nbclient", "ipykernel", "altair", "vl_convert"):
        pytest.importorskip(needed, reason="the extras [docs] and [report] are not installed")
    spec = importlib.util.spec_from_file_location("notebooks", ROOT / "docs" / "_scripts" / "notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    notebooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(notebooks)
    shown = [texts(cell) for cell in json.loads(path.read_text("utf-8"))["cells"]]
    found = [texts(cell) for cell in notebooks.execute(path, tmp_path).cells]
    assert any(shown)
    assert [len(cell) for cell in found] == [len(cell) for cell in shown]
    for cell, (before, after) in enumerate(zip(shown, found, strict=True)):
        for one, other in zip(before, after, strict=True):
            check_shown(one, other, f"{path.name}, cell {cell}")


def texts(cell: Any) -> list[str]:
    """What a cell prints and returns, in words."""
    parts = [output.get("text") or output["data"]["text/plain"] for output in cell.get("outputs", ())]
    return ["".join(part) for part in parts]  # a file has a text as a list of lines
