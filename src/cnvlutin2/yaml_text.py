"""Reading YAML that nobody vouches for: plain values only, of bounded size; whatever is wrong fits a line."""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from cnvlutin2.errors import ConfigError, short

MAX_BYTES = 1 << 20
"""Largest file that is read; those that people write have a few KiB."""
UNREADABLE = (YAMLError, ValueError, RecursionError)
"""What the parser raises for a text that it cannot read."""


def read_mapping(path: Path, what: str) -> dict[str, object]:
    """Read a file that holds one mapping; see `parse_mapping`.

    Parameters
    ----------
    path : Path
    what : str
        What the file describes, for messages, as "organisation".

    Raises
    ------
    ConfigError
        Names the file, and the line where that is known.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would wait for somebody to write to it
            raise ConfigError(f"cannot read the {what} {path}: it is no file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"cannot read the {what} {path}: {reason}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"cannot read the {what} {path}: it is larger than {MAX_BYTES >> 20} MiB")
    return parse_mapping(text, what, str(path))


def parse_mapping(text: str, what: str, source: str) -> dict[str, object]:
    """Parse a text that holds one mapping. Keys become text; nested values are as they are, and may be of any size.

    Raises
    ------
    ConfigError
        Names the source, and the line where that is known.
    """
    try:
        values = YAML(typ="safe", pure=True).load(text)
    except UNREADABLE as error:
        raise ConfigError(f"not valid YAML: {_problem(error)}", source=source) from None
    if not isinstance(values, dict):
        raise ConfigError(f"the {what} must be a YAML mapping", source=source)
    return {key if isinstance(key, str) else short(key): value for key, value in values.items()}


def _problem(error: Exception) -> str:
    """Say what the parser found, and in which line, without the excerpts and advice that it adds."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    mark = getattr(error, "problem_mark", None)
    line = f" (line {mark.line + 1})" if mark else ""
    return " ".join(str(getattr(error, "problem", None) or error).split())[:200] + line
