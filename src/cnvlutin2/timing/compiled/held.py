"""Records on the compiled side: a kernel takes one pointer; to take a tuple of arrays apart costs more than a small layer."""

# Numba leaves the classes that these derive from untyped.
# mypy: disable-error-code="misc, no-untyped-call, no-untyped-def"
from __future__ import annotations

from typing import Generic, TypeVar

from numba import types
from numba.core import config
from numba.experimental import structref

from cnvlutin2.simd.jit import kernel

R = TypeVar("R")

if config.DISABLE_JIT:  # type: ignore[attr-defined] # set as it reads the environment

    class Held(Generic[R]):
        """A record that is passed to kernels as one thing."""

        def __init__(self, record: R) -> None:
            self.record = record

else:

    @structref.register
    class _HeldType(types.StructRef):
        """Numba's type of a held record."""

        def preprocess_fields(self, fields):
            return tuple((name, types.unliteral(kind)) for name, kind in fields)

    class Held(structref.StructRefProxy, Generic[R]):  # type: ignore[no-redef]
        """A record that is passed to kernels as one thing."""

        record: R

        def __new__(cls, record: R) -> Held[R]:
            """Hold a record."""
            held: Held[R] = structref.StructRefProxy.__new__(cls, record)
            return held

    structref.define_proxy(Held, _HeldType, ["record"])


@kernel
def hold(record: R) -> Held[R]:
    """Hold a record, of any kind; what it holds stays alive with it."""
    return Held(record)
