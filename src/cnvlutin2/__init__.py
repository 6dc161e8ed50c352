"""Cnvlutin2: exact cycles, encodings, traffic and energy of zero-skipping accelerators.

The names below are loaded when they are used, so that ``import cnvlutin2`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnvlutin2.encodings import encode
    from cnvlutin2.errors import Cnvlutin2Error, Cnvlutin2Warning
    from cnvlutin2.network import (
        ArrayNetwork,
        Inputs,
        Layer,
        Network,
        Threshold,
        Thresholds,
        from_torch,
        load_inputs,
        open_network,
    )
    from cnvlutin2.organisation import Organisation, load_organisations, preset, preset_names
    from cnvlutin2.results import Results, load_results
    from cnvlutin2.simulation import simulate
    from cnvlutin2.study import Study, load_study, sweep
    from cnvlutin2.tuning import tune

_HOMES = {
    "ArrayNetwork": "network",
    "Cnvlutin2Error": "errors",
    "Cnvlutin2Warning": "errors",
    "Inputs": "network",
    "Layer": "network",
    "Network": "network",
    "Organisation": "organisation",
    "Results": "results",
    "Study": "study",
    "Threshold": "network",
    "Thresholds": "network",
    "encode": "encodings",
    "from_torch": "network",
    "load_inputs": "network",
    "load_organisations": "organisation",
    "load_study": "study",
    "load_results": "results",
    "open_network": "network",
    "preset": "organisation",
    "preset_names": "organisation",
    "simulate": "simulation",
    "sweep": "study",
    "tune": "tuning",
}

__all__ = [  # noqa: RUF022 - by what a reader wants first
    "simulate",
    "sweep",
    "load_study",
    "load_results",
    "tune",
    "open_network",
    "load_inputs",
    "from_torch",
    "preset",
    "preset_names",
    "load_organisations",
    "encode",
    "Organisation",
    "Network",
    "ArrayNetwork",
    "Layer",
    "Inputs",
    "Threshold",
    "Thresholds",
    "Results",
    "Study",
    "Cnvlutin2Error",
    "Cnvlutin2Warning",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
