"""Small mistakes in the design do not get through: each breaks a claim, from reset on."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("amaranth", reason="the hardware needs Amaranth: the extra [hardware]")

from mutants import DESIGN, MUTANTS
from prover import missing_tools
from source_mutation import mutate

pytestmark = pytest.mark.skipif(bool(missing_tools()), reason=f"not installed: {', '.join(missing_tools())}")

DEPTH = 9
"""Cycles from reset on in which a mistake has to show."""


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_breaks_what_is_claimed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    mutate(mutant.module, mutant.old, mutant.new, tmp_path, monkeypatch, DESIGN)
    assert mutant.broken in mutant.claims().broken(tmp_path, DEPTH)
