"""Arrays at addresses, for compiled code only; `records` says whose."""

# Numba leaves what these use untyped.
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj


def compiled(function: Callable[..., Any]) -> Any:
    """Make an intrinsic of a function."""
    return intrinsic(function)


@compiled
def array_at(_context: Any, address: Any, shape: Any, kind: Any) -> Any:
    """Return the C-contiguous array of a shape (a tuple) and of a NumPy scalar type at an address; nobody owns it."""
    array = types.Array(kind.dtype, shape.count, "C")

    def build(ctx: Any, builder: ir.IRBuilder, _sig: Any, args: Any) -> Any:
        element = ctx.get_data_type(kind.dtype)
        size = ctx.get_constant(types.intp, ctx.get_abi_sizeof(element))
        sizes = cgutils.unpack_tuple(builder, args[1])
        strides = [size]
        for length in reversed(sizes[1:]):
            strides.insert(0, builder.mul(strides[0], length))
        out = ctx.make_array(array)(ctx, builder)
        data = builder.inttoptr(args[0], element.as_pointer())
        arrayobj.populate_array(out, data, sizes, strides, size, meminfo=None)
        return out._getvalue()

    return array(address, shape, kind), build
