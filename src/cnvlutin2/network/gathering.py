"""What layers see while a network is executed: held, joined, quantised and gathered, in bounded memory.

Nothing here knows what executes the network: it takes the captured activations of some images at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError
from cnvlutin2.network.large_memory import LargeMemory
from cnvlutin2.numeric import quantise

HOLD_BYTES = 256 << 20
"""The most captured values that are held at a time: images beyond are executed twice, the second time in batches."""
JOIN_BYTES = 1 << 17
"""What captures less than this is looked at together with what comes next."""

Feed = tuple[str, str]
"""What feeds a layer: a tensor's name, and how the layer looks at it. Layers with the same feed share their activations."""
Captured = dict[Feed, NDArray[Any]]
"""What layers see of some images, ``[N, C, H, W]``: floats, or int16 that are quantised already."""


def size_bytes(captured: Captured) -> int:
    """Return the bytes of what was captured."""
    return sum(values.nbytes for values in captured.values())


def check_shape(feed: Feed, values: NDArray[Any], like: NDArray[Any]) -> None:
    """Refuse a tensor whose shape depends on the image.

    Raises
    ------
    NetworkError
    """
    if values.shape[1:] != like.shape[1:]:
        what = f"is {list(values.shape[1:])} for one image and {list(like.shape[1:])} for another"
        raise NetworkError(f"tensor {feed[0]!r}: {what}; give images that the model sees alike")


def quantise_captured(values: NDArray[Any], frac: int, bits: int, out: NDArray[np.int16]) -> None:
    """Put captured values into an array of integers, at a tensor's scale where they are floats."""
    if values.dtype == np.int16:
        out[:] = values
    else:
        quantise(values.astype(np.float32) if values.dtype == np.float16 else values, frac, bits, out)


def is_enough(parts: Sequence[Captured]) -> bool:
    """Whether parts, of which none captures more than the others, need not be joined with more."""
    return len(parts) * size_bytes(parts[0]) >= min(JOIN_BYTES, HOLD_BYTES // 16)


def concatenated(parts: Sequence[Captured]) -> Captured:
    """Return what was captured of consecutive images as if it were captured at once."""
    if len(parts) == 1:
        return parts[0]
    for captured in parts:
        for feed, values in captured.items():
            check_shape(feed, values, parts[0][feed])
    return {feed: np.concatenate([captured[feed] for captured in parts]) for feed in parts[0]}


def join_small(parts: Iterable[Captured]) -> Iterator[Captured]:
    """Join what is little: looking at each tensor takes longer than what there is to do."""
    some: list[Captured] = []
    for captured in parts:
        some.append(captured)
        if is_enough(some):
            yield concatenated(some)
            some = []
    if some:
        yield concatenated(some)


class Holding:
    """What was captured of the first images, as many as fit in `HOLD_BYTES`, so that they need not be executed again.

    Parameters
    ----------
    useful : bool
        Whether it may be of use; otherwise nothing is held.
    """

    def __init__(self, useful: bool) -> None:
        self._left_bytes = HOLD_BYTES if useful else 0
        self._held: list[Captured] = []

    def offer(self, captured: Captured) -> bool:
        """Hold what was captured of the next images, if there is room for it and was for all before; say whether."""
        self._left_bytes -= size_bytes(captured)
        if self._left_bytes >= 0:
            self._held.append(captured)
        return self._left_bytes >= 0

    @property
    def images(self) -> int:
        """How many are held."""
        return sum(len(next(iter(captured.values()))) for captured in self._held)

    def drain(self) -> Iterator[Captured]:
        """Yield what is held, in order, and let go of each."""
        self._held.reverse()
        while self._held:
            yield self._held.pop()


class Gathering:
    """Captured values of consecutive images, quantised, until there is enough for a batch of layers.

    Parameters
    ----------
    images : int
        Of the whole run.
    data_bits : int
        Width of the integers.
    """

    def __init__(self, images: int, data_bits: int) -> None:
        self._left, self._data_bits = images, data_bits
        self._first_image = 0
        self.images = 0
        """How many are held."""
        self._integers: dict[Feed, NDArray[np.int16]] = {}  # with room for as many as shall be held

    @property
    def full(self) -> bool:
        """Whether more may be too much, or there is none."""
        return bool(self._integers) and self.images == len(next(iter(self._integers.values())))

    def add(self, captured: Captured, fracs: Mapping[str, int]) -> None:
        """Add what was captured of some images, at the tensors' scales where it is floats."""
        count = len(next(iter(captured.values())))
        if not self._integers:
            parts = max(1, HOLD_BYTES // 2 // sum(2 * values.size for values in captured.values()))
            room = min(parts * count, self._left)
            memory = LargeMemory()
            self._integers = {feed: memory.empty((room, *values.shape[1:]), np.int16) for feed, values in captured.items()}
        for feed, values in captured.items():
            out = self._integers[feed][self.images : self.images + count]
            check_shape(feed, values, out)
            quantise_captured(values, fracs.get(feed[0], 0), self._data_bits, out)
        self.images += count

    def take(self) -> tuple[int, dict[Feed, NDArray[np.int16]]]:
        """Return the first image's index and the gathered activations ``[N, C, H, W]``, and start anew."""
        first, gathered = self._first_image, self._integers
        self._first_image, self._left = first + self.images, self._left - self.images
        self._integers, self.images = {}, 0
        return first, gathered
