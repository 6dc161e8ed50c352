"""The seam to simulators: what they are given, and what they hand back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.hardware.stimuli import PassStimuli
from cnvlutin2.hardware.workload import PassWorkload

Ints = NDArray[np.int64]


class Design(NamedTuple):
    """What is simulated.

    Parameters
    ----------
    parameters : Parameters
    verilog : str
        As emitted.
    """

    parameters: Parameters
    verilog: str


class PassResult(NamedTuple):
    """What came out of the hardware in a pass.

    Parameters
    ----------
    outputs : int64 ``[windows, tiles, filters_per_tile]``
        Accumulators, tiles as the hardware has them.
    window_ends : int64 ``[windows]``
        The cycle of the pass in which each window ended; 0 if it never did.
    outputs_came : int64 ``[windows]``
        How many times each window's outputs came out.
    cycles, starved : int
        As the hardware counts them.
    elapsed : int
        Clock cycles from ``start`` to ``done``; -1 if it was given up.
    """

    outputs: Ints
    window_ends: Ints
    outputs_came: Ints
    cycles: int
    starved: int
    elapsed: int


class PassJob(NamedTuple):
    """A pass to run.

    Parameters
    ----------
    work : PassWorkload
        What it must do; for benches that compare themselves.
    stimuli : PassStimuli
        What goes through the ports.
    limit : int
        Clock cycles from ``start`` on after which it is given up.
    """

    work: PassWorkload
    stimuli: PassStimuli
    limit: int


LayerRunner = Callable[[Iterable[PassJob]], Iterator[PassResult]]
"""Runs the passes of a layer one after another."""


class HardwareSimulator(Protocol):
    """Runs hardware."""

    name: str

    def open(self, design: Design, wave: Path | None = None) -> AbstractContextManager[LayerRunner]:
        """Build a design, and give what runs layers.

        Parameters
        ----------
        design : Design
        wave : Path, optional
            Where to write the waves of all that is run.

        Raises
        ------
        ToolMissing
            Names the package to install.
        SimulatorError
            If it cannot be built or dies; names the log.
        """
