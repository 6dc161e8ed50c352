"""The kernels: free functions over arrays and integers, in two versions that give identical numbers.

`numba_path` is compiled (the default), `numpy_path` is plain NumPy. ``CNVLUTIN2_KERNELS=numpy`` or ``NUMBA_DISABLE_JIT=1``
choose the latter. Both take and return the same arrays; the tests compare them.
"""

from __future__ import annotations

import os
from functools import cache
from types import ModuleType

from cnvlutin2.errors import ConfigError


@cache
def backend(name: str | None = None) -> ModuleType:
    """Return the module that holds the kernels.

    Parameters
    ----------
    name : {"numba", "numpy"}, optional
        By default what the environment asks for.

    Raises
    ------
    ConfigError
        If ``CNVLUTIN2_KERNELS`` names neither.
    """
    if name is None:
        jit_off = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
        name = os.environ.get("CNVLUTIN2_KERNELS") or ("numpy" if jit_off else "numba")
    # Imported here: Numba takes most of a second, which `--help` must not pay.
    if name == "numba":
        from cnvlutin2.kernels import numba_path

        return numba_path
    if name == "numpy":
        from cnvlutin2.kernels import numpy_path

        return numpy_path
    raise ConfigError(f"CNVLUTIN2_KERNELS={name!r} is not known; use numba or numpy")
