"""Several outputs of one command: none over another, and one that fails does not take the others with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from cnvlutin2.cli.main import message_of, say
from cnvlutin2.errors import Cnvlutin2Error, ConfigError, OutputError, VerificationError
from cnvlutin2.network.traces import TraceWriter
from cnvlutin2.simulation import Observer
from cnvlutin2.timing.observed import ObservedLayer


def check_apart(outputs: Mapping[str, str | None], read: Iterable[tuple[str, str]] = ()) -> None:
    """Refuse two outputs to one place, and an output over what is read, before anything runs.

    Parameters
    ----------
    outputs : mapping of str to str or None
        The option, and the file, folder or ``-`` (standard output) that was given.
    read : pairs of str
        What is read: what it is given by, and the file.

    Raises
    ------
    ConfigError
        Names both.
    """
    given = {option: target for option, target in outputs.items() if target is not None and target != os.devnull}
    options = list(given)
    sources = list(read)
    for at, option in enumerate(options):
        for other in options[:at]:
            if _same(given[option], given[other]):
                where = "standard output" if _is_stdout(given[option]) else given[option]
                raise ConfigError(f"writes to {where} like {other}; name another file", source=option)
        for name, source in sources:
            if not _is_stdout(given[option]) and Path(source).is_file() and _same(given[option], source):
                raise ConfigError(f"would replace {given[option]}, which is read as {name}; name another file", source=option)


def _same(one: str, other: str) -> bool:
    if _is_stdout(one) or _is_stdout(other):
        return _is_stdout(one) and _is_stdout(other)
    try:
        if Path(one).samefile(other):
            return True
    except OSError:  # one of them is not there yet
        pass
    return os.path.realpath(one) == os.path.realpath(other)


def _is_stdout(target: str) -> bool:
    """Whether writing to a target is writing to standard output, whatever it is called."""
    if target == "-":
        return True
    try:
        return os.path.samestat(Path(target).stat(), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):  # not there, or no standard output of the system's
        return False


class Attempts:
    """Things to do of which each is tried, whatever became of the others; a context manager for each, then `finish`.

    Examples
    --------
    >>> attempts = Attempts()
    >>> for target in targets:  # doctest: +SKIP
    ...     with attempts.attempt():
    ...         write(results, target)
    >>> attempts.finish()
    """

    def __init__(self) -> None:
        self._failed: list[Exception] = []
        self.interrupted = False

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Do one of them; what it raises is kept for the end."""
        try:
            yield
        except BrokenPipeError:
            raise  # nobody reads
        except KeyboardInterrupt:
            self.interrupted = True
        except Exception as error:  # noqa: BLE001 - `finish` raises it
            self.note(error)

    def note(self, error: Exception) -> None:
        """Keep what was raised elsewhere."""
        self._failed.append(error)

    def finish(self) -> None:
        """Say what failed, and raise what decides the exit code: Ctrl-C, a failed verification, a defect, the first error."""
        failed = sorted(self._failed, key=_rank)
        for error in failed if self.interrupted else failed[1:]:
            say("error", message_of(error))
        if self.interrupted:
            raise click.Abort
        if failed:
            raise failed[0]


def _rank(error: Exception) -> int:
    """Return the less, the more an error decides."""
    if isinstance(error, VerificationError):
        return 0
    return 2 if isinstance(error, (Cnvlutin2Error, OSError, MemoryError)) else 1  # what nobody expected is shown whole


@contextmanager
def writing_traces(directory: str | None, attempts: Attempts) -> Iterator[list[Observer]]:
    """Write every layer that is simulated as a trace, or nothing; if that fails, the simulation goes on without."""
    if directory is None:
        yield []
        return
    writer = TraceWriter(directory)
    failed: list[OutputError] = []

    def observe(prepared: ObservedLayer, _organisations: object, _timings: object) -> None:
        if failed:
            return
        try:
            writer.add(prepared.layer)
        except OutputError as error:
            failed.append(error)
            writer.discard()

    with writer:
        yield [observe]
    for error in failed:
        attempts.note(error)
