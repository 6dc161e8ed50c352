"""Codecs and the bound that the formats are compared with: their sizes only (docs/formats.md, "For comparison").

They know no bricks: their input is the array's values in storage order, without the fill of last bricks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings.compiled_functions import callable_of
from cnvlutin2.simd import Kernels, uses_numba


@dataclass(frozen=True)
class GapCodec:
    """A codec that stores, with every effectual value, how many ineffectual ones stand before it.

    A longer run takes fillers: entries of the largest count whose value is 0, each covering ``2 ** gap_bits`` values.
    """

    name: str
    gap_bits: int
    stores_tail: bool
    """Whether a run at the end of the stream is stored, or known from the length."""

    @property
    def span(self) -> int:
        """Values that a filler covers, itself included."""
        return 1 << self.gap_bits

    def bits(
        self, effectual_values: NDArray[np.int64], fillers: NDArray[np.int64], tails: NDArray[np.int64], data_bits: int
    ) -> NDArray[np.int64]:
        """Return the bits of streams: `fillers` within each, and a last run of so many ineffectual values."""
        last = -(-tails // self.span) if self.stores_tail else 0
        return (effectual_values + fillers + last) * (self.gap_bits + data_bits)

    def bits_per_value(self, density: float, data_bits: int) -> float:
        """Return the expected bits a value where values are effectual independently of each other."""
        if density == 0:
            return (self.gap_bits + data_bits) / self.span if self.stores_tail else 0.0
        long = (1 - density) ** self.span
        return (self.gap_bits + data_bits) * density * (1 + long / (1 - long))


RUN_LENGTH = GapCodec("run_length", 5, stores_tail=True)
RELATIVE_INDEX = GapCodec("relative_index", 4, stores_tail=False)
GAP_CODECS = (RUN_LENGTH, RELATIVE_INDEX)
_GAP_BITS = np.array([codec.gap_bits for codec in GAP_CODECS], np.int64)
ENTROPY = "entropy"
REFERENCE_NAMES = (*(codec.name for codec in GAP_CODECS), ENTROPY)


def entropy_bits(values: int, effectual_values: int, data_bits: int) -> int:
    """Return the bound ``N H(density) + n b``, rounded up: the least for which values are effectual, and these in full."""
    return math.ceil(values * binary_entropy(effectual_values / values)) + effectual_values * data_bits


def binary_entropy(density: float) -> float:
    """Return the bits of information in whether a value is effectual."""
    if density in (0.0, 1.0):
        return 0.0
    return -density * math.log2(density) - (1 - density) * math.log2(1 - density)


def reference_bits(
    effectual: NDArray[np.bool_], groups: int, data_bits: int, kernels: Kernels | None = None
) -> dict[str, NDArray[np.int64]]:
    """Return the bits of arrays under each reference codec and the bound, ``[N]`` by name.

    Parameters
    ----------
    effectual : bool ``[N, C, H, W]``
        Which of their values are effectual.
    groups, data_bits : int
    kernels : {"numba", "numpy"}, optional
    """
    counts, fillers, tails = _gaps(effectual, groups, kernels)
    bits = {c.name: c.bits(counts, fillers[:, k], tails, data_bits) for k, c in enumerate(GAP_CODECS)}
    bound = [entropy_bits(effectual[0].size, count, data_bits) for count in counts.tolist()]
    return {**bits, ENTROPY: np.array(bound, np.int64)}


def _gaps(
    effectual: NDArray[np.bool_], groups: int, kernels: Kernels | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return each array's effectual values, the fillers of each gap codec ``[N, codecs]``, and the length of the last run."""
    images, channels = effectual.shape[:2]
    counts, tails = np.zeros(images, np.int64), np.zeros(images, np.int64)
    fillers = np.zeros((images, _GAP_BITS.size), np.int64)
    inside = channels // groups
    by_channel = effectual.reshape(images, groups, inside, -1)
    if not uses_numba(kernels):
        for image, maps in enumerate(by_channel):
            ordered = maps.transpose(0, 2, 1).reshape(-1)
            edges = np.concatenate([[-1], np.flatnonzero(ordered)])
            lengths = np.diff(edges) - 1
            counts[image], tails[image] = lengths.size, ordered.size - 1 - edges[-1]
            fillers[image] = [(lengths >> bits).sum() for bits in _GAP_BITS]
        return counts, fillers, tails
    from cnvlutin2.encodings._kernels.gaps import WORD_VALUES, count_gaps, count_gaps_of_words

    if inside == 1:  # values lie as they are stored
        values = effectual[0].size
        packed = np.zeros((images, -(-values // WORD_VALUES) * WORD_VALUES // 8), np.uint8)
        packed[:, : -(-values // 8)] = np.packbits(effectual.reshape(images, -1), axis=1, bitorder="little")
        words = packed.view(np.uint16)[..., None]
        callable_of(count_gaps_of_words)(words, values, _GAP_BITS, counts, fillers, tails)
    else:
        flat = np.ascontiguousarray(by_channel).view(np.uint8)
        callable_of(count_gaps)(flat, _GAP_BITS, counts, fillers, tails)
    return counts, fillers, tails
