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
    nothing = ir.Constant(ir.VectorType(value.type, SIZE), ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_INDEX, SIZE), [0] * SIZE))
