"""Words of 64 bits made from 64 bytes that are 0 or 1, one or eight at a time; for compiled code only."""

# Numba leaves the classes that these derive from untyped.
# mypy: disable-error-code="misc, no-untyped-call"
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import models, register_model

from cnvlutin2.kernels.vectors import compiled, everywhere_in, place_in

SIZE = 64
EIGHT = 8
_BYTES, _FLAGS, _WORD = ir.VectorType(ir.IntType(8), SIZE), ir.VectorType(ir.IntType(1), SIZE), ir.IntType(64)
_WORDS = ir.VectorType(_WORD, EIGHT)
_HALVES = ir.VectorType(ir.IntType(32), EIGHT)


class WordsVector(types.Type):
    """Numba's type of a vector of `EIGHT` words of 64 bits."""

    def __init__(self) -> None:
        super().__init__(name="words8x64")


@register_model(WordsVector)
class _WordsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _WORDS)


WORDS = WordsVector()


@compiled
def word_at(_context: Any, array: Any, at: Any) -> Any:
    """Return 64 bytes of a contiguous array from place `at` on, 0 or 1 each, as the bits of a word, the first one lowest."""

    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        data = ctx.make_array(sig.args[0])(ctx, builder, args[0]).data
        place = builder.bitcast(builder.gep(data, [args[1]]), _BYTES.as_pointer())
        return builder.bitcast(builder.trunc(builder.load(place, align=1), _FLAGS), _WORD)

    return types.uint64(array, types.intp), build


@compiled
def store_word(_context: Any, array: Any, at: Any, word: Any) -> Any:
    """Write a word to an array of bytes from place `at` on."""

    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        builder.store(args[2], place_in(ctx, builder, sig.args[0], args, _WORD), align=1)
        return ctx.get_dummy_value()

    return types.void(array, types.intp, types.uint64), build


@compiled
def no_words(_context: Any) -> Any:
    """Return `EIGHT` words that are 0."""
    return WORDS(), lambda _ctx, _builder, _sig, _args: _WORDS(None)


@compiled
def matches(_context: Any, array: Any, at: Any, word: Any) -> Any:
    """Return how many bits are 1 both in a word and in each of the `EIGHT` that lie in an array of bytes from place `at` on."""

    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        found = builder.load(place_in(ctx, builder, sig.args[0], args, _WORDS), align=1)
        name, kind = f"llvm.ctpop.v{EIGHT}i64", ir.FunctionType(_WORDS, [_WORDS])
        count = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        return builder.call(count, [builder.and_(found, everywhere_in(builder, args[2], EIGHT))])

    return WORDS(array, types.intp, types.uint64), build


@compiled
def weighed_words(_context: Any, counts: Any, factors: Any, at: Any) -> Any:
    """Return words below ``2**32``, each times the factor (int32, not negative) that lies in its place from `at` on."""

    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        found = builder.load(place_in(ctx, builder, sig.args[1], args[1:], _HALVES), align=1)
        low = builder.and_(args[0], ir.Constant(_WORDS, [(1 << 32) - 1] * EIGHT))  # lest 64 bits are multiplied by 64
        return builder.mul(low, builder.zext(found, _WORDS))

    return (WORDS(counts, factors, types.intp), build) if counts == WORDS else None


@compiled
def bits_in_both(_context: Any, a: Any, b: Any) -> Any:
    """Return how many bits are 1 in both of two words."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.ctpop(builder.and_(*args))

    return (types.uint64(a, b), build) if a == b == types.uint64 else None
