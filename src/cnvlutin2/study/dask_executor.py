"""Points on the workers of a Dask scheduler, one that runs already or one that submits jobs to a cluster's queue."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnvlutin2.errors import ConfigError, ToolMissing, did_you_mean, one_line, short
from cnvlutin2.simulation import versions
from cnvlutin2.study.worker import Outcome, Task, run_task
from cnvlutin2.yaml_text import read_mapping

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 10
"""How long a scheduler is waited for."""
SYSTEMS = {"slurm": "SLURMCluster", "htcondor": "HTCondorCluster", "pbs": "PBSCluster", "lsf": "LSFCluster", "sge": "SGECluster"}
"""Queues by name, and the classes of dask-jobqueue that submit to them."""
_ADDRESS = re.compile(r"(tcp|tls|ws|wss|ucx)://(\[[0-9A-Fa-f:.]+\]|[^\s:/]+):\d{1,5}")
_LOST = {"distributed.deploy.lost-worker-timeout": "5s", "distributed.scheduler.allowed-failures": 2}


class DaskExecutor:
    """The workers of a Dask scheduler that runs already.

    All of them see the study's folder, and the networks and inputs, under the same paths; give them a thread each
    (``dask worker ADDRESS --nthreads 1``).

    Parameters
    ----------
    address : str
        Of the scheduler, as ``tcp://host:8786``.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def check(self) -> None:
        """Refuse a scheduler that cannot be reached, or whose workers have other versions.

        Raises
        ------
        ConfigError, ToolMissing
        """
        with self._client() as client:
            check_workers(client)

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """Compute tasks; see `Executor.run`."""
        with self._client() as client:
            yield from outcomes(client, tasks)

    @contextlib.contextmanager
    def _client(self) -> Iterator[Client]:
        distributed = dask_distributed()
        if not _ADDRESS.fullmatch(self.address):  # Dask would wait for some of these for ever
            message = f"no Dask scheduler can be reached at {short(self.address)}: give an address, as tcp://host:8786"
            raise ConfigError(message, source="--dask")
        try:
            client = distributed.Client(self.address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            what = one_line(str(error)) or type(error).__name__
            message = f"no Dask scheduler can be reached at {short(self.address)}: {what}; start one with: dask scheduler"
            raise ConfigError(message, source="--dask") from None
        with client:
            yield client


@dataclass(frozen=True)
class ClusterExecutor:
    """Workers that are submitted as jobs to a cluster's queue, and submitted again where one is lost.

    Parameters
    ----------
    system : str
        One of `SYSTEMS`.
    jobs : int
        Workers, a job each.
    options : mapping
        What the class of dask-jobqueue takes: ``queue``, ``walltime``, ``memory``, ``job_script_prologue``.
    """

    system: str
    jobs: int
    options: Mapping[str, object] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse options that dask-jobqueue does not take; nothing is submitted.

        Raises
        ------
        ConfigError, ToolMissing
        """
        with self._cluster() as cluster:
            cluster.job_script()

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """Compute tasks; see `Executor.run`."""
        distributed = dask_distributed()
        import dask

        with dask.config.set(_LOST), self._cluster() as cluster:
            cluster.adapt(minimum_jobs=self.jobs, maximum_jobs=self.jobs)  # unlike scale(), it replaces a job that is lost
            with distributed.Client(cluster, set_as_default=False) as client:
                yield from outcomes(client, tasks)

    @contextlib.contextmanager
    def _cluster(self) -> Iterator[Any]:
        dask_distributed()
        try:
            import dask_jobqueue
        except ImportError:
            raise _missing() from None
        # One thread each: what is counted is counted on one, and layers are mapped by all of a machine together.
        options = {"cores": 1, "processes": 1, "memory": "4GB", **self.options}
        try:
            cluster = getattr(dask_jobqueue, SYSTEMS[self.system])(**options)
        except Exception as error:  # noqa: BLE001 - whatever it finds wrong with an option
            what = one_line(str(error)) or type(error).__name__
            raise ConfigError(f"dask-jobqueue cannot use the options: {what}", where=self.system, source="--cluster") from None
        with cluster:
            yield cluster


def read_cluster(path: Path) -> ClusterExecutor:
    """Read a cluster's file: ``system``, ``jobs``, and ``options`` of dask-jobqueue.

    Raises
    ------
    ConfigError
        Names the file, the key and what is allowed.
    """
    values = read_mapping(path, "cluster")
    for key in values:
        if key not in ("system", "jobs", "options"):
            known = ("system", "jobs", "options")
            raise ConfigError(
                f"unknown key {short(key)}; the keys are {', '.join(known)}{did_you_mean(key, known)}", "", str(path)
            )
    system, jobs, options = values.get("system"), values.get("jobs"), values.get("options", {})
    if not isinstance(system, str) or system not in SYSTEMS:
        raise ConfigError(f"{short(system)} is no queue; one of {', '.join(SYSTEMS)}", where="system", source=str(path))
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise ConfigError(f"{short(jobs)} jobs are not possible; give a whole number of at least 1", "jobs", str(path))
    if not isinstance(options, dict):
        raise ConfigError(f"{short(options)} is no mapping of dask-jobqueue's options", where="options", source=str(path))
    return ClusterExecutor(system, jobs, {str(key): value for key, value in options.items()})


def dask_distributed() -> Any:
    """Import `distributed`.

    Raises
    ------
    ToolMissing
    """
    try:
        import distributed
    except ImportError:
        raise _missing() from None
    return distributed


def _missing() -> ToolMissing:
    return ToolMissing("Dask is not installed; add it with: pip install 'cnvlutin2[cluster]'")


def check_workers(client: Client) -> None:
    """Refuse workers that could not compute the same."""
    here = versions()
    for address, found in client.run(versions).items():
        for name, version in here.items():
            if found[name] != version:
                what = f"the worker {address} has {name} {found[name]}, and here is {version}"
                raise ConfigError(f"{what}; give both the same environment", source="--dask")


def outcomes(client: Client, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
    """Compute tasks on the workers of a client."""
    from distributed import as_completed

    mark = secrets.token_hex(4)  # a key is a task to the scheduler, which may know the same point from another study
    futures = {client.submit(run_task, task, key=f"cnvlutin2-{task.point.id}-{mark}", pure=False): task for task in tasks}
    try:
        for future in as_completed(list(futures), loop=client.loop):
            if future.status == "finished":
                yield future.result()
            else:  # its workers were lost, or cannot import this package
                error = future.exception()
                text = f"{type(error).__name__}: {one_line(str(error))}"
                yield Outcome(futures[future].point.id, text[:500])
    finally:
        with contextlib.suppress(Exception):  # the scheduler may be gone
            client.cancel(list(futures))
