"""Words of 64 bits made from 64 bytes that are 0 or 1."""

# Numba leaves types untyped.
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from cnvlutin2.simd import llvm
from cnvlutin2.simd.llvm import BYTES64, holds, load_from
from cnvlutin2.simd.primitive import Definition, instructions, view_at
from cnvlutin2.simd.sizes import VECTOR, Integer

_FLAGS = ir.VectorType(ir.IntType(1), VECTOR)


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


def bits_in_both(a: np.uint64, b: np.uint64) -> np.uint64:
    """Return how many bits are 1 in both of two words."""
    return np.uint64(int(a & b).bit_count())


@instructions(bits_in_both)
def _bits_in_both(a: Any, b: Any) -> Definition:
    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.ctpop(builder.and_(*args))

    return (types.uint64(a, b), build) if a == b == types.uint64 else None
