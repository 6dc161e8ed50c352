"""Where each value is stored: the bricks of a layer's input, in storage order (docs/formats.md, "Storage order")."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import ConfigError

Packing = Literal["brick", "row"]
Scalar = TypeVar("Scalar", bound=np.generic)
MIN_BRICK, MAX_BRICK = 2, 64
_BRICKS_TOGETHER = 1 << 18  # counted at a time: bounds the memory beside the counts
_ONE_IN_EACH_BYTE = np.uint64(0x0101_0101_0101_0101)


def set_whole(owner: object, key: str, least: int, most: int | None = None) -> None:
    """Hold a field of a frozen object to whole numbers in a range, and make it a Python int, which does not overflow.

    Raises
    ------
    ConfigError
        Names the field, and what is allowed.
    """
    given = getattr(owner, key)
    try:
        value = operator.index(given)
    except TypeError:
        raise ConfigError(f"must be a whole number, got {given!r}", where=key) from None
    if value < least or (most is not None and value > most):
        raise ConfigError(f"must be {f'at least {least}' if most is None else f'{least} to {most}'}, got {value}", where=key)
    object.__setattr__(owner, key, value)


def offset_bits(brick: int) -> int:
    """Bits of an offset within a brick: ``max(1, ceil(log2(brick)))``."""
    return max(1, (brick - 1).bit_length())


@dataclass(frozen=True)
class Storage:
    """How an array ``[C, H, W]`` is cut into bricks and in which order these are stored.

    Groups follow one another. Within a group the order is y, x, channel brick; the last brick of a position is filled with
    zeros. Row-packed, it is y, then the bricks of the row's ``W * Cg`` values (x first, channel inside), the last one of the
    row filled.

    Parameters
    ----------
    channels, height, width : int
        All groups' channels; the map's size.
    brick : int
        Values a brick.
    groups : int
    packing : {"brick", "row"}

    Raises
    ------
    ConfigError
        If a size is not positive, the groups do not divide the channels, or the packing is unknown.
    """

    channels: int
    height: int
    width: int
    brick: int = 16
    groups: int = 1
    packing: Packing = "brick"

    def __post_init__(self) -> None:
        for key in ("channels", "height", "width", "groups"):
            set_whole(self, key, 1)
        set_whole(self, "brick", MIN_BRICK, MAX_BRICK)
        if self.channels % self.groups:
            raise ConfigError(f"{self.groups} groups do not divide {self.channels} channels", where="groups")
        if self.packing not in ("brick", "row"):
            raise ConfigError(f"must be 'brick' or 'row', got {self.packing!r}", where="packing")

    @property
    def group_channels(self) -> int:
        """Channels of a group, `Cg`."""
        return self.channels // self.groups

    @property
    def bricks_shape(self) -> tuple[int, ...]:
        """The bricks' indices: (groups, H, W, channel bricks), row-packed (groups, H, row bricks)."""
        if self.packing == "row":
            return self.groups, self.height, -(-self.width * self.group_channels // self.brick)
        return self.groups, self.height, self.width, -(-self.group_channels // self.brick)

    @property
    def bricks(self) -> int:
        """Bricks in the stream, all groups."""
        return math.prod(self.bricks_shape)

    @property
    def row_bricks(self) -> int:
        """Bricks of one row of one group."""
        return math.prod(self.bricks_shape[2:])

    @property
    def fill(self) -> int:
        """Values of fill at the end of a position, row-packed of a row."""
        used = self.group_channels * (self.width if self.packing == "row" else 1)
        return -used % self.brick

    @property
    def values(self) -> int:
        """Values of the array, without the fill of the last bricks."""
        return self.channels * self.height * self.width

    def index(self, y: int, x: int, cb: int, group: int = 0) -> int:
        """Return the number in the stream of one brick.

        Parameters
        ----------
        y, x, cb : int
            Row, column and channel brick. In a row-packed layer `x` is the brick within the row and `cb` is 0.
        group : int

        Raises
        ------
        ConfigError
            If there is no such brick.
        """
        shape = self.bricks_shape if self.packing == "brick" else (*self.bricks_shape, 1)
        number = 0
        for key, value, size in zip(("group", "y", "x", "cb"), (group, y, x, cb), shape, strict=True):
            if not 0 <= value < size:
                raise ConfigError(f"there is no {key} {value} among {size}", where="brick")
            number = number * size + value
        return number

    def name_of(self, number: int) -> str:
        """Return the words for brick `number` of the stream, with its indices."""
        keys = ("group", "y", "brick") if self.packing == "row" else ("group", "y", "x", "cb")
        places = zip(keys, np.unravel_index(number, self.bricks_shape), strict=True)
        return f"brick {number} ({', '.join(f'{key} {place}' for key, place in places)})"


def to_bricks(values: NDArray[Scalar], brick: int = 16, groups: int = 1, packing: Packing = "brick") -> NDArray[Scalar]:
    """Block an array into bricks in storage order.

    Parameters
    ----------
    values : array, ``[C, H, W]`` or ``[N, C, H, W]``
        Of any dtype; booleans too.
    brick, groups, packing
        As in `Storage`.

    Returns
    -------
    array, ``[bricks, brick]`` or ``[N, bricks, brick]``
        A copy, of the same dtype; fill is zero.
    """
    store = storage_of(values, brick, groups, packing)
    lead = values.shape[:-3]
    split = values.reshape(*lead, groups, store.group_channels, store.height, store.width)
    inside = np.moveaxis(split, -3, -1)  # [.., G, H, W, Cg]
    if packing == "row":
        inside = inside.reshape(*lead, groups, store.height, store.width * store.group_channels)
    padded = np.zeros((*lead, *store.bricks_shape[:-1], store.bricks_shape[-1] * brick), dtype=values.dtype)
    padded[..., : inside.shape[-1]] = inside
    return padded.reshape(*lead, store.bricks, brick)


def brick_counts(effectual: NDArray[np.bool_], brick: int = 16, groups: int = 1, packing: Packing = "brick") -> NDArray[np.uint8]:
    """Count the effectual values of every storage brick.

    Parameters
    ----------
    effectual : bool array, ``[C, H, W]`` or ``[N, C, H, W]``
    brick, groups, packing
        As in `Storage`.

    Returns
    -------
    uint8 array, `Storage.bricks_shape`, after the image axis if there is one
        C order is the storage order.
    """
    store = storage_of(effectual, brick, groups, packing)
    lead = effectual.shape[:-3]
    maps = effectual.reshape(*lead, groups, store.group_channels, store.height, store.width).view(np.uint8)
    if packing == "row":
        return _row_brick_counts(maps, store)
    # Adding whole maps channel by channel keeps the inner loop contiguous; only the counts are transposed.
    counts = np.empty((*lead, groups, store.bricks_shape[-1], store.height, store.width), np.uint8)
    whole = store.group_channels // brick
    full = maps[..., : whole * brick, :, :].reshape(*lead, groups, whole, brick, store.height, store.width)
    np.add.reduce(full, axis=-3, dtype=np.uint8, out=counts[..., :whole, :, :])
    if whole < counts.shape[-3]:
        np.add.reduce(maps[..., whole * brick :, :, :], axis=-3, dtype=np.uint8, out=counts[..., whole, :, :])
    return np.ascontiguousarray(np.moveaxis(counts, -3, -1))


def _row_brick_counts(maps: NDArray[np.uint8], store: Storage) -> NDArray[np.uint8]:
    """Count the effectual values of the bricks of rows; `maps` are ``[..., groups, Cg, H, W]`` of 0 and 1."""
    lead, channels = maps.shape[:-4], store.group_channels
    rows = np.zeros((*lead, *store.bricks_shape[:-1], store.bricks_shape[-1] * store.brick), np.uint8)
    for c in range(channels):  # of which there are few, or rows would not be packed
        rows[..., c : store.width * channels : channels] = maps[..., c, :, :]
    bricks = rows.reshape(*lead, *store.bricks_shape, store.brick)
    if store.brick % 8:
        return np.asarray(np.add.reduce(bricks, axis=-1, dtype=np.uint8))
    # Eight values at a time: bytes stay below 256 when words are added up, and a multiplication adds their bytes.
    words = bricks.view(np.uint64)
    sums = sum((words[..., k] for k in range(1, words.shape[-1])), start=words[..., 0])
    return ((sums * _ONE_IN_EACH_BYTE) >> np.uint64(56)).astype(np.uint8)


def brick_histograms(counts: NDArray[np.integer[Any]], brick: int) -> NDArray[np.int64]:
    """Count the bricks of each image by their effectual values.

    Parameters
    ----------
    counts : integer array, ``[N, ...]``
        Effectual values of every brick, as `brick_counts` returns them.
    brick : int

    Returns
    -------
    int64 array, ``[N, brick + 1]``
    """
    flat = counts.reshape(len(counts), -1)
    found = np.zeros((len(flat), brick + 1), np.int64)
    for image, histogram in zip(flat, found, strict=True):
        for first in range(0, image.size, _BRICKS_TOGETHER):
            histogram += np.bincount(image[first : first + _BRICKS_TOGETHER], minlength=brick + 1)
    return found


def storage_of(values: NDArray[Any], brick: int, groups: int, packing: Packing) -> Storage:
    """Return the storage of an array ``[C, H, W]`` or ``[N, C, H, W]``."""
    if values.ndim not in (3, 4):
        raise ConfigError(f"expected an array [C, H, W] or [N, C, H, W], got {list(values.shape)}")
    channels, height, width = values.shape[-3:]
    return Storage(channels, height, width, brick, groups, packing)
