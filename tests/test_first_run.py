"""Compiling the kernels in two processes: once, where it helps, and what the runs after it need."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from cnvlutin2.organisation import preset
from cnvlutin2.simd import uses_numba
from cnvlutin2.simulation import first_run
from cnvlutin2.timing.compiled.plan import plan_layer
from cnvlutin2.timing.observed import ObservedWeights


class Started:
    """In place of a process: the commands that would have been run."""

    commands: list[list[str]]

    def __init__(self, command: list[str], **_: Any) -> None:
        self.commands.append(command)

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    Started.commands = []
    monkeypatch.setattr(subprocess, "Popen", Started)
    return Started.commands


@pytest.mark.parametrize(("name", "lanes", "pairs"), [("cnv", 1, 0), ("cnv2-weights", 0, 1)])
def test_each_half_is_compiled_by_its_preset(name: str, lanes: int, pairs: int) -> None:
    """The layer that both are given reaches either kernel, rather than what needs none."""
    layer = first_run._layer()
    (band,) = plan_layer(layer, ObservedWeights(layer), [preset(name)]).bands
    assert (len(band.lanes), len(band.pairs)) == (lanes, pairs)


@pytest.mark.skipif(not uses_numba(), reason="about the compiled kernels only")
def test_what_was_compiled_is_found_again() -> None:
    first_run._compile_the_rest()
    assert first_run.is_compiled()  # the cache is found where it is looked for
