"""Which activations are effectual, and what follows from that alone; for compiled code."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd import VECTOR
from cnvlutin2.simd.jit import helper, kernel
from cnvlutin2.simd.vectors import reaching, store
from cnvlutin2.simd.words import bits_in_both, word_at
from cnvlutin2.timing.compiled.held import Held
from cnvlutin2.timing.compiled.records import FIRST_TABLE, SEEN, STORED, Bytes, Ints, LayerRecord

MOST = 1 << 15  # no 16-bit magnitude is larger


@helper
def _find_bits(layer: LayerRecord, values: NDArray[np.int16], begin: int, least: np.uint16, bits: Bytes, at: int) -> None:
    """Set, channel by channel, which values of an image are effectual: 1, else 0."""
    for _ in range(layer.channels):
        x = np.int64(0)
        while x + VECTOR <= layer.places:
            store(bits, at + x, reaching(values, begin + x, least))
            x += VECTOR
        while x < layer.places:
            value = values[begin + x]
            bits[at + x] = np.uint16(-value if value < 0 else value) >= least
            x += 1
        begin += layer.map_places
        at += layer.places


@helper
def _count_positions(layer: LayerRecord, bits: Bytes, begin: int, words: NDArray[np.uint64], counts: Ints) -> None:
    """Count, for each place in the kernel, the windows in which each channel's activation is effectual.

    Parameters
    ----------
    layer : LayerRecord
    bits : uint8
        Of all images.
    begin : int
        Where the image's begin.
    words : uint64 ``[words, channels]``
        Scratch: the places of every channel, 64 in a word.
    counts : int64 ``[steps + 1, channels]``
        The last row tells what is stored.
    """
    for w in range(words.shape[0]):
        left = layer.places - w * VECTOR
        known = ~np.uint64(0) if left >= VECTOR else (np.uint64(1) << np.uint64(left)) - np.uint64(1)
        for c in range(layer.channels):
            words[w, c] = word_at(bits, begin + c * layer.places + w * VECTOR) & known
    for k in range(counts.shape[0]):
        row = counts[k]
        for c in range(row.size):
            row[c] = 0
        for w in range(words.shape[0]):
            read, some = layer.reads[k, w], words[w]
            for c in range(row.size):
                row[c] += np.int64(bits_in_both(some[c], read))


@kernel
def count_sums(
    held: Held[LayerRecord],
    values: NDArray[np.int16],
    threshold: int,
    first: int,
    last: int,
    bits: Bytes,
    sums: Ints,
    results: Ints,
) -> None:
    """Find which activations are effectual, and what follows from that whatever the lanes.

    Parameters
    ----------
    held : Held of LayerRecord
    values : int16
        All images' activations ``[N, C, H, W]``, flat.
    threshold : int
    first, last : int
        Which images to do.
    bits : uint8
        Set: 1 where an activation is effectual, else 0, ``[last - first, channels, places]``, and at least 64 bytes behind.
    sums : int64 ``[N, sums]``
        Set, for the images to do: `SEEN`, `STORED`, and the products with each of the tables.
    results : int64 ``[N, results, columns]``
        Added to: what the sums make of cycles and slots.
    """
    layer = held.record
    least = np.uint16(min(threshold, MOST + 1))
    tables, steps = layer.tables.shape[:2]
    words, counts = np.empty((layer.reads.shape[1], layer.channels), np.uint64), np.empty((steps + 1, layer.channels), np.int64)
    for n in range(first, last):
        at = (n - first) * layer.channels * layer.places
        _find_bits(layer, values, n * layer.channels * layer.map_places + layer.first_place, least, bits, at)
        _count_positions(layer, bits, at, words, counts)
        found = sums[n]
        found[SEEN] = found[STORED] = 0
        for k in range(steps + 1):
            for c in range(layer.channels):
                found[SEEN if k < steps else STORED] += counts[k, c]
        for t in range(tables):
            total = np.int64(0)
            for k in range(steps):
                for c in range(layer.channels):
                    total += counts[k, c] * layer.tables[t, k, c]
            found[FIRST_TABLE + t] = total
        for s in range(found.size):
            for r in range(layer.factors.shape[1]):
                for column in range(layer.factors.shape[2]):
                    results[n, r, column] += found[s] * layer.factors[s, r, column]
