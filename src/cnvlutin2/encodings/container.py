"""The ``.cnv2`` container: header, stream, pointers and checksums in a file that can be mapped (docs/formats.md)."""

from __future__ import annotations

import os
import stat
import zlib
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings.bitfields import pack, unpack
from cnvlutin2.encodings.codec import Words
from cnvlutin2.encodings.header import BLOCK_BYTES, CHECK_BYTES, HEADER_BYTES, Header, make_header, read_header
from cnvlutin2.encodings.parameters import Parameters
from cnvlutin2.encodings.sources import Source, words_of
from cnvlutin2.errors import FormatError
from cnvlutin2.files import write_whole


@dataclass(frozen=True, eq=False)
class FileSource(Source):
    """A stream in a container, of which only the blocks that hold what is asked for are read and checked.

    Parameters
    ----------
    name : str
        The file's name, for messages.
    data : uint8 array
        The whole file, mapped.
    header : Header
    """

    name: str
    data: NDArray[np.uint8]
    header: Header

    def window(self, bit: int, end: int) -> tuple[Words, int]:
        """Return a copy of the bytes that hold the bits."""
        first, stop = bit // 8, -(-end // 8)
        if end < self.header.stream_bits:
            return words_of(self._read(first, stop, "stream")), bit - first * 8
        data = self._read(first, self.header.stream_bytes, "stream")  # to the end, for its fill
        _check_fill(data, end - first * 8, "stream")
        return words_of(data[: stop - first]), bit - first * 8

    def pointer(self, number: int) -> int:
        """Return one pointer."""
        width, base = self.header.pointer_bits, self.header.stream_bytes
        bit = number * width
        if number == self.header.pointer_count - 1:
            data = self._read(base + bit // 8, self.header.body_bytes, "pointers")
            _check_fill(data, bit % 8 + width, "pointers")
        else:
            data = self._read(base + bit // 8, base - (-(bit + width) // 8), "pointers")
        return int.from_bytes(data, "little") >> bit % 8 & ((1 << width) - 1)

    def pointers(self) -> NDArray[np.int64] | None:
        """Return all pointers."""
        if not self.header.pointer_bits:
            return None
        base = self.header.stream_bytes
        data = self._read(base, self.header.body_bytes, "pointers")
        _check_fill(data, self.header.pointer_count * self.header.pointer_bits, "pointers")
        return unpack(data, self.header.pointer_bits, self.header.pointer_count)

    def _read(self, first: int, end: int, field: str) -> bytes:
        """Return bytes of the body, whose blocks' checksums match."""
        checks = self.data[HEADER_BYTES + self.header.body_bytes :]
        for block in range(first // BLOCK_BYTES, -(-end // BLOCK_BYTES)):
            start = HEADER_BYTES + block * BLOCK_BYTES
            stop = min(start + BLOCK_BYTES, HEADER_BYTES + self.header.body_bytes)
            wanted = int.from_bytes(checks[block * CHECK_BYTES : (block + 1) * CHECK_BYTES].tobytes(), "little")
            if zlib.crc32(self.data[start:stop].data) != wanted:
                raise FormatError(f"{field}: the checksum of bytes {start} to {stop} does not match; the file is damaged")
        return self.data[HEADER_BYTES + first : HEADER_BYTES + end].tobytes()


def _check_fill(data: bytes, used_bits: int, field: str) -> None:
    """Refuse bytes in which a bit is set after the first `used_bits`."""
    if int.from_bytes(data[used_bits // 8 :], "little") >> used_bits % 8:
        raise FormatError(f"{field}: the bits after its end are not zero; the file is damaged")


def read_container(path: str | PathLike[str]) -> tuple[Parameters, int, FileSource]:
    """Read and validate the header of a container, and map the rest.

    Returns
    -------
    Parameters, int, FileSource
        What was encoded, the bits of the stream, and where they are.

    Raises
    ------
    FormatError
        If the file is missing or damaged; names the file and the field.
    """
    name = os.fspath(path)
    try:
        # Before it is opened: opening a pipe would wait for somebody to write to it.
        if not stat.S_ISREG(os.stat(name).st_mode):  # noqa: PTH116
            raise FormatError("cannot be read (not a file)")
        with Path(name).open("rb") as file:
            head = file.read(HEADER_BYTES)
            size = os.fstat(file.fileno()).st_size
        header, parameters = read_header(head, size)
        data = np.memmap(name, np.uint8, "r", shape=(size,))
    except (OSError, ValueError) as error:
        if isinstance(error, FormatError):
            raise FormatError(f"{name}: {error}") from None
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise FormatError(f"{name}: cannot be read ({reason})") from None
    return parameters, header.stream_bits, FileSource(name, data, header)


def write_container(
    path: str | PathLike[str], parameters: Parameters, stream_bits: int, stream: bytes, pointers: NDArray[np.int64] | None
) -> None:
    """Write a container, whole or not at all.

    Parameters
    ----------
    path : path-like
    parameters : Parameters
    stream_bits : int
    stream : bytes
    pointers : int64 array or None

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    header = make_header(parameters, stream_bits)
    indirection = b"" if pointers is None else pack(pointers, header.pointer_bits)
    body = stream + bytes(header.stream_bytes - len(stream)) + indirection
    body += bytes(header.body_bytes - len(body))
    view = memoryview(body)
    checks = (zlib.crc32(view[start : start + BLOCK_BYTES]) for start in range(0, len(body), BLOCK_BYTES))
    parts = [header.to_bytes(), body, b"".join(check.to_bytes(CHECK_BYTES, "little") for check in checks)]

    def write(part: Path) -> None:
        with part.open("wb") as file:
            file.writelines(parts)

    write_whole(Path(path), write)
