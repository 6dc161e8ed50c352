"""What lanes and their barrier must do, by the recurrence of the model's page (docs/model.md, "Organisations")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class RefRun:
    """A run: the values at its offsets, those that hold work, the NM rows, and the weights' mask of every stream."""

    values: tuple[int, ...]
    mask: int
    rows: int
    weights: tuple[int, ...]


class Issue(NamedTuple):
    """A value that a stream issues: in which cycle of the pass, counted from 0."""

    cycle: int
    value: int
    offset: int
    q: int


def walk(runs: list[RefRun], begin: int, drift: int, run_overhead: int) -> tuple[int, list[list[Issue]]]:
    """Return the cycle in which a lane has ended a window that begins at `begin`, and what every stream issues when."""
    streams = len(runs[0].weights)
    ends = [begin] * streams
    released: list[int] = []
    issues: list[list[Issue]] = [[] for _ in range(streams)]
    for q, run in enumerate(runs):
        bound = released[q - 1 - drift] if q - 1 - drift >= 0 else begin
        for stream, weights in enumerate(run.weights):
            at = max(ends[stream], bound)
            offsets = [i for i in range(len(run.values)) if (run.mask & weights) >> i & 1]
            issues[stream] += [Issue(at + n, run.values[i], i, q) for n, i in enumerate(offsets)]
            ends[stream] = at + max(len(offsets), run.rows) + run_overhead
        released.append(max(ends))
    return released[-1], issues
