"""Reading an `.npz` or `.npy` that nobody vouches for: no pickles, and no allocation before sizes are checked."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError

MAX_ARRAY_BYTES = 4 << 30
"""Largest array that is read."""
FREE_BYTES, MAX_RATIO = 1 << 30, 200
"""Beyond `FREE_BYTES`, an array that was compressed more than `MAX_RATIO` to one is taken for a decompression bomb.

Below it memory is there, whatever the file's size: layers that see almost only zeros are ordinary, and deflate makes up to 1032
to one of them. Above it `cnvlutin2.network.trace_file.save_trace` does not compress what would be refused.
"""

_HEADER_BYTES = 4096  # numpy writes 128 for an array without named fields
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError),  # RuntimeError: an encrypted member
    *(EOFError, OSError, ValueError, TypeError, SyntaxError, MemoryError, tokenize.TokenError),
)
"""What zipfile and numpy raise for bytes that are not what they claim to be."""


def map_npy(file: Path) -> NDArray[Any]:
    """Map the array of an `.npy`: nothing is allocated by what its header claims, and values are read when they are needed.

    Raises
    ------
    NetworkError
        If the file is not a whole `.npy` of plain numbers. Names the file.
    """
    try:
        return np.lib.format.open_memmap(file, mode="r")
    except OSError as error:
        raise NetworkError(f"{file}: cannot be read: {error.strerror or error}") from None
    except (*_DAMAGE, OverflowError):
        raise NetworkError(f"{file}: is not an .npy array of numbers, or is truncated; write it with numpy.save") from None


def is_bomb(array_bytes: int, compressed_bytes: int) -> bool:
    """Whether an array of a size is not read, for it takes far more memory than the file does."""
    return array_bytes > FREE_BYTES and array_bytes > MAX_RATIO * compressed_bytes


@dataclass(frozen=True)
class ArrayHeader:
    """What an array's header declares, once it is known to be true."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class CheckedArchive:
    """An open `.npz`; use it in a ``with`` statement.

    Parameters
    ----------
    file : Path
    required, optional : collection of str
        The keys that the file must have and may have; it must have no others, and none twice.

    Raises
    ------
    NetworkError
        If the file is missing, unreadable, not an `.npz`, or has other keys. Every message names the file.
    """

    def __init__(self, file: Path, required: Collection[str], optional: Collection[str]) -> None:
        self.file = file
        if file.exists() and not file.is_file():  # a pipe would wait for somebody to write to it
            self.refuse("is not a file; give an .npz file")
        try:
            self._zip = zipfile.ZipFile(file)
        except FileNotFoundError:
            self.refuse("no such file")
        except OSError as error:
            self.refuse(f"cannot be read: {error.strerror or error}")
        except (zipfile.BadZipFile, ValueError, NotImplementedError):
            self.refuse("not an .npz file, or a truncated one; write it with numpy.savez_compressed")
        try:
            self._members = self._index(required, optional)
        except NetworkError:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def __contains__(self, key: str) -> bool:
        return key in self._members

    def refuse(self, what: str) -> NoReturn:
        """Raise the error of this file."""
        raise NetworkError(f"{self.file}: {what}")

    def _index(self, required: Collection[str], optional: Collection[str]) -> dict[str, zipfile.ZipInfo]:
        members: dict[str, zipfile.ZipInfo] = {}
        file_bytes = self.file.stat().st_size
        for info in self._zip.infolist():
            key = info.filename.removesuffix(".npy")
            if key == info.filename or key not in (*required, *optional):
                self.refuse(f"unknown key {key[:80]!r}; the keys are {', '.join((*required, *optional))}")
            if key in members:
                self.refuse(f"has the key {key!r} twice; write it again")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                self.refuse(f"{key!r} is compressed in a way that numpy does not use; write it with numpy.savez_compressed")
            if info.header_offset + info.compress_size > file_bytes:
                self.refuse(f"is truncated: {key!r} does not end within it; copy it again")
            members[key] = info
        for key in required:
            if key not in members:
                self.refuse(f"has no {key!r}; it needs {' and '.join(required)}")
        return members

    @contextmanager
    def _reading(self, key: str) -> Iterator[IO[bytes]]:
        try:
            with self._zip.open(self._members[key]) as stream:
                yield stream
        except NetworkError:
            raise
        except _DAMAGE as error:
            reason = " ".join(str(error).split())[:100] or type(error).__name__
            self.refuse(f"{key!r} is damaged ({reason}); write the file again")

    def header(self, key: str) -> ArrayHeader:
        """Read an array's header and check it against the size of what follows.

        Raises
        ------
        NetworkError
            For Python objects, a declared size that is not the real one, more than `MAX_ARRAY_BYTES`, or a bomb.
        """
        info = self._members[key]
        with self._reading(key) as stream:
            version = np.lib.format.read_magic(stream)
            if version not in _HEADERS:
                self.refuse(f"{key!r} has a format version of {version}; write it again with numpy.savez_compressed")
            shape, _, dtype = _HEADERS[version](stream, max_header_size=_HEADER_BYTES)
            start = stream.tell()
        if dtype.hasobject:
            self.refuse(f"{key!r} holds Python objects (a pickle), which are never read; save plain numbers")
        size, there = dtype.itemsize * math.prod(shape), info.file_size - start
        if min(shape, default=0) < 0 or size != there:
            self.refuse(f"{key!r} declares {list(shape)} of {dtype}, but has {there} bytes; write the file again")
        if size > MAX_ARRAY_BYTES:
            self.refuse(f"{key!r} has {size} bytes, more than {MAX_ARRAY_BYTES}; use fewer images")
        if is_bomb(size, info.compress_size):
            self.refuse(f"{key!r} would grow from {info.compress_size} to {size} bytes; write it uncompressed, with numpy.savez")
        return ArrayHeader(shape, dtype)

    def array(self, key: str) -> NDArray[Any]:
        """Read an array, its header checked first and its checksum last."""
        self.header(key)
        with self._reading(key) as stream:
            values: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False, max_header_size=_HEADER_BYTES)
        return values
