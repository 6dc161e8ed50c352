"""`CapturedNetwork`: the layers of a run that was captured, read from mapped files, as a network of its own."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

from cnvlutin2.errors import NetworkError
from cnvlutin2.layer import Layer
from cnvlutin2.network import Findings, Inputs, Network, Numeric

TOGETHER = 1 << 22
"""Activations of a layer that are handed on at a time: what is worked out of them is in memory at once."""


class CapturedNetwork(Network):
    """Layers as a run has found them, whose thresholds hold; to be simulated at the width of that run.

    Parameters
    ----------
    name : str
    data_bits : int
        Of the run.
    layers : sequence of Layer
        Each with all images.
    findings : Findings
        What the run has found beside the layers.
    """

    def __init__(self, name: str, data_bits: int, layers: Sequence[Layer], findings: Findings) -> None:
        self.name, self.left_out = name, findings.left_out
        self._data_bits, self._findings = data_bits, findings
        self._batches = [list(_in_batches(layer)) for layer in layers]

    def layer_names(self) -> Sequence[str]:
        """Return the names of the layers in order."""
        return [first.name for first, *_ in self._batches]

    def generate(self, inputs: Inputs | None, numeric: Numeric) -> Generator[Layer, None, Findings]:
        """Yield the layers as they were.

        Raises
        ------
        NetworkError
            If inputs are given, or another width or thresholds: these belong to the run that was captured.
        """
        if inputs is not None or numeric != Numeric(self._data_bits):
            raise NetworkError(f"network {self.name!r} was captured: its inputs, width and thresholds are those of that run")
        for batches in self._batches:
            yield from batches
        return self._findings


def _in_batches(layer: Layer) -> Generator[Layer, None, None]:
    """Yield a layer some images at a time; views, no copies."""
    together = max(1, TOGETHER // (layer.activations.size // layer.images))
    if together >= layer.images:
        yield layer
        return
    for first in range(0, layer.images, together):
        yield replace(layer, activations=layer.activations[first : first + together], first_image=first)
