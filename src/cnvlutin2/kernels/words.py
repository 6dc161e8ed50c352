"""Words of 64 bits made from 64 bytes that are 0 or 1, for compiled code only."""

# Numba leaves what these derive from untyped.
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from cnvlutin2.kernels.vectors import compiled

SIZE = 64
_BYTES, _FLAGS, _WORD = ir.VectorType(ir.IntType(8), SIZE), ir.VectorType(ir.IntType(1), SIZE), ir.IntType(64)


@compiled
def word_at(_context: Any, array: Any, at: Any) -> Any:
    """Return 64 bytes of a contiguous array from place `at` on, 0 or 1 each, as the bits of a word, the first one lowest."""

    def build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        data = ctx.make_array(sig.args[0])(ctx, builder, args[0]).data
        place = builder.bitcast(builder.gep(data, [args[1]]), _BYTES.as_pointer())
        return builder.bitcast(builder.trunc(builder.load(place, align=1), _FLAGS), _WORD)

    return types.uint64(array, types.intp), build


@compiled
def bits_in_both(_context: Any, a: Any, b: Any) -> Any:
    """Return how many bits are 1 in both of two words."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.ctpop(builder.and_(*args))

    return (types.uint64(a, b), build) if a == b == types.uint64 else None
