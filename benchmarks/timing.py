"""Measuring: alternate what is compared, take medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def medians(work: Mapping[str, Callable[[], object]], seconds: float = 4.0, least: int = 5, most: int = 40) -> dict[str, float]:
    """Time several pieces of work in turn; return each one's median in seconds.

    Parameters
    ----------
    work : mapping of str to callable
        Each is called once before it is timed.
    seconds : float
        About how long to go on.
    least, most : int
        Rounds.
    """
    for each in work.values():
        each()
    times: dict[str, list[float]] = {name: [] for name in work}
    begin = time.perf_counter()
    rounds = 0
    while rounds < least or (rounds < most and time.perf_counter() - begin < seconds):
        for name, each in work.items():
            start = time.perf_counter()
            each()
            times[name].append(time.perf_counter() - start)
        rounds += 1
    return {name: statistics.median(found) for name, found in times.items()}
