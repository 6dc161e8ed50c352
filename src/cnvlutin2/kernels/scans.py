"""Where records of a stream begin in their rows: running sums of bytes, reduced by the size of a row; for compiled code only."""

# Numba leaves what these use untyped.
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from cnvlutin2.kernels.vectors import BYTES, SIZE, compiled, everywhere

MOST = 127
"""The largest row: two numbers below it add up to less than 256."""

_BYTE, _INDEX = ir.IntType(8), ir.IntType(32)
_VECTOR = ir.VectorType(_BYTE, SIZE)


@compiled
def reduced(_context: Any, values: Any, row: Any) -> Any:
    """Return bytes below twice the row (uint8), less the row where they are not below it."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return _reduced(builder, args[0], everywhere(builder, args[1]))

    return (BYTES(values, types.uint8), build) if values == BYTES else None


@compiled
def running_sums(_context: Any, values: Any, row: Any) -> Any:
    """Return, of bytes below the row (uint8, at most `MOST`), the sums of each and all before it, modulo the row."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        sums, row = args[0], everywhere(builder, args[1])
        distance = 1
        while distance < SIZE:
            sums = _reduced(builder, builder.add(sums, _moved(builder, sums, distance)), row)
            distance *= 2
        return sums

    return (BYTES(values, types.uint8), build) if values == BYTES else None


@compiled
def moved_up(_context: Any, values: Any) -> Any:
    """Return bytes one place later, 0 first."""
    return (BYTES(values), lambda _ctx, builder, _sig, args: _moved(builder, args[0], 1)) if values == BYTES else None


@compiled
def last_of(_context: Any, values: Any) -> Any:
    """Return the last byte."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.extract_element(args[0], ir.Constant(_INDEX, SIZE - 1))

    return (types.uint8(values), build) if values == BYTES else None


def _reduced(builder: ir.IRBuilder, values: Any, row: Any) -> Any:
    less = builder.sub(values, row)  # more than any value where it is below the row
    return builder.select(builder.icmp_unsigned("<", values, less), values, less)


def _moved(builder: ir.IRBuilder, values: Any, distance: int) -> Any:
    """Return bytes so many places later, zeros first."""
    places = [SIZE + i for i in range(distance)] + list(range(SIZE - distance))
    return builder.shuffle_vector(values, _VECTOR(None), ir.Constant(ir.VectorType(_INDEX, SIZE), places))
