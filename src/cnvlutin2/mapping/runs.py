"""`RunTable`: the runs that a step is cut into, and the lanes that walk them (docs/model.md, "Windows, steps and runs")."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class LaneOrder(NamedTuple):
    """The runs of a window, lane by lane in the order in which lanes walk them.

    Parameters
    ----------
    begins : int32 ``[lanes in use + 1]``
        The first run of each lane, and the end.
    step_of, run_of : int32 ``[runs of a window]``
        The step of each, and which one of the step's runs it is.
    """

    begins: NDArray[np.int32]
    step_of: NDArray[np.int32]
    run_of: NDArray[np.int32]

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Runs of each lane in use."""
        return np.diff(self.begins)


@dataclass(frozen=True)
class RunTable:
    """The runs of a step: the work units of the lanes, at most a brick long each.

    ``sliced``: lane `l` owns the `l`-th of ``lanes`` equal slices of every step. ``interleaved``: every step is cut into bricks,
    and the runs of a window go to the lanes in turn.

    Parameters
    ----------
    values : int
        Of a step.
    lanes, brick : int
    lane_map : {"sliced", "interleaved"}
    """

    values: int
    lanes: int
    brick: int
    lane_map: str

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, values: int, lanes: int, brick: int, lane_map: str) -> RunTable:
        """Return the one table of these numbers: what it works out is kept."""
        return cls(values, lanes, brick, lane_map)

    @property
    def sliced(self) -> bool:
        """Whether a lane owns the same values in every step."""
        return self.lane_map == "sliced"

    @cached_property
    def slice_values(self) -> int:
        """Values of a step that a lane owns, where lanes own slices; else all of them."""
        return -(-self.values // self.lanes) if self.sliced else self.values

    @cached_property
    def starts(self) -> NDArray[np.int32]:
        """The first value of each run, ``[runs]``."""
        slices = np.arange(0, self.values, self.slice_values)
        starts = (slices[:, None] + np.arange(0, self.slice_values, self.brick)).ravel()
        ends = np.repeat(slices + self.slice_values, -(-self.slice_values // self.brick))
        return starts[starts < np.minimum(ends, self.values)].astype(np.int32)

    @cached_property
    def stops(self) -> NDArray[np.int32]:
        """The end of each run, ``[runs]``."""
        ends = np.minimum((self.starts // self.slice_values + 1) * self.slice_values, self.values)
        return np.minimum(self.starts + self.brick, ends).astype(np.int32)

    @property
    def runs(self) -> int:
        """Runs of a step."""
        return int(self.starts.size)

    @cached_property
    def lengths(self) -> NDArray[np.int32]:
        """Values of each run."""
        return self.stops - self.starts

    @cached_property
    def longest(self) -> int:
        """Values of the longest run."""
        return int(self.lengths.max())

    @cached_property
    def lane_parts(self) -> NDArray[np.int32]:
        """The first run of each part of a step that goes to one lane, and the end: the lane's slice, or every run on its own."""
        if not self.sliced:
            return np.arange(self.runs + 1, dtype=np.int32)
        owners = self.starts // np.int32(self.slice_values)
        return np.searchsorted(owners, np.arange(owners[-1] + 2)).astype(np.int32)

    def lanes_in_use(self, steps: int) -> int:
        """Return how many lanes have a value in a window of `steps` steps."""
        return self.lane_parts.size - 1 if self.sliced else min(self.lanes, steps * self.runs)

    @lru_cache(maxsize=256)  # noqa: B019 - instances are few, immutable and kept anyway
    def lane_order(self, steps: int) -> LaneOrder:
        """Return the runs of a window of `steps` steps, lane by lane."""
        step, run = (a.ravel() for a in np.indices((steps, self.runs), dtype=np.int32))
        lane = self.starts[run] // self.slice_values if self.sliced else np.arange(step.size) % self.lanes
        order = np.argsort(lane, kind="stable")
        begins = np.searchsorted(lane[order], np.arange(self.lanes_in_use(steps) + 1)).astype(np.int32)
        return LaneOrder(begins, step[order], run[order])
