"""Words of 64 bits made from 64 bytes that are 0 or 1, one or eight at a time."""

# Numba leaves types untyped.
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from cnvlutin2.simd import llvm
from cnvlutin2.simd.llvm import BYTES64, WORDS8X64, everywhere, holds, load_from, place_in
from cnvlutin2.simd.primitive import Definition, instructions, view_at
from cnvlutin2.simd.sizes import VECTOR, WORDS, Integer, Words8x64

_FLAGS, _HALVES = ir.VectorType(ir.IntType(1), VECTOR), ir.VectorType(ir.IntType(32), WORDS)


def word_at(array: NDArray[Any], at: Integer) -> np.uint64:
    """Return the lowest bits of 64 bytes of a contiguous array from place `at` on as the bits of a word, the first one lowest."""
    bits = np.packbits(view_at(array, at, VECTOR, np.uint8) & 1, bitorder="little")
    return np.uint64(bits.view(np.uint64)[0])


@instructions(word_at)
def _word_at(array: Any, _at: Any) -> Definition:
    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        found = load_from(ctx, builder, sig.args[0], args, BYTES64.built)
        return builder.bitcast(builder.trunc(found, _FLAGS), llvm.WORD64)

    return (types.uint64(array, types.intp), build) if holds(array) else None


def store_word(array: NDArray[Any], at: Integer, word: np.uint64) -> None:
    """Write a word to a contiguous array of any integers from place `at` on."""
    view_at(array, at, 1, np.uint64)[0] = word


@instructions(store_word)
def _store_word(array: Any, _at: Any, _word: Any) -> Definition:
    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        builder.store(args[2], place_in(ctx, builder, sig.args[0], args, llvm.WORD64), align=1)
        return ctx.get_dummy_value()

    return (types.void(array, types.intp, types.uint64), build) if holds(array) else None


def no_words() -> Words8x64:
    """Return words that are 0."""
    return np.zeros(WORDS, np.uint64)


@instructions(no_words)
def _no_words() -> Definition:
    return WORDS8X64(), lambda _ctx, _builder, _sig, _args: WORDS8X64.built(None)


def matches(array: NDArray[Any], at: Integer, word: np.uint64) -> Words8x64:
    """Return how many bits are 1 both in a word and in each of the `WORDS` that lie in an array from place `at` on."""
    found: Words8x64 = np.bitwise_count(view_at(array, at, WORDS, np.uint64) & np.uint64(word)).astype(np.uint64)
    return found


@instructions(matches)
def _matches(array: Any, _at: Any, _word: Any) -> Definition:
    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        found = load_from(ctx, builder, sig.args[0], args, WORDS8X64.built)
        return llvm.count_ones(builder, builder.and_(found, everywhere(builder, args[2], WORDS)))

    return (WORDS8X64(array, types.intp, types.uint64), build) if holds(array) else None


def weighted(counts: Words8x64, factors: NDArray[np.int32], at: Integer) -> Words8x64:
    """Return the lower halves of words, each times the factor (not negative) that lies in its place from `at` on."""
    found: Words8x64 = (counts & np.uint64(0xFFFF_FFFF)) * view_at(factors, at, WORDS, np.uint32)
    return found


@instructions(weighted)
def _weighted(counts: Any, factors: Any, _at: Any) -> Definition:
    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        found = load_from(ctx, builder, sig.args[1], args[1:], _HALVES)
        low = builder.and_(args[0], ir.Constant(WORDS8X64.built, [(1 << 32) - 1] * WORDS))  # lest 64 bits are multiplied by 64
        return builder.mul(low, builder.zext(found, WORDS8X64.built))

    return (WORDS8X64(counts, factors, types.intp), build) if counts == WORDS8X64 and holds(factors) else None


def bits_in_both(a: np.uint64, b: np.uint64) -> np.uint64:
    """Return how many bits are 1 in both of two words."""
    return np.uint64(int(a & b).bit_count())


@instructions(bits_in_both)
def _bits_in_both(a: Any, b: Any) -> Definition:
    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.ctpop(builder.and_(*args))

    return (types.uint64(a, b), build) if a == b == types.uint64 else None
