"""Writing files: a file, or a folder of them, appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from cnvlutin2.errors import OutputError


def write_whole(target: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name in the same folder, then rename it.

    A link is followed: the file that it points to is replaced. A device or a pipe is written to directly.

    Parameters
    ----------
    target : Path
        What is replaced if it exists.
    write : callable
        Called with the path to write.

    Raises
    ------
    OutputError
        Names the file and the reason; nothing is left behind.
    """
    try:
        final = _replaced_by(target)
        if final is None:
            write(target)
            return
        temporary = final.with_name(f".{secrets.token_hex(8)}.part")
        try:
            write(temporary)
            temporary.replace(final)
        finally:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
    except (OSError, RuntimeError) as error:
        raise _refusal(target, error) from None


def check_writable(target: Path) -> None:
    """Refuse a file that cannot be written, before long work is done for it.

    Raises
    ------
    OutputError
        If its folder does not exist or may not be written, it is a folder, or it is there and may not be written.
    """
    try:
        _replaced_by(target)
    except (OSError, RuntimeError) as error:
        raise _refusal(target, error) from None


def check_folder(target: Path) -> None:
    """Refuse a folder that cannot be made or written to, before long work is done for it; nothing is made.

    Raises
    ------
    OutputError
        If it, or what it is to be made in, is not a folder or may not be written.
    """
    there = target
    try:
        while not there.exists() and not there.is_symlink():
            there = there.parent
        if not there.is_dir():
            raise OutputError(f"cannot write to {target}: {there} is not a folder; choose another place")
        if not os.access(there, os.W_OK | os.X_OK):
            raise OutputError(f"cannot write to {target}: the folder {there} may not be written; choose another")
    except (OSError, RuntimeError) as error:
        raise _refusal(target, error) from None


def check_new_folder(target: Path, *, force: bool, written: Collection[str] = ()) -> None:
    """Refuse a folder that has something in it, or cannot be made or written to; nothing is made.

    Parameters
    ----------
    target : Path
    force : bool
        Whether it may have something in it.
    written : collection of str
        What would be replaced in it: no folders.

    Raises
    ------
    OutputError
        Names it and the remedy.
    """
    check_folder(target)
    if not force and target.is_dir() and any(target.iterdir()):
        raise OutputError(f"cannot write to {target}: the folder is not empty; choose another, or replace files in it (--force)")
    for name in written:
        if (target / name).is_dir():
            raise OutputError(f"cannot write {target / name}: it is a folder; choose another place")


def write_folder(target: Path, files: Mapping[str, str], written: Collection[str] = ()) -> None:
    """Write texts to a folder, all of them or none; what else is in it stays.

    Parameters
    ----------
    target : Path
        Made if it is not there.
    files : mapping of str to str
        By name.
    written : collection of str
        What earlier ones have written: those of these names that are not among `files` are removed.

    Raises
    ------
    OutputError
        Names the folder and the reason; nothing is left behind.
    """
    made = [folder for folder in (target, *target.parents) if not folder.exists()]
    part = target / f".{secrets.token_hex(8)}.part"
    try:
        part.mkdir(parents=True)
        for name, text in files.items():
            (part / name).write_text(text, "utf-8")
        for name in files:
            (part / name).replace(target / name)
        for name in written:
            if name not in files:
                (target / name).unlink(missing_ok=True)
        made = []
    except (OSError, RuntimeError) as error:
        raise _refusal(target, error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _replaced_by(target: Path) -> Path | None:
    """Return the file that is to be made or replaced, or None for a device or a pipe."""
    if target.is_dir():
        raise OutputError(f"cannot write {target}: it is a folder; name a file in it")
    if target.exists():
        if not os.access(target, os.W_OK):
            raise OutputError(f"cannot write {target}: it is read-only; choose another")
        if not target.is_file():
            return None
    final = target.resolve()
    if final.is_symlink():  # from Python 3.13 on, a loop is no error
        raise OutputError(f"cannot write {target}: it is a loop of symbolic links; choose another place")
    if not final.parent.is_dir():
        raise OutputError(f"cannot write {target}: no folder {target.parent}; make it first")
    if not os.access(final.parent, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {target}: the folder {target.parent} may not be written; choose another")
    return final


def _refusal(target: Path, error: Exception) -> OutputError:
    if isinstance(error, OutputError):
        return error
    reason = getattr(error, "strerror", None) or error  # RuntimeError: a loop of links
    return OutputError(f"cannot write {target}: {reason}; choose another place")
