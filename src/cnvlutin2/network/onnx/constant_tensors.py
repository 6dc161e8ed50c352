"""Which tensors of an ONNX graph do not depend on its input, and what they are."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from cnvlutin2.errors import NetworkError
from cnvlutin2.network.onnx.model_file import OnnxModel
from cnvlutin2.network.onnx.ort_session import ORT_ERRORS, open_session
from cnvlutin2.network.onnx.tensors import first_line

RANDOM = frozenset(
    {"Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
"""Not the same at each run (Dropout while training)."""


class Constants:
    """The constant tensors of a model: initialisers, Constant nodes, and what nodes make of constants alone.

    A weight may come through Identity, Transpose, Reshape, Cast, DequantizeLinear or any other such node; onnxruntime computes
    it, on a graph of only those nodes.

    Parameters
    ----------
    model : OnnxModel
    """

    def __init__(self, model: OnnxModel) -> None:
        self._model = model
        graph = model.proto.graph
        self._initialisers = {tensor.name: tensor for tensor in graph.initializer}
        self._makers: dict[str, int] = {}  # constant tensor -> the node that makes it
        known = set(self._initialisers)
        for index, node in enumerate(graph.node):
            inputs = [name for name in node.input if name]
            if is_constant_node(node) or (inputs and known.issuperset(inputs) and _is_pure(node)):
                outputs = [name for name in node.output if name]
                known.update(outputs)
                self._makers.update(dict.fromkeys(outputs, index))

    def __contains__(self, name: str) -> bool:
        return name in self._initialisers or name in self._makers

    def value(self, name: str) -> NDArray[np.generic]:
        """Return a constant's value.

        Raises
        ------
        NetworkError
            If it cannot be computed.
        """
        if name in self._model.weights:
            return self._model.weights[name]
        if name in self._initialisers:
            return np.asarray(numpy_helper.to_array(self._initialisers[name]))
        node = self._model.proto.graph.node[self._makers[name]]
        if node.op_type == "Identity":
            return self.value(node.input[0])
        return self._computed(name)

    def _computed(self, name: str) -> NDArray[np.generic]:
        """Run the nodes that make a constant."""
        nodes: set[int] = set()
        leaves: dict[str, onnx.TensorProto] = {}
        wanted = [name]
        while wanted:
            tensor = wanted.pop()
            if tensor in self._model.weights:
                leaves[tensor] = numpy_helper.from_array(np.ascontiguousarray(self._model.weights[tensor]), tensor)
            elif tensor in self._initialisers:
                leaves[tensor] = self._initialisers[tensor]
            elif self._makers[tensor] not in nodes:
                nodes.add(self._makers[tensor])
                wanted += [i for i in self._model.proto.graph.node[self._makers[tensor]].input if i]
        graph = helper.make_graph(
            [self._model.proto.graph.node[i] for i in sorted(nodes)],
            "constant",
            [],
            [onnx.ValueInfoProto(name=name)],
            list(leaves.values()),
        )
        part = onnx.ModelProto(ir_version=self._model.proto.ir_version, opset_import=self._model.proto.opset_import, graph=graph)
        try:
            (value,) = open_session(OnnxModel(self._model.path, part), threads=1).run([name], {})
        except ORT_ERRORS as error:
            raise NetworkError(f"{self._model.path}: constant {name!r} cannot be computed: {first_line(error)}") from None
        return np.asarray(value)


def is_constant_node(node: onnx.NodeProto) -> bool:
    """Whether a node holds a constant itself."""
    return node.op_type == "Constant" and node.domain in {"", "ai.onnx"}


def _is_pure(node: onnx.NodeProto) -> bool:
    """Whether equal inputs always give equal outputs, as far as can be told from outside."""
    nested = any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
    return node.op_type not in RANDOM and not nested
