"""Studies: many points in one folder, computed once, on one machine or a cluster (docs/studies.md)."""

from cnvlutin2.study.dask_executor import ClusterExecutor, DaskExecutor, read_cluster
from cnvlutin2.study.definition import NetworkEntry, StudyDefinition
from cnvlutin2.study.executor import Executor
from cnvlutin2.study.loaded_study import Study, load_study
from cnvlutin2.study.local_executor import LocalExecutor
from cnvlutin2.study.sweeping import SweepState, sweep

__all__ = [
    "ClusterExecutor",
    "DaskExecutor",
    "Executor",
    "LocalExecutor",
    "NetworkEntry",
    "Study",
    "StudyDefinition",
    "SweepState",
    "load_study",
    "read_cluster",
    "sweep",
]
