"""The `.cnv2` container: what it holds comes back, a brick costs its page, and damage is named."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cnvlutin2.encodings import Encoded, Packing, encode, format_names, load, to_bricks
from cnvlutin2.encodings.container import FileSource
from cnvlutin2.encodings.header import BLOCK_BYTES, HEADER_BYTES, make_header
from cnvlutin2.encodings.parameters import Parameters
from cnvlutin2.encodings.storage import Storage, offset_bits
from cnvlutin2.errors import FormatError, OutputError
from cnvlutin2.numeric import limits
from cnvlutin2.simd import Kernels

FUZZ = Path(__file__).parent / "fuzz" / "container_mutations.py"
CRC_AT = HEADER_BYTES - 4
FIELDS: dict[str, tuple[int, str]] = {
    "version": (8, "<H"),
    "header_bytes": (10, "<H"),
    "format": (12, "16s"),
    "dtype": (28, "8s"),
    "channels": (36, "<I"),
    "height": (40, "<I"),
    "width": (44, "<I"),
    "groups": (48, "<I"),
    "threshold": (52, "<I"),
    "brick": (56, "<H"),
    "data_bits": (58, "<H"),
    "packing": (60, "<H"),
    "reserved": (62, "<H"),
    "pointer_group": (64, "<I"),
    "pointer_bits": (68, "<I"),
    "stream_bits": (72, "<Q"),
    "pointer_count": (80, "<Q"),
    "file_bytes": (88, "<Q"),
    "block_bytes": (96, "<I"),
    "reserved_tail": (100, "24s"),
}


def sample(seed: int = 0, shape: tuple[int, int, int] = (40, 9, 10)) -> NDArray[np.int16]:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < 0.5, rng.integers(-900, 900, shape), 0).astype(np.int16)


def written(path: Path, name: str = "packed_viai", **options: Any) -> bytearray:
    encode(sample(), name, **options).save(path)
    return bytearray(path.read_bytes())


def sign_header(data: bytearray) -> None:
    struct.pack_into("<I", data, CRC_AT, zlib.crc32(data[:CRC_AT]))


def sign_body(data: bytearray, body_bytes: int) -> None:
    """Make the blocks' checksums match."""
    for number, start in enumerate(range(0, body_bytes, BLOCK_BYTES)):
        block = data[HEADER_BYTES + start : HEADER_BYTES + min(start + BLOCK_BYTES, body_bytes)]
        struct.pack_into("<I", data, HEADER_BYTES + body_bytes + 4 * number, zlib.crc32(block))


@given(
    st.sampled_from(format_names()),
    st.integers(1, 9),
    st.sampled_from(("brick", "row")),
    st.sampled_from((1, 2, 4)),
    st.sampled_from(("int16", "int32", "uint8")),
    st.sampled_from((5, 16, 33)),
)
def test_what_is_saved_comes_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, group: int, packing: Packing, groups: int, dtype: str, brick: int
) -> None:
    array = np.abs(sample(group, (12, 3, 5)) % 100).astype(dtype)
    encoded = encode(array, name, brick, 11, 3, group, packing, groups)
    path = tmp_path_factory.getbasetemp() / "round.cnv2"
    encoded.save(path)
    found = load(path)
    assert found.parameters == encoded.parameters
    assert (found.stream, found.total_bits) == (encoded.stream, encoded.total_bits)
    assert found.decode().dtype == array.dtype
    np.testing.assert_array_equal(found.decode(), encoded.decode())
    np.testing.assert_array_equal(found.window(-1, 1, 3, 3), encoded.window(-1, 1, 3, 3))
    if encoded.pointers is not None:
        np.testing.assert_array_equal(found.pointers, encoded.pointers)
    found.save(path.with_name("again.cnv2"))
    assert path.with_name("again.cnv2").read_bytes() == path.read_bytes()


def test_a_header_is_as_the_page_lays_it_down(tmp_path: Path) -> None:
    """Of 24 bricks, in which nothing is effectual: vectors of 8 bits in a unit of 16 each, a pointer for every third."""
    encode(np.ones((20, 2, 3), np.int32), "packed_viai", 8, 4, 2, 3, "brick", 2).save(tmp_path / "x.cnv2")
    data = (tmp_path / "x.cnv2").read_bytes()
    assert data[:8].hex(" ") == "43 4e 56 32 0d 0a 1a 0a"
    assert {key: struct.unpack_from(kind, data, at)[0] for key, (at, kind) in FIELDS.items()} == {
        "version": 1,
        "header_bytes": 128,
        "format": b"packed_viai" + bytes(5),
        "dtype": b"int32" + bytes(3),
        "channels": 20,
        "height": 2,
        "width": 3,
        "groups": 2,
        "threshold": 2,
        "brick": 8,
        "data_bits": 4,
        "packing": 0,
        "reserved": 0,
        "pointer_group": 3,
        "pointer_bits": 5,  # for the 24 units of the stream
        "stream_bits": 24 * 16,
        "pointer_count": 8,
        "file_bytes": 128 + 48 + 8 + 4,  # header, stream, 40 bits of pointers, one checksum
        "block_bytes": 4096,
        "reserved_tail": bytes(24),
    }
    assert len(data) == 188
    assert data[124:128] == zlib.crc32(data[:124]).to_bytes(4, "little")
    assert data[-4:] == zlib.crc32(data[128:-4]).to_bytes(4, "little")


class Watched(FileSource):
    """Notes which bytes of the body are asked for."""

    spans: list[tuple[int, int]] = []  # noqa: RUF012 - of the one instance of this test

    def _read(self, first: int, end: int, field: str) -> bytes:
        self.spans.append((first, end))
        return super()._read(first, end, field)


@pytest.mark.parametrize("name", format_names())
def test_a_brick_is_read_by_its_own_bytes(name: str, tmp_path: Path) -> None:
    array = sample(1, (160, 30, 30))
    encode(array, name).save(tmp_path / "x.cnv2")
    found = load(tmp_path / "x.cnv2")
    assert isinstance(found.source, FileSource)
    Watched.spans.clear()
    watched = Encoded(found.parameters, found.stream_bits, Watched(found.source.name, found.source.data, found.source.header))
    bricks = to_bricks(array).reshape(*found.storage.bricks_shape, 16)
    assert watched.brick(17, 5, 3).tolist() == bricks[0, 17, 5, 3].tolist()
    most = found.scheme.most_bits(16, 16)
    assert sum(end - first for first, end in Watched.spans) <= most // 8 + 2 + 2 * 4
    # Damage in another page is none of its business; in its own it is found.
    data = bytearray((tmp_path / "x.cnv2").read_bytes())
    data[HEADER_BYTES + 3] ^= 1
    (tmp_path / "x.cnv2").write_bytes(data)
    assert load(tmp_path / "x.cnv2").brick(17, 5, 3).tolist() == bricks[0, 17, 5, 3].tolist()
    for read in (lambda e: e.brick(0, 0, 0), Encoded.decode):
        with pytest.raises(FormatError, match=r"x\.cnv2: stream: the checksum"):
            read(load(tmp_path / "x.cnv2"))


def test_a_brick_of_a_file_of_gigabytes(tmp_path: Path) -> None:
    """The file is a hole, but for its header and its checksums: 3 GB of zeros."""
    storage, path = Storage(1024, 1500, 1000), tmp_path / "large.cnv2"
    header = make_header(Parameters("dense", storage), storage.bricks * 256)
    whole, rest = divmod(header.body_bytes, BLOCK_BYTES)
    checks = [zlib.crc32(bytes(BLOCK_BYTES))] * whole + [zlib.crc32(bytes(rest))] * bool(rest)
    with path.open("wb") as file:
        file.write(header.to_bytes())
        file.seek(HEADER_BYTES + header.body_bytes)
        file.write(struct.pack(f"<{len(checks)}I", *checks))
    load(path).brick(0, 0, 0)  # compiles
    tracemalloc.start()
    try:
        encoded = load(path)
        assert not encoded.brick(700, 900, 33).any()
        assert encoded.window(1498, 998, 3, 3).shape == (1024, 3, 3)
        allocated_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 3e9
    assert allocated_bytes < 1e6


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("kind", ["packed_viai", "roe"])
def test_every_header_field_is_checked(field: str, kind: str, tmp_path: Path) -> None:
    """A changed field, signed again, is refused by name; or it only says what else the same bits could be."""
    path = tmp_path / "x.cnv2"
    original = written(path, kind, pointer_group=3)
    at, layout = FIELDS[field]
    (old,) = struct.unpack_from(layout, original, at)
    if isinstance(old, bytes):
        size = len(old)
        values: list[Any] = [b"", b"\xff" * size, b"x" * size, b"no\0pe".ljust(size, b"\0"), old.rstrip(b"\0")[:-1]]
    else:
        most = (1 << 8 * struct.calcsize(layout)) - 1
        values = [0, 1, old - 1, old + 1, old * 2, 2**15 + 1, most, most // 2]
    for value in values:
        data = bytearray(original)
        if isinstance(value, int) and not 0 <= value < 1 << 8 * struct.calcsize(layout):
            continue
        struct.pack_into(layout, data, at, value)
        if data == original:
            continue
        path.write_bytes(data)
        with pytest.raises(FormatError, match=r"(version|header_crc): "):
            load(path)
        sign_header(data)
        path.write_bytes(data)
        refused = refusal(path)
        if refused is None:
            # What fill is, how pointers are grouped that are not there, what is effectual: the same bits can say that too.
            assert field in ({"channels", "pointer_group", "threshold"} if kind == "roe" else {"channels", "threshold"})
        else:
            assert "\n" not in refused
            assert refused.startswith(f"{path}: ")
            assert refused.split(": ")[1] in {*FIELDS, "stream", "pointers"}


def refusal(path: Path) -> str | None:
    """Return the message with which a file is refused."""
    try:
        load(path).decode()
    except FormatError as error:
        return str(error)
    return None


@pytest.mark.parametrize("field", ["channels", "height", "width", "pointer_count", "stream_bits"])
def test_no_header_makes_it_allocate(field: str, tmp_path: Path) -> None:
    data = written(tmp_path / "x.cnv2", "dense")
    at, layout = FIELDS[field]
    struct.pack_into(layout, data, at, (1 << 31) - 1)
    sign_header(data)
    (tmp_path / "x.cnv2").write_bytes(data)
    with pytest.raises(FormatError):
        load(tmp_path / "x.cnv2")


def test_every_bit_of_a_file_counts(tmp_path: Path) -> None:
    """No flipped bit goes unnoticed, wherever it is."""
    path = tmp_path / "x.cnv2"
    encode(sample(2, (20, 2, 2)), "packed_viai").save(path)
    original = path.read_bytes()
    for bit in range(len(original) * 8):
        data = bytearray(original)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        with pytest.raises(FormatError):
            load(path).decode()


def test_truncated_or_lengthened(tmp_path: Path) -> None:
    """At every byte."""
    path = tmp_path / "x.cnv2"
    encode(sample(3, (20, 2, 2)), "packed_viai").save(path)
    whole = path.read_bytes()
    for data in (*(whole[:size] for size in range(len(whole))), whole + b"\0", whole + bytes(4096)):
        path.write_bytes(data)
        with pytest.raises(FormatError, match=r"x\.cnv2: (magic|header_bytes|file_bytes): "):
            load(path)


@pytest.mark.parametrize("change", ["up", "down", "swap", "beyond"])
def test_pointers_that_do_not_point_to_their_records(change: str, tmp_path: Path) -> None:
    path = tmp_path / "x.cnv2"
    encoded = encode(sample(), "packed_viai")
    encoded.save(path)
    found = load(path)
    assert isinstance(found.source, FileSource)
    assert encoded.pointers is not None
    header, pointers = found.source.header, encoded.pointers.copy()
    if change == "swap":
        pointers[[5, 6]] = pointers[[6, 5]]
    else:
        pointers[5] += {"up": 1, "down": -1, "beyond": 0}[change]
        pointers[-1] = (1 << header.pointer_bits) - 1 if change == "beyond" else pointers[-1]
    width = header.pointer_bits
    packed = sum(int(p) << (i * width) for i, p in enumerate(pointers)).to_bytes(-(-pointers.size * width // 8), "little")
    data = bytearray(path.read_bytes())
    at = HEADER_BYTES + header.stream_bytes
    data[at : at + len(packed)] = packed
    sign_body(data, header.body_bytes)
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"x\.cnv2: (pointers|stream): "):
        load(path).decode()
    shape = encoded.storage.bricks_shape
    wrong = np.unravel_index(encoded.storage.bricks - 1 if change == "beyond" else 5, shape)
    with pytest.raises(FormatError, match=r"x\.cnv2: (pointers|stream): "):
        load(path).brick(*(int(i) for i in wrong[1:]))


@pytest.mark.parametrize(
    ("name", "bits", "words"),
    [
        ("viai", [0], "brick 0 .*vector disagrees"),
        ("packed_viai", [0], "pointers: number 1 is 3, but its record is at 2"),
        ("packed_viai", [16], "brick 0 .*vector disagrees"),
        ("zfnaf", [16, 17, 18, 19], "brick 0 .*offsets do not ascend"),
        ("zfnaf", [319], "brick 0 .*unused bits are not zero"),
        ("zfnaf", [56, 57, 58, 59], "brick 0 .*an entry holds an ineffectual value"),
        ("roe", [256], "brick 0 .*unused bits are not zero"),
        ("roe", [0], "brick 0 .*flagged raw although"),
        ("roe", [17, 18, 19, 20], "brick 0 .*offsets do not ascend"),
    ],
)
@pytest.mark.parametrize("kernels", ["numba", "numpy"])
def test_records_that_contradict_themselves(name: str, bits: list[int], words: str, kernels: Any) -> None:
    array = np.zeros((16, 1, 2), np.int16)
    array[[0, 7], 0, 0] = 1, 5
    array[:5, 0, 1] = 3
    encoded = encode(array, name)
    stored = encoded.source.window(0, encoded.stream_bits)[0].view(np.uint8)
    for bit in bits:
        stored[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FormatError, match=words):
        encoded.decode(kernels=kernels)


def outcome(encoded: Encoded, kernels: Kernels) -> tuple[str, bytes]:
    """Return the message with which a stream is refused, or what it is decoded to, as an encoder would write it."""
    parameters = encoded.parameters
    try:
        values = encoded.decode(raw=True, kernels=kernels)
    except FormatError as error:
        return str(error), b""
    storage, data_bits = parameters.storage, parameters.data_bits
    again = encode(values, parameters.format, storage.brick, data_bits, parameters.threshold, kernels=kernels)
    return "", again.stream


@given(
    st.sampled_from(format_names()),
    st.sampled_from(((2, 16), (3, 2), (8, 5), (16, 8), (16, 16), (33, 7), (64, 16))),
    st.sampled_from((0.1, 0.5, 0.8, 1.0)),
    st.sampled_from((1, 2)),
    st.lists(st.tuples(st.sampled_from(("flip", "swap", "copy", "move")), st.integers(0, 999), st.integers(0, 999)), min_size=1),
)
def test_a_stream_that_is_taken_is_one_that_an_encoder_writes(
    name: str, widths: tuple[int, int], density: float, threshold: int, edits: list[tuple[str, int, int]]
) -> None:
    """Bits flipped and entries exchanged: both decoders refuse for the same reason, or the stream is that of what they return."""
    brick, data_bits = widths
    rng = np.random.default_rng(edits[0][1])
    low, high = limits(data_bits)
    values = np.where(rng.random((2 * brick, 1, 2)) < density, rng.integers(low, high + 1, (2 * brick, 1, 2)), 0).astype(np.int16)
    encoded = encode(values, name, brick, data_bits, threshold)
    words, _ = encoded.source.window(0, encoded.stream_bits)
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")
    entry, flag = data_bits + offset_bits(brick), name == "roe"
    entries = max(1, brick * (data_bits if flag else entry) // entry)
    for kind, one, other in edits:
        first, second = (int(flag) + place % entries * entry for place in (one, other))
        kept = bits[first : first + entry].copy()
        if kind == "flip":
            bits[(one * 1000 + other) % encoded.stream_bits] ^= 1
        elif kind == "move":  # only the offset
            bits[first + data_bits : first + entry] = bits[second + data_bits : second + entry].copy()
        else:
            bits[first : first + entry] = bits[second : second + entry].copy()
            if kind == "swap":
                bits[second : second + entry] = kept
    words.view(np.uint8)[:] = np.packbits(bits, bitorder="little")
    found, expected = outcome(encoded, "numba"), outcome(encoded, "numpy")
    assert found == expected
    assert found[0] or found[1] == encoded.stream


@pytest.mark.parametrize("kernels", ["numba", "numpy"])
def test_padding_of_a_record_is_zero(kernels: Any) -> None:
    encoded = encode(np.ones((4, 1, 1), np.int16), "packed_viai", 5, 3)
    encoded.source.window(0, encoded.stream_bits)[0][1 // 64] |= np.uint64(1 << 31)
    with pytest.raises(FormatError, match="unused bits are not zero"):
        encoded.decode(kernels=kernels)


@pytest.mark.parametrize("kernels", ["numba", "numpy"])
@pytest.mark.parametrize("name", format_names())
def test_fill_is_zero(name: str, kernels: Any) -> None:
    full = encode(np.ones((16, 1, 1), np.int16), name)
    ragged = encode(np.ones((15, 1, 1), np.int16), name)
    taken = Encoded(ragged.parameters, full.stream_bits, full.source)
    with pytest.raises(FormatError, match="fill"):
        taken.decode(kernels=kernels)


def test_files_that_are_not_there_or_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"none\.cnv2: cannot be read"):
        load(tmp_path / "none.cnv2")
    os.mkfifo(tmp_path / "pipe")
    for odd in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(FormatError, match=r"cannot be read \(not a file\)"):
            load(odd)
    (tmp_path / "pipe").unlink()
    with pytest.raises(OutputError, match="cannot write"):
        encode(sample(), "dense").save(tmp_path / "no" / "x.cnv2")
    (tmp_path / "x.txt").write_text("not a container")
    with pytest.raises(FormatError, match=r"magic: this is not a \.cnv2 container"):
        load(tmp_path / "x.txt")
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


edits = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4)


@given(st.sampled_from(format_names()), edits, st.integers(-40, 40), st.sampled_from(("no", "header", "stream")))
def test_any_edit_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, name: str, edits: list[tuple[float, bytes]], longer: int, signed: str
) -> None:
    """Bytes overwritten anywhere, the file cut or lengthened; its checksums made to match by a hostile writer, or not."""
    path = tmp_path_factory.getbasetemp() / "edited.cnv2"
    array = sample(7, (20, 3, 3))
    encode(array, name, pointer_group=2).save(path)
    original = path.read_bytes()
    body_bytes = len(original) - HEADER_BYTES - 4
    data = bytearray(original)
    low, high = (HEADER_BYTES, HEADER_BYTES + body_bytes) if signed == "stream" else (0, len(data))
    for place, piece in edits:
        at = low + int(place * (high - low))
        kept = piece[: high - at]
        data[at : at + len(kept)] = kept
    if signed == "stream":
        sign_body(data, body_bytes)
    elif signed == "header":
        sign_header(data)
    else:
        data = data[:longer] if longer < 0 else data + bytes(longer)
    path.write_bytes(data)
    try:
        decoded = load(path).decode()
    except FormatError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017 - either way is right
    else:
        assert signed != "no" or np.array_equal(decoded, array)


def test_mutations() -> None:
    """The fuzzer, shortly; its own default is 100,000."""
    done = subprocess.run([sys.executable, str(FUZZ), "--count", "1500"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1500 mutations" in done.stdout


def test_a_type_that_does_not_hold_the_values(tmp_path: Path) -> None:
    data = written(tmp_path / "x.cnv2", "roe")
    struct.pack_into("8s", data, FIELDS["dtype"][0], b"uint16")
    sign_header(data)
    (tmp_path / "x.cnv2").write_bytes(data)
    with pytest.raises(FormatError, match=r"x\.cnv2: dtype: uint16 does not hold"):
        load(tmp_path / "x.cnv2").decode()
