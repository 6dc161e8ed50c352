"""The header of a ``.cnv2`` container: its fields, and whether they agree with each other and with the file's length."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, fields

from cnvlutin2.encodings.base import POINTER_UNIT_BITS, pointer_width
from cnvlutin2.encodings.parameters import Parameters
from cnvlutin2.encodings.registry import get_format
from cnvlutin2.encodings.storage import Packing, Storage
from cnvlutin2.errors import ConfigError, FormatError

MAGIC = b"CNV2\r\n\x1a\n"
"""Its line ends and end-of-file byte show a transfer as text."""
VERSION = 1
HEADER_BYTES = 128
BLOCK_BYTES = 4096
"""A checksum covers this much: reading a brick reads, and checks, the page or two that it lies in."""
CHECK_BYTES = 4

PACKINGS: tuple[Packing, ...] = ("brick", "row")
_LAYOUT = struct.Struct("<8sHH16s8sIIIIIHHHHIIQQQI24s")
_CRC = struct.Struct("<I")


@dataclass(frozen=True)
class Header:
    """The fields in the order of the file; all numbers little-endian (docs/formats.md)."""

    magic: bytes
    version: int
    header_bytes: int
    format: bytes
    dtype: bytes
    channels: int
    height: int
    width: int
    groups: int
    threshold: int
    brick: int
    data_bits: int
    packing: int
    reserved: int
    pointer_group: int
    pointer_bits: int
    stream_bits: int
    pointer_count: int
    file_bytes: int
    block_bytes: int
    reserved_tail: bytes

    def to_bytes(self) -> bytes:
        """Return the header with its checksum."""
        packed = _LAYOUT.pack(*(getattr(self, field.name) for field in fields(self)))
        return packed + _CRC.pack(zlib.crc32(packed))

    @property
    def stream_bytes(self) -> int:
        """Bytes of the stream, zero-filled to a multiple of 8."""
        return -(-self.stream_bits // 64) * 8

    @property
    def body_bytes(self) -> int:
        """Bytes of stream and pointers, each zero-filled to a multiple of 8."""
        return self.stream_bytes + -(-self.pointer_count * self.pointer_bits // 64) * 8

    @property
    def blocks(self) -> int:
        """Blocks of the body, each with a checksum."""
        return -(-self.body_bytes // BLOCK_BYTES)

    def parameters(self) -> Parameters:
        """Return what the fields say of the array.

        Raises
        ------
        FormatError
            Names the field.
        """
        if self.packing >= len(PACKINGS):
            raise FormatError(f"packing: {self.packing} is neither 0 (brick) nor 1 (row)")
        texts = {key: _text(key, getattr(self, key)) for key in ("format", "dtype")}
        try:
            shape = (self.channels, self.height, self.width)
            storage = Storage(*shape, self.brick, self.groups, PACKINGS[self.packing])
            return Parameters(texts["format"], storage, self.data_bits, self.threshold, self.pointer_group, texts["dtype"])
        except ConfigError as error:
            message = str(error).removesuffix(f" at {error.where}")
            raise FormatError(f"{error.where}: {message}") from None


def make_header(parameters: Parameters, stream_bits: int) -> Header:
    """Return the header of an encoded array."""
    storage, scheme = parameters.storage, get_format(parameters.format)
    draft = Header(
        magic=MAGIC,
        version=VERSION,
        header_bytes=HEADER_BYTES,
        format=parameters.format.encode("ascii"),
        dtype=parameters.dtype.encode("ascii"),
        channels=storage.channels,
        height=storage.height,
        width=storage.width,
        groups=storage.groups,
        threshold=parameters.threshold,
        brick=storage.brick,
        data_bits=parameters.data_bits,
        packing=PACKINGS.index(storage.packing),
        reserved=0,
        pointer_group=parameters.pointer_group,
        pointer_bits=pointer_width(stream_bits) if scheme.indirect else 0,
        stream_bits=stream_bits,
        pointer_count=scheme.pointer_count(storage.bricks, parameters.pointer_group),
        file_bytes=0,
        block_bytes=BLOCK_BYTES,
        reserved_tail=b"",
    )
    values = {field.name: getattr(draft, field.name) for field in fields(draft)}
    return Header(**{**values, "file_bytes": HEADER_BYTES + draft.body_bytes + draft.blocks * CHECK_BYTES})


def read_header(data: bytes, file_bytes: int) -> tuple[Header, Parameters]:
    """Parse and validate a header; nothing is allocated by what it says.

    Parameters
    ----------
    data : bytes
        The first 128 bytes of the file, or all if it has fewer.
    file_bytes : int
        How long the file is.

    Raises
    ------
    FormatError
        Names the field.
    """
    if not data.startswith(MAGIC):
        raise FormatError("magic: this is not a .cnv2 container")
    if len(data) < HEADER_BYTES:
        raise FormatError(f"header_bytes: the file ends within its header, after {len(data)} bytes")
    header = Header(*_LAYOUT.unpack(data[: _LAYOUT.size]))
    if header.version != VERSION:
        raise FormatError(f"version: {header.version} is not known here (only {VERSION}); update cnvlutin2")
    if _CRC.unpack(data[_LAYOUT.size : HEADER_BYTES])[0] != zlib.crc32(data[: _LAYOUT.size]):
        raise FormatError("header_crc: the header's checksum does not match; the file is damaged")
    parameters = header.parameters()
    expected = _expected(header, parameters)
    for field in fields(header):
        if field.name in expected and getattr(header, field.name) != expected[field.name]:
            found = getattr(header, field.name)
            raise FormatError(f"{field.name}: is {found!r}, but the other fields ask for {expected[field.name]!r}")
    if header.file_bytes != file_bytes:
        raise FormatError(f"file_bytes: the header says {header.file_bytes}, the file has {file_bytes}; it is cut off or damaged")
    return header, parameters


def _expected(header: Header, parameters: Parameters) -> dict[str, int | bytes]:
    """Return the only value that the other fields leave to some, having checked the stream's length."""
    storage, scheme = parameters.storage, get_format(parameters.format)
    brick, data_bits, found = storage.brick, parameters.data_bits, header.stream_bits
    least, most = (storage.bricks * bits for bits in scheme.extreme_bits(brick, data_bits))
    if not least <= found <= most or (scheme.indirect and found % POINTER_UNIT_BITS):
        raise FormatError(f"stream_bits: is {found}, but {storage.bricks} {parameters.format} bricks take {least} to {most}")
    wanted = make_header(parameters, found)
    keys = ("header_bytes", "reserved", "pointer_bits", "pointer_count", "block_bytes", "file_bytes")
    return {**{key: getattr(wanted, key) for key in keys}, "reserved_tail": bytes(24)}


def _text(key: str, field: bytes) -> str:
    text = field.rstrip(b"\0")
    if not text.isascii() or b"\0" in text or not text.decode("ascii").isprintable():
        raise FormatError(f"{key}: {field!r} is not a name")
    return text.decode("ascii")
