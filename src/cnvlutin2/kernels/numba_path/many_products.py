"""What follows from a layer's effectual activations alone, for `many`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.kernels.addresses import array_at
from cnvlutin2.simd import VECTOR, WORDS
from cnvlutin2.simd.jit import helper
from cnvlutin2.simd.narrow import plus
from cnvlutin2.simd.vectors import reaching, store, total
from cnvlutin2.simd.words import matches, no_words, store_word, weighted, word_at

MOST = 1 << 15  # no 16-bit magnitude is larger

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


@helper
def find_bits(layer: Any, bits: Bytes) -> None:
    """Set the bits of a layer's effectual activations."""
    size = layer.images * layer.groups * layer.channels * layer.places
    values, least = array_at(layer.activations, (size,), np.int16), np.uint16(min(layer.threshold, MOST + 1))
    x = int(np.int64(0))
    while x + VECTOR <= size:
        store(bits, layer.bits + x, reaching(values, x, least))
        x += VECTOR
    while x < size:
        value = values[x]
        bits[layer.bits + x] = np.uint16(-value if value < 0 else value) >= least
        x += 1


@helper
def count_products(layer: Any, bits: Bytes, scratch: Bytes, sums: Ints, measured: Ints) -> None:
    """Count, image by image, what follows from the bits whatever the organisation.

    Places of a map are packed into words, and these lie word by word, all channels of one together: eight channels at a time are
    compared with the places that some window reads at a place in the kernel.
    """
    channels, places, steps = layer.groups * layer.channels, layer.places, layer.geometry[0] * layer.geometry[1]
    words, room = (places + 63) // 64, (channels + WORDS - 1) // WORDS * WORDS
    reads = array_at(layer.reads, ((steps + 1) * words,), np.uint64)
    filters = array_at(layer.filters, (steps * room,), np.int32)
    busy_filters = array_at(layer.busy_filters or layer.filters, (steps * room,), np.int32)
    for n in range(layer.images):
        begin = layer.bits + n * channels * places
        seen, macs, busy, stored = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
        if places * steps == 1:  # as in fully-connected layers
            is_read = np.int64(reads[0])
            for c in range(channels):
                bit = np.int64(bits[begin + c])
                stored += bit
                macs += bit * filters[c]
                busy += bit * busy_filters[c]
            seen, macs, busy = stored * is_read, macs * is_read, busy * is_read
        else:
            for w in range(words):
                for c in range(channels):
                    store_word(scratch, (w * room + c) * WORDS, word_at(bits, begin + c * places + w * 64))
                for c in range(channels, room):
                    store_word(scratch, (w * room + c) * WORDS, np.uint64(0))
            of_all, of_macs, of_busy = no_words(), no_words(), no_words()
            for k in range(steps + 1):
                if k == steps:  # of the last row of `reads`, which has all places
                    seen, of_all = total(of_all), no_words()
                for c in range(0, room, WORDS):
                    count = no_words()
                    for w in range(words):
                        count = plus(count, matches(scratch, (w * room + c) * WORDS, reads[k * words + w]))
                    of_all = plus(of_all, count)
                    if k < steps:
                        of_macs = plus(of_macs, weighted(count, filters, k * room + c))
                        if layer.busy_filters:
                            of_busy = plus(of_busy, weighted(count, busy_filters, k * room + c))
            stored, macs, busy = total(of_all), total(of_macs), total(of_busy)
        found = sums[n, layer.sums]
        found[0], found[1], found[2] = seen, macs, stored
        for r in range(layer.results):
            result = measured[n, layer.measured + r]
            result[0], result[1], result[2], result[3], result[4], result[5] = 0, 0, seen, seen, macs, busy
