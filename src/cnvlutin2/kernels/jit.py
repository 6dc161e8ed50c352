"""How the kernels are compiled: the interpreter's lock released, and nothing made for callers that there are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

kernel: Callable[[F], F] = njit(nogil=True, cache=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
"""For functions that Python calls; what is compiled is kept from run to run."""

helper: Callable[[F], F] = njit(nogil=True, no_cfunc_wrapper=True, no_cpython_wrapper=True)  # type: ignore[call-overload]
"""For functions that only kernels call: they are part of what is kept of these."""
