"""Arithmetic on integers and vectors of one type, which stays as narrow as they are.

Numba widens ``uint8 & uint8`` to 64 bits, which costs the vectoriser a factor of eight. These are LLVM instructions of the
operands' own width; what does not fit it is cut off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from cnvlutin2.simd.llvm import Vector
from cnvlutin2.simd.primitive import Definition, instructions

T = TypeVar("T", bound=int | np.integer[Any] | NDArray[Any])
"""An integer of NumPy or (where it is one of 64 bits when compiled) of Python, or a vector."""


def larger(a: T, b: T) -> T:
    """Return the larger of two integers of one type, or of each two of vectors."""
    return cast("T", np.maximum(a, b))


@instructions(larger)
def _larger(a: Any, b: Any) -> Definition:
    def build(builder: ir.IRBuilder, *args: Any) -> Any:
        compare = builder.icmp_signed if getattr(a, "signed", False) else builder.icmp_unsigned
        return builder.select(compare(">", *args), *args)

    return _of_one_type(a, b, build)


def both(a: T, b: T) -> T:
    """Return the bits that are 1 in both of two integers of one type, or of each two of vectors."""
    return cast("T", np.bitwise_and(a, b))


@instructions(both)
def _both(a: Any, b: Any) -> Definition:
    return _of_one_type(a, b, ir.IRBuilder.and_)


def plus(a: T, b: T) -> T:
    """Return the sum of two integers of one type, or of each two of vectors, modulo what the type holds."""
    return cast("T", np.add(a, b))


@instructions(plus)
def _plus(a: Any, b: Any) -> Definition:
    return _of_one_type(a, b, ir.IRBuilder.add)


def minus(a: T, b: T) -> T:
    """Return the difference of two integers of one type, or of each two of vectors, modulo what the type holds."""
    return cast("T", np.subtract(a, b))


@instructions(minus)
def _minus(a: Any, b: Any) -> Definition:
    return _of_one_type(a, b, ir.IRBuilder.sub)


def times(a: T, b: T) -> T:
    """Return the product of two integers of one type, or of each two of vectors, modulo what the type holds."""
    return cast("T", np.multiply(a, b))


@instructions(times)
def _times(a: Any, b: Any) -> Definition:
    return _of_one_type(a, b, ir.IRBuilder.mul)


def _of_one_type(a: Any, b: Any, build: Callable[..., Any]) -> Definition:
    """Define what takes two integers or vectors of one type, and returns another."""
    alike = a == b and isinstance(a, types.Integer | Vector)
    return (a(a, b), lambda _ctx, builder, _sig, args: build(builder, *args)) if alike else None
