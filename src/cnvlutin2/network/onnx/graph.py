"""Which nodes of an ONNX graph are layers, and which multiply but are left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from cnvlutin2.errors import UnsupportedLayer
from cnvlutin2.network.left_out import LeftOut
from cnvlutin2.network.onnx.constant_tensors import Constants
from cnvlutin2.network.onnx.model_file import unique_names

ONNX_DOMAINS = frozenset({"", "ai.onnx"})
CLASSICAL_DOMAIN = "ai.onnx.ml"

INTEGERS = "multiplies integers that were quantised elsewhere; export the network in floating point or with QuantizeLinear pairs"
RECURRENT = "recurrent: its products depend on its own earlier outputs"
TWO_ACTIVATIONS = "multiplies two activations: it has no constant weights"
MULTIPLIERS = {
    "ConvTranspose": "transposed convolution",
    "DeformConv": "deformable convolution: it multiplies interpolated values",
    "ConvInteger": INTEGERS,
    "QLinearConv": INTEGERS,
    "MatMulInteger": INTEGERS,
    "QLinearMatMul": INTEGERS,
    "RNN": RECURRENT,
    "GRU": RECURRENT,
    "LSTM": RECURRENT,
    "Attention": TWO_ACTIVATIONS,
    "LinearAttention": TWO_ACTIVATIONS,
    "Einsum": "a general tensor contraction; export it as MatMul",
    "LinearClassifier": "its coefficients are attributes; export it as Gemm",
    "LinearRegressor": "its coefficients are attributes; export it as Gemm",
    "Conv": "",
    "Gemm": "",
    "MatMul": "",
}
"""Operations that multiply by weights, or two activations, and why they are left out; for the last three it depends."""


@dataclass(frozen=True)
class LayerNode:
    """A node that is a layer, and what its weights look like.

    Parameters
    ----------
    name : str
        The node's own, or derived from its output's.
    op : {"Conv", "Gemm", "MatMul"}
    index : int
        Of the node in the graph.
    activation, weight : str
        The tensors that it multiplies.
    shape : tuple of int
        Of the weights as the node takes them.
    first : bool
        Whether its input is the network's, with no convolution or matrix product between, and it is the first such layer.
    one_dimensional : bool
        Of a convolution: whether it is, and so takes a map of height 1.
    strides, dilations : (int, int)
        Vertical, horizontal.
    pads : (int, int, int, int)
        Top, left, bottom, right, if `auto_pad` is NOTSET.
    auto_pad : str
        NOTSET, VALID, SAME_UPPER or SAME_LOWER.
    kernel : (int, int)
    groups : int
    constant_first : bool
        Of a matrix product: whether its left factor is the constant, so that the columns of the right one are the windows.
    columns : bool
        Of a matrix product: whether the windows are the columns of the activations, as they are in the graph.
    filters_first : bool
        Of a matrix product: whether a filter is a row of the weights, as they are in the graph.
    alpha : float
        Of a Gemm, folded into the weights.
    """

    name: str
    op: Literal["Conv", "Gemm", "MatMul"]
    index: int
    activation: str
    weight: str
    shape: tuple[int, ...]
    first: bool = False
    one_dimensional: bool = False
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    auto_pad: str = "NOTSET"
    kernel: tuple[int, int] = (1, 1)
    groups: int = 1
    constant_first: bool = False
    columns: bool = False
    filters_first: bool = False
    alpha: float = 1.0

    def filters(self, constants: Constants) -> NDArray[np.floating]:
        """Return the real-valued weights as a layer has them, ``[Co, Cg, Kh, Kw]``, in the model's dtype or wider."""
        values = cast(NDArray[np.floating], constants.value(self.weight))
        if values.dtype not in (np.float32, np.float64):
            values = values.astype(np.float32)
        if self.op == "Conv":
            return values[:, :, None, :] if self.one_dimensional else values
        if values.ndim == 1:  # a single filter
            return values[None, :, None, None]
        matrix = values.reshape(values.shape[-2:])
        matrix = matrix if self.filters_first else matrix.T
        return (matrix if self.alpha == 1 else matrix * matrix.dtype.type(self.alpha))[:, :, None, None]


def find_layers(graph: onnx.GraphProto, constants: Constants) -> tuple[list[LayerNode], list[LeftOut]]:
    """Return the layers of a graph in execution order, and the nodes that multiply but are not simulated."""
    names = unique_names(graph)
    untouched = {value.name for value in graph.input}  # by any product so far
    layers: list[LayerNode] = []
    left_out: list[LeftOut] = []
    for index, node in enumerate(graph.node):
        inner = list(_nested(node, names[index]))
        if _multiplies(node, constants):
            try:
                layer = _layer(node, index, names[index], constants)
                first = layer.activation in untouched and not any(other.first for other in layers)
                layers.append(replace(layer, first=first))
            except UnsupportedLayer as reason:
                left_out.append(LeftOut(names[index], node.op_type, str(reason)))
        elif not inner and untouched.intersection(node.input):
            untouched.update(node.output)
        left_out += inner
    return layers, left_out


def _multiplies(node: onnx.NodeProto, constants: Constants) -> bool:
    if node.domain in ONNX_DOMAINS or node.domain == CLASSICAL_DOMAIN or node.op_type in MULTIPLIERS:
        return node.op_type in MULTIPLIERS
    # Of another domain: what it does with a constant matrix is not known, and must not go unnoticed.
    return any(name in constants and constants.value(name).ndim > 1 for name in node.input)


def _nested(node: onnx.NodeProto, name: str) -> Iterator[LeftOut]:
    """Yield the multiplying nodes inside the bodies of If, Loop, Scan and the like."""
    for attribute in node.attribute:
        for body in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
            for inner, own in zip(body.node, unique_names(body), strict=True):
                if inner.op_type in MULTIPLIERS:
                    yield LeftOut(
                        f"{name}/{attribute.name}/{own}", inner.op_type, f"it runs inside the body of {node.op_type} {name!r}"
                    )
                yield from _nested(inner, f"{name}/{attribute.name}/{own}")


def _layer(node: onnx.NodeProto, index: int, name: str, constants: Constants) -> LayerNode:
    """Describe a multiplying node as a layer.

    Raises
    ------
    UnsupportedLayer
        Says why it has no meaning here.
    """
    if node.domain not in ONNX_DOMAINS:
        raise UnsupportedLayer(MULTIPLIERS.get(node.op_type) or f"an operation of domain {node.domain!r} that is not known here")
    if MULTIPLIERS[node.op_type]:
        raise UnsupportedLayer(MULTIPLIERS[node.op_type])
    left, right = node.input[:2]
    if left in constants and right in constants:
        raise UnsupportedLayer("multiplies constants: it does not depend on the network's input")
    constant_first = left in constants and node.op_type != "Conv"
    activation, weight = (right, left) if constant_first else (left, right)
    if weight not in constants:
        raise UnsupportedLayer("its weights are not constant" if node.op_type == "Conv" else TWO_ACTIVATIONS)
    weights = constants.value(weight)
    if weights.dtype.kind in "iub":
        raise UnsupportedLayer(INTEGERS)
    shape = weights.shape
    plain = LayerNode(name, cast(Literal["Conv", "Gemm", "MatMul"], node.op_type), index, activation, weight, shape)
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type == "Conv":
        return _convolution(plain, shape, attributes)
    if max(shape[:-2], default=1) > 1:
        raise UnsupportedLayer(f"its constant is a stack of matrices, {list(shape)}; split it into one MatMul each")
    transposed = [bool(attributes.get(key, 0)) for key in ("transA", "transB")]
    return replace(
        plain,
        constant_first=constant_first,
        columns=not transposed[1] if constant_first else transposed[0],
        filters_first=not transposed[0] if constant_first else transposed[1],
        alpha=float(attributes.get("alpha", 1.0)),
    )


def _convolution(layer: LayerNode, shape: tuple[int, ...], attributes: dict[str, object]) -> LayerNode:
    if len(shape) not in (3, 4):
        raise UnsupportedLayer(f"{len(shape) - 2}-dimensional convolution")
    flat = len(shape) == 3

    def pair(key: str) -> tuple[int, int]:
        values = [int(v) for v in cast(list[int], attributes.get(key) or [1] * (len(shape) - 2))]
        return (1, values[0]) if flat else (values[0], values[1])

    pads = [int(v) for v in cast(list[int], attributes.get("pads") or [0] * 2 * (len(shape) - 2))]
    if min(pads) < 0:
        raise UnsupportedLayer(f"negative padding {pads}")
    return replace(
        layer,
        one_dimensional=flat,
        strides=pair("strides"),
        dilations=pair("dilations"),
        pads=(0, pads[0], 0, pads[1]) if flat else (pads[0], pads[1], pads[2], pads[3]),
        auto_pad=cast(bytes, attributes.get("auto_pad", b"NOTSET")).decode() or "NOTSET",
        kernel=(1, shape[2]) if flat else (shape[2], shape[3]),
        groups=int(cast(int, attributes.get("group", 1))),
    )
