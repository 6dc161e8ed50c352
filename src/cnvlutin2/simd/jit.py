"""How kernels are compiled: the interpreter's lock released, and nothing made for callers that there are none.

What is compiled is kept from run to run (Numba's cache), unless bounds are checked (``NUMBA_BOUNDSCHECK=1``): Numba does not
tell kernels that check from those that do not, so neither may be kept for the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit
from numba.core import config

F = TypeVar("F", bound=Callable[..., Any])

_KEPT = not config.BOUNDSCHECK  # type: ignore[attr-defined] # set as it reads the environment

kernel: Callable[[F], F] = njit(nogil=True, cache=_KEPT, no_cfunc_wrapper=True)  # type: ignore[call-overload]
"""For functions that Python calls."""

inlined_kernel: Callable[[F], F] = njit(  # type: ignore[call-overload]
    nogil=True, cache=_KEPT, no_cfunc_wrapper=True, forceinline=True
)
"""For functions that Python calls, and that kernels call with constants, for which they are then compiled."""

making_helper: Callable[[F], F] = njit(nogil=True, no_cfunc_wrapper=True, no_cpython_wrapper=True)  # type: ignore[call-overload]
"""For functions that only kernels call, and that make arrays: they are part of what is kept of these."""

inlined_making_helper: Callable[[F], F] = njit(  # type: ignore[call-overload]
    nogil=True, no_cfunc_wrapper=True, no_cpython_wrapper=True, forceinline=True
)
"""For those that become part of the code of kernels which call them with constants."""

helper: Callable[[F], F] = njit(  # type: ignore[call-overload]
    nogil=True, no_cfunc_wrapper=True, no_cpython_wrapper=True, _nrt=False
)
"""For those that make none: the owners of the arrays that they are given are not counted, which took longer than small loops."""

inlined_helper: Callable[[F], F] = njit(  # type: ignore[call-overload]
    nogil=True, no_cfunc_wrapper=True, no_cpython_wrapper=True, forceinline=True, _nrt=False
)
"""For functions that only kernels call, and that become part of their code whatever the compiler thinks of it."""
