"""Vectors of 32 bytes that compiled kernels hold in a register.

The compiler vectorises the innermost loop, over windows, and so takes the sums of every filter from memory and back. With
these the loop over windows is the outer one, in steps of `SIZE`: a sum stays where it is while filters and runs pass. They are
LLVM's own vectors, which fit every processor; `narrow` has the arithmetic.
"""

# Numba leaves the classes that these derive from untyped.
# mypy: disable-error-code="misc, no-untyped-call"
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

SIZE = 32
_BYTES = ir.VectorType(ir.IntType(8), SIZE)
_WORDS = ir.VectorType(ir.IntType(16), SIZE // 2)
_INDEX = ir.IntType(32)


class Bytes32(types.Type):
    """Numba's type of a vector of 32 bytes."""

    def __init__(self) -> None:
        super().__init__(name="bytes32")


class Words16(types.Type):
    """Numba's type of a vector of 16 words of 16 bits."""

    def __init__(self) -> None:
        super().__init__(name="words16")


@register_model(Bytes32)
class _BytesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _BYTES)


@register_model(Words16)
class _WordsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _WORDS)


BYTES, WORDS = Bytes32(), Words16()


def compiled(function: Callable[..., Any]) -> Any:
    """Make an intrinsic of a function whose first parameter is a context, which callers do not give: so its type is not said."""
    return intrinsic(function)


@compiled
def load(_context: Any, array: Any, at: Any) -> Any:
    """Return the bytes of a contiguous array from place `at` on, whatever its dimensions (the caller knows that there are 32)."""

    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        return builder.load(_place(ctx, builder, sig.args[0], args, _BYTES), align=1)

    return BYTES(array, types.intp), build


@compiled
def store(_context: Any, array: Any, at: Any, value: Any) -> Any:
    """Write a vector to a contiguous array from place `at` on."""

    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        builder.store(args[2], _place(ctx, builder, sig.args[0], args, args[2].type), align=1)
        return ctx.get_dummy_value()

    return types.void(array, types.intp, value), build


@compiled
def splat(_context: Any, byte: Any) -> Any:
    """Return a vector with a byte in all places."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return _everywhere(builder, args[0])

    return BYTES(types.uint8), build


@compiled
def load_splat(_context: Any, array: Any, at: Any) -> Any:
    """Return a vector with one byte of a contiguous array in all places; `at` as in `load`."""

    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        return _everywhere(builder, builder.load(_place(ctx, builder, sig.args[0], args, _BYTES.element)))

    return BYTES(array, types.intp), build


@compiled
def no_words(_context: Any) -> Any:
    """Return a vector of words that are 0."""

    def build(_ctx: Any, _builder: ir.IRBuilder, _sig: Any, _args: Any) -> Any:
        return ir.Constant(_WORDS, [0] * (SIZE // 2))

    return WORDS(), build


@compiled
def add_front(_context: Any, words: Any, values: Any) -> Any:
    """Add the first 16 of 32 bytes to words."""
    return WORDS(words, values), _add_half(0)


@compiled
def add_back(_context: Any, words: Any, values: Any) -> Any:
    """Add the last 16 of 32 bytes to words."""
    return WORDS(words, values), _add_half(SIZE // 2)


def _add_half(first: int) -> Any:
    places = ir.Constant(ir.VectorType(_INDEX, SIZE // 2), list(range(first, first + SIZE // 2)))

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        half = builder.shuffle_vector(args[1], ir.Constant(_BYTES, ir.Undefined), places)
        return builder.add(args[0], builder.zext(half, _WORDS))

    return build


def _place(ctx: Any, builder: ir.IRBuilder, kind: Any, args: Any, vector: ir.Type) -> Any:
    """Return where a vector lies in an array, whatever the boundaries of its elements."""
    data = ctx.make_array(kind)(ctx, builder, args[0]).data
    return builder.bitcast(builder.gep(data, [args[1]]), vector.as_pointer())


def _everywhere(builder: ir.IRBuilder, byte: Any) -> Any:
    nothing = ir.Constant(_BYTES, ir.Undefined)
    first = builder.insert_element(nothing, byte, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_INDEX, SIZE), [0] * SIZE))
