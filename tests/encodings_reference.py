"""The encodings once more: plain Python, bit by bit in lists, after docs/formats.md and without anything of the package."""

from __future__ import annotations

import math
from collections.abc import Iterator


def offset_bits(brick: int) -> int:
    return max(1, math.ceil(math.log2(brick)))


def field(value: int, width: int) -> list[int]:
    return [(value >> i) & 1 for i in range(width)]


def bricks(maps: list[list[list[int]]], brick: int, groups: int, packing: str) -> Iterator[list[int]]:
    """Yield the bricks of ``[C][H][W]`` in storage order."""
    channels = len(maps) // groups
    height, width = len(maps[0]), len(maps[0][0])
    for group in range(groups):
        for y in range(height):
            positions = [[maps[group * channels + c][y][x] for c in range(channels)] for x in range(width)]
            rows = [[value for position in positions for value in position]] if packing == "row" else positions
            for row in rows:
                for first in range(0, len(row), brick):
                    part = row[first : first + brick]
                    yield part + [0] * (brick - len(part))


def record(name: str, values: list[int], b: int, threshold: int) -> list[int]:
    """Return the bits of one brick."""
    size, o = len(values), offset_bits(len(values))
    vector = [1 if abs(v) >= threshold else 0 for v in values]
    raw = [bit for v in values for bit in field(v, b)]
    entries = [bit for i, v in enumerate(values) if vector[i] for bit in field(v, b) + field(i, o)]
    if name == "dense":
        return raw
    if name == "zfnaf":
        return entries + [0] * (size * (b + o) - len(entries))
    if name == "roe":
        if len(entries) > size * b:
            return [0, *raw]
        return [1, *entries] + [0] * (size * b - len(entries))
    if name == "viai":
        return vector + raw
    assert name == "packed_viai"
    packed = vector + [bit for i, v in enumerate(values) if vector[i] for bit in field(v, b)]
    return packed + [0] * (-len(packed) % 16)


def encode(
    maps: list[list[list[int]]], name: str, brick: int, b: int, threshold: int, group: int, packing: str, groups: int
) -> tuple[bytes, int, list[int] | None, int, list[int]]:
    """Return the stream, its bits, the pointers, the bits of a pointer and the first bit of every record."""
    bits: list[int] = []
    starts = []
    for values in bricks(maps, brick, groups, packing):
        starts.append(len(bits))
        bits += record(name, values, b, threshold)
    stream = bytearray(-(-len(bits) // 8))
    for i, bit in enumerate(bits):
        stream[i // 8] |= bit << (i % 8)
    if name != "packed_viai":
        return bytes(stream), len(bits), None, 0, starts
    width = max(1, math.ceil(math.log2(len(bits) // 16)))
    return bytes(stream), len(bits), [start // 16 for start in starts[::group]], width, starts
