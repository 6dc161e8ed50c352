"""The accelerator itself: hardware from the same `Organisation`, cycle for cycle (docs/hardware.md).

Amaranth, in which it is described, is loaded when it is needed; it comes with ``cnvlutin2[hardware]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnvlutin2.hardware.loading import load
from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.organisation import Organisation

if TYPE_CHECKING:
    from cnvlutin2.hardware.cosimulation import CosimulatedLayer, Cosimulation, cosimulate

__all__ = ["CosimulatedLayer", "Cosimulation", "Parameters", "cosimulate", "emit"]

_HOMES = {"CosimulatedLayer": "cosimulation", "Cosimulation": "cosimulation", "cosimulate": "cosimulation"}


def emit(
    organisation: Organisation,
    *,
    window_runs: int | None = None,
    fifo_depth: int | None = None,
    nm_rows: int | None = None,
    encoder_depth: int | None = None,
) -> str:
    """Return the hardware of an organisation as Verilog; its top is the module ``node``.

    Parameters
    ----------
    organisation : Organisation
    window_runs, fifo_depth, nm_rows, encoder_depth : int, optional
        Sizes that the organisation leaves open (`Parameters.of`); by default what SB, NBin, NM and the encoders' buffers hold.

    Raises
    ------
    ConfigError
        If the organisation has no hardware; it names the key, and what would do.
    ToolMissing
        If Amaranth or its Yosys are not installed.
    """
    sizes = {"window_runs": window_runs, "fifo_depth": fifo_depth, "nm_rows": nm_rows, "encoder_depth": encoder_depth}
    parameters = Parameters.of(organisation, **sizes)
    verilog: str = load("emission").emit_design(parameters)
    return verilog


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(load(_HOMES[name]), name)
