"""How far a sweep is, with its rate and what remains: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cnvlutin2.cli.main import say
from cnvlutin2.study import SweepState

LINE_SECONDS = 30.0
"""Between lines, where there is no terminal."""
_SAID_OF = 5.0  # seconds from which a rate is worth saying


@contextmanager
def sweep_progress() -> Iterator[Callable[[SweepState], None]]:
    """Give what is to be told how far a sweep is."""
    begun = last = time.monotonic()
    if not sys.stderr.isatty():

        def line(state: SweepState) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= LINE_SECONDS:
                last = now
                say("note", f"{state.points - state.left} of {state.points} points{rate(state, now - begun)}")

        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("points", total=None, rate="")

        def show(state: SweepState) -> None:
            said = rate(state, time.monotonic() - begun).removeprefix(", ")
            bar.update(task, completed=state.points - state.left, total=state.points, rate=said)

        yield show


def rate(state: SweepState, seconds: float) -> str:
    """Say how many points a second were computed and how long the rest takes; nothing as long as nobody knows."""
    ended = state.done + state.failed
    if not ended or seconds < _SAID_OF:
        return ""
    remaining = shown_seconds(state.left * seconds / ended)
    failed = f", {state.failed} failed" if state.failed else ""
    return f", {ended / seconds:.3g} a second, {remaining} left{failed}"


def shown_seconds(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
