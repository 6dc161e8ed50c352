"""How many products a run's activations have with a filter's weights, four values at a time, by looking it up.

A byte of AVX2 has no population count of its own. But of four values the products of a filter are one of 16 numbers, by the
activations' four bits, which one instruction looks up for every byte of a register: the filter's weights choose the table. Where
the processor has no such instruction, or one that counts, the tables are masks, and the bits in both are counted.
"""

# Numba leaves intrinsics untyped.
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from cnvlutin2.kernels.vectors import BYTES, SIZE, compiled, everywhere, place_in

_BYTE, _INDEX = ir.IntType(8), ir.IntType(32)
_VECTOR = ir.VectorType(_BYTE, SIZE)
_TABLE, _REGISTER = ir.VectorType(_BYTE, 16), ir.VectorType(_BYTE, 32)


@compiled
def products(_context: Any, weights: Any, at: Any, nibbles: Any, place: Any) -> Any:
    """Return the products of a filter with four activations of some windows.

    Parameters
    ----------
    weights : uint8 array
        Bits of four weights each, times 16.
    at : int
        Which of them, were the array flat.
    nibbles : uint8 array
        Bits of four activations.
    place : int
        Those of the first window.
    """
    return BYTES(weights, types.intp, nibbles, types.intp), lambda *build: _sum(*build, count=1)


@compiled
def most_products(_context: Any, weights: Any, at: Any, filters: Any, nibbles: Any, place: Any, count: Any) -> Any:
    """Return the most products that one of some filters has in a run of up to 16 values.

    As `products`, but of `count` nibbles, which come one after another, the weights' filter by filter.
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

    return BYTES(weights, types.intp, types.intp, nibbles, types.intp, types.intp), build


@compiled
def free_cycles(
    _context: Any, weights: Any, at: Any, stride: Any, filters: Any, nibbles: Any, place: Any, runs: Any, count: Any, least: Any
) -> Any:
    """Return what the cycles of some filters in some runs of up to 16 values add up to, and those of the slowest.

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
    return pair(weights, whole, whole, whole, nibbles, whole, whole, whole, BYTES), build


@compiled
def low_nibbles(_context: Any, values: Any) -> Any:
    """Return the four lowest bits of each byte."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.and_(args[0], ir.Constant(args[0].type, [15] * SIZE))

    return BYTES(values), build


@compiled
def high_nibbles(_context: Any, values: Any) -> Any:
    """Return the four highest bits of each byte."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.lshr(args[0], ir.Constant(args[0].type, [4] * SIZE))

    return BYTES(values), build


def has_byte_shuffle(ctx: Any) -> bool:
    """Return whether what Numba compiles for looks up the bytes of a register, and does not count their bits as fast."""
    _, _, features = ctx.codegen().magic_tuple()
    known = features.split(",")
    return "+avx2" in known and "+avx512bitalg" not in known


def _sum(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any, *, count: int, least: int = 0) -> Any:
    """Add up what is looked up for some nibbles of a run."""
    find = _shuffle if has_byte_shuffle(ctx) else _count
    total = None
    for i in range(count):
        at, place = (builder.add(args[n], args[n].type(i * step)) for n, step in ((1, 1), (3, SIZE)))
        weights = builder.load(place_in(ctx, builder, sig.args[0], (args[0], at), _BYTE))
        values = builder.load(place_in(ctx, builder, sig.args[2], (args[2], place), _VECTOR), align=1)
        found = find(builder, weights, values, least)
        total = found if total is None else builder.add(total, found)
    return total


def _by_count(builder: ir.IRBuilder, number: Any, look: Callable[[int], None]) -> None:
    """Build the same for one to four nibbles."""
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
    weights, nibbles = (sig.args[i] for i in places)
    return BYTES(weights, types.intp, nibbles, types.intp)


def _shuffle(builder: ir.IRBuilder, weights: Any, nibbles: Any, least: int) -> Any:
    """Look up all bytes of each register in the table of four weights."""
    numbers = [max(least, (w & a).bit_count()) for w in range(16) for a in range(16)]
    tables = cgutils.global_constant(builder, f"cnvlutin2.tables{least}", ir.Constant(ir.ArrayType(_BYTE, 256), numbers))
    place = builder.gep(tables, [ir.Constant(_INDEX, 0), builder.zext(weights, _INDEX)])
    table = builder.load(builder.bitcast(place, _TABLE.as_pointer()), align=1)
    table = builder.shuffle_vector(table, ir.Constant(_TABLE, ir.Undefined), _places(i % 16 for i in range(32)))
    name, kind = "llvm.x86.avx2.pshuf.b", ir.FunctionType(_REGISTER, [_REGISTER, _REGISTER])
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    halves = [builder.shuffle_vector(nibbles, nothing, _places(range(first, first + 32))) for first in (0, 32)]
    found = [builder.call(function, (table, half)) for half in halves]
    return builder.shuffle_vector(*found, _places(range(SIZE)))


def _count(builder: ir.IRBuilder, weights: Any, nibbles: Any, least: int) -> Any:
    """Count the bits of each byte that are among four weights'."""
    both = builder.and_(nibbles, everywhere(builder, builder.lshr(weights, _BYTE(4))))
    name, kind = f"llvm.ctpop.v{SIZE}i8", ir.FunctionType(_VECTOR, [_VECTOR])
    found = builder.call(builder.module.globals.get(name) or ir.Function(builder.module, kind, name), [both])
    return _larger(builder, found, _VECTOR([least] * SIZE)) if least else found


def _places(indices: Any) -> Any:
    listed = list(indices)
    return ir.Constant(ir.VectorType(_INDEX, len(listed)), listed)
