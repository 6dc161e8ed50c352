"""A progress bar on stderr for work of more than a second; where stderr is not a terminal, a line if kernels are compiled."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cnvlutin2.cli.main import say
from cnvlutin2.simd.compilation import Listening
from cnvlutin2.simulation import Progress as Report

PATIENCE_SECONDS = 1.0
COMPILING = "compiling kernels (first run only)"


@cache
def _say_that_it_compiles() -> None:
    say("note", COMPILING)


@contextmanager
def progress_bar(title: str) -> Iterator[Report | None]:
    """Give a callback for `simulate`, or None where nobody looks."""
    if not sys.stderr.isatty():
        with Listening(lambda _function: _say_that_it_compiles()):
            yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(title, total=None)

    def report(layer: str, done: int, total: int) -> None:
        bar.update(task, description=f"{title}: {layer}", completed=done, total=total)

    compiled = 0

    def tell(_function: str) -> None:
        nonlocal compiled
        bar.update(task, description=f"{title}: {COMPILING}", completed=compiled, total=None)
        compiled += 1

    # By a clock of its own: a network is executed before its first layer is done.
    start = threading.Timer(PATIENCE_SECONDS, bar.start)
    start.start()
    try:
        with Listening(tell):
            yield report
    finally:
        start.cancel()
        start.join()
        bar.stop()
