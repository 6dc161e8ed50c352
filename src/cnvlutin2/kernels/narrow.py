"""Operations on bytes and other narrow integers, and on vectors of bytes, that stay narrow when compiled.

Numba widens ``uint8 & uint8`` to 64 bits, which costs the vectoriser a factor of eight. These are LLVM instructions of the
operands' own width. They are for compiled code only.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from cnvlutin2.kernels.vectors import ByteVector, WordVector, compiled
from cnvlutin2.kernels.words import WordsVector


@compiled
def larger(_context: Any, a: types.Type, b: types.Type) -> Any:
    """Return the larger of two integers of one type, or of each two bytes of vectors."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        compare = builder.icmp_signed if getattr(a, "signed", False) else builder.icmp_unsigned
        return builder.select(compare(">", *args), *args)

    return (a(a, b), build) if _are_alike(a, b) else None


@compiled
def both(_context: Any, a: types.Type, b: types.Type) -> Any:
    """Return the bits that are 1 in both of two integers of one type."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.and_(*args)

    return (a(a, b), build) if _are_alike(a, b) else None


@compiled
def plus(_context: Any, a: types.Type, b: types.Type) -> Any:
    """Return the sum of two integers of one type, or of each two bytes of vectors (the caller knows that it fits)."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.add(*args)

    return (a(a, b), build) if _are_alike(a, b) else None


@compiled
def times(_context: Any, a: types.Type, b: types.Type) -> Any:
    """Return the product of two integers of one type (the caller knows that it fits)."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.mul(*args)

    return (a(a, b), build) if _are_alike(a, b) else None


@compiled
def minus(_context: Any, a: types.Type, b: types.Type) -> Any:
    """Return the difference of two integers of one type (the caller knows that it fits)."""

    def build(_ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        return builder.sub(*args)

    return (a(a, b), build) if _are_alike(a, b) else None


def _are_alike(a: types.Type, b: types.Type) -> bool:
    return bool(a == b and isinstance(a, types.Integer | ByteVector | WordVector | WordsVector))
