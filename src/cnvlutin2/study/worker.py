"""What a worker does with a point: have its layers mapped, count, write; wherever the worker runs."""

from __future__ import annotations

import threading
import time
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cnvlutin2.cost import CostTable, load_table
from cnvlutin2.errors import Cnvlutin2Warning, ConfigError, OutputError, one_line
from cnvlutin2.results import NetworkResult
from cnvlutin2.simulation import simulate, versions
from cnvlutin2.study.captured_network import CapturedNetwork
from cnvlutin2.study.planning import Point
from cnvlutin2.study.point_table import table_of
from cnvlutin2.study.result_store import ResultStore
from cnvlutin2.study.tensor_store import TensorStore

_NETWORKS_KEPT = 4


@dataclass(frozen=True)
class Task:
    """A point to be computed, and where what belongs to it is.

    Parameters
    ----------
    point : Point
    folder : str
        The study's, absolute.
    store : str
        The tensor store's.
    store_bytes : int
    versions : tuple of (str, str)
        Those of who planned it.
    """

    point: Point
    folder: str
    store: str
    store_bytes: int
    versions: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Parameters
    ----------
    point : str
    error : str
        Empty if it is finished.
    fatal : bool
        Whether no other point can be finished either: nothing can be written.
    counting_seconds, seconds : float
        In `cnvlutin2.simulate`, and altogether, without the capture of its layers.
    """

    point: str
    error: str = ""
    fatal: bool = False
    counting_seconds: float = 0.0
    seconds: float = 0.0


class _Kept(threading.local):
    """Networks that this thread has mapped, those used last at the end."""

    def __init__(self) -> None:
        self.networks: OrderedDict[tuple[str, str], CapturedNetwork] = OrderedDict()


_kept = _Kept()


def run_task(task: Task) -> Outcome:
    """Compute a point and write its file, unless it is there; an error is written down, and does not stop others."""
    store = ResultStore(Path(task.folder))
    point = task.point
    if store.is_finished(point.id):
        return Outcome(point.id)
    try:
        return _run(task, store)
    except OutputError as error:
        return Outcome(point.id, str(error), fatal=True)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this point's, and the others go on
        said = one_line(str(error)) or type(error).__name__
        text = said if isinstance(error, ValueError) else f"{type(error).__name__}: {said}"
        try:
            store.note_failure(point, text)
        except OutputError as unwritten:
            return Outcome(point.id, str(unwritten), fatal=True)
        return Outcome(point.id, text)


def _run(task: Task, store: ResultStore) -> Outcome:
    here = versions()
    for name, version in task.versions:
        if here[name] != version:
            raise ValueError(f"this worker has {name} {here[name]}, and the study {version}; give both the same environment")
    network = _network(task)
    begun = time.perf_counter()
    found = count(task.point, network)
    counted = time.perf_counter()
    store.write(task.point, table_of(task.point, found, here))
    return Outcome(task.point.id, counting_seconds=counted - begun, seconds=time.perf_counter() - begun)


def count(point: Point, network: CapturedNetwork) -> NetworkResult:
    """Count a point, on one thread."""
    table = _table(point.energy, point.energy_sha256)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Cnvlutin2Warning)  # who planned the study has said so
        (found,) = simulate(network, None, [point.organisation], jobs=1, energy=table).networks
    return found


@lru_cache(maxsize=16)
def _table(energy: str, sha256: str) -> CostTable:
    table = load_table(energy)
    if table.sha256 != sha256:
        raise ConfigError("the cost table is not what it was when the study began; begin again", source=energy)
    return table


def _network(task: Task) -> CapturedNetwork:
    key = task.store, task.point.capture.digest
    networks = _kept.networks
    if key not in networks:
        networks[key] = TensorStore(Path(task.store), task.store_bytes).get(task.point.capture)
        while len(networks) > _NETWORKS_KEPT:
            networks.popitem(last=False)
    networks.move_to_end(key)
    return networks[key]
