"""Where records of a stream begin in their rows: running sums of bytes, reduced by the size of a row."""

# Numba leaves types untyped.
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from cnvlutin2.simd.llvm import BYTES64, INDEX, everywhere
from cnvlutin2.simd.primitive import Definition, instructions
from cnvlutin2.simd.sizes import VECTOR, Bytes64


def reduced(values: Bytes64, row: np.uint8) -> Bytes64:
    """Return bytes below twice the row (at most `LARGEST_ROW`), less the row where they are not below it."""
    return np.where(values < row, values, values - row)


@instructions(reduced)
def _reduced(values: Any, _row: Any) -> Definition:
    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return _reduce(builder, args[0], everywhere(builder, args[1]))

    return (BYTES64(values, types.uint8), build) if values == BYTES64 else None


def running_sums(values: Bytes64, row: np.uint8) -> Bytes64:
    """Return, of bytes below the row (at most `LARGEST_ROW`), the sums of each and all before it, modulo the row."""
    return (values.cumsum(dtype=np.int64) % int(row)).astype(np.uint8)


@instructions(running_sums)
def _running_sums(values: Any, _row: Any) -> Definition:
    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        sums, row = args[0], everywhere(builder, args[1])
        distance = 1
        while distance < VECTOR:
            sums = _reduce(builder, builder.add(sums, _move(builder, sums, distance)), row)
            distance *= 2
        return sums

    return (BYTES64(values, types.uint8), build) if values == BYTES64 else None


def moved_up(values: Bytes64) -> Bytes64:
    """Return bytes one place later, 0 first."""
    return np.concatenate([np.zeros(1, np.uint8), values[:-1]])


@instructions(moved_up)
def _moved_up(values: Any) -> Definition:
    return (BYTES64(values), lambda _ctx, builder, _sig, args: _move(builder, args[0], 1)) if values == BYTES64 else None


def last_of(values: Bytes64) -> np.uint8:
    """Return the last byte."""
    return np.uint8(values[-1])


@instructions(last_of)
def _last_of(values: Any) -> Definition:
    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.extract_element(args[0], ir.Constant(INDEX, VECTOR - 1))

    return (types.uint8(values), build) if values == BYTES64 else None


def _reduce(builder: ir.IRBuilder, values: Any, row: Any) -> Any:
    less = builder.sub(values, row)  # more than any value where it is below the row
    return builder.select(builder.icmp_unsigned("<", values, less), values, less)


def _move(builder: ir.IRBuilder, values: Any, distance: int) -> Any:
    """Return bytes so many places later, zeros first."""
    places = [VECTOR + i for i in range(distance)] + list(range(VECTOR - distance))
    return builder.shuffle_vector(values, BYTES64.built(None), ir.Constant(ir.VectorType(INDEX, VECTOR), places))
