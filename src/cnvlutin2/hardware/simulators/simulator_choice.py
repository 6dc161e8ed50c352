"""Which simulator runs the hardware: the one that was named, or the fastest that is installed."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from cnvlutin2.errors import ConfigError, did_you_mean
from cnvlutin2.hardware.simulators.protocol import HardwareSimulator


def _verilator() -> HardwareSimulator:
    from cnvlutin2.hardware.simulators.verilator import Verilator

    return Verilator()


def _icarus() -> HardwareSimulator:
    from cnvlutin2.hardware.simulators.icarus import Icarus

    return Icarus()


def _amaranth() -> HardwareSimulator:
    from cnvlutin2.hardware.simulators.amaranth import AmaranthSimulator

    return AmaranthSimulator()


SIMULATORS: dict[str, Callable[[], HardwareSimulator]] = {"verilator": _verilator, "iverilog": _icarus, "amaranth": _amaranth}
"""By the name of its program; the fastest first."""


def choose_simulator(name: str | None) -> HardwareSimulator:
    """Return a simulator by name, or the fastest whose program is there.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name is None:
        name = next((each for each in SIMULATORS if shutil.which(each)), "amaranth")
    if name not in SIMULATORS:
        raise ConfigError(
            f"no simulator is called {name!r}; choose one of {', '.join(SIMULATORS)}{did_you_mean(name, SIMULATORS)}"
        )
    return SIMULATORS[name]()
