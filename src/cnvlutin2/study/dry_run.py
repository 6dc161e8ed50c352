"""What a study would take: points, time and size, from a few points that are computed in a temporary folder."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from cnvlutin2.errors import ConfigError
from cnvlutin2.simulation import versions
from cnvlutin2.study.planning import Plan, in_groups
from cnvlutin2.study.sweeping import compile_for
from cnvlutin2.study.tensor_store import DEFAULT_BYTES
from cnvlutin2.study.worker import Task, run_task

TRIED = 3
"""Points of a network that are computed."""


@dataclass(frozen=True)
class Estimate:
    """What a study would take.

    Parameters
    ----------
    combinations : int
        Before constraints.
    asked : int
        Combinations that meet them.
    points : int
        Different ones of these.
    captures : int
        Runs of networks.
    seconds : float
        Of one processor, for all points and captures.
    point_bytes, tensor_bytes : int
        What points, and layers of captured runs, take on disk.
    """

    combinations: int
    asked: int
    points: int
    captures: int
    seconds: float
    point_bytes: int
    tensor_bytes: int


def estimate(plan: Plan, combinations: int) -> Estimate:
    """Capture one run of every network, compute some of its points, and reckon from these.

    Raises
    ------
    ConfigError
        If one of these points cannot be computed; says why.
    """
    here = tuple(versions().items())
    of_case: dict[str, list[int]] = {}
    groups = list(in_groups(plan.points))
    for number, points in enumerate(groups):
        of_case.setdefault(points[0].capture.case.digest, []).append(number)
    seconds, point_bytes, tensor_bytes = 0.0, 0, 0
    for numbers in of_case.values():
        tried = groups[numbers[0]][:: max(1, -(-len(groups[numbers[0]]) // TRIED))]
        compile_for(tried)
        with tempfile.TemporaryDirectory(prefix="cnvlutin2-") as folder:
            root = Path(folder)
            (root / "points").mkdir()
            (root / "failed").mkdir()
            begun = time.perf_counter()
            outcomes = [run_task(Task(point, folder, str(root / "tensors"), DEFAULT_BYTES, here)) for point in tried]
            for outcome in outcomes:
                if outcome.error:
                    raise ConfigError(outcome.error, where=f"point {outcome.point}")
            counting = sum(outcome.seconds for outcome in outcomes)
            capturing = time.perf_counter() - begun - counting
            points_of_case = sum(len(groups[number]) for number in numbers)
            seconds += capturing * len(numbers) + counting / len(tried) * points_of_case
            point_bytes += _size(root / "points") * points_of_case // len(tried)
            tensor_bytes += _size(root / "tensors") * len(numbers)
    return Estimate(combinations, len(plan.asked), len(plan.points), len(groups), seconds, point_bytes, tensor_bytes)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
