"""Compiling the kernels for the first time, which takes many seconds, in two processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from cnvlutin2.encodings import image_footprints
from cnvlutin2.kernels import backend
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation, preset
from cnvlutin2.timing import PreparedLayer, time_layer
from cnvlutin2.timing.weights import PreparedWeights
from cnvlutin2.timing.workers import default_jobs


def is_compiled() -> bool:
    """Whether the kernels that are in use need no compilation, or were compiled before."""
    kernels = backend()
    return not kernels.MANY_LAYERS or any(Path(kernels.count_layers.stats.cache_path).glob("*.nbi"))


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
    if not meets_weights or (default_jobs() if jobs is None else jobs) == 1 or is_compiled():
        return
    command = [sys.executable, "-P", "-m", __name__]  # -P: not from the working directory, which may hold anything
    nothing = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing):  # noqa: S603 - nothing of it is an input
        prepared, o = PreparedLayer(_layer(), 1), preset("cnv")
        time_layer(prepared, [o])
        image_footprints(prepared.layer, prepared.brick_histograms(o.brick, "brick"), o.brick, o.data_bits, o.pointer_group)
        prepared.weights.leads(preset("cnv2-weights"))
        prepared.dot(prepared.position_counts, prepared.weights.filter_counts)


def _layer() -> Layer:
    """Return a small layer whose runs have more than one value, with more windows than filters."""
    return Layer("conv", np.ones((1, 32, 9, 9), np.int16), np.ones((4, 32, 3, 3), np.int16))


def _compile_the_rest() -> None:
    """Compile what meets weights, but nothing that the other process compiles."""
    kernels = ModuleType("kernels")
    others = ("count_layers", "lead_filters", "weight_counts", "weight_masks")
    kernels.__dict__.update(backend().__dict__, **dict.fromkeys(others, _nothing))
    time_layer(PreparedLayer(_layer(), 1, kernels, PreparedWeights(_layer(), 1, kernels)), [preset("cnv2-weights")])


def _nothing(*_: object) -> None:
    """Leave what a kernel would have found at what it was."""


if __name__ == "__main__":
    _compile_the_rest()
