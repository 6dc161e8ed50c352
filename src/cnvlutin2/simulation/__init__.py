"""From a network, organisations and inputs to results: `simulate`."""

from cnvlutin2.simulation.arguments import GivenInputs, as_inputs, as_network
from cnvlutin2.simulation.session import in_batches
from cnvlutin2.simulation.simulator import DEFAULT_ORGANISATIONS, Observer, Progress, simulate

__all__ = ["DEFAULT_ORGANISATIONS", "GivenInputs", "Observer", "Progress", "as_inputs", "as_network", "in_batches", "simulate"]
