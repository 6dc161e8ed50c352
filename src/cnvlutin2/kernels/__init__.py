"""The kernels: free functions over arrays and integers, in two versions that give identical numbers.

`numba_path` is compiled (the default), `numpy_path` is plain NumPy; `cnvlutin2.simd.choice` chooses. Both take and return the
same arrays; the tests compare them.
"""

from __future__ import annotations

from types import ModuleType

from cnvlutin2.simd import uses_numba


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
    # Imported here: Numba takes most of a second, which `--help` must not pay.
    if uses_numba(name):
        from cnvlutin2.kernels import numba_path

        return numba_path
    from cnvlutin2.kernels import numpy_path

    return numpy_path
