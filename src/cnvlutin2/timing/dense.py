"""The dense mode: all lanes take consecutive values of a step together, as in DaDianNao (MICRO 2014)."""

from __future__ import annotations

from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.prepared import PreparedLayer
from cnvlutin2.timing.schedule import Schedule
from cnvlutin2.timing.slots import Counts


def dense_cycles(prepared: PreparedLayer, organisation: Organisation) -> int:
    """Return the cycles of an image without overheads: the baseline of the organisation's own size."""
    return prepared.schedule(organisation).dense_cycles


def time_dense(prepared: PreparedLayer, schedule: Schedule) -> tuple[Counts, Counts]:
    """Return cycles ``[N]`` and slots ``[N, kinds]`` of a layer in dense mode."""
    return schedule.dense_account(prepared.sums[:, :2])
