"""What makes a primitive of a function: instructions, which compiled code has in the place of the function's Python body.

The body is the meaning: what runs where nothing is compiled, and what the instructions are tested against::

    def equal(a: Bytes64, b: Bytes64) -> Bytes64:
        \"\"\"Return 255 where two vectors have the same byte, else 0.\"\"\"
        return np.where(a == b, 255, 0).astype(np.uint8)


    @instructions(equal)
    def _equal(a: Any, b: Any) -> Definition:
        def build(_ctx: Any, builder: IRBuilder, _sig: Any, args: Any) -> Any:
            return builder.sext(builder.icmp_unsigned("==", *args), BYTES64.built)

        return (BYTES64(a, b), build) if a == b == BYTES64 else None
"""

# Numba leaves what makes extensions untyped.
# mypy: disable-error-code="no-untyped-call, untyped-decorator"
from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, type_callable
from numpy.typing import NDArray

from cnvlutin2.simd.sizes import Integer

Builder = Callable[[Any, ir.IRBuilder, Any, Any], Any]
"""Builds instructions and returns the result's value; of Numba's context, a builder, a signature and the arguments' values."""

Definition = tuple[Any, Builder] | None
"""Numba's signature, and what builds the instructions; None for types of arguments that a primitive does not take."""

OUT_OF_BOUNDS = "a vector does not lie within its array"
"""What the IndexError says, of compiled code and of the bodies."""

PRIMITIVES: dict[str, Callable[..., Any]] = {}
"""The meanings of all primitives, by module and name (as ``narrow.larger``); filled as their modules are imported."""


def instructions(meaning: Callable[..., Any]) -> Callable[[Callable[..., Definition]], Callable[..., Definition]]:
    """Give a function instructions, which become part of the compiled code that calls it.

    Parameters
    ----------
    meaning : function
        Its positional parameters are those of the definition, which takes their types.
    """

    def register(definition: Callable[..., Definition]) -> Callable[..., Definition]:
        PRIMITIVES[f"{meaning.__module__.rpartition('.')[2]}.{meaning.__name__}"] = meaning

        @type_callable(meaning)
        def _types(_context: Any) -> Any:
            @wraps(definition)
            def signature_of(*kinds: Any) -> Any:
                found = definition(*kinds)
                return found and found[0]

            return signature_of

        @lower_builtin(meaning, types.VarArg(types.Any))
        def _build(ctx: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> Any:
            found = definition(*sig.args)
            assert found is not None, meaning.__name__  # noqa: S101 - the same types had a signature
            return found[1](ctx, builder, sig, args)

        return definition

    return register


def view_at(array: NDArray[Any], at: Integer, count: int, kind: type[np.integer[Any]]) -> NDArray[Any]:
    """Return integers that lie in an array, for the bodies of primitives that load or store.

    Parameters
    ----------
    array : C-contiguous array of integers, any dimensions
    at : int
        Where the first one lies, in elements of the array, were it flat; it need not be aligned.
    count : int
    kind : NumPy's type of the integers, whatever the array's

    Returns
    -------
    array ``[count]``
        A view.

    Raises
    ------
    IndexError
        If they do not all lie within the array.
    """
    if not array.flags.c_contiguous:
        raise ValueError("vectors are loaded from and stored to C-contiguous arrays only")
    octets = array.reshape(-1).view(np.uint8)
    begin, size = int(at) * array.itemsize, count * np.dtype(kind).itemsize
    if begin < 0 or begin + size > octets.size:
        raise IndexError(OUT_OF_BOUNDS)
    return octets[begin : begin + size].view(kind)
