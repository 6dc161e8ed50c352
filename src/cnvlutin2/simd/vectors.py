"""Vectors of 64 bytes, and of 64 words of 16 bits, that compiled kernels hold in registers.

The compiler vectorises the innermost loop, over windows, and so takes the sums of every filter from memory and back. With
these the loop over windows is the outer one, in steps of `VECTOR`: a sum stays where it is while filters and runs pass.
"""

# Numba leaves types untyped.
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from cnvlutin2.simd import llvm
from cnvlutin2.simd.llvm import BYTES64, SUMS8X64, WORDS64X16, everywhere, holds, load_from, place_in
from cnvlutin2.simd.primitive import Definition, instructions, view_at
from cnvlutin2.simd.sizes import VECTOR, Bytes64, Integer, Sums8x64, Words64x16

Unit = TypeVar("Unit", np.uint8, np.uint16)
"""Of an integer whose type alone counts: that of a vector's integers."""

_WIDE = ir.VectorType(ir.IntType(32), VECTOR)


def load(array: NDArray[Any], at: Integer) -> Bytes64:
    """Return the bytes of a contiguous array of any dimensions and integers from place `at` on."""
    return view_at(array, at, VECTOR, np.uint8).copy()


@instructions(load)
def _load(array: Any, _at: Any) -> Definition:
    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        return load_from(ctx, builder, sig.args[0], args, BYTES64.built)

    return (BYTES64(array, types.intp), build) if holds(array) else None


def load_as(array: NDArray[Any], at: Integer, unit: Unit) -> NDArray[Unit]:
    """Return a vector of integers of the unit's type, uint8 or uint16, as `load` does."""
    return view_at(array, at, VECTOR, type(unit)).copy()


@instructions(load_as)
def _load_as(array: Any, _at: Any, unit: Any) -> Definition:
    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        return load_from(ctx, builder, sig.args[0], args, vector.built)

    vector = _vector_of(unit)
    return (vector(array, types.intp, unit), build) if vector and holds(array) else None


def store(array: NDArray[Any], at: Integer, value: Bytes64 | Words64x16) -> None:
    """Write a vector to a contiguous array of any dimensions and integers from place `at` on."""
    view_at(array, at, value.size, value.dtype.type)[:] = value


@instructions(store)
def _store(array: Any, _at: Any, value: Any) -> Definition:
    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        builder.store(args[2], place_in(ctx, builder, sig.args[0], args, args[2].type), align=1)
        return ctx.get_dummy_value()

    return (types.void(array, types.intp, value), build) if holds(array) and isinstance(value, llvm.Vector) else None


def splat(byte: np.uint8) -> Bytes64:
    """Return a vector with a byte in all places."""
    return np.full(VECTOR, int(byte) & 0xFF, np.uint8)


@instructions(splat)
def _splat(_byte: Any) -> Definition:
    return BYTES64(types.uint8), lambda _ctx, builder, _sig, args: everywhere(builder, args[0])


def splat_as(value: Integer, unit: Unit) -> NDArray[Unit]:
    """Return a vector with an integer in all places, modulo what the unit's type, uint8 or uint16, holds."""
    return np.full(VECTOR, int(value) & (1 << 8 * unit.itemsize) - 1, type(unit))


@instructions(splat_as)
def _splat_as(_value: Any, unit: Any) -> Definition:
    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return everywhere(builder, builder.trunc(args[0], vector.built.element))

    vector = _vector_of(unit)
    return (vector(types.int64, unit), build) if vector else None


def widened(values: Bytes64 | Words64x16, unit: Unit) -> NDArray[Unit]:
    """Return a vector's integers as those of the unit's type, uint8 or uint16, which is no narrower."""
    return values.astype(type(unit))


@instructions(widened)
def _widened(values: Any, unit: Any) -> Definition:
    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return args[0] if vector == values else builder.zext(args[0], vector.built)

    vector = _vector_of(unit)
    return (vector(values, unit), build) if vector and values in (BYTES64, vector) else None


def first_places(count: Integer) -> Bytes64:
    """Return 255 in so many first places of a vector (none if negative, all if more than there are), 0 in the others."""
    return np.where(np.arange(VECTOR) < count, 255, 0).astype(np.uint8)


@instructions(first_places)
def _first_places(_count: Any) -> Definition:
    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        numbers = ir.Constant(BYTES64.built, list(range(VECTOR)))
        most, least = args[0].type(VECTOR), args[0].type(0)
        inside = builder.select(builder.icmp_signed("<", args[0], most), args[0], most)
        inside = builder.select(builder.icmp_signed(">", inside, least), inside, least)
        limit = everywhere(builder, builder.trunc(inside, llvm.BYTE))
        return builder.sext(builder.icmp_unsigned("<", numbers, limit), BYTES64.built)

    return BYTES64(types.int64), build


def equal(a: Bytes64, b: Bytes64) -> Bytes64:
    """Return 255 where two vectors have the same byte, else 0."""
    return np.where(a == b, 255, 0).astype(np.uint8)


@instructions(equal)
def _equal(a: Any, b: Any) -> Definition:
    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.sext(builder.icmp_unsigned("==", *args), BYTES64.built)

    return (BYTES64(a, b), build) if a == b == BYTES64 else None


def chosen(mask: Bytes64, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return the integers of `a` where the bytes of a mask are not 0, else those of `b`; both are bytes or words of 16 bits."""
    return np.where(mask != 0, a, b)


@instructions(chosen)
def _chosen(mask: Any, a: Any, b: Any) -> Definition:
    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.select(builder.icmp_unsigned("!=", args[0], BYTES64.built(None)), args[1], args[2])

    return (a(mask, a, b), build) if mask == BYTES64 and a == b and a in (BYTES64, WORDS64X16) else None


def reaching(values: NDArray[np.int16], at: Integer, least: np.uint16) -> Bytes64:
    """Return 1 where an integer of 16 bits, from place `at` of an array on, is of magnitude `least` or more, else 0."""
    return (np.abs(view_at(values, at, VECTOR, np.int16).astype(np.int32)) >= int(least)).astype(np.uint8)


@instructions(reaching)
def _reaching(values: Any, _at: Any, _least: Any) -> Definition:
    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        found = load_from(ctx, builder, sig.args[0], args, WORDS64X16.built)
        negative = builder.icmp_signed("<", found, WORDS64X16.built(None))
        magnitude = builder.select(negative, builder.neg(found), found)
        return builder.zext(builder.icmp_unsigned(">=", magnitude, everywhere(builder, args[2])), BYTES64.built)

    return (BYTES64(values, types.intp, types.uint16), build) if holds(values) else None


def weighted_sum(words: Words64x16, factors: NDArray[np.uint16], at: Integer) -> np.int64:
    """Return the sum of words, each times the factor that lies in its place from `at` on, modulo ``2**32``."""
    products = words.astype(np.uint64) * view_at(factors, at, VECTOR, np.uint16)
    return np.int64(int(products.sum()) & 0xFFFF_FFFF)


@instructions(weighted_sum)
def _weighted_sum(words: Any, factors: Any, _at: Any) -> Definition:
    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        found = load_from(ctx, builder, sig.args[1], args[1:], WORDS64X16.built)
        products = builder.mul(builder.zext(args[0], _WIDE), builder.zext(found, _WIDE))
        return builder.zext(llvm.sum_of(builder, products), llvm.WORD64)

    return (types.int64(words, factors, types.intp), build) if words == WORDS64X16 and holds(factors) else None


def no_sums() -> Sums8x64:
    """Return eight sums of nothing."""
    return np.zeros(8, np.uint64)


@instructions(no_sums)
def _no_sums() -> Definition:
    return SUMS8X64(), lambda _ctx, _builder, _sig, _args: SUMS8X64.built(None)


def add_up(sums: Sums8x64, values: Bytes64 | Words64x16) -> Sums8x64:
    """Add to each sum eight of a vector's integers."""
    added: Sums8x64 = values.reshape(8, VECTOR // 8).sum(axis=1, dtype=np.uint64)
    return sums + added


@instructions(add_up)
def _add_up(sums: Any, values: Any) -> Definition:
    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        found, given = args
        if values == BYTES64:
            return builder.add(found, llvm.sums_of_eight(builder, given))
        lower = builder.trunc(given, BYTES64.built)
        higher = builder.trunc(builder.lshr(given, given.type([8] * VECTOR)), BYTES64.built)
        many = builder.shl(llvm.sums_of_eight(builder, higher), SUMS8X64.built([8] * 8))
        return builder.add(builder.add(found, many), llvm.sums_of_eight(builder, lower))

    return (SUMS8X64(sums, values), build) if sums == SUMS8X64 and values in (BYTES64, WORDS64X16) else None


def total(vector: Bytes64 | Words64x16 | Sums8x64) -> np.int64:
    """Return the sum of a vector's integers, as a signed integer of 64 bits."""
    return np.int64(vector.sum(dtype=np.uint64).astype(np.int64))


@instructions(total)
def _total(vector: Any) -> Definition:
    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        if vector == SUMS8X64:
            return llvm.sum_of(builder, args[0])
        return builder.zext(llvm.sum_of(builder, builder.zext(args[0], _WIDE)), llvm.WORD64)

    return (types.int64(vector), build) if isinstance(vector, llvm.Vector) else None


def add_bytes(words: Words64x16, values: Bytes64) -> Words64x16:
    """Add bytes to words, modulo ``2**16``."""
    return words + values


@instructions(add_bytes)
def _add_bytes(words: Any, values: Any) -> Definition:
    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.add(args[0], builder.zext(args[1], WORDS64X16.built))

    return (WORDS64X16(words, values), build) if words == WORDS64X16 and values == BYTES64 else None


def _vector_of(unit: Any) -> Any:
    return {types.uint8: BYTES64, types.uint16: WORDS64X16}.get(unit)
