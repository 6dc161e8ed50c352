"""Reading an ONNX file safely, its large weights apart from its graph.

A model is read into a small graph and a dictionary of arrays. onnxruntime is handed the arrays one by one, so that models
beyond protobuf's 2 GiB work and no serialised copy of the weights is ever made; the arrays are dropped once it has its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import onnx
import onnx.checker
import onnx.defs
import onnx.inliner
from numpy.typing import NDArray
from onnx import numpy_helper

from cnvlutin2.errors import NetworkError
from cnvlutin2.network.onnx.node_order import names_read, sort_nodes
from cnvlutin2.network.onnx.operators import ONNX_DOMAINS
from cnvlutin2.network.onnx.tensors import FLOATS, embedded, empty, external, first_line, placeholder, tensor_bytes, unfolded

MAX_BYTES = 1 << 31
"""Of a serialised protobuf message."""
LARGE_BYTES = 1024
"""From this size on, a floating-point initialiser is kept apart from the graph."""


@dataclass(eq=False)
class OnnxModel:
    """A model's graph and its weights.

    Parameters
    ----------
    path : Path
    proto : onnx.ModelProto
        Checked; its large initialisers are marked as external and hold no data.
    weights : dict of str to array
        The large initialisers by name, in the model's own floating-point dtypes; read-only views where possible.
    hashes : mapping of str to str
        SHA-256 of the file, and of the files of external data, by name.
    """

    path: Path
    proto: onnx.ModelProto
    weights: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)

    def set_weight(self, name: str, array: NDArray[np.generic]) -> None:
        """Add a large initialiser, or replace it."""
        if name not in self.weights:
            self.proto.graph.initializer.append(placeholder(name, array))
        self.weights[name] = array

    def drop_unused(self) -> None:
        """Drop the initialisers that nothing reads: onnxruntime does not look for them."""
        graph = self.proto.graph
        read = names_read(graph)
        kept = [tensor for tensor in graph.initializer if tensor.name in read]
        if len(kept) < len(graph.initializer):
            del graph.initializer[:]
            graph.initializer.extend(kept)
            self.weights = {name: array for name, array in self.weights.items() if name in read}


def read_model(path: Path | str) -> OnnxModel:
    """Read and check an ONNX model.

    Raises
    ------
    NetworkError
        If the file cannot be read, is not a valid model, or keeps data outside its own folder.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise NetworkError(f"{path}: is not a file; give an ONNX file")
        if path.stat().st_size > MAX_BYTES:
            raise NetworkError(f"{path}: is larger than any ONNX file, 2 GiB; keep its weights as external data")
        data = path.read_bytes()
    except OSError as error:
        raise NetworkError(f"{path}: cannot be read: {error.strerror or error}; give an ONNX file") from None
    hashes = {path.name: hashlib.sha256(data).hexdigest()}
    try:
        proto = onnx.ModelProto.FromString(data)
    except Exception:  # noqa: BLE001 - protobuf's DecodeError; protobuf is onnx's dependency, not ours
        raise NetworkError(f"{path}: is not an ONNX model, or is truncated; export it again") from None
    del data
    if not proto.HasField("graph"):
        raise NetworkError(f"{path}: is not an ONNX model: it holds no graph; export it again")
    _check_versions(path, proto)
    for tensor in _tensors_inside(proto.graph.node, *(function.node for function in proto.functions)):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.raw_data = np.ascontiguousarray(external(path, tensor, hashes)).tobytes()
            tensor.data_location = onnx.TensorProto.DEFAULT
            del tensor.external_data[:]
    sort_nodes(proto)
    weights = _take_weights(path, proto.graph, hashes)
    # Messages free their memory only when they die: go on with a copy of what is left.
    proto = onnx.ModelProto.FromString(proto.SerializeToString())
    _check(path, proto)
    if proto.functions:
        proto = onnx.inliner.inline_local_functions(proto)
    for node, name in zip(proto.graph.node, unique_names(proto.graph), strict=True):
        node.name = name if node.name else ""  # onnxruntime refuses repeated names
    _mark_external(proto.graph, weights)
    _make_initialisers_constant(proto)
    return OnnxModel(path, proto, weights, hashes)


class ModelFile:
    """A model's file, from which every run takes a model of its own.

    The first run gets the model that was read when the file was opened, others read it again: runs change their graphs, and
    a model that is kept beside onnxruntime's copy would double the memory.

    Parameters
    ----------
    model : OnnxModel
        As it was read.
    """

    def __init__(self, model: OnnxModel) -> None:
        self.path, self.hashes = model.path, dict(model.hashes)
        self._kept = [model]

    def take(self) -> OnnxModel:
        """Return a model that nobody else has.

        Raises
        ------
        NetworkError
            If the file has changed since it was opened.
        """
        try:
            model = self._kept.pop()  # in one step, should two threads ask
        except IndexError:
            model = read_model(self.path)
        if model.hashes != self.hashes:
            raise NetworkError(f"{self.path}: has changed since it was opened; run again")
        return model

    def put_back(self, model: OnnxModel) -> None:
        """Take back a model that was looked at only."""
        self._kept.append(model)


def unique_names(graph: onnx.GraphProto) -> list[str]:
    """Return a name of its own for every node: the node's, else its first output's; a number is added to repeated ones."""
    own = {node.name for node in graph.node}
    taken: set[str] = set()
    names = []
    for node in graph.node:
        base = node.name or next((name for name in node.output if name), node.op_type)
        name, number = base, 1
        while name in taken or (name in own and name != node.name):
            number += 1
            name = f"{base}#{number}"
        taken.add(name)
        names.append(name)
    return names


def _check_versions(path: Path, proto: onnx.ModelProto) -> None:
    opset = max((entry.version for entry in proto.opset_import if entry.domain in ONNX_DOMAINS), default=0)
    known_opset = onnx.defs.onnx_opset_version()
    for what, version, known in (("IR version", proto.ir_version, onnx.IR_VERSION), ("opset", opset, known_opset)):
        if version > known:
            raise NetworkError(
                f"{path}: its {what} {version} is newer than onnx {onnx.__version__} knows ({known}); upgrade onnx"
            )


def _check(path: Path, proto: onnx.ModelProto) -> None:
    checked = onnx.ModelProto.FromString(proto.SerializeToString())
    for value in checked.graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.shape.SetInParent()  # the checker wants one; onnxruntime and we infer it
    try:
        onnx.checker.check_model(checked)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise NetworkError(f"{path}: is not a valid ONNX model: {first_line(error)}; export it again") from None
    if not proto.graph.output:
        raise NetworkError(f"{path}: is not a valid ONNX model: it has no output; export it again")


def _tensors_inside(*bodies: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    """Yield the tensors that are not initialisers of the main graph: in attributes and in nested graphs."""
    for node in chain(*bodies):
        for attribute in node.attribute:
            sparse_tensors = (attribute.sparse_tensor, *attribute.sparse_tensors)
            for graph in (attribute.g, *attribute.graphs):
                yield from graph.initializer
                yield from _tensors_inside(graph.node)
                sparse_tensors += tuple(graph.sparse_initializer)
            yield from (attribute.t, *attribute.tensors)
            yield from (part for sparse in sparse_tensors for part in (sparse.values, sparse.indices))


def _take_weights(path: Path, graph: onnx.GraphProto, hashes: dict[str, str]) -> dict[str, NDArray[np.generic]]:
    """Move the large initialisers out of the graph; unfold sparse ones."""
    weights: dict[str, NDArray[np.generic]] = {}
    for tensor in graph.initializer:
        outside = tensor.data_location == onnx.TensorProto.EXTERNAL
        if outside or (tensor.data_type in FLOATS and tensor_bytes(tensor) >= LARGE_BYTES):
            array = external(path, tensor, hashes) if outside else embedded(path, tensor)
            small = numpy_helper.from_array(array, tensor.name) if tensor.data_type not in FLOATS else empty(tensor)
            if tensor.data_type in FLOATS:
                weights[tensor.name] = array
            tensor.CopyFrom(small)
    for sparse in graph.sparse_initializer:
        array = unfolded(path, sparse, hashes)
        weights[sparse.values.name] = array
        graph.initializer.append(empty(onnx.TensorProto(name=sparse.values.name, data_type=sparse.values.data_type)))
    del graph.sparse_initializer[:]
    return weights


def _mark_external(graph: onnx.GraphProto, weights: Mapping[str, NDArray[np.generic]]) -> None:
    for tensor in graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(placeholder(tensor.name, weights[tensor.name]))


def _make_initialisers_constant(proto: onnx.ModelProto) -> None:
    """Take the initialisers out of the graph's inputs, where old models list them: they are defaults that nobody overrides."""
    names = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in names]
    del proto.graph.input[:]
    proto.graph.input.extend(inputs)
    proto.ir_version = max(proto.ir_version, 4)  # the first in which initialisers need not be inputs
