"""What can go wrong, in one tree.

::

    Cnvlutin2Error
    ├── ConfigError (ValueError)        a parameter, preset, key or option is wrong
    ├── NetworkError (ValueError)       a model, trace or input cannot be used
    │   └── UnsupportedLayer            a layer that has no meaning on this hardware
    ├── FormatError (ValueError)        an encoded stream or container is damaged
    ├── OutputError (OSError)           a result cannot be written
    ├── ToolMissing (ImportError)       an optional part is not installed
    ├── SimulatorError (RuntimeError)   a simulator of hardware cannot be built, or dies
    └── VerificationError               the model contradicts itself: a defect of this package

Every message is one line: it names the file or the thing, what is wrong with it, and the remedy.
The command line prints it to stderr and exits with code 2.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from difflib import get_close_matches


class Cnvlutin2Error(Exception):
    """Base of all errors that this package raises on purpose."""


class ConfigError(Cnvlutin2Error, ValueError):
    """A parameter, preset, key or option is wrong.

    Parameters
    ----------
    message : str
        What is wrong and what is allowed.
    where : str, optional
        The path of the key, as ``layer_mode.conv1``.
    source : str, optional
        The file or option that it came from.
    """

    def __init__(self, message: str, where: str = "", source: str = "") -> None:
        place = f" at {where}" if where else ""
        origin = f" ({source})" if source else ""
        super().__init__(f"{message}{place}{origin}")
        self.where = where
        self.source = source


class NetworkError(Cnvlutin2Error, ValueError):
    """A model, a trace or an input cannot be used."""


class UnsupportedLayer(NetworkError):
    """A layer that has no meaning on this hardware (it is listed as left out)."""


class FormatError(Cnvlutin2Error, ValueError):
    """An encoded stream or a container is damaged or does not fit its header."""


class OutputError(Cnvlutin2Error, OSError):
    """A result cannot be written."""


class ToolMissing(Cnvlutin2Error, ImportError):
    """An optional part is not installed; the message names the extra that brings it."""


class SimulatorError(Cnvlutin2Error, RuntimeError):
    """A simulator of hardware cannot be built or did not get to its end; the message names its log."""


class VerificationError(Cnvlutin2Error):
    """The model contradicts itself: a defect of this package, never of the input."""


class Cnvlutin2Warning(UserWarning):
    """Something was assumed that the user may want to say; the command line prints it to stderr and goes on."""


def one_line(text: str) -> str:
    """Return a text on one line, with what a terminal would obey instead of show (as in a model's names) written out."""
    words = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in words)


def encodable(text: str) -> str:
    """Return a text that every file can hold: bytes of a file name that are not UTF-8 are written out, as ``\\xe9``."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a pair that no file name holds
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def did_you_mean(given: object, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'cnv2-weights'?"`` if a known word is near to what was given, else nothing."""
    words = {word.lower(): word for word in known}
    near = get_close_matches(str(given)[:100].lower(), words, n=1, cutoff=0.6)
    return f"; did you mean {words[near[0]]!r}?" if near else ""


def short(value: object) -> str:
    """Return a value as it is shown in a message: on one line and of bounded length (YAML aliases can make it endless)."""
    limited = reprlib.Repr()
    limited.maxlevel, limited.maxdict, limited.maxstring, limited.maxother = 2, 6, 80, 80
    return str(limited.repr(value))
