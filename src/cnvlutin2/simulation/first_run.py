"""Compiling the kernels for the first time, which takes many seconds, in two processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import numpy as np

from cnvlutin2.encodings import image_footprints
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation, preset
from cnvlutin2.simd import uses_numba
from cnvlutin2.timing.engines import make_engine
from cnvlutin2.timing.observed import ObservedLayer
from cnvlutin2.timing.threads import default_jobs


def is_compiled() -> bool:
    """Whether no kernel needs compilation, or they were compiled before."""
    if not uses_numba():
        return True
    from cnvlutin2.timing.compiled.sums import count_sums  # Numba takes most of a second

    return count_sums._cache.has_any()  # type: ignore[attr-defined, no-any-return] # it is a dispatcher


def compile_kernels(organisations: Sequence[Organisation], jobs: int | None = None) -> None:
    """Compile what most runs need and keep it in Numba's cache, half of it in a process of its own.

    Nothing but time depends on it: what is missing is compiled when it is called.

    Parameters
    ----------
    organisations : sequence of Organisation
        Those that are to be simulated.
    jobs : int, optional
        Processors; with one, nothing is done.
    """
    meets_weights = any(o.skip_weights != "none" for o in organisations)
    if not meets_weights or (default_jobs() if jobs is None else jobs) == 1 or is_compiled() or not _finds_what_is_kept():
        return
    command = [sys.executable, "-P", "-m", __name__]  # -P: not from the working directory, which may hold anything
    nothing = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing) as other:  # noqa: S603 - nothing of it is an input
        try:
            _compile_this_half()
        except BaseException:
            other.terminate()  # who interrupts does not wait for it
            raise


def _finds_what_is_kept() -> bool:
    """Whether one process finds what another compiled."""
    from cnvlutin2.simd.kernel_cache import KernelCache  # Numba takes most of a second

    return KernelCache.is_kept() and bool(sys.executable)


def _compile_this_half() -> None:
    """Compile what meets no weights."""
    layer, o = _layer(), preset("cnv")
    make_engine(1).time([layer], [o])
    observed = ObservedLayer(layer)
    storage = observed.schedule(o).storage
    image_footprints(observed.bits, observed.brick_histograms(storage), storage, o.data_bits, o.pointer_group)


def _layer() -> Layer:
    """Return a small layer whose runs have more than one value, with more windows than filters."""
    return Layer("conv", np.ones((1, 32, 9, 9), np.int16), np.ones((4, 32, 3, 3), np.int16))


def _compile_the_rest() -> None:
    """Compile what meets weights."""
    make_engine(1).time([_layer()], [preset("cnv2-weights")])


if __name__ == "__main__":
    _compile_the_rest()
