"""Which nodes of an ONNX graph are layers, and which multiply but are left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from cnvlutin2.errors import UnsupportedLayer
from cnvlutin2.network.left_out import LeftOut
from cnvlutin2.network.onnx.constant_tensors import Constants
from cnvlutin2.network.onnx.mac_counts import CountedNode, counted_node
from cnvlutin2.network.onnx.model_file import unique_names
from cnvlutin2.network.onnx.operators import INTEGERS, ONNX_DOMAINS, TWO_ACTIVATIONS, multiplies_nothing, reason_left_out

CONSTANTS = "multiplies constants: it does not depend on the network's input"


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
        The tensors that it multiplies; of an activation that came through an Identity, the one before.
    shape : tuple of int
        Of the weights as the node takes them.
    first : bool
        Whether its input is the network's, with no convolution or matrix product between.
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


@dataclass(frozen=True, eq=False)
class LeftOutNode:
    """A node that is left out, and what it takes to count its multiply-accumulates.

    Parameters
    ----------
    left_out : LeftOut
    counted : CountedNode or None
        None where it cannot be counted, or has been.
    constant_shapes : mapping of str to tuple of int
        Of its constant inputs.
    """

    left_out: LeftOut
    counted: CountedNode | None = None
    constant_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def with_macs(self, shapes: Mapping[str, tuple[int, ...]], images: int) -> LeftOut:
        """Return what is left out, its multiply-accumulates counted from the shapes in an execution of some images."""
        macs = self.counted.macs({**shapes, **self.constant_shapes}) if self.counted else None
        return self.left_out if macs is None or macs % images else replace(self.left_out, macs=macs // images)


def find_layers(graph: onnx.GraphProto, constants: Constants) -> tuple[list[LayerNode], list[LeftOutNode]]:
    """Return the layers of a graph in execution order, and the nodes that multiply, or may, but are not simulated."""
    names = unique_names(graph)
    untouched, behind = {value.name for value in graph.input}, set[str]()  # by any product; behind one, on whatever way
    copied: dict[str, str] = {}  # what an Identity gives another name
    layers: list[LayerNode] = []
    left_out: list[LeftOutNode] = []
    for index, node in enumerate(graph.node):
        inner = list(_nested(node, names[index], constants))
        if not multiplies_nothing(node):
            try:
                layer = _layer(node, index, names[index], constants)
                first = layer.activation in untouched
                layers.append(replace(layer, first=first, activation=copied.get(layer.activation, layer.activation)))
            except UnsupportedLayer as reason:
                left_out.append(_left_out(node, names[index], str(reason), constants))
            behind.update(node.output)
        elif inner or behind.intersection(node.input):
            behind.update(node.output)
        elif untouched.intersection(node.input):
            untouched.update(node.output)
        if node.op_type == "Identity" and node.domain in ONNX_DOMAINS:
            copied[node.output[0]] = copied.get(node.input[0], node.input[0])
        left_out += inner
    return layers, left_out


def _left_out(node: onnx.NodeProto, name: str, reason: str, constants: Constants) -> LeftOutNode:
    shapes = {tensor: constants.value(tensor).shape for tensor in node.input if tensor in constants}
    if shapes and len(shapes) == len({tensor for tensor in node.input if tensor}):
        return LeftOutNode(LeftOut(name, node.op_type, CONSTANTS, 0))
    held = _held_weights(shapes) if reason_left_out(node) else ""
    return LeftOutNode(LeftOut(name, node.op_type, reason + held), counted_node(node), shapes)


def _held_weights(shapes: Mapping[str, tuple[int, ...]]) -> str:
    weights = [repr(tensor) for tensor, shape in shapes.items() if len(shape) > 1]
    return f"; it holds constant weights: {', '.join(weights)}" if weights else ""


def _nested(node: onnx.NodeProto, name: str, constants: Constants) -> Iterator[LeftOutNode]:
    """Yield the nodes that multiply, or may, inside the bodies of If, Loop, Scan and the like."""
    for attribute in node.attribute:
        for body in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
            own_shapes = {tensor.name: tuple(tensor.dims) for tensor in body.initializer}
            for inner, own in zip(body.node, unique_names(body), strict=True):
                within = f"{name}/{attribute.name}/{own}"
                if not multiplies_nothing(inner):
                    reason = f"it runs inside the body of {node.op_type} {name!r}, whose executions are not looked into"
                    outer = {tensor: constants.value(tensor).shape for tensor in inner.input if tensor in constants}
                    held = {tensor: shape for tensor, shape in {**outer, **own_shapes}.items() if tensor in inner.input}
                    yield LeftOutNode(LeftOut(within, inner.op_type, reason + _held_weights(held)))
                yield from _nested(inner, within, constants)


def _layer(node: onnx.NodeProto, index: int, name: str, constants: Constants) -> LayerNode:
    """Describe a multiplying node as a layer.

    Raises
    ------
    UnsupportedLayer
        Says why it has no meaning here.
    """
    known_reason = reason_left_out(node)
    if known_reason is not None:
        raise UnsupportedLayer(known_reason)
    left, right = node.input[:2]
    if left in constants and right in constants:
        raise UnsupportedLayer(CONSTANTS)
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
