"""`encode` and `load`, and what they return: a stream from which single bricks and windows can be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnvlutin2.encodings.base import POINTER_UNIT_BITS, Format, pointer_width
from cnvlutin2.encodings.codec import Codec
from cnvlutin2.encodings.container import read_container, write_container
from cnvlutin2.encodings.maps import check, check_fill, decode_maps, encode_maps
from cnvlutin2.encodings.parameters import DTYPES, Parameters
from cnvlutin2.encodings.registry import get_format
from cnvlutin2.encodings.sources import MemorySource, Source
from cnvlutin2.encodings.storage import Packing, Storage
from cnvlutin2.errors import ConfigError, FormatError
from cnvlutin2.numeric import effectual, limits
from cnvlutin2.simd import Kernels


@dataclass(frozen=True, eq=False)
class Encoded:
    """An encoded array.

    Attributes
    ----------
    parameters : Parameters
    stream_bits : int
        Bits of the stream, without pointers.
    source : Source
    """

    parameters: Parameters
    stream_bits: int
    source: Source

    @property
    def format(self) -> str:
        """The format's name."""
        return self.parameters.format

    @property
    def storage(self) -> Storage:
        """The array's shape, and how it is cut into bricks."""
        return self.parameters.storage

    @property
    def scheme(self) -> Format:
        """The format itself."""
        return get_format(self.format)

    @property
    def stream(self) -> bytes:
        """The stream; bit `i` is bit ``i % 8`` of byte ``i // 8``."""
        words, bit = self.source.window(0, self.stream_bits)
        first = bit // 8
        stored: NDArray[np.uint8] = words.view(np.uint8)
        return stored[first : first - (-self.stream_bits // 8)].tobytes()

    @property
    def pointers(self) -> NDArray[np.int64] | None:
        """The indirection array in 16-bit units, one for every `pointer_group` bricks; None if the format has none."""
        return self.source.pointers()

    @property
    def pointer_bits(self) -> int:
        """Bits of one pointer; 0 without an indirection array."""
        return pointer_width(self.stream_bits) if self.scheme.indirect else 0

    @property
    def total_bits(self) -> int:
        """Bits of the stream and its pointers."""
        pointers = self.scheme.pointer_count(self.storage.bricks, self.parameters.pointer_group)
        return self.stream_bits + pointers * self.pointer_bits

    def decode(self, *, raw: bool = False, kernels: Kernels | None = None) -> NDArray[Any]:
        """Decode the whole array, checking everything.

        Parameters
        ----------
        raw : bool
            Return ineffectual values as they were where the format keeps them (dense, viai, raw RoE bricks), in place of 0.
        kernels : {"numba", "numpy"}, optional
            By default what the environment asks for.

        Returns
        -------
        integer array, ``[C, H, W]``

        Raises
        ------
        FormatError
            If the data are damaged; names the field and the brick.
        """
        coder, group = self._codec(kernels), self.parameters.pointer_group
        with self._named():
            words, bit = self.source.window(0, self.stream_bits)
            maps = decode_maps(words, bit, self.stream_bits, self.pointers, self.storage, coder, group, raw, kernels)
            return self._typed(maps)

    def brick(self, y: int, x: int, cb: int = 0, *, group: int = 0, raw: bool = False) -> NDArray[Any]:
        """Decode one brick, reading only its bits and its pointer (with `pointer_group`, those of its group of bricks).

        Parameters
        ----------
        y, x, cb : int
            Row, column and channel brick; row-packed, `x` is the brick within the row and `cb` is 0.
        group : int
            Of a grouped convolution.
        raw : bool
            As of `decode`.

        Returns
        -------
        integer array, ``[brick]``

        Raises
        ------
        ConfigError
            If there is no such brick.
        FormatError
            If its data are damaged.
        """
        number = self.storage.index(y, x, cb, group)
        with self._named():
            values: NDArray[Any] = self._run(number, 1, raw)[0]
        return values

    def window(self, y: int, x: int, height: int, width: int, *, group: int = 0, raw: bool = False) -> NDArray[Any]:
        """Gather a window of one group from the stream, without decoding the rest.

        Parameters
        ----------
        y, x : int
            Its upper left corner; may be negative. What lies outside the map is 0.
        height, width : int
        group : int
        raw : bool

        Returns
        -------
        integer array, ``[Cg, height, width]``
        """
        storage = self.storage
        channels = storage.group_channels
        if not 0 <= group < storage.groups:
            raise ConfigError(f"there is no group {group} among {storage.groups}", where="window")
        if height < 1 or width < 1:
            raise ConfigError(f"must be at least 1x1, got {height}x{width}", where="window")
        gathered = np.zeros((channels, height, width), self.parameters.dtype)
        left, right = max(x, 0), min(x + width, storage.width)
        if left >= right:
            return gathered
        for row in range(max(y, 0), min(y + height, storage.height)):
            first, count, skipped = self._bricks_of(left, right)
            with self._named():
                values = self._run((group * storage.height + row) * storage.row_bricks + first, count, raw)
            if storage.packing == "row":
                inside = values.reshape(-1)[skipped : skipped + (right - left) * channels].reshape(-1, channels)
            else:
                inside = values.reshape(right - left, -1)[:, :channels]
            gathered[:, row - y, left - x : right - x] = inside.T
        return gathered

    def save(self, path: str | PathLike[str]) -> None:
        """Write a ``.cnv2`` container.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        write_container(path, self.parameters, self.stream_bits, self.stream, self.pointers)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Put the file's name before what is wrong with it."""
        try:
            yield
        except FormatError as error:
            if not self.source.name:
                raise
            raise FormatError(f"{self.source.name}: {error}") from None

    def _typed(self, values: NDArray[np.int16]) -> NDArray[Any]:
        """Return values in the array's own type, which an encoder has found them to fit."""
        dtype = np.dtype(self.parameters.dtype)
        if dtype != np.int16:
            low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
            if values.min() < low or values.max() > high:
                raise FormatError(f"dtype: {dtype} does not hold what is stored; the data are damaged")
        return values.astype(dtype, copy=False)

    def _codec(self, kernels: Kernels | None = None) -> Codec:
        return Codec(self.scheme, self.storage.brick, self.parameters.data_bits, self.parameters.threshold, kernels)

    def _bricks_of(self, left: int, right: int) -> tuple[int, int, int]:
        """Bricks of columns `left` to before `right` within their row: first, count, and values before the first column."""
        storage = self.storage
        if storage.packing == "brick":
            across = storage.bricks_shape[-1]
            return left * across, (right - left) * across, 0
        low, high = left * storage.group_channels, right * storage.group_channels
        first = low // storage.brick
        return first, -(-high // storage.brick) - first, low - first * storage.brick

    def _run(self, first: int, count: int, raw: bool) -> NDArray[Any]:
        """Decode consecutive bricks, ``[count, brick]``."""
        coder, brick, data_bits = self._codec(), self.storage.brick, self.parameters.data_bits
        skipped = 0
        if self.scheme.indirect:
            start, stop, skipped, closed = self._span(first, count)
        else:
            size = coder.format.most_bits(brick, data_bits)
            start, stop, closed = first * size, (first + count) * size, True
        words, bit = self.source.window(start, stop)
        end = bit + stop - start
        # Where the first one starts follows from the records between the pointer and it, which are decoded with it.
        values, starts = np.empty((skipped + count, brick), np.int16), np.empty(skipped + count, np.int64)
        bit = coder.decode(words, bit, end, True, values.reshape(-1), starts)
        check(bit, first - skipped, self.storage)
        check_fill(values, first - skipped, self.storage)
        if not raw:
            values[~effectual(values, coder.threshold)] = 0
        if closed and bit != end:
            raise FormatError(f"pointers: the records up to {self.storage.name_of(first + count - 1)} end {end - bit} bits early")
        return self._typed(values[skipped:])

    def _span(self, first: int, count: int) -> tuple[int, int, int, bool]:
        """Bits that the pointers bound around bricks, records before the first of these, and whether the last one ends there."""
        group = self.parameters.pointer_group
        low, high = first // group, -(-(first + count) // group)
        at_end = high >= self.scheme.pointer_count(self.storage.bricks, group)
        start = self.source.pointer(low) * POINTER_UNIT_BITS
        stop = self.stream_bits if at_end else self.source.pointer(high) * POINTER_UNIT_BITS
        if not 0 <= start < stop <= self.stream_bits or (low == 0 and start != 0):
            raise FormatError(
                f"pointers: number {low} leads to bits {start} to {stop} of {self.stream_bits}; the data are damaged"
            )
        return start, stop, first % group, (at_end and first + count == self.storage.bricks) or (first + count) % group == 0


def encode(
    array: ArrayLike,
    format: str,  # noqa: A002 - the public name of what it is
    brick: int = 16,
    data_bits: int = 16,
    threshold: int = 1,
    pointer_group: int = 1,
    packing: Packing = "brick",
    groups: int = 1,
    *,
    kernels: Kernels | None = None,
) -> Encoded:
    """Encode an array of activations, bit for bit as docs/formats.md lays down.

    Parameters
    ----------
    array : integer array, ``[C, H, W]``
        Quantised to `data_bits` bits.
    format : str
        ``dense``, ``zfnaf``, ``roe``, ``viai`` or ``packed_viai``.
    brick : int
        Values a brick, 2 to 64.
    data_bits : int
        Bits of a value, 2 to 16.
    threshold : int
        A value is effectual if its magnitude is at least this.
    pointer_group : int
        Bricks to a pointer of the indirection array.
    packing : {"brick", "row"}
        Whether every position is padded to a brick, or rows are packed (as for shallow layers).
    groups : int
        Groups of a grouped convolution, each blocked on its own.
    kernels : {"numba", "numpy"}, optional
        By default what the environment asks for.

    Returns
    -------
    Encoded

    Raises
    ------
    ConfigError
        For a wrong parameter, array shape or dtype, or a value that does not fit `data_bits` bits.
    """
    values = np.asarray(array)
    if values.dtype.name not in DTYPES:
        raise ConfigError(f"holds {values.dtype}; quantise it to integers", where="array")
    if values.ndim != 3 or 0 in values.shape:
        raise ConfigError(f"expected the shape [C, H, W] with values in it, got {list(values.shape)}", where="array")
    channels, height, width = values.shape
    storage = Storage(channels, height, width, brick, groups, packing)
    parameters = Parameters(format, storage, data_bits, threshold, pointer_group, values.dtype.name)
    _check_range(values, parameters.data_bits)
    maps = np.ascontiguousarray(values, dtype=np.int16)
    coder = Codec(get_format(format), storage.brick, parameters.data_bits, parameters.threshold, kernels)
    words, stream_bits, pointers = encode_maps(maps, storage, coder, parameters.pointer_group, kernels)
    return Encoded(parameters, stream_bits, MemorySource(words, pointers))


def load(path: str | PathLike[str]) -> Encoded:
    """Open a ``.cnv2`` container.

    The header is read and validated; the rest is mapped, and read and checked where it is used: `Encoded.brick` reads the
    blocks of 4096 bytes in which the brick and its pointer lie, `Encoded.decode` everything.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Encoded

    Raises
    ------
    FormatError
        If the file is missing or damaged; names the file and the field.
    """
    return Encoded(*read_container(path))


def _check_range(values: NDArray[Any], data_bits: int) -> None:
    low, high = limits(data_bits)
    kind = np.iinfo(values.dtype)
    if kind.min >= low and kind.max <= high:
        return
    least, most = int(values.min()), int(values.max())
    if least < low or most > high:
        worst = most if most > high else least
        raise ConfigError(f"holds {worst}, which does not fit data_bits={data_bits}; quantise it to {low}..{high}", where="array")
