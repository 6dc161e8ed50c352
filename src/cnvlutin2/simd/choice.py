"""Whether compiled code is wanted: the one place that asks the environment."""

from __future__ import annotations

import os
from typing import Literal

from cnvlutin2.errors import ConfigError

Kernels = Literal["numba", "numpy"]
"""Compiled, or plain NumPy."""


def uses_numba(kernels: str | None = None) -> bool:
    """Whether compiled code is wanted, rather than its twin in plain NumPy.

    Parameters
    ----------
    kernels : {"numba", "numpy"}, optional
        By default what ``CNVLUTIN2_KERNELS`` says; without it, compiled code, unless ``NUMBA_DISABLE_JIT`` is set.

    Raises
    ------
    ConfigError
        If neither is named.
    """
    if kernels is None:
        jit_off = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
        kernels = os.environ.get("CNVLUTIN2_KERNELS") or ("numpy" if jit_off else "numba")
    if kernels not in ("numba", "numpy"):
        raise ConfigError(f"CNVLUTIN2_KERNELS={kernels!r} is not known; use numba or numpy")
    return kernels == "numba"
