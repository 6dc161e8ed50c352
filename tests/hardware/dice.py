"""Random numbers that are the same on every run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Dice:
    """Whole numbers from a generator seeded with a text."""

    def __init__(self, seed: str) -> None:
        self._rng = np.random.default_rng(list(seed.encode()))

    def below(self, end: int) -> int:
        return int(self._rng.integers(end))

    def between(self, first: int, last: int) -> int:
        return first + self.below(last + 1 - first)

    def bits(self, count: int) -> int:
        return self.below(1 << count)

    def one_of(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def happens(self, probability: float) -> bool:
        return bool(self._rng.random() < probability)
