"""How many products a run's activations have with a filter's weights, a *digit* of both masks at a time.

A byte of AVX2 has no population count of its own. But of four values the products of a filter are one of 16 numbers, by the
activations' four bits, which one instruction looks up for every byte of a register: the filter's weights choose the table. There,
digits are of four bits. Where the processor counts the bits of bytes, or has no such instruction, digits are bytes, and the bits
in both are counted.
"""

# Numba leaves intrinsics untyped.
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target

from cnvlutin2.kernels.vectors import BYTES, SIZE, compiled, everywhere, place_in


def features() -> list[str]:
    """Return what the processor that Numba compiles for can do, as LLVM calls it."""
    _, _, found = cpu_target.target_context.codegen().magic_tuple()
    return str(found).split(",")


DIGIT_BITS = 4 if "+avx2" in features() and "+avx512bitalg" not in features() else 8
"""Values whose products are found at a time."""

_BYTE, _INDEX = ir.IntType(8), ir.IntType(32)
_VECTOR = ir.VectorType(_BYTE, SIZE)
_TABLE, _REGISTER = ir.VectorType(_BYTE, 16), ir.VectorType(_BYTE, 32)


@compiled
def products(_context: Any, weights: Any, at: Any, digits: Any, place: Any) -> Any:
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
        Those of the first window.
    """
    return BYTES(weights, types.intp, digits, types.intp), lambda *build: _sum(*build, count=1)


@compiled
def most_products(_context: Any, weights: Any, at: Any, filters: Any, digits: Any, place: Any, count: Any) -> Any:
    """Return the most products that one of some filters has in a run of up to four digits.

    As `products`, but of `count` digits, which come one after another, the weights' filter by filter.
    """

    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        most = _variable(builder)

        def look(count: int) -> None:
            with cgutils.for_range(builder, args[2]) as loop:
                first = builder.add(args[1], builder.mul(loop.index, args[1].type(count)))
                found = _sum(ctx, builder, _arrays(sig, 0, 3), (args[0], first, args[3], args[4]), count=count)
                builder.store(_larger(builder, builder.load(most), found), most)

        _by_count(builder, args[5], look)
        return builder.load(most)

    return BYTES(weights, types.intp, types.intp, digits, types.intp, types.intp), build


@compiled
def free_cycles(
    _context: Any, weights: Any, at: Any, stride: Any, filters: Any, digits: Any, place: Any, runs: Any, count: Any, least: Any
) -> Any:
    """Return what the cycles of some filters in some runs of up to four digits add up to, and those of the slowest.

    As `most_products`; `stride` lies between the filters' weights, and a run takes no less than `least`, which is 1.
    """
    pair = types.UniTuple(BYTES, 2)

    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        _, at, stride, filters, _, place, runs, number, least = args
        total, slowest, taken = (_variable(builder) for _ in range(3))

        def run(count: int, k: Any, first: Any) -> Any:
            w, a = (builder.add(begin, builder.mul(k, k.type(count * size))) for begin, size in ((first, 1), (place, SIZE)))
            found = _sum(ctx, builder, _arrays(sig, 0, 4), (args[0], w, args[4], a), count=count, least=int(count == 1))
            return found if count == 1 else _larger(builder, least, found)

        def look(count: int) -> None:
            def add(found: Any) -> None:
                builder.store(builder.add(builder.load(total), found), total)
                builder.store(_larger(builder, builder.load(slowest), found), slowest)

            with builder.if_else(builder.icmp_signed("==", runs, runs.type(1))) as (single, several):
                with single, cgutils.for_range(builder, filters) as loop:
                    add(run(count, runs.type(0), builder.add(at, builder.mul(loop.index, stride))))
                with several, cgutils.for_range(builder, filters) as loop:
                    builder.store(_VECTOR(None), taken)
                    with cgutils.for_range(builder, runs) as inner:
                        found = run(count, inner.index, builder.add(at, builder.mul(loop.index, stride)))
                        builder.store(builder.add(builder.load(taken), found), taken)
                    add(builder.load(taken))

        _by_count(builder, number, look)
        return ctx.make_tuple(builder, pair, [builder.load(total), builder.load(slowest)])

    whole = types.intp
    return pair(weights, whole, whole, whole, digits, whole, whole, whole, BYTES), build


@compiled
def digit(_context: Any, values: Any, which: Any) -> Any:
    """Return the lower or the higher digit of each byte, which may have only one."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        if DIGIT_BITS == 8:
            return args[0]
        low = builder.and_(args[0], ir.Constant(args[0].type, [15] * SIZE))
        high = builder.lshr(args[0], ir.Constant(args[0].type, [4] * SIZE))
        return builder.select(builder.icmp_signed("==", args[1], args[1].type(0)), low, high)

    return BYTES(values, types.intp), build


def _sum(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any, *, count: int, least: int = 0) -> Any:
    """Add up what is looked up for some digits of a run."""
    find = _shuffle if DIGIT_BITS == 4 else _count
    total = None
    for i in range(count):
        at, place = (builder.add(args[n], args[n].type(i * step)) for n, step in ((1, 1), (3, SIZE)))
        weights = builder.load(place_in(ctx, builder, sig.args[0], (args[0], at), _BYTE))
        values = builder.load(place_in(ctx, builder, sig.args[2], (args[2], place), _VECTOR), align=1)
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
    place = cgutils.alloca_once(builder, _VECTOR)
    builder.store(_VECTOR(None), place)
    return place


def _larger(builder: ir.IRBuilder, a: Any, b: Any) -> Any:
    return builder.select(builder.icmp_unsigned(">", a, b), a, b)


def _arrays(sig: Any, *places: int) -> Any:
    """Return the signature of `_sum` for the arrays among some parameters."""
    weights, digits = (sig.args[i] for i in places)
    return BYTES(weights, types.intp, digits, types.intp)


def _shuffle(builder: ir.IRBuilder, weights: Any, digits: Any, least: int) -> Any:
    """Look up all bytes of each register in the table of four weights."""
    numbers = [max(least, (w & a).bit_count()) for w in range(16) for a in range(16)]
    tables = cgutils.global_constant(builder, f"cnvlutin2.tables{least}", ir.Constant(ir.ArrayType(_BYTE, 256), numbers))
    place = builder.gep(tables, [ir.Constant(_INDEX, 0), builder.zext(weights, _INDEX)])
    table = builder.load(builder.bitcast(place, _TABLE.as_pointer()), align=1)
    table = builder.shuffle_vector(table, ir.Constant(_TABLE, ir.Undefined), _places(i % 16 for i in range(32)))
    name, kind = "llvm.x86.avx2.pshuf.b", ir.FunctionType(_REGISTER, [_REGISTER, _REGISTER])
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    halves = [builder.shuffle_vector(digits, nothing, _places(range(first, first + 32))) for first in (0, 32)]
    found = [builder.call(function, (table, half)) for half in halves]
    return builder.shuffle_vector(*found, _places(range(SIZE)))


def _count(builder: ir.IRBuilder, weights: Any, digits: Any, least: int) -> Any:
    """Count the bits of each byte that are among the weights'."""
    both = builder.and_(digits, everywhere(builder, weights))
    name, kind = f"llvm.ctpop.v{SIZE}i8", ir.FunctionType(_VECTOR, [_VECTOR])
    found = builder.call(builder.module.globals.get(name) or ir.Function(builder.module, kind, name), [both])
    return _larger(builder, found, _VECTOR([least] * SIZE)) if least else found


def _places(indices: Any) -> Any:
    listed = list(indices)
    return ir.Constant(ir.VectorType(_INDEX, len(listed)), listed)
