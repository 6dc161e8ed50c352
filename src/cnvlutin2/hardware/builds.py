"""What was built of emitted Verilog is kept from run to run, under a name that its text and the tool's options make."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from cnvlutin2.errors import OutputError, SimulatorError, ToolMissing

FOLDER_VARIABLE = "CNVLUTIN2_BUILDS"
LOG = "build.log"
_SHOWN = 160


def builds_folder() -> Path:
    """Return where builds are kept: what ``CNVLUTIN2_BUILDS`` names, else a folder in the user's cache."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "cnvlutin2" / "builds"


def find_tool(program: str, package: str) -> str:
    """Return the path of a program.

    Raises
    ------
    ToolMissing
        Names the package that brings it.
    """
    found = shutil.which(program)
    if found is None:
        raise ToolMissing(
            f"needs the program {program}, which is not on PATH; install the package {package}, as by: apt-get install {package}"
        )
    return found


def built(
    texts: Iterable[tuple[str, str]],
    commands: Sequence[Sequence[str]],
    what: str = "the hardware",
    tell: Callable[[str], None] | None = None,
) -> Path:
    """Return the folder of a build, which is made if it is not kept yet.

    Parameters
    ----------
    texts : pairs of str
        Files by name, and what stands in them.
    commands : sequence of sequence of str
        What is run in the folder, one after another.
    what : str
        What is built, in words.
    tell : callable, optional
        Told before something is built, and how long it took.

    Raises
    ------
    OutputError
        If builds cannot be kept.
    SimulatorError
        If a command fails; names the log.
    """
    files = list(texts)
    key = hashlib.sha256(repr((files, [list(command) for command in commands])).encode()).hexdigest()[:32]
    folder = builds_folder() / key
    if folder.is_dir():
        return folder
    say = tell or (lambda _: None)
    say(f"building {what}; it is kept in {builds_folder()}")
    begun = time.monotonic()
    part = folder.with_name(f".{key}.{secrets.token_hex(4)}.part")
    try:
        part.mkdir(parents=True)
        for name, text in files:
            (part / name).write_text(text, "utf-8")
        _run(commands, part, folder.with_suffix(".log"))
        if not folder.is_dir():  # else somebody else has made it meanwhile
            part.rename(folder)
        say(f"built in {time.monotonic() - begun:.1f} s")
    except OSError as error:
        if isinstance(error, (OutputError, SimulatorError)):
            raise
        raise _cannot_keep(error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _run(commands: Sequence[Sequence[str]], folder: Path, log: Path) -> None:
    with (folder / LOG).open("w+", encoding="utf-8", errors="replace") as output:
        for command in commands:
            done = subprocess.run(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, check=False)  # noqa: S603
            if done.returncode:
                output.flush()
                shutil.copyfile(folder / LOG, log)
                raise SimulatorError(f"{Path(command[0]).name} failed{first_error(log)}; its log is {log}")
        output.flush()


def kept_log(name: str, text: str) -> Path:
    """Keep what a program has said, and return where.

    Raises
    ------
    OutputError
        If it cannot be kept.
    """
    log = builds_folder() / f"{name}.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(text, "utf-8")
    except OSError as error:
        raise _cannot_keep(error) from None
    return log


def _cannot_keep(error: OSError) -> OutputError:
    reason = error.strerror or error
    return OutputError(f"cannot keep builds in {builds_folder()}: {reason}; name a folder in {FOLDER_VARIABLE}")


def first_error(log: Path) -> str:
    """Return what a log first says of an error, to stand in a message; nothing if it says none."""
    lines = log.read_text("utf-8", "replace").splitlines()
    said = next((line.strip() for line in lines if "error" in line.lower()), "")
    return f": {said[:_SHOWN]}" if said else ""
