"""The functions of a format for one kind of brick, compiled or in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cnvlutin2.encodings import faults
from cnvlutin2.encodings.base import Format
from cnvlutin2.encodings.bitfields import get_bits, put_bits
from cnvlutin2.encodings.compiled_functions import callable_of, compiled_module, limits_of
from cnvlutin2.numeric import effectual
from cnvlutin2.simd import Kernels, uses_numba

Words = NDArray[np.uint64]
Maps = NDArray[np.int16]

WORD_BITS = 64
GUARD_WORDS = 2
"""Words after a stream, which the compiled codecs may touch."""


class Codec:
    """Encodes and decodes whole bricks, many at a time.

    Parameters
    ----------
    form : Format
    brick, data_bits, threshold : int
    kernels : {"numba", "numpy"}, optional
        A format that has no compiled functions uses NumPy.
    """

    def __init__(self, form: Format, brick: int, data_bits: int, threshold: int, kernels: Kernels | None = None) -> None:
        self.format = form
        self.brick = brick
        self.data_bits = data_bits
        self.threshold = threshold
        self._limits = limits_of(threshold)
        self._encode: Callable[..., int] | None = None
        self._decode: Callable[..., int] | None = None
        if uses_numba(kernels):
            self._encode, self._decode = self._functions()

    def _functions(self) -> Iterator[Callable[..., int] | None]:
        """Yield the compiled functions, those for just such bricks if there are any."""
        module = compiled_module(self.format.name)
        for name in ("encode", "decode"):
            general = getattr(module, name, None)
            found = getattr(module, f"{name}_{self.brick}x{self.data_bits}", general)
            yield callable_of(found) if found else None

    def encode(self, values: Maps, words: Words, bit: int, starts: NDArray[np.int64]) -> int:
        """Append the records of whole bricks (flat) and return the bit after them."""
        if self._encode is not None:
            return int(self._encode(self.brick, self.data_bits, values, *self._limits, words, bit, starts))
        bricks = values.reshape(-1, self.brick)
        mask = effectual(bricks, self.threshold)
        records = self.format.to_records(bricks, mask, self.data_bits)
        sizes = self.format.brick_bits(mask.sum(axis=1), self.brick, self.data_bits)
        starts[:] = bit + np.cumsum(sizes) - sizes
        put_bits(words, bit, records[np.arange(records.shape[1]) < sizes[:, None]])
        return bit + int(sizes.sum())

    def decode(self, words: Words, bit: int, end: int, raw: bool, values: Maps, starts: NDArray[np.int64]) -> int:
        """Fill whole bricks (flat) from the records at `bit`; return the bit after them, or a fault (negative)."""
        if self._decode is not None:
            after = self._decode(self.brick, self.data_bits, words, bit, end, *self._limits, raw, values, starts)
            if after >= 0:
                return int(after)
            # The compiled decoders only find that something is wrong; what it is, the same records decoded by NumPy tell.
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
