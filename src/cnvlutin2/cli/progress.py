"""A progress bar on stderr for work of more than a second; where stderr is not a terminal, a line if kernels are compiled."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cnvlutin2.cli.main import say
from cnvlutin2.simd.compilation import Listening

PATIENCE_SECONDS = 1.0
COMPILING = "compiling kernels (first run only)"


@cache
def _say_that_it_compiles() -> None:
    say("note", COMPILING)


class Bar:
    """What a progress bar says: of one image the layers that are done, of several the images, and how many a second.

    Parameters
    ----------
    bar : rich.progress.Progress
    title : str
    """

    def __init__(self, bar: Progress, title: str) -> None:
        self._bar, self._title = bar, title
        self._task = bar.add_task(title, total=None)
        self._images = ""
        self._compiled = 0
        self._index = 0  # of the image that was last asked for
        self._first, self._start = 0, time.monotonic()  # the first one of this time through, and when it was

    def __call__(self, layer: str, done: int, total: int) -> None:
        """Say that a layer is done; a callback for `simulate`."""
        if self._images:
            self._bar.update(self._task, description=f"{self._title}: {layer}, {self._images}")
        else:
            self._bar.update(self._task, description=f"{self._title}: {layer}", completed=done, total=total)

    def see(self, index: int, images: int) -> None:
        """Say that a network is executed on an image; a callback for `Inputs.watched`."""
        if images == 1:
            return
        now = time.monotonic()
        if index <= self._index:  # once more
            self._first, self._start = index, now
        self._index = index
        rate = (
            f", {(index - self._first) / (now - self._start):.3g} a second" if index > self._first and now > self._start else ""
        )
        self._images = f"image {index + 1} of {images}{rate}"
        self._bar.update(self._task, description=f"{self._title}: {self._images}", completed=index, total=images)

    def compile(self, _function: str) -> None:
        """Say that kernels are compiled."""
        self._bar.update(self._task, description=f"{self._title}: {COMPILING}", completed=self._compiled, total=None)
        self._compiled += 1


@contextmanager
def progress_bar(title: str) -> Iterator[Bar | None]:
    """Give what `simulate` and inputs tell how far they are, or None where nobody looks."""
    if not sys.stderr.isatty():
        with Listening(lambda _function: _say_that_it_compiles()):
            yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = Progress(*columns, console=Console(stderr=True), transient=True)
    bar = Bar(shown, title)
    # By a clock of its own: a network is executed before its first layer is done.
    start = threading.Timer(PATIENCE_SECONDS, shown.start)
    start.start()
    try:
        with Listening(bar.compile):
            yield bar
    finally:
        start.cancel()
        start.join()
        shown.stop()
