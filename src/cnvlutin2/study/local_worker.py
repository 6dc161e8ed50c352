"""A worker process: tasks come by standard input, outcomes go by standard output; it ends when nothing more comes."""

from __future__ import annotations

import os
import pickle
import signal
import sys

from cnvlutin2.study.worker import run_task


def main() -> None:
    """Work until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of the terminal's processes; who gave the tasks decides
    tasks = sys.stdin.buffer
    outcomes = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed is no outcome
    while True:
        try:
            task = pickle.load(tasks)  # noqa: S301 - of the process that started this one
        except EOFError:
            return
        try:
            pickle.dump(run_task(task), outcomes)
            outcomes.flush()
        except BrokenPipeError:
            return  # who gave it is gone; the point's file is there


if __name__ == "__main__":
    main()
