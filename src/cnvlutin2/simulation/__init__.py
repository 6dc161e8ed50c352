"""From a network, organisations and inputs to results: `simulate`."""

from cnvlutin2.simulation.arguments import GivenInputs, as_inputs, as_network, check_layer_modes
from cnvlutin2.simulation.session import in_batches
from cnvlutin2.simulation.simulator import DEFAULT_ORGANISATIONS, Observer, Progress, simulate, versions

__all__ = [
    "DEFAULT_ORGANISATIONS",
    "GivenInputs",
    "Observer",
    "Progress",
    "as_inputs",
    "as_network",
    "check_layer_modes",
    "in_batches",
    "simulate",
    "versions",
]
