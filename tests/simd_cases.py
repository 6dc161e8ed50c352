"""How each vector primitive is tried: kernels that call it, to be run as Python and compiled, and arguments for them.

A kernel's last argument is a buffer of bytes for all that it finds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd import LARGEST_ROW, VECTOR, lookups
from cnvlutin2.simd.lookups import digit, free_cycles, most_products, products
from cnvlutin2.simd.narrow import both, larger, minus, plus, times
from cnvlutin2.simd.scans import last_of, moved_up, reduced, running_sums
from cnvlutin2.simd.vectors import (
    add_bytes,
    add_up,
    chosen,
    equal,
    first_places,
    load,
    load_as,
    no_sums,
    reaching,
    splat,
    splat_as,
    store,
    total,
    weighted_sum,
    widened,
)
from cnvlutin2.simd.words import bits_in_both, word_at

Kernel = Callable[..., None]
Draw = Callable[[np.random.Generator], tuple[Any, ...]]
Case = tuple[Kernel, Draw]

Bytes = NDArray[np.uint8]
OUT_BYTES = 1024
A_BYTE, A_WORD = np.uint8(0), np.uint16(0)


def integers(rng: np.random.Generator, dtype: Any, count: int) -> NDArray[Any]:
    """Draw integers from all that the type holds, or from its ends and middle."""
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    if rng.random() < 0.5:
        return rng.integers(low, high, count, dtype, endpoint=True)
    return rng.choice(np.array([low, low + 1, 0, 1, high // 2, high // 2 + 1, high - 1, high], dtype), count)


def arrays(*kinds: Any, count: int = VECTOR) -> Draw:
    """Draw a vector of each type."""
    return lambda rng: tuple(integers(rng, kind, count) for kind in kinds)


def placed(dtype: Any, count: int = VECTOR, *, last: Draw = lambda _rng: ()) -> Draw:
    """Draw an array of two dimensions, larger than a vector, a place where one begins, and what `last` draws."""

    def draw(rng: np.random.Generator) -> tuple[Any, ...]:
        array = integers(rng, dtype, 2 * count + 6).reshape(2, -1)
        return array, int(rng.choice([0, 1, count + 5, count + 6])), *last(rng)

    return draw


# Loads and stores.


def loaded(array: NDArray[Any], at: int, out: Bytes) -> None:
    store(out, 3, load(array, at))


def words_loaded(array: NDArray[Any], at: int, out: Bytes) -> None:
    store(out, 3, load_as(array, at, A_WORD))


def bytes_loaded_as(array: NDArray[Any], at: int, out: Bytes) -> None:
    store(out, 0, load_as(array, at, A_BYTE))


def words_loaded_as(array: NDArray[Any], at: int, out: Bytes) -> None:
    store(out, 0, load_as(array, at, A_WORD))


def word_made(array: NDArray[Any], at: int, out: Bytes) -> None:
    out.view(np.uint64)[0] = word_at(array, at)


# Making and changing vectors.


def splatted(values: NDArray[Any], out: Bytes) -> None:
    store(out, 0, splat(values[0]))


def splatted_as(values: NDArray[np.int64], out: Bytes) -> None:
    store(out, 0, splat_as(values[0], A_BYTE))
    store(out, VECTOR, splat_as(values[0], A_WORD))


def bytes_widened(values: Bytes, out: Bytes) -> None:
    store(out, 0, widened(load(values, 0), A_BYTE))
    store(out, VECTOR, widened(load(values, 0), A_WORD))


def places_marked(count: int, out: Bytes) -> None:
    store(out, 0, first_places(count))


def compared(a: Bytes, b: Bytes, out: Bytes) -> None:
    store(out, 0, equal(load(a, 0), load(b, 0)))


def bytes_chosen(mask: Bytes, a: Bytes, b: Bytes, out: Bytes) -> None:
    store(out, 0, chosen(load(mask, 0), load(a, 0), load(b, 0)))


def words_chosen(mask: Bytes, a: NDArray[np.uint16], b: NDArray[np.uint16], out: Bytes) -> None:
    store(out, 0, chosen(load(mask, 0), load_as(a, 0, A_WORD), load_as(b, 0, A_WORD)))


def magnitudes(array: NDArray[np.int16], at: int, least: np.uint16, out: Bytes) -> None:
    store(out, 0, reaching(array, at, least))


def bytes_added(words: NDArray[np.uint16], values: Bytes, out: Bytes) -> None:
    store(out, 0, add_bytes(load_as(words, 0, A_WORD), load(values, 0)))


# Sums and words of 64 bits.


def weighed_and_summed(array: NDArray[np.uint16], at: int, words: NDArray[np.uint16], out: Bytes) -> None:
    out.view(np.int64)[0] = weighted_sum(load_as(words, 0, A_WORD), array, at)


def nothing_summed(_values: Bytes, out: Bytes) -> None:
    out.view(np.int64)[0] = total(no_sums())


def bytes_added_up(values: Bytes, more: Bytes, out: Bytes) -> None:
    for first in range(0, VECTOR, VECTOR // 8):  # each of the sums
        here = both(load(values, 0), minus(first_places(first + VECTOR // 8), first_places(first)))
        found = add_up(add_up(no_sums(), here), both(load(more, 0), first_places(first + VECTOR // 8)))
        out.view(np.int64)[first // 8] = total(found)


def words_added_up(values: NDArray[np.uint16], more: Bytes, out: Bytes) -> None:
    out.view(np.int64)[0] = total(add_up(add_up(no_sums(), load(more, 0)), load_as(values, 0, A_WORD)))


def bytes_totalled(values: Bytes, out: Bytes) -> None:
    out.view(np.int64)[0] = total(load(values, 0))


def words_totalled(values: NDArray[np.uint16], out: Bytes) -> None:
    out.view(np.int64)[0] = total(load_as(values, 0, A_WORD))


def bits_matched(a: NDArray[np.uint64], b: NDArray[np.uint64], out: Bytes) -> None:
    for i in range(a.size):
        out[i] = bits_in_both(a[i], b[i])


def on_numbers(operation: Callable[..., Any]) -> Kernel:
    def run(a: NDArray[Any], b: NDArray[Any], out: Bytes) -> None:
        found = out.view(a.dtype)
        for i in range(a.size):
            found[i] = operation(a[i], b[i])

    return run


def on_bytes(operation: Callable[..., Any]) -> Kernel:
    def run(a: Bytes, b: Bytes, out: Bytes) -> None:
        store(out, 0, operation(load(a, 0), load(b, 0)))

    return run


def on_words(operation: Callable[..., Any]) -> Kernel:
    def run(a: NDArray[np.uint16], b: NDArray[np.uint16], out: Bytes) -> None:
        store(out, 0, operation(load_as(a, 0, A_WORD), load_as(b, 0, A_WORD)))

    return run


# Scans.


def rows(times: int) -> Draw:
    """Draw bytes below so many times the size of a row, and that."""

    def draw(rng: np.random.Generator) -> tuple[Any, ...]:
        row = int(rng.choice([1, 2, 17, 64, LARGEST_ROW]))
        values = rng.integers(0, times * row, VECTOR, np.uint8)
        return (values if rng.random() < 0.7 else np.full(VECTOR, times * row - 1, np.uint8)), np.uint8(row)

    return draw


def bytes_reduced(values: Bytes, row: np.uint8, out: Bytes) -> None:
    store(out, 0, reduced(load(values, 0), row))


def bytes_scanned(values: Bytes, row: np.uint8, out: Bytes) -> None:
    store(out, 0, running_sums(load(values, 0), row))


def bytes_moved(values: Bytes, out: Bytes) -> None:
    store(out, 0, moved_up(load(values, 0)))


def last_taken(values: Bytes, out: Bytes) -> None:
    out[0] = last_of(load(values, 0))


# Lookups.


def masks(rng: np.random.Generator) -> tuple[Any, ...]:
    """Draw masks of weights ``[filters, runs, digits]`` and of activations ``[runs, digits, windows]``."""
    shape = tuple(int(rng.integers(1, most + 1)) for most in (5, 3, 4))
    values = 1 << lookups.DIGIT_BITS
    sparse = rng.random() < 0.3
    weights, digits = (rng.integers(0, values, s, np.uint8) for s in (shape, (*shape[1:], VECTOR)))
    if sparse:
        weights[0], digits[0] = 0, values - 1
    return weights * np.uint8(16 if lookups.DIGIT_BITS == 4 else 1), digits


def single_products(weights: Bytes, digits: Bytes, out: Bytes) -> None:
    store(out, 0, products(weights, weights.size - 1, digits, digits.size - VECTOR))


def products_of_filters(weights: Bytes, digits: Bytes, out: Bytes) -> None:
    filters, runs, count = weights.shape
    store(out, 0, most_products(weights, 0, filters * runs, digits, 0, count))


def cycles_of_filters(weights: Bytes, digits: Bytes, out: Bytes) -> None:
    filters, runs, count = weights.shape
    spent, slowest = free_cycles(weights, 0, runs * count, filters, digits, 0, runs, count, splat(np.uint8(1)))
    store(out, 0, spent)
    store(out, VECTOR, slowest)


def digits_taken(values: Bytes, out: Bytes) -> None:
    store(out, 0, digit(load(values, 0), 0))
    store(out, VECTOR, digit(load(values, 0), 1))


def _word(rng: np.random.Generator) -> tuple[Any, ...]:
    return tuple(integers(rng, np.uint64, 1))


def _least(rng: np.random.Generator) -> tuple[Any, ...]:
    return (rng.choice(np.array([0, 1, 2, 0x7FFF, 0x8000, 0xFFFF], np.uint16)),)


def _count(rng: np.random.Generator) -> tuple[Any, ...]:
    return (int(rng.choice(np.array([-(1 << 62), -1, 0, 1, 63, 64, 65, 256, 1 << 62, rng.integers(VECTOR)], np.int64))),)


CASES: dict[str, list[Case]] = {
    "vectors.load": [(loaded, placed(kind)) for kind in (np.uint8, np.int16)],
    "vectors.load_as": [
        (bytes_loaded_as, placed(np.uint8)),
        (words_loaded_as, placed(np.uint8, 2 * VECTOR)),
        (words_loaded, placed(np.uint16)),
    ],
    "vectors.store": [
        (loaded, placed(np.uint8)),
        (words_loaded, placed(np.uint16)),
    ],
    "vectors.splat": [(splatted, arrays(kind, count=1)) for kind in (np.uint8, np.int64)],
    "vectors.splat_as": [(splatted_as, arrays(np.int64, count=1))],
    "vectors.widened": [(bytes_widened, arrays(np.uint8))],
    "vectors.first_places": [(places_marked, _count)],
    "vectors.equal": [(compared, lambda rng: (rng.integers(0, 3, VECTOR, np.uint8), rng.integers(0, 3, VECTOR, np.uint8)))],
    "vectors.chosen": [
        (bytes_chosen, arrays(np.uint8, np.uint8, np.uint8)),
        (words_chosen, arrays(np.uint8, np.uint16, np.uint16)),
    ],
    "vectors.reaching": [(magnitudes, placed(np.int16, last=_least))],
    "vectors.weighted_sum": [(weighed_and_summed, placed(np.uint16, last=arrays(np.uint16)))],
    "vectors.total": [(bytes_totalled, arrays(np.uint8)), (words_totalled, arrays(np.uint16))],
    "vectors.no_sums": [(nothing_summed, arrays(np.uint8))],
    "vectors.add_up": [(bytes_added_up, arrays(np.uint8, np.uint8)), (words_added_up, arrays(np.uint16, np.uint8))],
    "vectors.add_bytes": [(bytes_added, arrays(np.uint16, np.uint8))],
    "words.word_at": [(word_made, placed(np.uint8))],
    "words.bits_in_both": [(bits_matched, arrays(np.uint64, np.uint64))],
    "scans.reduced": [(bytes_reduced, rows(2))],
    "scans.running_sums": [(bytes_scanned, rows(1))],
    "scans.moved_up": [(bytes_moved, arrays(np.uint8))],
    "scans.last_of": [(last_taken, arrays(np.uint8))],
    "lookups.products": [(single_products, masks)],
    "lookups.most_products": [(products_of_filters, masks)],
    "lookups.free_cycles": [(cycles_of_filters, masks)],
    "lookups.digit": [(digits_taken, arrays(np.uint8))],
}
for _operation in (larger, both, plus, minus, times):
    CASES[f"narrow.{_operation.__name__}"] = [
        *((on_numbers(_operation), arrays(kind, kind)) for kind in (np.uint8, np.int8, np.int16, np.uint16, np.int64, np.uint64)),
        (on_bytes(_operation), arrays(np.uint8, np.uint8)),
        (on_words(_operation), arrays(np.uint16, np.uint16)),
    ]


# What lies in an array at a place: kernels of an array and a place, with the type of the array and the bytes that they touch.


def loads(array: NDArray[Any], at: int) -> Any:
    return total(load(array, at))


def loads_words(array: NDArray[Any], at: int) -> Any:
    return total(load_as(array, at, A_WORD))


def loads_as(array: NDArray[Any], at: int) -> Any:
    return total(load_as(array, at, A_WORD))


def stores(array: NDArray[Any], at: int) -> Any:
    store(array, at, splat(np.uint8(1)))


def stores_words(array: NDArray[Any], at: int) -> Any:
    store(array, at, splat_as(np.int64(1), A_WORD))


def reaches(array: NDArray[Any], at: int) -> Any:
    return total(reaching(array, at, np.uint16(1)))


def weighs(array: NDArray[Any], at: int) -> Any:
    return weighted_sum(splat_as(np.int64(1), A_WORD), array, at)


def takes_word(array: NDArray[Any], at: int) -> Any:
    return word_at(array, at)


def looks_up_weights(array: NDArray[Any], at: int) -> Any:
    return total(products(array, at, np.zeros(VECTOR, np.uint8), 0))


def looks_up_digits(array: NDArray[Any], at: int) -> Any:
    return total(products(np.zeros(1, np.uint8), 0, array, at))


def looks_up_weights_of_filters(array: NDArray[Any], at: int) -> Any:
    return total(most_products(array, at, 3, np.zeros(2 * VECTOR, np.uint8), 0, 2))


def looks_up_digits_of_filters(array: NDArray[Any], at: int) -> Any:
    return total(most_products(np.zeros(6, np.uint8), 0, 3, array, at, 2))


def counts_cycles_of_weights(array: NDArray[Any], at: int) -> Any:
    return total(free_cycles(array, at, 5, 2, np.zeros(4 * VECTOR, np.uint8), 0, 2, 2, splat(np.uint8(1)))[0])


def counts_cycles_of_digits(array: NDArray[Any], at: int) -> Any:
    return total(free_cycles(np.zeros(9, np.uint8), 0, 5, 2, array, at, 2, 2, splat(np.uint8(1)))[0])


BOUNDED: dict[str, list[tuple[Callable[..., Any], Any, int]]] = {
    "vectors.load": [(loads, np.uint8, VECTOR), (loads, np.int32, VECTOR)],
    "vectors.load_as": [(loads_as, np.uint8, 2 * VECTOR), (loads_words, np.uint16, 2 * VECTOR)],
    "vectors.store": [(stores, np.uint8, VECTOR), (stores_words, np.uint16, 2 * VECTOR)],
    "vectors.reaching": [(reaches, np.int16, 2 * VECTOR)],
    "vectors.weighted_sum": [(weighs, np.uint16, 2 * VECTOR)],
    "words.word_at": [(takes_word, np.uint8, VECTOR)],
    "lookups.products": [(looks_up_weights, np.uint8, 1), (looks_up_digits, np.uint8, VECTOR)],
    "lookups.most_products": [(looks_up_weights_of_filters, np.uint8, 6), (looks_up_digits_of_filters, np.uint8, 2 * VECTOR)],
    "lookups.free_cycles": [(counts_cycles_of_weights, np.uint8, 9), (counts_cycles_of_digits, np.uint8, 4 * VECTOR)],
}
