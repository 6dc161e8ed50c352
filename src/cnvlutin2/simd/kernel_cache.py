"""What is compiled is kept from run to run: a file for every function and its arguments' types, which is whole or is not used.

This stands in the place of Numba's own cache, whose reader takes whatever lies on the disk: a file that was cut short ends the
run, one that was changed is executed, and a function is taken for the same although one that it calls has changed.
"""

# Numba leaves what caches are made of untyped.
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import hashlib
import os
import pickle
import re
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from numba.core import config
from numba.core.caching import FunctionCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps
from numba.misc.appdirs import AppDirs

from cnvlutin2.errors import Cnvlutin2Warning, OutputError
from cnvlutin2.files import write_whole
from cnvlutin2.simd.compilation import Listening

_DIGEST_BYTES = 32
_reasons: list[str] = []
"""Why nothing is kept, once it was said."""

_PACKAGE = Path(__file__).parent.parent
_IMPORT = re.compile(rb"^from (cnvlutin2[\w.]*) import", re.MULTILINE)


class KernelCache(FunctionCache):
    """Numba's cache of one function, its files read and written here.

    Parameters
    ----------
    py_func : function
        What is compiled.
    """

    def __init__(self, py_func: Callable[..., Any]) -> None:  # the base would raise if no folder may be written
        self._py_func = py_func
        self._cache_path = str(_folder(Path(py_func.__code__.co_filename).parent))

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what was compiled for a signature, or None if there is nothing, or nothing that is whole and fits."""
        target_context.refresh()
        payload = self._payload(self._file(sig, target_context.codegen()))
        if payload is None:
            Listening.tell(self._py_func.__name__)
            return None
        return CompileResult._rebuild(target_context, *pickle.loads(payload))  # noqa: S301 - what `save_overload` wrote

    def has_any(self) -> bool:
        """Whether anything is kept of the function that fits, for whatever signature."""
        return any(self._payload(file) is not None for file in self._files())

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled for a signature; if it cannot be, say so once and go on."""
        if any(not lifted.can_cache for lifted in data.lifted) or data.library.has_dynamic_globals:
            return
        payload = dumps(data._reduce())
        file = self._file(sig, data.codegen)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, lambda part: part.write_bytes(self._digest(payload) + payload))
        except OutputError as error:
            _say_that_nothing_is_kept(str(error).removesuffix("; choose another place"))
        except OSError as error:
            _say_that_nothing_is_kept(f"cannot make {file.parent}: {error.strerror or error}")

    @staticmethod
    def is_kept() -> bool:
        """Whether what is compiled can be kept."""
        return _may_be_written(_folder(_PACKAGE))

    def flush(self) -> None:
        """Forget what was kept of the function, for every signature."""
        for file in self._files():
            file.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return list(Path(self._cache_path).glob(f"{self._stem()}*.nbc"))

    def _stem(self) -> str:
        code = self._py_func.__code__
        return f"{Path(code.co_filename).stem}.{code.co_name}.{sys.implementation.cache_tag}."

    def _file(self, sig: Any, codegen: Any) -> Path:
        of = repr((sig, codegen.magic_tuple(), config.BOUNDSCHECK, config.OPT))  # type: ignore[attr-defined] # set from the environment
        return Path(self._cache_path) / f"{self._stem()}{hashlib.sha256(of.encode()).hexdigest()[:16]}.nbc"

    def _payload(self, file: Path) -> bytes | None:
        try:
            stored = file.read_bytes()
        except OSError:
            return None  # as if it were not there: it is compiled, and kept if it can be
        payload = stored[_DIGEST_BYTES:]
        return payload if stored[:_DIGEST_BYTES] == self._digest(payload) else None

    def _digest(self, payload: bytes) -> bytes:
        return hashlib.sha256(_made_from(self._py_func) + payload).digest()


@cache
def _folder(beside: Path) -> Path:
    """Return where to keep what was compiled of a folder's modules: where Numba would, by the same rules.

    It is what ``NUMBA_CACHE_DIR`` names, else the modules' own ``__pycache__``, else the user's cache: the first that may be
    written. If none may, it is the first: what somebody else kept there can be read.
    """
    unique = f"{beside.name}_{hashlib.sha256(os.fsencode(beside)).hexdigest()[:32]}"
    folders = [beside / "__pycache__"]
    if config.CACHE_DIR:  # type: ignore[attr-defined] # set from the environment
        folders.insert(0, Path(config.CACHE_DIR) / unique)  # type: ignore[attr-defined] # the same
    users = Path(AppDirs(appname="numba", appauthor=False).user_cache_dir)
    if users.is_absolute():  # without a home it would be a folder called ~ wherever this runs
        folders.append(users / unique)
    return next(filter(_may_be_written, folders), folders[0])


@cache
def _may_be_written(folder: Path) -> bool:
    """Whether a file can be made in a folder, which is made if it is not there: rights alone do not tell, as for root."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _say_that_nothing_is_kept(reason: str) -> None:
    """Warn, but not for every kernel."""
    if _reasons:
        return
    _reasons.append(reason)
    warnings.warn(
        f"compiled kernels are not kept ({reason}), so every run compiles them again; "
        "set NUMBA_CACHE_DIR to a folder that may be written and has room",
        Cnvlutin2Warning,
        stacklevel=2,
    )


@cache
def _made_from(function: Callable[..., Any]) -> bytes:
    """Return a digest of what a compiled function follows from: versions, and the sources that it and what it calls stand in."""
    versions = [sys.version, *map(version, ("numba", "llvmlite", "numpy"))]
    code = function.__code__
    digest = hashlib.sha256(repr((versions, code.co_qualname, code.co_firstlineno)).encode() + code.co_code)
    for source in sorted(_imported_by(Path(code.co_filename))):
        digest.update(_text_of(source))
    return digest.digest()


def _imported_by(module: Path) -> set[Path]:
    """Return a module's file and those of this package that it imports, directly or not."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        source = waiting.pop()
        if source not in found:
            found.add(source)
            waiting += [_file_of(name.decode()) for name in _IMPORT.findall(_text_of(source))]
    return found


def _file_of(module: str) -> Path:
    place = _PACKAGE.parent.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


@cache
def _text_of(source: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError:
        return b""  # an installation without sources: versions and code decide
