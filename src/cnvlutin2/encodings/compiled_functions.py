"""The compiled functions (`cnvlutin2.simd.choice` says whether they are wanted), and in what terms they are asked."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np


@functools.cache
def compiled_module(name: str) -> ModuleType | None:
    """Return a module of `cnvlutin2.encodings._kernels`; None if there is no such one."""
    place = f"cnvlutin2.encodings._kernels.{name}"
    return importlib.import_module(place) if importlib.util.find_spec(place) else None


def callable_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a kernel to call from Python.

    With Numba's compiler switched off it computes with NumPy scalars, which warn when 64-bit integers wrap around, as they shall.
    """
    if hasattr(function, "py_func"):
        return function

    @functools.wraps(function)
    def quiet(*arguments: Any) -> Any:
        with np.errstate(over="ignore"):
            return function(*arguments)

    return quiet


def limits_of(threshold: int) -> tuple[Any, Any]:
    """Return what effectual values are greater, or less, than, as int16; a threshold beyond these leaves none."""
    return np.int16(min(threshold - 1, 0x7FFF)), np.int16(max(1 - threshold, -0x8000))
