"""From an array to a stream and back, a chunk of bricks at a time; nothing here loops over bricks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings import faults
from cnvlutin2.encodings.base import POINTER_UNIT_BITS
from cnvlutin2.encodings.codec import GUARD_WORDS, WORD_BITS, Codec, Maps, Words
from cnvlutin2.encodings.layout import Layout
from cnvlutin2.encodings.storage import Storage
from cnvlutin2.errors import FormatError
from cnvlutin2.numeric import effectual
from cnvlutin2.simd import Kernels


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
    layout = Layout(storage, kernels)
    scratch = np.empty(0, np.int16)
    for first, rows in layout.chunks():
        count = rows * storage.row_bricks
        if scratch.size < count * storage.brick:
            scratch, starts = np.empty(count * storage.brick, np.int16), np.empty(count, np.int64)
        values = scratch[: count * storage.brick]
        layout.block(maps, first, rows, values)
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
    raw: bool,
    kernels: Kernels | None,
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
    layout = Layout(storage, kernels)
    scratch = np.empty(0, np.int16)
    # Fill is looked at as it is stored: that it is ineffectual does not make it zero.
    first_raw = raw or (storage.fill > 0 and coder.format.keeps_raw and coder.threshold > 1)
    for first, rows in layout.chunks():
        count = rows * storage.row_bricks
        if scratch.size < count * storage.brick:
            scratch, starts = np.empty(count * storage.brick, np.int16), np.empty(count, np.int64)
        values = scratch[: count * storage.brick]
        bit = coder.decode(words, bit, end, first_raw, values, starts[:count])
        check(bit, bricks, storage)
        check_fill(values.reshape(count, -1), bricks, storage)
        if first_raw and not raw:
            values[~effectual(values, coder.threshold)] = 0
        if pointers is not None:
            number = -(-bricks // pointer_group)
            pointed = (starts[-bricks % pointer_group : count : pointer_group] - start) // POINTER_UNIT_BITS
            check_pointers(pointers[number : number + pointed.size], pointed, number)
        layout.unblock(values, first, rows, maps)
        bricks += count
    if bit != end:
        raise FormatError(f"stream: its {storage.bricks} bricks take {bit - start} bits, not {stream_bits}; the data are damaged")
    return maps


def check(bit: int, first: int, storage: Storage) -> None:
    """Raise for a decoder's negative result; `first` is the number of the first brick that it was given."""
    if bit < 0:
        number, kind = divmod(-bit - 1, 8)
        raise FormatError(f"stream: {storage.name_of(first + number)}: {faults.TEXTS[kind]}; the data are damaged")


def check_fill(bricks: Maps, first: int, storage: Storage) -> None:
    """Refuse consecutive bricks ``[n, brick]``, of which `first` is the number of the first, if their fill is not zero."""
    period = storage.bricks_shape[-1]
    last = bricks[-(first + 1) % period :: period, storage.brick - storage.fill :]
    if last.any():
        at = first + -(first + 1) % period + period * int(np.argmax(last.any(axis=1)))
        raise FormatError(f"stream: {storage.name_of(at)}: its fill is not zero; the data are damaged")


def check_pointers(given: NDArray[np.int64], found: NDArray[np.int64], first: int) -> None:
    """Refuse pointers that do not point to their records."""
    wrong = given != found
    if wrong.any():
        at = int(np.argmax(wrong))
        raise FormatError(f"pointers: number {first + at} is {given[at]}, but its record is at {found[at]}; the data are damaged")
