"""Networks of layers that were made elsewhere, from NumPy arrays."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import cast

from cnvlutin2.errors import NetworkError
from cnvlutin2.layer import Layer
from cnvlutin2.network.inputs import Inputs
from cnvlutin2.network.layer_stream import Findings
from cnvlutin2.network.network import Network
from cnvlutin2.network.quantisation import Numeric, rethreshold
from cnvlutin2.network.readers import Reader


class ArrayNetwork(Network):
    """Layers made elsewhere, in order; the first one is the network's first (`Layer.first` of each is kept as it is).

    Layers of the same array object read the same tensor, unless they say which they read.

    Parameters
    ----------
    layers : sequence of Layer
    name : str
    """

    def __init__(self, layers: Sequence[Layer], name: str = "network") -> None:
        if not layers:
            raise NetworkError(f"network {name!r} has no layers")
        self.name = name
        self._layers = tuple(layers)

    def layer_names(self) -> Sequence[str]:
        """Return the names of the layers in order."""
        return [layer.name for layer in self._layers]

    def generate(self, inputs: Inputs | None, numeric: Numeric) -> Generator[Layer, None, Findings]:
        """Yield the layers as they were given, under the thresholds of the run."""
        if inputs is not None:
            raise NetworkError(f"network {self.name!r} holds its activations and takes no inputs")
        for layer in self._layers:
            # The array lives as long as the network: no other gets its number.
            tensor = ("array", id(layer.activations)) if layer.tensor is None else layer.tensor
            yield replace(rethreshold(layer, numeric), tensor=tensor)
        return Findings()


class ArrayReader(Reader):
    """Takes a `Layer`, or a sequence of them."""

    def can_read(self, source: object) -> bool:
        """Whether it is a layer, or layers."""
        if isinstance(source, Sequence) and not isinstance(source, (str, bytes)):
            return all(isinstance(each, Layer) for each in source)
        return isinstance(source, Layer)

    def read(self, source: object) -> ArrayNetwork:
        """Make a network of layers; a single one gives it its name."""
        if isinstance(source, Layer):
            return ArrayNetwork([source], source.name)
        return ArrayNetwork(cast(Sequence[Layer], source))
