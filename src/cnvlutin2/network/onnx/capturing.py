"""Executing an ONNX graph with its layers' inputs captured.

Images are executed one at a time (in as many copies as a fixed batch wants), so that what is captured of an image depends on
nothing but the image, and memory is bounded whatever the number of images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError, UnsupportedLayer
from cnvlutin2.network.attribution import ImageRows, RowOwners, probes
from cnvlutin2.network.gathering import Captured, Feed
from cnvlutin2.network.image_batches import ImageBatch
from cnvlutin2.network.left_out import LeftOut
from cnvlutin2.network.onnx.graph import LayerNode
from cnvlutin2.network.onnx.model_file import OnnxModel
from cnvlutin2.network.onnx.node_geometry import as_activations, node_macs, rows_of, view_of
from cnvlutin2.network.onnx.ort_session import ORT_ERRORS, OrtSession, open_session
from cnvlutin2.network.onnx.quantised_graph import Added
from cnvlutin2.network.onnx.tensors import FLOATS, first_line
from cnvlutin2.network.reused_memory import Tensors


def feed_of(node: LayerNode) -> Feed:
    """Return what feeds a layer."""
    return node.activation, view_of(node)


def answer_output(graph: onnx.GraphProto) -> str:
    """Return the output that holds the scores: the first that is declared as ``[N, K]`` or ``[N, K, 1, 1]``, else the first."""
    for value in graph.output:
        tensor = value.type.tensor_type
        rest = [dim.dim_value for dim in tensor.shape.dim][1:]  # 0: left open
        if tensor.elem_type in FLOATS and rest and rest[0] != 1 and all(size == 1 for size in rest[1:]):
            return str(value.name)
    return str(graph.output[0].name)


class CapturingSession:
    """A session on a model with its layers' inputs as added outputs.

    Parameters
    ----------
    model : OnnxModel
        Its graph is given the outputs; it can be dropped afterwards.
    nodes : sequence of LayerNode
    added : Added, optional
        Of a rewritten graph: what to capture of a layer's input instead of itself.
    threads : int
        Of onnxruntime; 0: the processors that this process may use.
    counted : sequence of str
        Tensors whose shapes will be asked for.
    """

    def __init__(
        self,
        model: OnnxModel,
        nodes: Sequence[LayerNode],
        added: Added | None = None,
        threads: int = 0,
        counted: Sequence[str] = (),
    ) -> None:
        graph = model.proto.graph
        self._source = model.path
        self._input = graph.input[0].name
        self._output = answer_output(graph)
        tensors = dict.fromkeys(node.activation for node in nodes)  # in order, each once
        self._captured = {t: added.integers[t] if added else t for t in tensors}
        self._checks = {t: added.checks[t] for t in tensors} if added else {}
        self._wanted = list(dict.fromkeys([self._output, *self._captured.values(), *self._checks.values()]))
        self._wanted = [name for name in self._wanted if name != self._input]
        constant = {tensor.name for tensor in graph.initializer}
        self._counted = [name for name in dict.fromkeys(counted) if name != self._input and name not in constant]
        present = {value.name for value in graph.output}
        for wanted in dict.fromkeys([*self._wanted, *self._counted]):
            if wanted not in present:
                graph.output.add(name=wanted)
        self._session: OrtSession = open_session(model, threads)

    def run(self, values: NDArray[np.generic], name: str, room: Tensors | None = None) -> tuple[NDArray[Any], Tensors]:
        """Run copies of an image; return the model's scores and the captured tensors, in `room` if it is given (see `room_like`).

        Raises
        ------
        NetworkError
            If onnxruntime cannot, or a check says that a value is not finite; names the image.
        """
        outputs = self._run(self._wanted, values, name, room)
        found = dict(zip(self._wanted, outputs, strict=True)) | {self._input: values}
        for tensor, check in self._checks.items():
            if not np.isfinite(found[check]).all():
                what = f"quantised and pruned, {tensor!r} is infinite or not a number for {name}"
                raise NetworkError(f"{self._source}: {what}; lower the thresholds")
        return found[self._output], {tensor: found[captured] for tensor, captured in self._captured.items()}

    def shapes(self, values: NDArray[np.generic], name: str) -> dict[str, tuple[int, ...]]:
        """Run copies of an image; return the shapes of the tensors that are counted.

        Raises
        ------
        NetworkError
            If onnxruntime cannot; names the image.
        """
        if not self._counted:
            return {self._input: values.shape}
        outputs = self._run(self._counted, values, name)
        return {tensor: np.shape(found) for tensor, found in zip(self._counted, outputs, strict=True)} | {
            self._input: values.shape
        }

    def _run(
        self, wanted: Sequence[str], values: NDArray[np.generic], name: str, room: Tensors | None = None
    ) -> list[NDArray[Any]]:
        try:
            if room is None:
                return self._session.run(wanted, {self._input: values})
            places = {self._captured[tensor]: array for tensor, array in room.items()}
            return self._session.run_into({each: places.get(each) for each in wanted}, {self._input: values})
        except ORT_ERRORS as error:
            raise NetworkError(f"{self._source}: onnxruntime cannot run {name}: {first_line(error)}") from None


def image_rows(
    session: CapturingSession, nodes: Sequence[LayerNode], tensors: Tensors, batch: ImageBatch
) -> dict[Feed, ImageRows | UnsupportedLayer]:
    """Return where the rows of an image lie in what feeds the layers, or why that cannot be told.

    Parameters
    ----------
    session : CapturingSession
        Runs changed batches too, if the model takes several images at once.
    nodes : sequence of LayerNode
    tensors : Tensors
        Captured of the batch.
    batch : ImageBatch
    """
    images = len(batch.values)
    feeds = {feed_of(node): node for node in nodes}
    if images == 1:
        return {feed: ImageRows(1, 1) for feed in feeds}
    owners = {feed: RowOwners(rows_of(node, tensors[node.activation]), images) for feed, node in feeds.items()}
    for probe in probes(batch.values):
        try:
            _, changed = session.run(probe.values, batch.name)
        except NetworkError:  # of values that the model does not take; then this round shows nothing
            continue
        for feed, node in feeds.items():
            owners[feed].compare(probe, rows_of(node, changed[node.activation]))
    return {feed: _found(owner) for feed, owner in owners.items()}


def _found(owners: RowOwners) -> ImageRows | UnsupportedLayer:
    try:
        return owners.image_rows()
    except UnsupportedLayer as reason:
        return reason


def part_by_fit(
    nodes: Sequence[LayerNode], tensors: Tensors, rows: Mapping[Feed, ImageRows | UnsupportedLayer], images: int
) -> tuple[list[LayerNode], list[LeftOut]]:
    """Part the layers by whether what they see can be told apart by image, which shows only when they run."""
    fit: list[LayerNode] = []
    left_out: list[LeftOut] = []
    for node in nodes:
        own = rows[feed_of(node)]
        try:
            if isinstance(own, UnsupportedLayer):
                raise own
            as_activations(node, own.of(rows_of(node, tensors[node.activation])))
            fit.append(node)
        except UnsupportedLayer as reason:
            macs = node_macs(node, tensors[node.activation])
            left_out.append(LeftOut(node.name, node.op, str(reason), None if macs % images else macs // images))
    return fit, left_out


def layer_activations(
    nodes: Sequence[LayerNode], tensors: Mapping[str, NDArray[Any]], rows: Mapping[Feed, ImageRows]
) -> Captured:
    """Return what the layers see of an image."""
    feeds = {feed_of(node): node for node in nodes}  # of each feed any node: they look at it alike
    return {feed: as_activations(node, rows[feed].of(rows_of(node, tensors[feed[0]]))) for feed, node in feeds.items()}
