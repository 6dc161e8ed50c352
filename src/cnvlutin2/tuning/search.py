"""`Search`: follows the path of moves, and chooses points of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np

from cnvlutin2.errors import VerificationError
from cnvlutin2.network import Thresholds
from cnvlutin2.tuning.answers import Verdict
from cnvlutin2.tuning.curve_file import CurveFile
from cnvlutin2.tuning.cycle_table import Group
from cnvlutin2.tuning.limits import Limit
from cnvlutin2.tuning.measuring import Prepared
from cnvlutin2.tuning.moves import State, best_moves
from cnvlutin2.tuning.tuning_result import Measured, PathPoint

BEYOND_DROP, BEYOND_LOSS = 10.0, 10.0
"""How far beyond the widest limit the path is followed: per cent of images more, times the loss. What is lost comes back now and
then, so that the path does not end where a limit is first passed."""
MOST_LOSS = 1.0
"""Nats; beyond, nothing comes back."""
POINT_GAIN = 0.005
"""Part of the network's cycles that moves gain together, by the table, before all tuning images are executed again."""
CANDIDATES = 5
"""Points that are counted for a limit: the path is in the order of the table, and the last of them need not be the fastest."""
CURVE_POINTS = 16
"""Points of the path that are counted besides those that limits choose."""


class Search:
    """The path of a network's moves.

    Parameters
    ----------
    prepared : Prepared
    groups : sequence of Group
    cycles : int
        Of the whole network with nothing pruned, by the table.
    images : sequence of int
        Those that order the moves.
    file : CurveFile
        Knows what was executed before.
    progress : callable, optional

    Attributes
    ----------
    evaluations : int
        How often the images that order the moves have been executed.
    """

    def __init__(
        self,
        prepared: Prepared,
        groups: Sequence[Group],
        cycles: int,
        images: Sequence[int],
        file: CurveFile,
        progress: Callable[[str, int, int], None] | None,
    ) -> None:
        self.prepared, self._groups, self._cycles, self._images, self._file = prepared, groups, cycles, list(images), file
        self._progress = progress
        self._few = prepared.answers.images(np.array(self._images))
        self._all = len(self._images) == len(prepared.inputs.values)
        self._points: list[tuple[int, str, State, Verdict]] = []
        self.evaluations = 0

    def follow(self, limits: Sequence[Limit]) -> None:
        """Follow the path until it is well beyond all limits."""
        start: State = (0,) * len(self._groups)
        self._points.append((0, "", start, self._judge(start, every=True)))
        most = sum(len(group.thresholds) - 1 for group in self._groups)
        last, moved = self._by_table(start), 0
        for index, state, loss in best_moves(self._groups, lambda at: self._judge(at, every=False).loss):
            moved += 1
            if self._progress is not None:
                self._progress(f"{self._groups[index].name}, loss {loss:.2g}", moved, most)
            if last - self._by_table(state) < POINT_GAIN * self._cycles and moved < most:
                continue
            last, verdict = self._by_table(state), self._judge(state, every=True)
            self._points.append((moved, self._groups[index].name, state, verdict))
            if all(_is_far_beyond(verdict, limit) for limit in limits):
                return

    def choose(self, limit: Limit) -> int:
        """Return which of the last points within a limit is the fastest, counted; 0, nothing pruned, if there is none."""
        within = [point for point, (*_, verdict) in enumerate(self._points) if limit.allows(verdict)]
        return min(within[-CANDIDATES:], key=lambda point: self.count(point).cycles, default=0)

    def count_some(self) -> None:
        """Count points of the path, about evenly spaced in cycles, and its ends."""
        cycles = [self._by_table(state) for *_, state, _ in self._points]
        wanted = np.linspace(cycles[0], cycles[-1], CURVE_POINTS)
        for point in sorted({int(np.abs(np.array(cycles) - at).argmin()) for at in wanted}):
            self.count(point)

    def count(self, point: int) -> Measured:
        """Count a point of the path exactly."""
        *_, state, verdict = self._points[point]
        if state not in self._file.counted:
            self._file.count(state, self.prepared.count(*self._lsbs(state), verdict))
        return self._file.counted[state]

    def count_again(self, point: int) -> Measured:
        """Count a point in the ordinary way, which must find what was found.

        Raises
        ------
        VerificationError
            If it does not.
        """
        before, after = self.count(point), self.prepared.measure_ordinarily(*self.thresholds(point))
        for key, value in asdict(before).items():
            if key != "speedup_with_waiting" and value != getattr(after, key):
                raise VerificationError(
                    f"network {self.prepared.network.name!r}: the search found {key} {value}, "
                    f"a run {getattr(after, key)}, after {self._points[point][0]} moves; please report it"
                )
        return after

    def thresholds(self, point: int) -> tuple[Thresholds, Thresholds]:
        """Return the thresholds of activations and weights at a point, in real units."""
        return self.prepared.real(*self._lsbs(self._points[point][2]))

    def path(self) -> list[PathPoint]:
        """Return all points of the path."""
        found = []
        for step, moved, state, verdict in self._points:
            lsbs, weight_lsbs = self._lsbs(state)
            known = self._file.counted.get(state)
            answers = verdict.loss, verdict.agree, verdict.correct, verdict.lost, verdict.won
            found.append(PathPoint(step, moved, lsbs, weight_lsbs, *answers, known.speedup if known else None))
        return found

    def _judge(self, state: State, *, every: bool) -> Verdict:
        """Execute the network at a state on the images that order moves, or on every one, and judge its answers."""
        which = "all" if every or self._all else "path"
        self.evaluations += not every
        known = self._file.judged.get((state, which))
        if known is not None:
            return known
        images = None if which == "all" else self._images
        scores = self.prepared.network.scores(*self._lsbs(state), images)
        answers = self.prepared.answers if which == "all" else self._few
        return self._file.judge(state, which, answers.judge(scores))

    def _lsbs(self, state: State) -> tuple[dict[str, int], dict[str, int]]:
        """Return the thresholds above 1 of activations and weights at a state."""
        found: dict[str, dict[str, int]] = {"activations": {}, "weights": {}}
        for at, group in zip(state, self._groups, strict=True):
            if at:
                found[group.values] |= dict.fromkeys(group.layers, group.thresholds[at])
        return found["activations"], found["weights"]

    def _by_table(self, state: State) -> int:
        return sum(group.cycles[at] for at, group in zip(state, self._groups, strict=True))


def _is_far_beyond(verdict: Verdict, limit: Limit) -> bool:
    if verdict.loss > MOST_LOSS:
        return True
    if limit.kind == "drop":
        return verdict.drop is None or verdict.drop > limit.value + BEYOND_DROP
    return verdict.loss > limit.value * BEYOND_LOSS
