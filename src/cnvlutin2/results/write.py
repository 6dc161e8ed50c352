"""Writing results: JSON, CSV, Parquet. A file appears whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from cnvlutin2.errors import OutputError
from cnvlutin2.results.model import Results


def write_json(results: Results, target: str) -> None:
    """Write the results as JSON to a file, or to standard output for ``-``."""
    text = json.dumps(results.to_dict(), indent=1) + "\n"
    _write_text(text, target)


def write_csv(results: Results, target: str) -> None:
    """Write the runs as CSV to a file, or to standard output for ``-``."""
    _write_text(results.to_frame().to_csv(index=False), target)


def write_parquet(results: Results, target: str) -> None:
    """Write the runs as Parquet to a file."""
    frame = results.to_frame()
    write_whole(Path(target), lambda path: frame.to_parquet(path, index=False))


def _write_text(text: str, target: str) -> None:
    if target == "-":
        sys.stdout.write(text)
        return
    write_whole(Path(target), lambda path: path.write_text(text, "utf-8"))


def write_whole(target: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name in the same folder, then rename it.

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
    check_writable(target)
    temporary = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from None
    finally:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()


def check_writable(target: Path) -> None:
    """Refuse a file that cannot be written, before long work is done for it.

    Raises
    ------
    OutputError
        If its folder does not exist or may not be written, or it is a folder.
    """
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {target}: no folder {target.parent}; make it first")
    if target.is_dir():
        raise OutputError(f"cannot write {target}: it is a folder; name a file in it")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"cannot write {target}: the folder {target.parent} may not be written; choose another")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
