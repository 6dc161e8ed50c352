"""What `simulate` is given, as what it works with; what cannot be used is refused before the network runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import ConfigError
from cnvlutin2.layer import Layer
from cnvlutin2.network import Inputs, Network, Threshold, Thresholds, load_inputs, open_network
from cnvlutin2.organisation import LayerModes, Organisation

GivenInputs = Inputs | str | Path | Sequence[str | Path] | NDArray[np.generic] | None


def as_network(network: Network | Layer | Sequence[Layer] | str | Path) -> Network:
    """Return a network from whatever names or holds one."""
    return network if isinstance(network, Network) else open_network(network)


def as_inputs(network: Network, inputs: GivenInputs) -> Inputs | None:
    """Return a network's inputs from whatever names or holds them; None for a network that has its own activations."""
    if inputs is None and not network.takes_inputs:
        return None
    if isinstance(inputs, Inputs):
        return inputs
    if isinstance(inputs, np.ndarray):
        values = inputs if network.input is None else network.input.fitted(inputs, "inputs")
        return Inputs(values, [str(i) for i in range(len(np.atleast_1d(values)))])
    if inputs is None:
        return load_inputs(network)
    return load_inputs(network, [inputs] if isinstance(inputs, (str, Path)) else list(inputs))


def as_thresholds(limits: Thresholds | int | None, names: Sequence[str], what: str) -> Thresholds:
    """Return thresholds for the layers of some names."""
    if limits is None:
        return Thresholds()
    found = limits if isinstance(limits, Thresholds) else Thresholds(Threshold(limits))
    found.check_names(names, what)
    return found


def described(limits: Thresholds) -> dict[str, str]:
    """Return thresholds as they are recorded."""
    every = {} if limits.default is None else {"default": limits.default}
    return {name: str(threshold) for name, threshold in {**every, **limits.layers}.items()}


def check_jobs(jobs: int | None) -> None:
    """Refuse numbers of threads that are not possible."""
    if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1):
        raise ConfigError(f"{jobs!r} threads are not possible; give a whole number of at least 1", where="jobs")


def check_layer_modes(organisations: Sequence[Organisation], names: Sequence[str]) -> None:
    """Refuse organisations that name layers which there are not."""
    for organisation in organisations:
        modes = organisation.layer_mode
        for key in modes if isinstance(modes, LayerModes) else ():
            if key not in ("default", "first", *names):
                message = f"no layer is called {key!r}; the layers are {', '.join(names)}"
                raise ConfigError(message, where=f"layer_mode.{key}", source=organisation.name)
