"""`sweep`: plan, leave out what is finished, compute the rest wherever that is asked for."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cnvlutin2.errors import Cnvlutin2Warning, ConfigError, OutputError
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation
from cnvlutin2.simulation import simulate, versions
from cnvlutin2.study.definition import StudyDefinition, definition_of, read_definition
from cnvlutin2.study.executor import Executor
from cnvlutin2.study.loaded_study import Study, load_study
from cnvlutin2.study.local_executor import LocalExecutor
from cnvlutin2.study.planning import Plan, Point, plan_study
from cnvlutin2.study.result_store import ResultStore
from cnvlutin2.study.tensor_store import DEFAULT_BYTES
from cnvlutin2.study.worker import Outcome, Task

MANY = 10_000
"""Combinations from which a study is taken for a mistake unless it is said that it is none."""
_COMPILED_BY = ("skip_activations", "skip_weights", "filter_sync", "tile_sync", "detect", "format", "packing", "layer_mode")
"""Options by which kernels differ."""

SweepProgress = Callable[["SweepState"], None]
"""Called when points were looked up, and for every one that has ended."""


@dataclass
class SweepState:
    """How far a sweep is.

    Parameters
    ----------
    points : int
        Of the study.
    kept : int
        Finished by an earlier sweep.
    failed_before : int
        Failed in an earlier sweep, and not tried again.
    done, failed : int
        In this one.
    outcomes : list of Outcome
        In this one, in the order in which they came.
    """

    points: int
    kept: int = 0
    failed_before: int = 0
    done: int = 0
    failed: int = 0
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Points that are still to be computed."""
        return self.points - self.kept - self.failed_before - self.done - self.failed


def sweep(
    study: str | Path | Mapping[str, object] | StudyDefinition,
    folder: str | Path,
    *,
    jobs: int | None = None,
    executor: Executor | None = None,
    retry_failed: bool = False,
    yes: bool = False,
    store: str | Path | None = None,
    store_bytes: int = DEFAULT_BYTES,
    progress: SweepProgress | None = None,
) -> Study:
    """Compute the points of a study that are not there yet.

    Parameters
    ----------
    study : str, Path, mapping or StudyDefinition
        A YAML file, or what it would hold (docs/studies.md).
    folder : str or Path
        Where the points are kept. Those that it holds already are not computed again.
    jobs : int, optional
        Processes on this machine; by default as many as there are processors.
    executor : Executor, optional
        Where points are computed instead: `cnvlutin2.study.DaskExecutor`, `cnvlutin2.study.ClusterExecutor`, or one of yours.
    retry_failed : bool
        Compute again what failed in an earlier sweep.
    yes : bool
        Go on although there are very many combinations.
    store : str or Path, optional
        Where networks' layers are kept, for several studies; by default in the folder.
    store_bytes : int
        How large that may become.
    progress : callable, optional
        Called with a `SweepState`.

    Returns
    -------
    Study
        All points of the folder. Those that failed are in `Study.failures`.

    Raises
    ------
    ConfigError, NetworkError
        For what cannot be used, before anything runs.
    OutputError
        If the folder cannot be written to; what is finished stays.
    """
    definition = _definition(study)
    check_size(definition, yes=yes)
    chosen = executor or LocalExecutor(jobs)
    results = ResultStore(Path(folder).resolve())
    here = versions()
    results.check(here)
    chosen.check()
    plan = plan_study(definition)
    results.begin(plan, here, {"swept": list(definition.swept), "where": [each.text for each in definition.where]})
    state, left = _what_is_left(plan, results, retry_failed=retry_failed)
    if progress:
        progress(state)
    if left:
        compile_for(left)
        first = secrets.randbelow(len(left))  # two sweeps on one folder begin at different points
        left = left[first:] + left[:first]
        tensors = str(Path(store).resolve() if store else results.folder / "tensors")
        tasks = [Task(point, str(results.folder), tensors, store_bytes, tuple(here.items())) for point in left]
        _work(chosen, tasks, state, progress)
    return load_study(results.folder)


def _definition(study: str | Path | Mapping[str, object] | StudyDefinition) -> StudyDefinition:
    if isinstance(study, StudyDefinition):
        return study
    return read_definition(Path(study)) if isinstance(study, (str, Path)) else definition_of(study)


def check_size(definition: StudyDefinition, *, yes: bool) -> None:
    """Refuse a study of very many combinations, unless that is meant.

    Raises
    ------
    ConfigError
    """
    if definition.combinations > MANY and not yes:
        raise ConfigError(
            f"the study has {definition.combinations:,} combinations before constraints; if that is meant, say so (--yes)"
        )


def _what_is_left(plan: Plan, results: ResultStore, *, retry_failed: bool) -> tuple[SweepState, list[Point]]:
    whole = set(results.forget_damaged(point.id for point in plan.points))
    if retry_failed:
        results.forget_failures(point.id for point in plan.points)
    failed = {str(failure["point"]) for failure in results.failures()}
    left = [point for point in plan.points if point.id not in whole and point.id not in failed]
    kept = sum(point.id in whole for point in plan.points)
    return SweepState(len(plan.points), kept, len(plan.points) - kept - len(left)), left


def _work(executor: Executor, tasks: Sequence[Task], state: SweepState, progress: SweepProgress | None) -> None:
    results, points = ResultStore(Path(tasks[0].folder)), {task.point.id: task.point for task in tasks}
    with closing(executor.run(tasks)) as outcomes:
        for outcome in outcomes:
            state.outcomes.append(outcome)
            if outcome.fatal:
                raise OutputError(f"{outcome.error}; {state.done} points were finished, and sweeping again goes on from there")
            if outcome.error:
                results.note_failure(points[outcome.point], outcome.error)
            state.failed += bool(outcome.error)
            state.done += not outcome.error
            if progress:
                progress(state)


def compile_for(points: Sequence[Point]) -> None:
    """Have the kernels that points need compiled, and kept, before several workers would each compile them."""
    kinds: dict[tuple[object, ...], Organisation] = {}
    for point in points:
        o = point.organisation
        kinds.setdefault((*(getattr(o, key) for key in _COMPILED_BY), o.drift is None), o)
    rng = np.random.default_rng(1)
    activations, weights = (rng.integers(0, 3, shape).astype(np.int16) for shape in ((1, 32, 9, 9), (4, 32, 3, 3)))
    for organisation in kinds.values():
        low = min(2, organisation.data_bits)
        values = (1 << low - 1) - 1
        layer = Layer("conv", np.minimum(activations, values), np.minimum(weights, values), first=True)
        named = (
            organisation if isinstance(organisation.layer_mode, str) else organisation.model_copy(update={"layer_mode": "skip"})
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Cnvlutin2Warning)
            simulate(layer, None, [named], jobs=1)
