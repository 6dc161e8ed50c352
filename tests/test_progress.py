"""The progress bar: on a terminal, for what takes long; nowhere else."""

from __future__ import annotations

import io
import sys
import time

import pytest

from cnvlutin2.cli import progress
from cnvlutin2.cli.progress import progress_bar
from cnvlutin2.simd.compilation import Listening


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_bar("network") as report:
        assert report is None


def test_nothing_for_what_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 600)
    with progress_bar("network") as report:
        assert report is not None
        report("conv1", 1, 2)
    assert "network" not in terminal.getvalue()


def test_it_is_there_before_the_first_layer_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0)

    def wait_for(text: str) -> None:
        for _ in range(3000):
            if text in terminal.getvalue():
                return
            time.sleep(0.01)
        pytest.fail(f"no {text!r} in {terminal.getvalue()!r}")

    with progress_bar("network") as report:
        assert report is not None
        wait_for("network")
        Listening.tell("count_sums")
        wait_for("compiling kernels (first run only)")
        report("conv1", 1, 2)
        wait_for("network: conv1")
        wait_for("1/2")
