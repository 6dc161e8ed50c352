"""How kernels are compiled: the interpreter's lock released, and nothing made for callers that there are none.

What is compiled is kept from run to run, as `cnvlutin2.simd.kernel_cache` says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit
from numba.core import config
from numba.core.compiler import Compiler
from numba.core.dispatcher import Dispatcher

from cnvlutin2.simd.kernel_cache import KernelCache

F = TypeVar("F", bound=Callable[..., Any])

LEVEL = 2
"""How far LLVM optimises, of 3: the third level makes these kernels no faster, and takes a quarter longer."""


class _KernelCompiler(Compiler):
    """Numba's compiler, LLVM at that level."""

    def compile_extra(self, func: Callable[..., Any]) -> Any:
        """Compile a function; Numba's lock is held, so nobody else compiles meanwhile."""
        level = config.OPT  # type: ignore[attr-defined] # set as it reads the environment
        config.OPT = type(level)(min(level, LEVEL))  # type: ignore[attr-defined]
        try:
            return super().compile_extra(func)  # type: ignore[no-untyped-call]
        finally:
            config.OPT = level  # type: ignore[attr-defined]


_KERNEL: Callable[[F], F] = njit(nogil=True, no_cfunc_wrapper=True, pipeline_class=_KernelCompiler)  # type: ignore[call-overload]
_INLINED_KERNEL: Callable[[F], F] = njit(  # type: ignore[call-overload]
    nogil=True, no_cfunc_wrapper=True, forceinline=True, pipeline_class=_KernelCompiler
)


def kernel(function: F) -> F:
    """For functions that Python calls."""
    return _kept(_KERNEL(function))


def inlined_kernel(function: F) -> F:
    """For functions that Python calls, and that kernels call with constants, for which they are then compiled."""
    return _kept(_INLINED_KERNEL(function))


making_helper: Callable[[F], F] = njit(nogil=True, no_cfunc_wrapper=True, no_cpython_wrapper=True, pipeline_class=_KernelCompiler)  # type: ignore[call-overload]
"""For functions that only kernels call, and that make arrays: they are part of what is kept of these."""

inlined_making_helper: Callable[[F], F] = njit(  # type: ignore[call-overload]
    nogil=True, no_cfunc_wrapper=True, no_cpython_wrapper=True, forceinline=True, pipeline_class=_KernelCompiler
)
"""For those that become part of their callers' code whatever the compiler thinks of it."""

helper: Callable[[F], F] = njit(  # type: ignore[call-overload]
    nogil=True, no_cfunc_wrapper=True, no_cpython_wrapper=True, _nrt=False, pipeline_class=_KernelCompiler
)
"""For functions that only kernels call, and that make no arrays, nor do what they call.

The owners of the arrays that they are given are not counted, which took longer than small loops.
"""

inlined_helper: Callable[[F], F] = njit(  # type: ignore[call-overload]
    nogil=True, no_cfunc_wrapper=True, no_cpython_wrapper=True, forceinline=True, _nrt=False, pipeline_class=_KernelCompiler
)
"""For those that become part of their callers' code whatever the compiler thinks of it."""


def _kept(compiled: F) -> F:
    if isinstance(compiled, Dispatcher):  # with the compiler off it is the function itself
        compiled._cache = KernelCache(compiled.py_func)  # type: ignore[attr-defined] # where Numba's decorator puts its own
    return compiled
