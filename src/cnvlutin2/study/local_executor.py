"""Points in processes of this machine: one thread each, started anew where one is lost."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Generator, Sequence
from typing import IO

from cnvlutin2.errors import ConfigError
from cnvlutin2.study.worker import Outcome, Task
from cnvlutin2.timing.threads import default_jobs

TRIES = 3
"""Workers that a point may be lost with."""
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


class LocalExecutor:
    """Worker processes on this machine.

    Parameters
    ----------
    workers : int, optional
        By default as many as this process may use processors.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = default_jobs() if workers is None else workers
        if self.workers < 1:
            raise ConfigError(f"{workers} workers are not possible; give at least 1", where="jobs")

    def check(self) -> None:
        """Refuse nothing: processes can be started."""

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """Compute tasks; see `Executor.run`."""
        backlog, found = _Backlog(tasks), queue.SimpleQueue[Outcome | BaseException]()
        hands = [_Hand(backlog, found) for _ in range(min(self.workers, len(tasks)))]
        try:
            for hand in hands:
                hand.start()
            for _ in tasks:
                outcome = found.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                yield outcome
        finally:
            backlog.close()
            for hand in hands:
                hand.end()


class _Backlog:
    """What is still to be done, by capture, so that a worker stays with the layers that it has mapped; shared by threads."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._lock = threading.Lock()
        self._groups: OrderedDict[str, deque[Task]] = OrderedDict()
        self._at: dict[str, int] = {}  # workers at a group
        for task in tasks:
            self._groups.setdefault(task.point.capture.digest, deque()).append(task)

    def take(self, last: str | None) -> Task | None:
        """Return the next task for a worker that was at a group: of the same, else of the one with the fewest workers."""
        with self._lock:
            if last is not None and not self._groups.get(last):
                self._at[last] = self._at.get(last, 1) - 1
                last = None
            if last is None:
                open_groups = [key for key, group in self._groups.items() if group]
                if not open_groups:
                    return None
                last = min(open_groups, key=lambda key: self._at.get(key, 0))
                self._at[last] = self._at.get(last, 0) + 1
            return self._groups[last].popleft()

    def close(self) -> None:
        """Give nothing more out."""
        with self._lock:
            self._groups.clear()


class _Hand:
    """Gives tasks to one worker process after another, one at a time."""

    def __init__(self, backlog: _Backlog, found: queue.SimpleQueue[Outcome | BaseException]) -> None:
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._backlog, self._found = backlog, found
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _work(self) -> None:
        """Work until nothing is left."""
        group = None
        try:
            while (task := self._backlog.take(group)) is not None:
                group = task.point.capture.digest
                outcome = self._outcome(task)
                if self._ended.is_set():
                    return
                self._found.put(outcome)
        except BaseException as error:  # noqa: BLE001 - who waits for outcomes must hear of it
            self._found.put(error)
        finally:
            self._stop()

    def end(self) -> None:
        """End the worker, whatever it is at."""
        self._ended.set()
        process = self._process
        if process is not None:
            process.kill()
        self._thread.join()

    def _outcome(self, task: Task) -> Outcome:
        how = ""
        for _ in range(TRIES):
            if self._ended.is_set():
                break
            process = self._worker()
            try:
                _send(process.stdin, task)
                return _receive(process.stdout)
            except (OSError, EOFError, pickle.UnpicklingError):
                how = _ending(process)
                self._stop()
        return Outcome(
            task.point.id, f"its process ended {TRIES} times, the last {how}; memory may be short: use fewer workers (-j)"
        )

    def _worker(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            command = [sys.executable, "-P", "-m", "cnvlutin2.study.local_worker"]  # -P: not from the working directory
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env={**os.environ, **_ONE_THREAD})  # noqa: S603
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            if process.stdin:
                process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _ending(process: subprocess.Popen[bytes]) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):
        code = process.wait(5)
        return f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
    return "without a word"


def _send(stream: IO[bytes] | None, task: Task) -> None:
    if stream is None:
        raise EOFError
    pickle.dump(task, stream)
    stream.flush()


def _receive(stream: IO[bytes] | None) -> Outcome:
    if stream is None:
        raise EOFError
    found = pickle.load(stream)  # noqa: S301 - of a process that was started here
    if isinstance(found, Outcome):
        return found
    raise EOFError
