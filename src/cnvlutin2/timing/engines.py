"""Which engine counts: the compiled one, with the plain one for what its kernels do not do, or the plain one alone."""

from __future__ import annotations

from cnvlutin2.simd import Kernels, uses_numba
from cnvlutin2.timing.engine import Engine
from cnvlutin2.timing.plain import PlainEngine


def make_engine(jobs: int | None = None, kernels: Kernels | None = None) -> Engine:
    """Return an engine for a run.

    Parameters
    ----------
    jobs : int, optional
        Threads of the compiled engine; by default all processors. The counts do not depend on it.
    kernels : {"numba", "numpy"}, optional
        By default what ``CNVLUTIN2_KERNELS`` asks for.

    Raises
    ------
    ConfigError
        If ``CNVLUTIN2_KERNELS`` names neither.
    """
    if not uses_numba(kernels):
        return PlainEngine()
    from cnvlutin2.timing.compiled.engine import CompiledEngine  # Numba takes most of a second, which `--help` must not pay

    return CompiledEngine(PlainEngine(), jobs)
