"""Mutate `.cnv2` containers, 100,000 times by default, and see what reading them does.

Every mutation is opened and its bricks, a window and the whole are decoded. What may happen: a `FormatError` that names the file
and a field, on one line; or the array as it was encoded. Where the mutation was signed again (its checksums made to match, as a
hostile writer would) other values are allowed, never another exception, more time or more memory.

    python tests/fuzz/container_mutations.py --count 100000
    NUMBA_BOUNDSCHECK=1 python tests/fuzz/container_mutations.py --count 5000
    python tests/fuzz/container_mutations.py --count 5000 --kernels numpy
"""

# ruff: noqa: T201 - a script
from __future__ import annotations

import argparse
import os
import random
import resource
import struct
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings import Encoded, Packing, encode, format_names, load, to_bricks
from cnvlutin2.encodings.header import BLOCK_BYTES, HEADER_BYTES
from cnvlutin2.errors import FormatError

MOST_SECONDS = 2.0
MEMORY_BYTES = 6 << 30
HEADER_CRC = HEADER_BYTES - 4
FIELDS = ((8, 2), (10, 2), (12, 16), (28, 8), *((at, 4) for at in range(36, 56, 4)), *((at, 2) for at in range(56, 64, 2)))
FIELDS += ((64, 4), (68, 4), (72, 8), (80, 8), (88, 8), (96, 4), (100, 24))
"""Offset and bytes of every header field after the magic number."""


def sign(data: bytearray) -> None:
    """Make all checksums match."""
    struct.pack_into("<I", data, HEADER_CRC, zlib.crc32(data[:HEADER_CRC]))
    stream_bits, pointer_count = struct.unpack_from("<QQ", data, 72)
    (pointer_bits,) = struct.unpack_from("<I", data, 68)
    body = -(-stream_bits // 64) * 8 + -(-pointer_count * pointer_bits // 64) * 8
    if HEADER_BYTES + body > len(data):
        return
    for number, start in enumerate(range(0, body, BLOCK_BYTES)):
        stop = min(start + BLOCK_BYTES, body)
        at = HEADER_BYTES + body + 4 * number
        if at + 4 <= len(data):
            struct.pack_into("<I", data, at, zlib.crc32(data[HEADER_BYTES + start : HEADER_BYTES + stop]))


def flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def set_field(data: bytearray, rng: random.Random) -> None:
    at, size = rng.choice(FIELDS)
    old = int.from_bytes(data[at : at + size], "little")
    bits = 8 * size
    choices = (
        0,
        1,
        old + 1,
        old - 1,
        old * 2,
        old // 2,
        (1 << bits) - 1,
        1 << (bits - 1),
        rng.getrandbits(bits),
        rng.randrange(70),
    )
    data[at : at + size] = (rng.choice(choices) % (1 << bits)).to_bytes(size, "little")


def set_bytes(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    for i in range(at, min(at + rng.choice((1, 2, 4, 16)), len(data))):
        data[i] = rng.choice((0, 255, rng.randrange(256)))


def cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def grow(data: bytearray, rng: random.Random) -> None:
    data += rng.randbytes(rng.choice((1, 4, 8, 4096)))


def move(data: bytearray, rng: random.Random) -> None:
    start, to, size = rng.randrange(len(data)), rng.randrange(len(data)), rng.randrange(1, 40)
    piece = data[start : start + size]
    data[to : to + len(piece)] = piece


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (flip_bits, set_field, set_bytes, cut, grow, move)


def containers(folder: Path) -> list[tuple[bytes, NDArray[Any]]]:
    """Return containers of every format and kind, with what they decode to."""
    rng = np.random.default_rng(3)
    found = []
    settings: tuple[tuple[tuple[int, int, int], int, int, int, int, Packing, int, str], ...] = (
        ((20, 3, 4), 16, 16, 1, 1, "brick", 1, "int16"),
        ((20, 3, 4), 16, 16, 3, 4, "brick", 2, "int32"),
        ((3, 4, 17), 16, 16, 1, 3, "row", 1, "int64"),
        ((15, 2, 3), 11, 5, 2, 2, "brick", 3, "int8"),
        ((70, 2, 2), 64, 13, 1, 1, "brick", 1, "int16"),
        ((200, 8, 9), 32, 16, 5, 7, "brick", 1, "int16"),
    )
    for shape, brick, data_bits, threshold, group, packing, groups, dtype in settings:
        high = (1 << (data_bits - 1)) - 1
        array = np.where(rng.random(shape) < 0.5, rng.integers(-high - 1, high + 1, shape), 0).astype(dtype)
        for name in format_names():
            encoded = encode(array, name, brick, data_bits, threshold, group, packing, groups)
            encoded.save(folder / "base.cnv2")
            found.append(((folder / "base.cnv2").read_bytes(), encoded.decode()))
    return found


class Wrong(Exception):
    """What must not happen."""


def read_all(encoded: Encoded, rng: random.Random, kernels: Any) -> tuple[NDArray[Any], dict[tuple[int, ...], NDArray[Any]]]:
    """Decode the whole, and before that some bricks and a window."""
    shape = encoded.storage.bricks_shape
    bricks = {}
    for _ in range(2):
        group, *place = (rng.randrange(size) for size in shape)
        bricks[group, *place] = encoded.brick(*place, group=group)
    encoded.window(rng.randrange(-1, 3), rng.randrange(-1, 3), 2, 2, group=rng.randrange(shape[0]))
    return encoded.decode(kernels=kernels), bricks


def mutate(original: bytes, rng: random.Random) -> tuple[bytearray, bool]:
    """Return a mutation, and whether its checksums were made to match."""
    data = bytearray(original)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(MUTATIONS)(data, rng)
        if not data:
            break
    signed = len(data) >= HEADER_BYTES and rng.random() < 0.5
    if signed:
        sign(data)
    return data, signed


def outcome_of(path: Path, expected: NDArray[Any], signed: bool, rng: random.Random, kernels: Any) -> str:
    """Read a mutation and say what came of it.

    Raises
    ------
    Wrong
    """
    try:
        encoded = load(path)
        decoded, bricks = read_all(encoded, rng, kernels)
    except FormatError as error:
        text = str(error)
        if "\n" in text or not text.startswith(f"{path}: "):
            raise Wrong(f"not a line that names the file: {text!r}") from None
        return "refused: " + text.removeprefix(f"{path}: ").partition(":")[0]
    storage = encoded.storage
    if decoded.shape == expected.shape and bool((decoded == expected).all()):
        cut = to_bricks(decoded, storage.brick, storage.groups, storage.packing).reshape(*storage.bricks_shape, -1)
        if any((cut[place] != values).any() for place, values in bricks.items()):
            raise Wrong("a brick is not what the whole says")
        return "read, as it was"
    if not signed:
        raise Wrong("wrong data taken for right")
    return "read, other values, signed again"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kernels", choices=("numba", "numpy"))
    arguments = parser.parse_args()
    if arguments.kernels:
        os.environ["CNVLUTIN2_KERNELS"] = arguments.kernels
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    rng = random.Random(arguments.seed)  # noqa: S311 - reproducible, not secret
    outcomes: Counter[str] = Counter()
    slowest, start = 0.0, time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        bases, path = containers(Path(name)), Path(name) / "mutated.cnv2"
        for whole, expected in bases:  # compiles before the clock runs
            path.write_bytes(whole)
            np.testing.assert_array_equal(read_all(load(path), rng, arguments.kernels)[0], expected)
        for number in range(arguments.count):
            original, expected = rng.choice(bases)
            data, signed = mutate(original, rng)
            path.write_bytes(data)
            began = time.perf_counter()
            try:
                outcomes[outcome_of(path, expected, signed, rng, arguments.kernels)] += 1
                slowest = max(slowest, time.perf_counter() - began)
                if slowest > MOST_SECONDS:
                    raise Wrong(f"took {slowest:.1f} s")  # noqa: TRY301
            except Exception as error:  # noqa: BLE001 - whatever it is, say which mutation it was
                print(f"mutation {number} (signed: {signed}): {error!r}")
                Path("mutation.cnv2").write_bytes(data)
                return 1
    for outcome, times in sorted(outcomes.items()):
        print(f"{times:8d}  {outcome}")
    print(f"{arguments.count} mutations in {time.perf_counter() - start:.0f} s, the slowest {slowest * 1e3:.0f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
