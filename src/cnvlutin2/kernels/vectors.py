"""Vectors of 64 bytes that compiled kernels hold in registers.

The compiler vectorises the innermost loop, over windows, and so takes the sums of every filter from memory and back. With
these the loop over windows is the outer one, in steps of `SIZE`: a sum stays where it is while filters and runs pass. They are
LLVM's own vectors, which fit every processor: two AVX2 registers each, so that what is done once for a run and a filter is done
for both. `narrow` has the arithmetic.
"""

# Numba leaves the classes that these derive from untyped.
# mypy: disable-error-code="misc, no-untyped-call"
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

SIZE = 64
_BYTES = ir.VectorType(ir.IntType(8), SIZE)
_WORDS = ir.VectorType(ir.IntType(16), SIZE)
_INDEX = ir.IntType(32)


class ByteVector(types.Type):
    """Numba's type of a vector of `SIZE` bytes."""

    def __init__(self) -> None:
        super().__init__(name="bytes64")


class WordVector(types.Type):
    """Numba's type of a vector of `SIZE` words of 16 bits."""

    def __init__(self) -> None:
        super().__init__(name="words64")


@register_model(ByteVector)
class _BytesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _BYTES)


@register_model(WordVector)
class _WordsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _WORDS)


BYTES, WORDS = ByteVector(), WordVector()


def _vector_of(unit: types.Type) -> ByteVector | WordVector:
    return BYTES if unit == types.uint8 else WORDS


def compiled(function: Callable[..., Any]) -> Any:
    """Make an intrinsic of a function whose first parameter is a context, which callers do not give: so its type is not said."""
    return intrinsic(function)


@compiled
def load(_context: Any, array: Any, at: Any) -> Any:
    """Return `SIZE` bytes of a contiguous array of any dimensions from place `at` on (the caller knows that they are there)."""

    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        return builder.load(place_in(ctx, builder, sig.args[0], args, _BYTES), align=1)

    return BYTES(array, types.intp), build


@compiled
def store(_context: Any, array: Any, at: Any, value: Any) -> Any:
    """Write a vector to a contiguous array from place `at` on."""

    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        builder.store(args[2], place_in(ctx, builder, sig.args[0], args, args[2].type), align=1)
        return ctx.get_dummy_value()

    return types.void(array, types.intp, value), build


@compiled
def splat(_context: Any, byte: Any) -> Any:
    """Return a vector with a byte in all places."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return everywhere(builder, args[0])

    return BYTES(types.uint8), build


@compiled
def load_words(_context: Any, array: Any, at: Any) -> Any:
    """Return the words of a contiguous array of words from place `at` on."""

    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        return builder.load(place_in(ctx, builder, sig.args[0], args, _WORDS), align=1)

    return WORDS(array, types.intp), build


@compiled
def load_as(_context: Any, array: Any, at: Any, unit: Any) -> Any:
    """Return `SIZE` integers of the unit's type (uint8 or uint16) that lie in bytes from place `at` on."""

    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        kind = _BYTES if sig.args[2] == types.uint8 else _WORDS
        return builder.load(place_in(ctx, builder, sig.args[0], args, kind), align=1)

    return _vector_of(unit)(array, types.intp, unit), build


@compiled
def widened(_context: Any, values: Any, unit: Any) -> Any:
    """Return bytes as integers of the unit's type."""

    def build(_ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        return args[0] if sig.args[1] == types.uint8 else builder.zext(args[0], _WORDS)

    return (_vector_of(unit)(values, unit), build) if values == BYTES else None


@compiled
def splat_as(_context: Any, value: Any, unit: Any) -> Any:
    """Return a vector with an integer, of the unit's type, in all places."""

    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        return everywhere(builder, builder.trunc(args[0], ctx.get_data_type(sig.args[1])))

    return _vector_of(unit)(types.int64, unit), build


@compiled
def first_places(_context: Any, count: Any) -> Any:
    """Return 255 in so many first places of a vector (none if negative, all if more than there are), 0 in the others."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        numbers = ir.Constant(_BYTES, list(range(SIZE)))
        most, least = args[0].type(SIZE), args[0].type(0)
        inside = builder.select(builder.icmp_signed("<", args[0], most), args[0], most)
        inside = builder.select(builder.icmp_signed(">", inside, least), inside, least)
        limit = everywhere(builder, builder.trunc(inside, _BYTES.element))
        return builder.sext(builder.icmp_unsigned("<", numbers, limit), _BYTES)

    return BYTES(types.int64), build


@compiled
def equal(_context: Any, a: Any, b: Any) -> Any:
    """Return 255 where two vectors have the same byte, else 0."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.sext(builder.icmp_unsigned("==", *args), _BYTES)

    return (BYTES(a, b), build) if a == b == BYTES else None


@compiled
def chosen(_context: Any, mask: Any, a: Any, b: Any) -> Any:
    """Return the integers of `a` where the bytes of a mask are not 0, else those of `b`."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.select(builder.icmp_unsigned("!=", args[0], _BYTES(None)), args[1], args[2])

    return (a(mask, a, b), build) if mask == BYTES and a == b else None


@compiled
def effectual(_context: Any, values: Any, at: Any, least: Any) -> Any:
    """Return 1 where one of `SIZE` consecutive 16-bit integers is of magnitude `least` (uint16) or more, else 0."""

    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        found = builder.load(place_in(ctx, builder, sig.args[0], args, _WORDS), align=1)
        negative = builder.icmp_signed("<", found, _WORDS(None))
        magnitude = builder.select(negative, builder.neg(found), found)
        return builder.zext(builder.icmp_unsigned(">=", magnitude, everywhere(builder, args[2])), _BYTES)

    return BYTES(values, types.intp, types.uint16), build


@compiled
def weighed(_context: Any, words: Any, factors: Any, at: Any) -> Any:
    """Return the sum of words, each times the factor (uint16) that lies in its place from `at` on (it fits 32 bits)."""

    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        wide = ir.VectorType(_INDEX, SIZE)
        found = builder.load(place_in(ctx, builder, sig.args[1], args[1:], _WORDS), align=1)
        products = builder.mul(builder.zext(args[0], wide), builder.zext(found, wide))
        return builder.zext(_sum(builder, products), ir.IntType(64))

    return (types.int64(words, factors, types.intp), build) if words == WORDS else None


@compiled
def total(_context: Any, vector: Any) -> Any:
    """Return the sum of a vector's integers."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        if args[0].type.count < SIZE:  # those of 64 bits
            return _sum(builder, args[0])
        return builder.zext(_sum(builder, builder.zext(args[0], ir.VectorType(_INDEX, SIZE))), ir.IntType(64))

    return types.int64(vector), build


def _sum(builder: ir.IRBuilder, vector: Any) -> Any:
    """Return the sum of a vector's elements."""
    name = f"llvm.vector.reduce.add.v{vector.type.count}i{vector.type.element.width}"
    kind = ir.FunctionType(vector.type.element, [vector.type])
    return builder.call(builder.module.globals.get(name) or ir.Function(builder.module, kind, name), [vector])


@compiled
def add_bytes(_context: Any, words: Any, values: Any) -> Any:
    """Add bytes to words."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.add(args[0], builder.zext(args[1], _WORDS))

    return WORDS(words, values), build


def place_in(ctx: Any, builder: ir.IRBuilder, kind: Any, args: Any, vector: ir.Type) -> Any:
    """Return where a vector lies in an array, whatever the boundaries of its elements."""
    data = ctx.make_array(kind)(ctx, builder, args[0]).data
    return builder.bitcast(builder.gep(data, [args[1]]), vector.as_pointer())


def everywhere(builder: ir.IRBuilder, value: Any) -> Any:
    """Return a vector with a value in all places."""
    return everywhere_in(builder, value, SIZE)


def everywhere_in(builder: ir.IRBuilder, value: Any, size: int) -> Any:
    """Return a vector of some size with a value in all places."""
    nothing = ir.Constant(ir.VectorType(value.type, size), ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_INDEX, size), [0] * size))
