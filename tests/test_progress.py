"""The progress bar: on a terminal, for what takes long; nowhere else."""

from __future__ import annotations

import io
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from cnvlutin2.cli import progress
from cnvlutin2.cli.progress import progress_bar
from cnvlutin2.network import Inputs
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


def test_it_says_how_many_images_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four images 0.5 seconds apart, then once more from the second one on."""
    terminal, clock = Terminal(), [100.0]
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 600)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    told: list[str] = []
    given = Inputs(np.zeros((4, 3)), ["a", "b", "c", "d"])
    with progress_bar("net") as bar:
        assert bar is not None
        monkeypatch.setattr(bar._bar, "update", lambda _task, description, **_: told.append(description))
        watched = given.watched(bar.see)
        for index in (0, 1, 2, 3, 1, 2):
            watched.image(index)
            clock[0] += 0.5
        bar("conv1", 1, 2)
    assert told == [
        "net: image 1 of 4",
        "net: image 2 of 4, 2 a second",
        "net: image 3 of 4, 2 a second",
        "net: image 4 of 4, 2 a second",
        "net: image 2 of 4",
        "net: image 3 of 4, 2 a second",
        "net: conv1, image 3 of 4, 2 a second",
    ]


def test_of_one_image_it_says_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 600)
    told: list[str] = []
    with progress_bar("net") as bar:
        assert bar is not None
        monkeypatch.setattr(bar._bar, "update", lambda _task, description, **_: told.append(description))
        Inputs(np.zeros((1, 3)), ["a"]).watched(bar.see).image(0)
        bar("conv1", 1, 2)
    assert told == ["net: conv1"]
