"""The order in which thresholds are raised: by cycles saved a unit of loss, lazily."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cnvlutin2.tuning.cycle_table import Group

LEAST_LOSS = 1e-9
"""What a move costs at least; what costs less is ordered by its gain."""

State = tuple[int, ...]
"""How far each group has moved: an index of its thresholds."""


@dataclass(frozen=True, order=True)
class _Move:
    """A group's next move, as it was last looked at."""

    rank: float
    group: int
    looked_at: int
    loss: float


def best_moves(groups: Sequence[Group], loss_of: Callable[[State], float]) -> Iterator[tuple[int, State, float]]:
    """Yield moves, the best first: the group that moves, where all are then, and what is lost there.

    What a move costs is looked at again only when it seems the best: costs mostly grow as others are pruned, so that most that
    were worse before still are.

    Parameters
    ----------
    groups : sequence of Group
    loss_of : callable
        Executes the network at a state, and returns what is lost.
    """
    state: State = (0,) * len(groups)
    loss, step = loss_of(state), 0
    heap: list[_Move] = []
    for index, group in enumerate(groups):
        if len(group.thresholds) > 1:
            heapq.heappush(heap, _looked_at(index, group, state, loss, loss_of, step))
    while heap:
        move = heapq.heappop(heap)
        group = groups[move.group]
        if move.looked_at < step:
            move = _looked_at(move.group, group, state, loss, loss_of, step)
            if heap and heap[0] < move:
                heapq.heappush(heap, move)
                continue
        state, loss, step = _moved(state, move.group), move.loss, step + 1
        yield move.group, state, loss
        if state[move.group] + 1 < len(group.thresholds):
            heapq.heappush(heap, _looked_at(move.group, group, state, loss, loss_of, step))


def _moved(state: State, group: int) -> State:
    return tuple(at + (index == group) for index, at in enumerate(state))


def _looked_at(index: int, group: Group, state: State, loss: float, loss_of: Callable[[State], float], step: int) -> _Move:
    at = state[index]
    then = loss_of(_moved(state, index))
    saved = group.cycles[at] - group.cycles[at + 1]
    return _Move(-saved / max(then - loss, LEAST_LOSS), index, step, then)
