"""What was built of emitted Verilog is kept from run to run, under a name that its text and the tool's options make."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

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


@dataclass(frozen=True)
class Recipe:
    """How something is built.

    Parameters
    ----------
    what : str
        In words.
    files : pairs of str
        Files by name, and what stands in them.
    commands : sequence of sequence of str
        What is run in the folder, one after another.
    kept : sequence of str
        Files that are wanted of it; the rest is removed.
    shared : str
        A name that makes other builds' files fit this one.
    shared_files : sequence of str
        Files that every build of this name makes the same; the first one leaves them to the others.
    """

    what: str
    files: Sequence[tuple[str, str]]
    commands: Sequence[Sequence[str]]
    kept: Sequence[str]
    shared: str = ""
    shared_files: Sequence[str] = ()


def built(recipe: Recipe, tell: Callable[[str], None] | None = None) -> Path:
    """Return the folder of a build, which is made if it is not kept yet.

    Parameters
    ----------
    recipe : Recipe
    tell : callable, optional
        Told before something is built, and how long it took.

    Raises
    ------
    OutputError
        If builds cannot be kept.
    SimulatorError
        If a command fails; names the log.
    """
    folder = builds_folder() / _key((recipe.files, [list(command) for command in recipe.commands]))
    if folder.is_dir():
        return folder
    say = tell or (lambda _: None)
    say(f"building {recipe.what}; it is kept in {builds_folder()}")
    begun = time.monotonic()
    part = _beside(folder)
    try:
        part.mkdir(parents=True)
        for name, text in recipe.files:
            (part / name).write_text(text, "utf-8")
        _share(recipe, lambda common: [shutil.copy2(common / name, part / name) for name in recipe.shared_files])
        _run(recipe.commands, part, folder.with_suffix(".log"))
        _leave(recipe, part)
        for path in part.iterdir():
            if path.name not in (*recipe.kept, LOG):
                path.unlink()
        if not folder.is_dir():  # else somebody else has made it meanwhile
            part.rename(folder)
    except OSError as error:
        if isinstance(error, (OutputError, SimulatorError)):
            raise
        raise _cannot_keep(error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    say(f"built in {time.monotonic() - begun:.1f} s")
    return folder


def _key(of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()[:32]


def _beside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")


def _share(recipe: Recipe, take: Callable[[Path], object]) -> None:
    """Take what other builds have left, if any have."""
    common = builds_folder() / _key(recipe.shared)
    if recipe.shared_files and common.is_dir():
        take(common)


def _leave(recipe: Recipe, part: Path) -> None:
    """Leave what is the same for others."""
    common = builds_folder() / _key(recipe.shared)
    if not recipe.shared_files or common.is_dir() or not all((part / name).exists() for name in recipe.shared_files):
        return
    own = _beside(common)
    own.mkdir()
    for name in recipe.shared_files:
        shutil.copy2(part / name, own / name)
    with contextlib.suppress(OSError):  # somebody else was quicker
        own.rename(common)
    shutil.rmtree(own, ignore_errors=True)


def _run(commands: Sequence[Sequence[str]], folder: Path, log: Path) -> None:
    with (folder / LOG).open("w+", encoding="utf-8", errors="replace") as output:
        for command in commands:
            if _call(command, folder, output):
                output.flush()
                shutil.copyfile(folder / LOG, log)
                raise SimulatorError(f"{Path(command[0]).name} failed{first_error(log)}; its log is {log}")
        output.flush()


def _call(command: Sequence[str], folder: Path, output: IO[str]) -> int:
    """Run a command, and end it with all that it has started if this program is ended."""
    process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)  # noqa: S603
    try:
        return process.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


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
