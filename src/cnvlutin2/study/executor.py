"""`Executor`: the protocol behind which points are computed, wherever that is."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol, runtime_checkable

from cnvlutin2.study.worker import Outcome, Task


@runtime_checkable
class Executor(Protocol):
    """Computes points in processes of its own, which write their files themselves (`cnvlutin2.study.worker.run_task`)."""

    def check(self) -> None:
        """Refuse what cannot be reached, before anything runs.

        Raises
        ------
        ConfigError, ToolMissing
        """

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """Compute tasks; yield what became of each as it ends, in whatever order.

        A worker that is lost costs the points that it was at: they are given to another, and fail if they lose that one too.
        Whoever closes the generator, as an exception does, ends the workers; files are whole whenever that is.
        """
