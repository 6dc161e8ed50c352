"""The quantised network: an ONNX graph rewritten to compute with the integers that the hardware sees.

Before every layer its input is rounded to integers, the ineffectual ones are zeroed, and the rest goes on at its own scale;
its weights are replaced in the same way. What pruning changes thus reaches all later layers and the network's answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cnvlutin2.network.calibration import Scales
from cnvlutin2.network.onnx.graph import LayerNode
from cnvlutin2.network.onnx.model_file import OnnxModel
from cnvlutin2.network.onnx.node_geometry import as_stored
from cnvlutin2.numeric import effectual, limits

PREFIX = "cnvlutin2:"
"""Of the tensors that are added to a graph: no exporter names its own so."""
ROUND_OPSET = 11
"""From this opset on there is a Round, and Clip takes its limits as inputs."""
LARGEST_EXPONENT = 120
"""Powers of two up to this one are normal numbers in float32, up and down; larger scales take two steps."""


@dataclass(frozen=True, eq=False)
class QuantisedLayer:
    """A layer as it is executed.

    Parameters
    ----------
    node : LayerNode
    weights : int16 array, ``[Co, Cg, Kh, Kw]``
    scales : Scales
    """

    node: LayerNode
    weights: NDArray[np.int16]
    scales: Scales


@dataclass(frozen=True)
class Added:
    """Tensors that a rewritten graph has besides its own, by the tensor that they are made from.

    Parameters
    ----------
    integers : dict of str to str
        int16: the integers before thresholds.
    checks : dict of str to str
        One number: 0 if all values are finite, not a number otherwise.
    thresholds : dict of str to (str, dtype)
        By a layer's name, the input that takes one less than its threshold, and its type, where thresholds are open.
    """

    integers: dict[str, str] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    thresholds: dict[str, tuple[str, np.dtype[np.generic]]] = field(default_factory=dict)


def rewrite(
    model: OnnxModel,
    layers: Sequence[QuantisedLayer],
    dtypes: Mapping[str, np.dtype[np.generic]],
    bits: int,
    *,
    open_thresholds: bool = False,
) -> Added:
    """Rewrite a model in place so that its layers compute with quantised values.

    Parameters
    ----------
    model : OnnxModel
    layers : sequence of QuantisedLayer
    dtypes : mapping of str to dtype
        Of the tensors that the layers take in.
    bits : int
        Width of the integers.
    open_thresholds : bool
        Leave the activations' thresholds open: they become inputs of the graph (`Added.thresholds`), whatever the layers' are.

    Returns
    -------
    Added
        The names of what can be captured.
    """
    graph = model.proto.graph
    opset = next((entry.version for entry in model.proto.opset_import if entry.domain in {"", "ai.onnx"}), 1)
    added = Added()
    thresholded: dict[tuple[str, int | str], str] = {}
    before: dict[int, list[onnx.NodeProto]] = {}
    for layer in layers:
        node = graph.node[layer.node.index]
        tensor = layer.node.activation
        writer = _Writer(tensor, layer.node.index, layer.scales.frac, dtypes[tensor], opset)
        if tensor not in added.integers:
            added.integers[tensor] = writer.to_integers(bits)
            added.checks[tensor] = writer.check
        key = (tensor, layer.node.name if open_thresholds else layer.scales.threshold)
        if key not in thresholded:
            thresholded[key] = writer.to_real(None if open_thresholds else layer.scales.threshold)
        if open_thresholds:
            added.thresholds[layer.node.name] = graph_input(graph, writer.open_threshold, writer.work), writer.work
        before[layer.node.index] = writer.nodes
        graph.initializer.extend(writer.constants)
        weights = f"{PREFIX}weights:{layer.node.index}"
        node.input[0], node.input[1] = (weights, thresholded[key]) if layer.node.constant_first else (thresholded[key], weights)
        model.set_weight(weights, _real_weights(layer, writer.dtype))
        for attribute in node.attribute:
            if attribute.name == "alpha":
                attribute.f = 1.0
    nodes = [new for index, node in enumerate(graph.node) for new in (*before.get(index, ()), node)]
    ordered = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(ordered)
    return added


def _real_weights(layer: QuantisedLayer, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    kept = np.where(effectual(layer.weights, layer.scales.weight_threshold), layer.weights, 0)
    return as_stored(layer.node, np.ldexp(kept.astype(np.float64), -layer.scales.weight_frac).astype(dtype))


def graph_input(graph: onnx.GraphProto, name: str, dtype: np.dtype[np.generic]) -> str:
    """Give a graph an input that takes one number, and return its name."""
    graph.input.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), []))
    return name


class _Writer:
    """Writes the nodes that quantise one tensor for the node that reads it first: opset 7 and later, float16 to float64."""

    def __init__(self, tensor: str, reader: int, frac: int, dtype: np.dtype[np.generic], opset: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.check = ""
        self.dtype = dtype
        self._tensor, self._reader, self._frac, self._opset = tensor, reader, frac, opset
        # float16 has neither the range nor the precision for 16-bit integers.
        self.work = np.dtype(np.float64 if dtype == np.float64 else np.float32)

    def to_integers(self, bits: int) -> str:
        """Scale, saturate, round half to even; return the name of the int16 tensor."""
        value = self._tensor
        if self.dtype != self.work:
            value = self._node("Cast", [value], to=helper.np_dtype_to_tensor_dtype(self.work))
        zeros = self._node("Mul", [value, self._constant("zero", 0.0)])
        self.check = self._node("ReduceSum", [zeros], output=self._name("check"))
        value = self._scaled(value, self._frac)
        low, high = limits(bits)  # integers: saturating before rounding gives what saturating after it does
        if self._opset >= ROUND_OPSET:
            value = self._node("Clip", [value, self._constant("low", low), self._constant("high", high)])
            value = self._node("Round", [value])
        else:
            # Adding 1.5 * 2^(digits of the mantissa) leaves no bit for a fraction: the sum is rounded half to even.
            magic = 1.5 * 2.0 ** np.finfo(str(self.work)).nmant
            value = self._node("Clip", [value], min=float(low), max=float(high))
            value = self._node("Add", [value, self._constant("magic", magic)])
            value = self._node("Sub", [value, self._constant("magic", magic)])
        rounded = self._node("Identity", [value], output=self._name("rounded"))
        return self._node("Cast", [rounded], output=self._name("integers"), to=TensorProto.INT16)

    @property
    def open_threshold(self) -> str:
        """The name of the input that takes one less than the threshold, where it is open."""
        return f"{PREFIX}threshold:{self._reader}"

    def to_real(self, threshold: int | None) -> str:
        """Zero what is below a threshold (None: an open one), return to the tensor's scale and type; return the result's name."""
        value = self._name("rounded")
        if threshold is None or threshold > 1:
            magnitude = self._node("Abs", [value])
            below = self.open_threshold if threshold is None else self._constant("threshold", threshold - 1)
            mask = self._node("Greater", [magnitude, below])
            factor = self._node("Cast", [mask], to=helper.np_dtype_to_tensor_dtype(self.work))
            value = self._node("Mul", [value, factor])
        value = self._scaled(value, -self._frac)
        if self.dtype != self.work:
            value = self._node("Cast", [value], to=helper.np_dtype_to_tensor_dtype(self.dtype))
        return value

    def _scaled(self, value: str, exponent: int) -> str:
        """Multiply by a power of two: exactly, so in steps that are normal numbers themselves."""
        while exponent:
            step = int(math.copysign(min(abs(exponent), LARGEST_EXPONENT), exponent))
            value = self._node("Mul", [value, self._constant("scale", 2.0**step)])
            exponent -= step
        return value

    def _name(self, what: str) -> str:
        return f"{PREFIX}{what}:{self._tensor}"

    def _node(self, op: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        output = output or f"{PREFIX}{op}:{self._reader}:{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def _constant(self, what: str, value: float) -> str:
        name = f"{PREFIX}{what}:{self._reader}:{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, self.work), name))
        return name
