"""Compiling the kernels in two processes: once, where it helps, and what the runs after it need."""

from __future__ import annotations

import subprocess
from types import ModuleType
from typing import Any

import pytest

from cnvlutin2.simulation import first_run
from cnvlutin2.kernels import backend
from cnvlutin2.organisation import preset


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


def test_the_other_half_is_compiled_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch, commands: list[list[str]]) -> None:
    monkeypatch.setattr(first_run, "is_compiled", lambda: False)
    first_run.compile_kernels([preset("cnv2-weights")], jobs=2)
    assert [command[1:] for command in commands] == [["-P", "-m", "cnvlutin2.simulation.first_run"]]


@pytest.mark.parametrize(("name", "jobs", "compiled"), [("cnv2-weights", 2, True), ("cnv2-weights", 1, False), ("cnv", 2, False)])
def test_one_process_does_where_two_do_not_help(
    monkeypatch: pytest.MonkeyPatch, commands: list[list[str]], name: str, jobs: int, compiled: bool
) -> None:
    monkeypatch.setattr(first_run, "is_compiled", lambda: compiled)
    first_run.compile_kernels([preset(name)], jobs)
    assert commands == []


def test_the_other_half_is_what_meets_weights(kernels: ModuleType) -> None:
    if kernels is not backend("numba"):
        pytest.skip("about the compiled kernels only")
    first_run._compile_the_rest()
    assert kernels.walk_waiting_pairs.signatures
    assert first_run.is_compiled()  # the cache is found where it is looked for
