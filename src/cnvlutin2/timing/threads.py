"""Sharing a layer among threads; the kernels release the interpreter's lock, and sums of integers have no order."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")


@cache
def default_jobs() -> int:
    """Return how many threads to use if nothing is said: the processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool(jobs: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(jobs, thread_name_prefix="cnvlutin2")


def split(task: Callable[[int, int], T], size: int, jobs: int, grain: int = 1) -> list[T]:
    """Run ``task(first, last)`` over ``range(size)``, cut into about equal parts.

    Parameters
    ----------
    task : callable
        Called with disjoint ranges, from several threads at a time.
    size : int
    jobs : int
        Threads.
    grain : int
        Least part worth a thread.

    Returns
    -------
    list
        What the calls returned, in order.
    """
    parts = max(1, min(4 * jobs if jobs > 1 else 1, size // max(1, grain)))
    if parts == 1:
        return [task(0, size)]
    edges = [size * i // parts for i in range(parts + 1)]
    futures = [_pool(jobs).submit(task, a, b) for a, b in pairwise(edges)]
    return [future.result() for future in futures]
