"""Weights in bricks: one for every `brick` channels of a filter at a kernel position (docs/formats.md, "Weights")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnvlutin2.encodings.encoded import Encoded, encode
from cnvlutin2.encodings.registry import format_names
from cnvlutin2.encodings.storage import to_bricks
from cnvlutin2.errors import ConfigError
from cnvlutin2.numeric import effectual

BIT_VECTOR, PACKED = "bit_vector", "packed"
_FORMAT_OF = {PACKED: "packed_viai"}


@dataclass(frozen=True, eq=False)
class EncodedWeights:
    """Weights as the streams of a format: bricks in the order filter, ky, kx, channel brick.

    Attributes
    ----------
    shape : (int, int, int, int)
        ``[Co, Cg, Kh, Kw]``.
    encoded : Encoded
        The same as activations: each filter is a group, its kernel the map.
    """

    shape: tuple[int, ...]
    encoded: Encoded

    @property
    def stream(self) -> bytes:
        """The stream."""
        return self.encoded.stream

    @property
    def stream_bits(self) -> int:
        """Bits of the stream, without pointers."""
        return self.encoded.stream_bits

    @property
    def pointers(self) -> NDArray[np.int64] | None:
        """The indirection array in 16-bit units, or None."""
        return self.encoded.pointers

    @property
    def pointer_bits(self) -> int:
        """Bits of one pointer; 0 without an indirection array."""
        return self.encoded.pointer_bits

    @property
    def total_bits(self) -> int:
        """Bits of the stream and its pointers."""
        return self.encoded.total_bits

    def decode(self) -> NDArray[Any]:
        """Return the weights ``[Co, Cg, Kh, Kw]``, ineffectual ones 0."""
        return self.encoded.decode().reshape(self.shape)

    def brick(self, filter_index: int, ky: int, kx: int, cb: int = 0) -> NDArray[Any]:
        """Return one brick, ``[brick]``, reading only its bits."""
        return self.encoded.brick(ky, kx, cb, group=filter_index)


@dataclass(frozen=True, eq=False)
class WeightVectors:
    """Which weights are effectual, and nothing else: the vectors that the weight-skipping organisation stores beside SB.

    Attributes
    ----------
    shape : (int, int, int, int)
        ``[Co, Cg, Kh, Kw]``.
    brick_size : int
    stream : bytes
        A bit a weight (and a zero for each of the fill), bricks in the order filter, ky, kx, channel brick.
    """

    shape: tuple[int, ...]
    brick_size: int
    stream: bytes

    @property
    def _bricks_shape(self) -> tuple[int, ...]:
        filters, channels, height, width = self.shape
        return filters, height, width, -(-channels // self.brick_size), self.brick_size

    @property
    def stream_bits(self) -> int:
        """Bits of the stream."""
        return int(np.prod(self._bricks_shape, dtype=np.int64))

    total_bits = stream_bits

    def decode(self) -> NDArray[np.bool_]:
        """Return which weights are effectual, ``[Co, Cg, Kh, Kw]``."""
        bits = np.unpackbits(np.frombuffer(self.stream, np.uint8), count=self.stream_bits, bitorder="little")
        positions = bits.reshape(*self._bricks_shape[:3], -1)[..., : self.shape[1]]
        return np.ascontiguousarray(np.moveaxis(positions, -1, 1)).astype(np.bool_)

    def brick(self, filter_index: int, ky: int, kx: int, cb: int = 0) -> NDArray[np.bool_]:
        """Return one brick's vector, ``[brick]``, reading only its bits."""
        place = (filter_index, ky, kx, cb)
        for index, size in zip(place, self._bricks_shape, strict=False):
            if not 0 <= index < size:
                raise ConfigError(f"there is no weight brick {place} among {self._bricks_shape[:4]}", where="brick")
        bit = int(np.ravel_multi_index(place, self._bricks_shape[:4])) * self.brick_size
        first, end = bit // 8, -(-(bit + self.brick_size) // 8)
        bits = np.unpackbits(np.frombuffer(self.stream[first:end], np.uint8), bitorder="little")
        return bits[bit % 8 :][: self.brick_size].astype(np.bool_)


def encode_weights(
    weights: ArrayLike,
    format: str = PACKED,  # noqa: A002 - as of `encode`
    brick: int = 16,
    data_bits: int = 16,
    threshold: int = 1,
    pointer_group: int = 1,
) -> EncodedWeights | WeightVectors:
    """Encode the weights of a layer, a brick for every `brick` channels of a filter at a kernel position.

    Parameters
    ----------
    weights : integer array, ``[Co, Cg, Kh, Kw]``
    format : str
        ``packed`` (a vector and the effectual weights: `packed_viai`), ``bit_vector`` (the vectors alone, 1 bit a weight),
        or any format of `encode`, as ``dense``.
    brick, data_bits, threshold, pointer_group
        As of `encode`.

    Returns
    -------
    EncodedWeights, or WeightVectors for ``bit_vector``

    Raises
    ------
    ConfigError
        For a wrong parameter or array.
    """
    values = np.asarray(weights)
    if values.ndim != 4:
        raise ConfigError(f"expected weights [Co, Cg, Kh, Kw], got {list(values.shape)}", where="weights")
    names = [*format_names(), BIT_VECTOR, PACKED]
    if format not in names:
        raise ConfigError(f"there is no weight format {format!r}; the formats are {', '.join(names)}", where="format")
    filters, channels, height, width = values.shape
    maps = values.reshape(filters * channels, height, width)
    chosen = "dense" if format == BIT_VECTOR else _FORMAT_OF.get(format, format)
    encoded = encode(maps, chosen, brick, data_bits, threshold, pointer_group, groups=filters)
    if format != BIT_VECTOR:
        return EncodedWeights(values.shape, encoded)
    parameters = encoded.parameters
    vectors = to_bricks(effectual(maps.astype(np.int16), parameters.threshold), parameters.storage.brick, filters)
    return WeightVectors(values.shape, parameters.storage.brick, np.packbits(vectors, bitorder="little").tobytes())
