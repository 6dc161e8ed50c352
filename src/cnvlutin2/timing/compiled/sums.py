"""Which activations are effectual, and what follows from that alone; for compiled code."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd import VECTOR
from cnvlutin2.simd.jit import helper, kernel
from cnvlutin2.simd.sizes import Integer
from cnvlutin2.simd.vectors import reaching, store
from cnvlutin2.simd.words import bits_in_both, word_at
from cnvlutin2.timing.compiled.held import Held
from cnvlutin2.timing.compiled.records import MACS, SEEN, STORED, Bytes, Ints, LayerRecord

MOST = 1 << 15  # no 16-bit magnitude is larger


@helper
def _find_bits(layer: LayerRecord, values: NDArray[np.int16], begin: Integer, least: np.uint16, bits: Bytes, at: Integer) -> None:
    """Set which values of an image are effectual: 1, else 0."""
    # The channels of a whole layer lie one after another; those of a band lie apart.
    whole = layer.places == layer.map_places
    rows, size = (1, layer.channels * layer.places) if whole else (layer.channels, layer.places)
    for _ in range(rows):
        x = np.int64(0)
        while x + VECTOR <= size:
            store(bits, at + x, reaching(values, begin + x, least))
            x += VECTOR
        if x < size and size >= VECTOR:  # the last values, some of them once more
            store(bits, at + size - VECTOR, reaching(values, begin + size - VECTOR, least))
        elif x < size:
            for i in range(size):
                value = np.int64(values[begin + i])  # of 64 bits: the most negative one has no opposite of 16
                bits[at + i] = np.uint16(-value if value < 0 else value) >= least
        begin += layer.map_places
        at += layer.places


@helper
def _count_positions(layer: LayerRecord, bits: Bytes, begin: Integer, words: NDArray[np.uint64], counts: Ints) -> None:
    """Count, for each place in the kernel, the windows in which each channel's activation is effectual.

    Parameters
    ----------
    layer : LayerRecord
    bits : uint8
        Of all images.
    begin : int
        Where the image's begin.
    words : uint64 ``[words, channels]``, or ``[channels, words]`` if there are more words
        Scratch: the places of every channel, 64 in a word.
    counts : int64 ``[steps + 1, channels]``
        The last row tells what is stored.
    """
    (spans, reads), channels, places = layer.reads, layer.channels, layer.places
    size, at = (places + VECTOR - 1) // VECTOR, np.int64(0)
    by_channel = size > channels  # the longer ones are the inner ones, which are vectorised
    for w in range(size):
        left = places - w * VECTOR
        known = ~np.uint64(0) if left >= VECTOR else (np.uint64(1) << np.uint64(left)) - np.uint64(1)
        for c in range(channels):
            word = word_at(bits, begin + c * places + w * VECTOR) & known
            if by_channel:
                words[c, w] = word
            else:
                words[w, c] = word
    for k in range(counts.shape[0]):
        row = counts[k]
        for c in range(channels):
            row[c] = 0
        first, count = np.int64(spans[k, 0]), np.int64(spans[k, 1])
        read_here, at = reads[at : at + count], at + count
        if by_channel:
            for c in range(channels):
                found, some = np.int64(0), words[c, first:]
                for w in range(count):
                    found += np.int64(bits_in_both(some[w], read_here[w]))
                row[c] = found
            continue
        for w in range(count):
            read, some = read_here[w], words[first + w]
            for c in range(channels):
                row[c] += np.int64(bits_in_both(some[c], read))


@kernel
def count_sums(
    held: Held[LayerRecord],
    values: NDArray[np.int16],
    threshold: int,
    first: int,
    last: int,
    bits: Bytes,
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
    results : int64 ``[N, results, columns]``
        Added to: what the sums make of cycles and slots.
    """
    layer = held.record
    least = np.uint16(min(threshold, MOST + 1))
    tables, steps = layer.tables.shape[:2]
    size = (layer.places + VECTOR - 1) // VECTOR
    longer, shorter = max(size, layer.channels), min(size, layer.channels)
    words, counts = np.empty((shorter, longer), np.uint64), np.empty((steps + 1, layer.channels), np.int64)
    found = np.empty(layer.factors.shape[0], np.int64)
    for n in range(first, last):
        at = (n - first) * layer.channels * layer.places
        _find_bits(layer, values, n * layer.channels * layer.map_places + layer.first_place, least, bits, at)
        _count_positions(layer, bits, at, words, counts)
        found[SEEN] = found[STORED] = 0
        for k in range(steps + 1):
            for c in range(layer.channels):
                found[SEEN if k < steps else STORED] += counts[k, c]
        for t in range(tables):
            total = np.int64(0)
            for k in range(steps):
                for c in range(layer.channels):
                    total += counts[k, c] * layer.tables[t, k, c]
            found[MACS + t] = total
        for s in range(found.size):
            for r in range(layer.factors.shape[1]):
                for column in range(layer.factors.shape[2]):
                    results[n, r, column] += found[s] * layer.factors[s, r, column]
