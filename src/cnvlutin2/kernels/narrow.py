"""Operations on bytes and other narrow integers, and on vectors of bytes, that stay narrow when compiled.

Numba widens ``uint8 & uint8`` to 64 bits, which costs the vectoriser a factor of eight. These helpers compile to LLVM
instructions of the operands' own width (32 bytes fill an AVX2 register) and are ordinary Python when the compiler is off.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from cnvlutin2.kernels.vectors import SIZE, Bytes32


def and_popcount(a: int, b: int) -> int:
    """Return the number of bits that are 1 in both bytes, or in each two bytes of vectors."""
    return (int(a) & int(b)).bit_count()


def larger(a: Any, b: Any) -> Any:
    """Return the larger of two integers of one type."""
    return max(a, b)


def plus(a: Any, b: Any) -> Any:
    """Return the sum of two integers of one type (the caller knows that it fits)."""
    return a + b


def _bytes_only(a: types.Type, b: types.Type) -> bool:
    return a == b and (a == types.uint8 or isinstance(a, Bytes32))


def _one_type(a: types.Type, b: types.Type) -> bool:
    return a == b and isinstance(a, types.Integer | Bytes32)


@intrinsic
def _and_popcount(_context: Any, a: types.Type, b: types.Type) -> Any:
    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        both = builder.and_(*args)
        if not isinstance(a, Bytes32):
            return builder.ctpop(both)
        name, kind = f"llvm.ctpop.v{SIZE}i8", ir.FunctionType(both.type, [both.type])
        return builder.call(builder.module.globals.get(name) or ir.Function(builder.module, kind, name), [both])

    return a(a, b), build


@intrinsic
def _larger(_context: Any, a: types.Type, b: types.Type) -> Any:
    def build(_ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
        signed = getattr(sig.return_type, "signed", False)
        compare = builder.icmp_signed if signed else builder.icmp_unsigned
        return builder.select(compare(">", *args), *args)

    return a(a, b), build


@intrinsic
def _plus(_context: Any, a: types.Type, b: types.Type) -> Any:
    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.add(*args)

    return a(a, b), build


# Numba compares the parameters of these with their bodies, annotations included: so they have none.
@overload(and_popcount, inline="always")
def _compile_and_popcount(a, b):  # type: ignore[no-untyped-def]
    return (lambda a, b: _and_popcount(a, b)) if _bytes_only(a, b) else None  # type: ignore[call-arg]


@overload(larger, inline="always")
def _compile_larger(a, b):  # type: ignore[no-untyped-def]
    return (lambda a, b: _larger(a, b)) if _one_type(a, b) else None  # type: ignore[call-arg]


@overload(plus, inline="always")
def _compile_plus(a, b):  # type: ignore[no-untyped-def]
    return (lambda a, b: _plus(a, b)) if _one_type(a, b) else None  # type: ignore[call-arg]
