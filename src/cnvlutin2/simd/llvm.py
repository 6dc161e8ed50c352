"""Numba's types of the vectors, and what the instructions of primitives are built of.

The vectors are LLVM's own, which fit every processor: two AVX2 registers for 64 bytes, so that what is done once for a run and a
filter is done for both.
"""

# Numba leaves the classes that these derive from untyped.
# mypy: disable-error-code="misc, no-untyped-call"
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import models, register_model

from cnvlutin2.simd.primitive import OUT_OF_BOUNDS
from cnvlutin2.simd.sizes import VECTOR

INDEX = ir.IntType(32)
BYTE, WORD16, WORD64 = (ir.IntType(bits) for bits in (8, 16, 64))


class Vector(types.Type):
    """Numba's type of a vector of unsigned integers.

    Parameters
    ----------
    name : str
    element : LLVM's type of an integer
    count : int
    """

    def __init__(self, name: str, element: ir.IntType, count: int) -> None:
        super().__init__(name=name)
        self.built = ir.VectorType(element, count)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, kind.built)


BYTES64 = Vector("bytes64", BYTE, VECTOR)
WORDS64X16 = Vector("words64x16", WORD16, VECTOR)
SUMS8X64 = Vector("sums8x64", WORD64, 8)


def processor_features() -> list[str]:
    """Return what the processor that Numba compiles for can do, as LLVM calls it."""
    _, _, found = cpu_target.target_context.codegen().magic_tuple()
    return str(found).split(",")


def place_in(ctx: Any, builder: ir.IRBuilder, kind: Any, args: Any, stored: ir.Type) -> Any:
    """Return the address of what lies in an array, whatever the boundaries of its elements.

    Where Numba checks bounds, code is built that raises IndexError if it does not lie there as a whole.

    Parameters
    ----------
    kind : Numba's type of the array
    args : values of the array and of a place in it, in elements, were it flat
    stored : LLVM's type of what lies there
    """
    array = ctx.make_array(kind)(ctx, builder, args[0])
    if ctx.enable_boundscheck:
        needed = -(-ctx.get_abi_sizeof(stored) // ctx.get_abi_sizeof(ctx.get_data_type(kind.dtype)))
        place, last = args[1], builder.sub(array.nitems, array.nitems.type(needed))
        outside = builder.or_(builder.icmp_signed("<", place, place.type(0)), builder.icmp_signed(">", place, last))
        with cgutils.if_unlikely(builder, outside):
            ctx.call_conv.return_user_exc(builder, IndexError, (OUT_OF_BOUNDS,))
    return builder.bitcast(builder.gep(array.data, [args[1]]), stored.as_pointer())


def load_from(ctx: Any, builder: ir.IRBuilder, kind: Any, args: Any, stored: ir.Type) -> Any:
    """Return what lies in an array; parameters as of `place_in`."""
    return builder.load(place_in(ctx, builder, kind, args, stored), align=1)


def holds(array: Any) -> bool:
    """Whether a type is that of an array that vectors are loaded from: C-contiguous."""
    return isinstance(array, types.Array) and array.layout == "C"


def everywhere(builder: ir.IRBuilder, value: Any, count: int = VECTOR) -> Any:
    """Return a vector with a value in all places."""
    nothing = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(INDEX, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(INDEX, count), [0] * count))


def call(builder: ir.IRBuilder, name: str, result: ir.Type, *args: Any) -> Any:
    """Call one of LLVM's own functions."""
    kind = ir.FunctionType(result, [arg.type for arg in args])
    return builder.call(builder.module.globals.get(name) or ir.Function(builder.module, kind, name), args)


def count_ones(builder: ir.IRBuilder, vector: Any) -> Any:
    """Return how many bits of each integer of a vector are 1."""
    return call(builder, f"llvm.ctpop.v{vector.type.count}i{vector.type.element.width}", vector.type, vector)


def sum_of(builder: ir.IRBuilder, vector: Any) -> Any:
    """Return the sum of a vector's integers, as wide as they."""
    element = vector.type.element
    return call(builder, f"llvm.vector.reduce.add.v{vector.type.count}i{element.width}", element, vector)


def sums_of_eight(builder: ir.IRBuilder, vector: Any) -> Any:
    """Return the sums of every eight bytes of 64, in words of 64 bits."""
    size = next((size for size, feature in ((64, "+avx512bw"), (32, "+avx2")) if feature in processor_features()), 0)
    if not size:
        return _sums_of_eight(builder, vector)
    name, nothing = {64: "llvm.x86.avx512.psad.bw.512", 32: "llvm.x86.avx2.psad.bw"}[size], ir.Constant(vector.type, ir.Undefined)
    kind, parts = ir.VectorType(WORD64, size // 8), []
    for first in range(0, VECTOR, size):
        places = ir.Constant(ir.VectorType(INDEX, size), list(range(first, first + size)))
        part = builder.shuffle_vector(vector, nothing, places)
        parts.append(call(builder, name, kind, part, part.type(None)))
    return parts[0] if len(parts) == 1 else builder.shuffle_vector(*parts, ir.Constant(ir.VectorType(INDEX, 8), list(range(8))))


def _sums_of_eight(builder: ir.IRBuilder, vector: Any) -> Any:
    """Do the same where the processor has no instruction for it: pairs, pairs of pairs, and pairs of these."""
    found, kind = builder.bitcast(vector, SUMS8X64.built), SUMS8X64.built
    for width in (8, 16, 32):
        lower = sum(((1 << width) - 1) << place for place in range(0, 64, 2 * width))
        mask, shift = ir.Constant(kind, [lower] * 8), ir.Constant(kind, [width] * 8)
        found = builder.add(builder.and_(found, mask), builder.and_(builder.lshr(found, shift), mask))
    return found


def larger_of(builder: ir.IRBuilder, a: Any, b: Any) -> Any:
    """Return the larger of two unsigned integers, or of each two of vectors."""
    return builder.select(builder.icmp_unsigned(">", a, b), a, b)
