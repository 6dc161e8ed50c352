"""One run of an ONNX network: ranges, integers, answers, and the layers made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError
from cnvlutin2.layer import Layer
from cnvlutin2.network.base import Accuracy, Inputs, Numeric, Thresholds
from cnvlutin2.network.onnx_constants import Constants
from cnvlutin2.network.onnx_execution import Captured, Feed, Ranges, feed_of
from cnvlutin2.network.onnx_geometry import kind_of, resolved_pads
from cnvlutin2.network.onnx_graph import LayerNode
from cnvlutin2.network.onnx_quantised import QuantisedLayer
from cnvlutin2.numeric import fraction_bits, largest_magnitude, quantise

Integers = dict[Feed, NDArray[np.int16]]


@dataclass(eq=False)
class Run:
    """One run: what it is given, and what it has found so far."""

    inputs: Inputs
    numeric: Numeric
    size: int  # images that the model takes at a time
    ranges: Ranges = field(default_factory=Ranges)
    float_answers: list[NDArray[np.int64]] = field(default_factory=list)
    answers: list[NDArray[np.int64]] = field(default_factory=list)

    def may_prune(self) -> bool:
        """Whether the network may have to be executed quantised (thresholds in real units are known after calibration)."""

        def beyond(thresholds: Thresholds) -> bool:
            every = [*thresholds.layers.values(), *([thresholds.default] if thresholds.default else [])]
            return any(threshold.real or threshold.value > 1 for threshold in every)

        return self.numeric.quantised or beyond(self.numeric.thresholds) or beyond(self.numeric.weight_thresholds)

    def fracs(self) -> dict[str, int]:
        """Return the fraction bits of the layers' inputs."""
        return {tensor: fraction_bits(largest, self.numeric.data_bits) for tensor, largest in self.ranges.max_abs.items()}

    def accuracy(self) -> Accuracy | None:
        """Return how the network classified; None if it does not, or there is nothing to compare with."""
        reference = np.concatenate(self.float_answers)
        labels = self.inputs.labels
        if (reference < 0).any() or (labels is None and not self.answers):
            return None
        executed = np.concatenate(self.answers) if self.answers else reference
        return Accuracy(
            images=len(reference),
            agree=int((executed == reference).sum()) if self.answers else None,
            correct=None if labels is None else int((executed == labels).sum()),
            float_correct=None if labels is None else int((reference == labels).sum()),
        )


def emptied(held: list[Captured]) -> Iterator[Captured]:
    """Yield and let go of each."""
    held.reverse()
    while held:
        yield held.pop()


def answers(output: Any, images: int) -> NDArray[np.int64]:
    """Return the top-1 class of every image; -1 if the output is not one score a class, ``[N, K]`` or ``[N, K, 1, 1]``."""
    classifies = (
        isinstance(output, np.ndarray)
        and output.ndim >= 2
        and output.shape[0] == images
        and output.shape[1] > 1
        and output[0, 0].size == 1
    )
    if not classifies or output.dtype.kind != "f":
        return np.full(images, -1)
    answers: NDArray[np.int64] = output.reshape(images, -1).argmax(axis=1)
    return answers


def quantised_weights(
    constants: Constants, nodes: Sequence[LayerNode], numeric: Numeric
) -> dict[str, tuple[NDArray[np.int16], int]]:
    """Return every layer's quantised weights ``[Co, Cg, Kh, Kw]`` and their fraction bits, by the layer's name."""
    weights = {}
    for node in nodes:
        filters = node.filters(constants)
        largest = largest_magnitude(filters)
        if not np.isfinite(largest):
            raise NetworkError(
                f"layer {node.name!r}: its weights {node.weight!r} are infinite or not numbers; export the model again"
            )
        frac = fraction_bits(largest, numeric.data_bits)
        weights[node.name] = (quantise(filters, frac, numeric.data_bits), frac)
    return weights


def at_scale(nodes: Sequence[LayerNode], weights: Mapping[str, tuple[NDArray[np.int16], int]], run: Run) -> list[QuantisedLayer]:
    """Return the layers at their scales and under their thresholds."""
    layers, fracs = [], run.fracs()
    for node in nodes:
        filters, weight_frac = weights[node.name]
        frac = fracs[node.activation]
        threshold, weight_threshold = (
            found.in_lsbs(scale) if found else 1
            for found, scale in (
                (run.numeric.thresholds.of(node.name), frac),
                (run.numeric.weight_thresholds.of(node.name), weight_frac),
            )
        )
        layers.append(QuantisedLayer(node, frac, threshold, filters, weight_frac, weight_threshold))
    return layers


def assemble(layers: Sequence[QuantisedLayer], ranges: Ranges, first_image: int, gathered: Integers) -> Iterator[Layer]:
    """Yield a batch's layers, letting go of activations that no later one reads."""
    last = {feed_of(layer.node): index for index, layer in enumerate(layers)}
    for index, layer in enumerate(layers):
        node = layer.node
        feed = feed_of(node)
        activations = gathered.pop(feed) if last[feed] == index else gathered[feed]
        height, width = activations.shape[2:]
        yield Layer(
            name=node.name,
            activations=activations,
            weights=layer.weights,
            strides=node.strides,
            pads=resolved_pads(node, height, width),
            dilations=node.dilations,
            groups=node.groups,
            threshold=layer.threshold,
            weight_threshold=layer.weight_threshold,
            first=node.first,
            kind=kind_of(node, ranges.ranks[node.activation], width),
            activation_frac=layer.frac,
            weight_frac=layer.weight_frac,
            first_image=first_image,
        )
