"""Which simulator runs the hardware: the one that was named, or the fastest that is installed."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from cnvlutin2.errors import ConfigError, did_you_mean
from cnvlutin2.hardware.loading import load
from cnvlutin2.hardware.simulators.protocol import HardwareSimulator

Tell = Callable[[str], None]


def _verilator(tell: Tell | None) -> HardwareSimulator:
    from cnvlutin2.hardware.simulators.verilator import Verilator

    return Verilator(tell)


def _icarus(_: Tell | None) -> HardwareSimulator:
    from cnvlutin2.hardware.simulators.icarus import Icarus

    return Icarus()


def _amaranth(_: Tell | None) -> HardwareSimulator:
    simulator: HardwareSimulator = load("simulators.amaranth").AmaranthSimulator()
    return simulator


_Maker = Callable[[Tell | None], HardwareSimulator]
SIMULATORS: dict[str, _Maker] = {"verilator": _verilator, "iverilog": _icarus, "amaranth": _amaranth}
"""By the name of its program; the fastest first."""


def choose_simulator(name: str | None, tell: Tell | None = None) -> HardwareSimulator:
    """Return a simulator by name, or the fastest whose program is there.

    Parameters
    ----------
    name : str or None
    tell : callable, optional
        Told, in a line, of what takes long.

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
    return SIMULATORS[name](tell)
