"""The seam to simulators: what they are given, and what they hand back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.hardware.stimuli import PassStimuli

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
        Clock cycles from ``start`` to ``done``.
    """

    outputs: Ints
    window_ends: Ints
    outputs_came: Ints
    cycles: int
    starved: int
    elapsed: int


PassRunner = Callable[[PassStimuli, int], PassResult]
"""Runs a pass; the other argument is the most clock cycles from ``start`` on after which it is given up."""


class HardwareSimulator(Protocol):
    """Runs hardware."""

    name: str

    def open(self, design: Design, wave: Path | None = None) -> AbstractContextManager[PassRunner]:
        """Build a design, and give what runs its passes one after another.

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
