"""From maps to a stream and back, a chunk of bricks at a time.

A chunk is a few rows of the map, so that its bricks stay in the processor's second-level cache between the transposition and the
format's own work; nothing here loops over bricks.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cnvlutin2.encodings import faults
from cnvlutin2.encodings.base import POINTER_UNIT_BITS, Format
from cnvlutin2.encodings.bitfields import get_bits, put_bits
from cnvlutin2.encodings.storage import Storage
from cnvlutin2.errors import FormatError
from cnvlutin2.kernels import backend
from cnvlutin2.numeric import effectual

Kernels = Literal["numba", "numpy"]
Words = NDArray[np.uint64]
Maps = NDArray[np.int16]

CHUNK_VALUES = 1 << 16
WORD_BITS = 64
GUARD_WORDS = 2
"""Words after a stream, which the compiled codecs may touch."""


def limits_of(threshold: int) -> tuple[Any, Any]:
    """Return what effectual values are greater, or less, than, as int16; a threshold beyond these leaves none."""
    return np.int16(min(threshold - 1, 0x7FFF)), np.int16(max(1 - threshold, -0x8000))


def wrapping() -> np.errstate:
    """Let 64-bit integers wrap around silently: with Numba's compiler switched off the kernels are NumPy scalars, which warn."""
    return np.errstate(over="ignore")


@dataclass(frozen=True)
class Codec:
    """The functions of one format for one kind of brick, compiled or not (their contract: `cnvlutin2.encodings._kernels`)."""

    format: Format
    brick: int
    data_bits: int
    threshold: int
    compiled: Any | None

    def function(self, name: str) -> Callable[..., int]:
        """Return a compiled function, the one for 16 values of 16 bits if they are."""
        usual = self.brick == 16 and self.data_bits == 16
        found: Callable[..., int] = getattr(self.compiled, f"{name}_16" if usual else name)
        return found

    def encode(self, values: Maps, words: Words, bit: int, starts: NDArray[np.int64]) -> int:
        """Append the records of whole bricks (flat) and return the bit after them."""
        if self.compiled is not None:
            function = self.function("encode")
            with wrapping():
                return int(function(values, self.brick, self.data_bits, *limits_of(self.threshold), words, bit, starts))
        bricks = values.reshape(-1, self.brick)
        mask = effectual(bricks, self.threshold)
        records = self.format.to_records(bricks, mask, self.data_bits)
        sizes = self.format.brick_bits(mask.sum(axis=1), self.brick, self.data_bits)
        starts[:] = bit + np.cumsum(sizes) - sizes
        put_bits(words, bit, records[np.arange(records.shape[1]) < sizes[:, None]])
        return bit + int(sizes.sum())

    def decode(self, words: Words, bit: int, end: int, raw: bool, values: Maps, starts: NDArray[np.int64]) -> int:
        """Fill whole bricks (flat) from the records at `bit`; return the bit after them, or a fault (negative)."""
        if self.compiled is not None:
            function = self.function("decode")
            with wrapping():
                return int(function(words, bit, end, self.brick, self.data_bits, *limits_of(self.threshold), raw, values, starts))
        if bit >= end:
            return faults.result(0, faults.RAN_OUT)
        count, most = values.size // self.brick, self.format.most_bits(self.brick, self.data_bits)
        stream = get_bits(words, bit, min(end, bit + count * most))
        places = self.format.starts(stream, count, self.brick, self.data_bits)
        whole = int(np.count_nonzero(places[1:] <= stream.size))
        stream = np.concatenate([stream, np.zeros(most, np.uint8)])
        records = sliding_window_view(stream, most)[places[:whole]]
        bricks, wrong = self.format.from_records(records, self.brick, self.data_bits, self.threshold)
        if wrong.any():
            first = int(np.argmax(wrong != 0))
            return faults.result(first, int(wrong[first]))
        if whole < count:
            return faults.result(whole, faults.RAN_OUT)
        values[:] = (bricks if raw else np.where(effectual(bricks, self.threshold), bricks, 0)).ravel()
        starts[:] = bit + places[:-1]
        return bit + int(places[-1])


def codec(form: Format, brick: int, data_bits: int, threshold: int, kernels: Kernels | None = None) -> Codec:
    """Return a format's codec: compiled, unless `kernels` or the environment asks for NumPy or the format has no compiled one."""
    return Codec(form, brick, data_bits, threshold, _compiled(form.name) if uses_numba(kernels) else None)


def uses_numba(kernels: Kernels | None) -> bool:
    """Whether the compiled kernels are asked for, or in the absence of a choice not declined by the environment."""
    return backend(kernels).__name__.endswith("numba_path")


@cache
def _compiled(name: str) -> Any | None:
    place = f"cnvlutin2.encodings._kernels.{name}"
    return importlib.import_module(place) if importlib.util.find_spec(place) else None


def block(maps: Maps, storage: Storage, first: int, rows: int, out: Maps, kernels: Kernels | None = None) -> None:
    """Copy rows, numbered over all groups, to bricks in storage order (`out`, flat, its fill zeroed)."""
    channels, across = storage.group_channels, storage.bricks_shape[-1] * storage.brick
    row_values = storage.row_bricks * storage.brick
    if uses_numba(kernels):
        from cnvlutin2.encodings._kernels import layout

        if storage.fill:
            out[:] = 0
        step = channels if storage.packing == "row" else across
        plane = storage.height * storage.width
        layout.block(maps.reshape(-1), channels, plane, storage.width, first, rows, step, row_values, out)
        return
    split = maps.reshape(storage.groups, channels, storage.height, storage.width).transpose(0, 2, 3, 1)
    inside = split.reshape(-1, storage.width, channels)[first : first + rows]
    if storage.packing == "row":
        inside = inside.reshape(rows, 1, -1)
    shaped = out.reshape(rows, -1, across)
    shaped[..., : inside.shape[2]] = inside
    shaped[..., inside.shape[2] :] = 0


def unblock(bricks: Maps, storage: Storage, first: int, rows: int, maps: Maps, kernels: Kernels | None = None) -> None:
    """Copy bricks in storage order (flat) to rows of the map, numbered over all groups."""
    channels, across = storage.group_channels, storage.bricks_shape[-1] * storage.brick
    if uses_numba(kernels):
        from cnvlutin2.encodings._kernels import layout

        step = channels if storage.packing == "row" else across
        plane, row_values = storage.height * storage.width, storage.row_bricks * storage.brick
        layout.unblock(bricks, channels, plane, storage.width, first, rows, step, row_values, maps.reshape(-1))
        return
    inside = bricks.reshape(rows, -1, across)[..., : across - storage.fill].reshape(rows, storage.width, channels)
    split = maps.reshape(storage.groups, channels, storage.height, storage.width)
    for group in range(first // storage.height, -(-(first + rows) // storage.height)):
        low, high = max(first, group * storage.height), min(first + rows, (group + 1) * storage.height)
        part = inside[low - first : high - first]
        split[group][:, low - group * storage.height : high - group * storage.height] = part.transpose(2, 0, 1)


def _chunks(storage: Storage) -> Iterator[tuple[int, int]]:
    """Yield (first row, rows), rows numbered over all groups."""
    total = storage.groups * storage.height
    rows = max(1, CHUNK_VALUES // (storage.row_bricks * storage.brick))
    for first in range(0, total, rows):
        yield first, min(rows, total - first)


def encode_maps(
    maps: Maps, storage: Storage, coder: Codec, pointer_group: int, kernels: Kernels | None = None
) -> tuple[Words, int, NDArray[np.int64] | None]:
    """Encode a whole array.

    Parameters
    ----------
    maps : int16 ``[C, H, W]``, contiguous
    storage, coder, pointer_group, kernels

    Returns
    -------
    words : uint64
        The stream, and guard words after it.
    stream_bits : int
    pointers : int64 or None
        In 16-bit units; one for every `pointer_group` bricks.
    """
    most = storage.bricks * coder.format.most_bits(storage.brick, coder.data_bits)
    # Not touched where nothing is stored, so the room for the worst case costs no memory.
    words = np.empty(-(-most // WORD_BITS) + GUARD_WORDS, np.uint64)
    words[0] = 0
    pointers = np.empty(coder.format.pointer_count(storage.bricks, pointer_group), np.int64)
    bit = bricks = 0
    scratch = np.empty(0, np.int16)
    for first, rows in _chunks(storage):
        count = rows * storage.row_bricks
        if scratch.size < count * storage.brick:
            scratch, starts = np.empty(count * storage.brick, np.int16), np.empty(count, np.int64)
        values = scratch[: count * storage.brick]
        block(maps, storage, first, rows, values, kernels)
        bit = coder.encode(values, words, bit, starts[:count])
        if coder.format.indirect:
            pointed = starts[-bricks % pointer_group : count : pointer_group] // POINTER_UNIT_BITS
            number = -(-bricks // pointer_group)
            pointers[number : number + pointed.size] = pointed
        bricks += count
    used = -(-bit // WORD_BITS)
    words.resize(used + GUARD_WORDS, refcheck=False)
    words[used:] = 0
    if bit % WORD_BITS:
        words[used - 1] &= np.uint64((1 << bit % WORD_BITS) - 1)
    return words, bit, pointers if coder.format.indirect else None


def decode_maps(
    words: Words,
    bit: int,
    stream_bits: int,
    pointers: NDArray[np.int64] | None,
    storage: Storage,
    coder: Codec,
    pointer_group: int,
    raw: bool = False,
    kernels: Kernels | None = None,
) -> Maps:
    """Decode a whole stream, `stream_bits` from `bit` on, checking all that can be checked; the inverse of `encode_maps`.

    Returns
    -------
    int16 ``[C, H, W]``

    Raises
    ------
    FormatError
        Names the field (stream or pointers) and the brick.
    """
    if not coder.format.indirect and stream_bits != storage.bricks * coder.format.most_bits(storage.brick, coder.data_bits):
        raise FormatError(f"stream: {stream_bits} bits are not those of {storage.bricks} {coder.format.name} bricks")
    maps = np.empty((storage.channels, storage.height, storage.width), np.int16)
    start, end, bricks = bit, bit + stream_bits, 0
    scratch = np.empty(0, np.int16)
    for first, rows in _chunks(storage):
        count = rows * storage.row_bricks
        if scratch.size < count * storage.brick:
            scratch, starts = np.empty(count * storage.brick, np.int16), np.empty(count, np.int64)
        values = scratch[: count * storage.brick]
        bit = coder.decode(words, bit, end, raw, values, starts[:count])
        check(bit, bricks, storage)
        check_fill(values, rows, storage)
        if pointers is not None:
            number = -(-bricks // pointer_group)
            pointed = (starts[-bricks % pointer_group : count : pointer_group] - start) // POINTER_UNIT_BITS
            check_pointers(pointers[number : number + pointed.size], pointed, number)
        unblock(values, storage, first, rows, maps, kernels)
        bricks += count
    if bit != end:
        raise FormatError(f"stream: its {storage.bricks} bricks take {bit - start} bits, not {stream_bits}; the data are damaged")
    return maps


def check(bit: int, first: int, storage: Storage) -> None:
    """Raise for a decoder's negative result; `first` is the number of the first brick that it was given."""
    if bit < 0:
        number, kind = divmod(-bit - 1, 8)
        raise FormatError(f"stream: {storage.name_of(first + number)}: {faults.TEXTS[kind]}; the data are damaged")


def check_fill(values: Maps, rows: int, storage: Storage) -> None:
    """Refuse rows of bricks whose fill is not zero."""
    if storage.fill:
        shaped = values.reshape(rows, -1, storage.bricks_shape[-1] * storage.brick)
        if shaped[..., -storage.fill :].any():
            raise FormatError("stream: the fill of a last brick is not zero; the data are damaged")


def check_pointers(given: NDArray[np.int64], found: NDArray[np.int64], first: int) -> None:
    """Refuse pointers that do not point to their records."""
    wrong = given != found
    if wrong.any():
        at = int(np.argmax(wrong))
        raise FormatError(f"pointers: number {first + at} is {given[at]}, but its record is at {found[at]}; the data are damaged")
