"""How many products a run's activations have with a filter's weights, a *digit* of both masks at a time.

A byte of AVX2 has no population count of its own. But of four values the products of a filter are one of 16 numbers, by the
activations' four bits, which one instruction looks up for every byte of a register: the filter's weights choose the table. There,
digits are of four bits. Where the processor counts the bits of bytes, or has no such instruction, digits are bytes, and the bits
in both are counted. The bodies know digits of either kind.
"""

# Numba leaves types untyped.
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from cnvlutin2.simd import llvm
from cnvlutin2.simd.llvm import BYTE, BYTES64, INDEX, everywhere, holds, larger_of, load_from, processor_features
from cnvlutin2.simd.primitive import Definition, instructions, view_at
from cnvlutin2.simd.sizes import VECTOR, Bytes64, Integer

DIGIT_BITS = 4 if "+avx2" in processor_features() and "+avx512bitalg" not in processor_features() else 8
"""Values whose products are found at a time."""

_TABLE, _REGISTER = ir.VectorType(BYTE, 16), ir.VectorType(BYTE, 32)


def products(weights: Bytes64, at: Integer, digits: Bytes64, place: Integer) -> Bytes64:
    """Return the products of a filter with a digit's activations of some windows.

    Parameters
    ----------
    weights : uint8 array
        Digits of weights' masks; those of four bits times 16.
    at : int
        Which of them, were the array flat.
    digits : uint8 array
        Digits of activations' masks.
    place : int
        Those of the first window, were the array flat; those of the other windows follow.
    """
    return _products(weights, at, digits, place, 1)


@instructions(products)
def _define_products(weights: Any, _at: Any, digits: Any, _place: Any) -> Definition:
    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        return _sum(ctx, builder, (sig.args[0], sig.args[2]), args, 1)

    if not (holds(weights) and holds(digits)):
        return None
    return BYTES64(weights, types.intp, digits, types.intp), build


def most_products(weights: Bytes64, at: Integer, filters: Integer, digits: Bytes64, place: Integer, count: Integer) -> Bytes64:
    """Return the most products that one of some filters has in a run of one to four digits.

    As `products`, but of `count` digits, which come one after another (those of all windows together), the weights' filter by
    filter.
    """
    most = np.zeros(VECTOR, np.uint8)
    for f in range(filters):
        most = np.maximum(most, _products(weights, at + f * count, digits, place, count))
    return most


@instructions(most_products)
def _most_products(weights: Any, _at: Any, _filters: Any, digits: Any, _place: Any, _count: Any) -> Definition:
    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        most = _variable(builder)

        def look(count: int) -> None:
            with cgutils.for_range(builder, args[2]) as loop:
                first = builder.add(args[1], builder.mul(loop.index, args[1].type(count)))
                found = _sum(ctx, builder, (sig.args[0], sig.args[3]), (args[0], first, args[3], args[4]), count)
                builder.store(larger_of(builder, builder.load(most), found), most)

        _by_count(builder, args[5], look)
        return builder.load(most)

    if not (holds(weights) and holds(digits)):
        return None
    return BYTES64(weights, types.intp, types.intp, digits, types.intp, types.intp), build


def free_cycles(
    weights: Bytes64,
    at: Integer,
    stride: Integer,
    filters: Integer,
    digits: Bytes64,
    place: Integer,
    runs: Integer,
    count: Integer,
    least: Bytes64,
) -> tuple[Bytes64, Bytes64]:
    """Return what the cycles of some filters in some runs of one to four digits add up to, and those of the slowest.

    As `most_products`; `stride` lies between the filters' weights, and a run takes no less than `least`, which is 1 in all
    places. (More than 8 parameters: it is the inner loop as a whole, over filters and runs, which Numba would not keep in
    registers.)
    """
    spent, slowest = np.zeros(VECTOR, np.uint8), np.zeros(VECTOR, np.uint8)
    for f in range(filters):
        cycles = np.zeros(VECTOR, np.uint8)
        for k in range(runs):
            found = _products(weights, at + f * stride + k * count, digits, place + k * count * VECTOR, count)
            cycles += np.maximum(found, least)
        spent += cycles
        slowest = np.maximum(slowest, cycles)
    return spent, slowest


@instructions(free_cycles)
def _free_cycles(
    weights: Any, _at: Any, _stride: Any, _filters: Any, digits: Any, _place: Any, _runs: Any, _count: Any, _least: Any
) -> Definition:
    pair = types.UniTuple(BYTES64, 2)

    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        _, at, stride, filters, _, place, runs, number, least = args
        spent, slowest, taken = (_variable(builder) for _ in range(3))

        def run(count: int, k: Any, first: Any) -> Any:
            w, a = (builder.add(begin, builder.mul(k, k.type(count * size))) for begin, size in ((first, 1), (place, VECTOR)))
            found = _sum(ctx, builder, (sig.args[0], sig.args[4]), (args[0], w, args[4], a), count, least=int(count == 1))
            return found if count == 1 else larger_of(builder, least, found)

        def look(count: int) -> None:
            def add(found: Any) -> None:
                builder.store(builder.add(builder.load(spent), found), spent)
                builder.store(larger_of(builder, builder.load(slowest), found), slowest)

            with builder.if_else(builder.icmp_signed("==", runs, runs.type(1))) as (single, several):
                with single, cgutils.for_range(builder, filters) as loop:
                    add(run(count, runs.type(0), builder.add(at, builder.mul(loop.index, stride))))
                with several, cgutils.for_range(builder, filters) as loop:
                    builder.store(BYTES64.built(None), taken)
                    with cgutils.for_range(builder, runs) as inner:
                        found = run(count, inner.index, builder.add(at, builder.mul(loop.index, stride)))
                        builder.store(builder.add(builder.load(taken), found), taken)
                    add(builder.load(taken))

        _by_count(builder, number, look)
        return ctx.make_tuple(builder, pair, [builder.load(spent), builder.load(slowest)])

    whole = types.intp
    if not (holds(weights) and holds(digits)):
        return None
    return pair(weights, whole, whole, whole, digits, whole, whole, whole, BYTES64), build


def digit(values: Bytes64, which: Integer) -> Bytes64:
    """Return the lower (0) or the higher digit of each byte, which may have only one."""
    if DIGIT_BITS == 8:
        return values.copy()
    return values & np.uint8(15) if which == 0 else values >> np.uint8(4)


@instructions(digit)
def _digit(values: Any, _which: Any) -> Definition:
    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        if DIGIT_BITS == 8:
            return args[0]
        low = builder.and_(args[0], ir.Constant(BYTES64.built, [15] * VECTOR))
        high = builder.lshr(args[0], ir.Constant(BYTES64.built, [4] * VECTOR))
        return builder.select(builder.icmp_signed("==", args[1], args[1].type(0)), low, high)

    return (BYTES64(values, types.intp), build) if values == BYTES64 else None


def _products(weights: Bytes64, at: Integer, digits: Bytes64, place: Integer, count: Integer) -> Bytes64:
    """Add up the products in some digits, for the bodies."""
    masks = view_at(weights, at, int(count), np.uint8)
    if DIGIT_BITS == 4:
        masks = masks >> np.uint8(4)
    met = view_at(digits, place, int(count) * VECTOR, np.uint8).reshape(int(count), VECTOR)
    found: Bytes64 = np.bitwise_count(masks[:, None] & met).sum(axis=0, dtype=np.uint8)
    return found


def _sum(ctx: Any, builder: ir.IRBuilder, arrays: Any, args: Any, count: int, least: int = 0) -> Any:
    """Add up what is found for some digits of a run; `arrays` are the types of weights and digits, `args` as of `products`."""
    find = _shuffle if DIGIT_BITS == 4 else _count
    total = None
    for i in range(count):
        at, place = (builder.add(args[n], args[n].type(i * step)) for n, step in ((1, 1), (3, VECTOR)))
        weights = load_from(ctx, builder, arrays[0], (args[0], at), BYTE)
        values = load_from(ctx, builder, arrays[1], (args[2], place), BYTES64.built)
        found = find(builder, weights, values, least)
        total = found if total is None else builder.add(total, found)
    return total


def _by_count(builder: ir.IRBuilder, number: Any, look: Callable[[int], None]) -> None:
    """Build the same for one to four digits."""
    for count in range(1, 5):
        with builder.if_then(builder.icmp_signed("==", number, number.type(count))):
            look(count)


def _variable(builder: ir.IRBuilder) -> Any:
    """Return where a vector is kept, 0 at first."""
    place = cgutils.alloca_once(builder, BYTES64.built)
    builder.store(BYTES64.built(None), place)
    return place


def _shuffle(builder: ir.IRBuilder, weights: Any, digits: Any, least: int) -> Any:
    """Look up all bytes of each register in the table of four weights."""
    numbers = [max(least, (w & a).bit_count()) for w in range(16) for a in range(16)]
    tables = cgutils.global_constant(builder, f"cnvlutin2.tables{least}", ir.Constant(ir.ArrayType(BYTE, 256), numbers))
    place = builder.gep(tables, [ir.Constant(INDEX, 0), builder.zext(weights, INDEX)])
    table = builder.load(builder.bitcast(place, _TABLE.as_pointer()), align=1)
    table = builder.shuffle_vector(table, ir.Constant(_TABLE, ir.Undefined), _places(i % 16 for i in range(32)))
    nothing = ir.Constant(BYTES64.built, ir.Undefined)
    halves = [builder.shuffle_vector(digits, nothing, _places(range(first, first + 32))) for first in (0, 32)]
    found = [llvm.call(builder, "llvm.x86.avx2.pshuf.b", _REGISTER, table, half) for half in halves]
    return builder.shuffle_vector(*found, _places(range(VECTOR)))


def _count(builder: ir.IRBuilder, weights: Any, digits: Any, least: int) -> Any:
    """Count the bits of each byte that are among the weights'."""
    found = llvm.count_ones(builder, builder.and_(digits, everywhere(builder, weights)))
    return larger_of(builder, found, BYTES64.built([least] * VECTOR)) if least else found


def _places(indices: Iterable[int]) -> Any:
    listed = list(indices)
    return ir.Constant(ir.VectorType(INDEX, len(listed)), listed)
