"""Executing an ONNX graph with its layers' inputs captured.

Images are executed one at a time (in as many copies as a fixed batch wants), so that what is captured of an image depends on
nothing but the image, and memory is bounded whatever the number of images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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


class Captures:
    """What is captured of a graph: its layers' inputs, which it is given as outputs.

    Parameters
    ----------
    model : OnnxModel
        Its graph is given the outputs.
    nodes : sequence of LayerNode
    added : Added, optional
        Of a rewritten graph: what to capture of a layer's input instead of itself.
    counted : sequence of str
        Tensors whose shapes will be asked for.

    Attributes
    ----------
    input, output : str
        The graph's input, and the output that holds the scores.
    captured, checks : dict of str to str
        By a layer's input: what is captured of it, and what is finite only if it is.
    wanted, counted : list of str
        What is to be computed for these, and the tensors whose shapes will be asked for.
    """

    def __init__(
        self, model: OnnxModel, nodes: Sequence[LayerNode], added: Added | None = None, counted: Sequence[str] = ()
    ) -> None:
        graph = model.proto.graph
        self._source = model.path
        self.input = str(graph.input[0].name)
        self.output = answer_output(graph)
        tensors = dict.fromkeys(node.activation for node in nodes)  # in order, each once
        self.captured = {t: added.integers[t] if added else t for t in tensors}
        self.checks = {t: added.checks[t] for t in tensors} if added else {}
        wanted = dict.fromkeys([self.output, *self.captured.values(), *self.checks.values()])
        self.wanted = [name for name in wanted if name != self.input]
        constant = {tensor.name for tensor in graph.initializer}
        self.counted = [name for name in dict.fromkeys(counted) if name != self.input and name not in constant]
        present = {value.name for value in graph.output}
        for name in dict.fromkeys([*self.wanted, *self.counted]):
            if name not in present:
                graph.output.add(name=name)

    def of(self, found: Mapping[str, NDArray[Any]], name: str) -> Tensors:
        """Return the layers' inputs that are among what was computed of an image, its checks with them.

        Raises
        ------
        NetworkError
            If a check says that a value is not finite; names the image.
        """
        for tensor, check in self.checks.items():
            if check in found and not np.isfinite(found[check]).all():
                what = f"quantised and pruned, {tensor!r} is infinite or not a number for {name}"
                raise NetworkError(f"{self._source}: {what}; lower the thresholds")
        return {tensor: found[captured] for tensor, captured in self.captured.items() if captured in found}

    @contextmanager
    def complaining(self, name: str) -> Iterator[None]:
        """Make of onnxruntime's errors one that names the model and the image."""
        try:
            yield
        except ORT_ERRORS as error:
            raise NetworkError(f"{self._source}: onnxruntime cannot run {name}: {first_line(error)}") from None


class CapturingSession:
    """A session on a model with its layers' inputs as added outputs, all captured at once.

    Parameters
    ----------
    model : OnnxModel
        Its graph is given the outputs; it can be dropped afterwards.
    nodes, added, counted
        See `Captures`.
    threads : int
        Of onnxruntime; 0: the processors that this process may use.
    """

    def __init__(
        self,
        model: OnnxModel,
        nodes: Sequence[LayerNode],
        added: Added | None = None,
        threads: int = 0,
        counted: Sequence[str] = (),
    ) -> None:
        self._captures = Captures(model, nodes, added, counted)
        self._session: OrtSession = open_session(model, threads)

    def run(self, values: NDArray[np.generic], name: str, room: Tensors | None = None) -> tuple[NDArray[Any], Tensors]:
        """Run copies of an image; return the model's scores and the captured tensors, in `room` if it is given (see `room_like`).

        Raises
        ------
        NetworkError
            If onnxruntime cannot, or a check says that a value is not finite; names the image.
        """
        outputs = self._run(self._captures.wanted, values, name, room)
        found = dict(zip(self._captures.wanted, outputs, strict=True)) | {self._captures.input: values}
        return found[self._captures.output], self._captures.of(found, name)

    def shapes(self, values: NDArray[np.generic], name: str) -> dict[str, tuple[int, ...]]:
        """Run copies of an image; return the shapes of the tensors that are counted.

        Raises
        ------
        NetworkError
            If onnxruntime cannot; names the image.
        """
        found: dict[str, tuple[int, ...]] = {self._captures.input: values.shape}
        if self._captures.counted:
            outputs = self._run(self._captures.counted, values, name)
            found |= {tensor: np.shape(output) for tensor, output in zip(self._captures.counted, outputs, strict=True)}
        return found

    def _run(
        self, wanted: Sequence[str], values: NDArray[np.generic], name: str, room: Tensors | None = None
    ) -> list[NDArray[Any]]:
        with self._captures.complaining(name):
            if room is None:
                return self._session.run(wanted, {self._captures.input: values})
            places = {self._captures.captured[tensor]: array for tensor, array in room.items()}
            return self._session.run_into({each: places.get(each) for each in wanted}, {self._captures.input: values})


def image_rows(
    execute: Callable[[NDArray[np.generic]], Iterable[Tensors]],
    nodes: Sequence[LayerNode],
    parts: Iterable[Tensors],
    batch: ImageBatch,
) -> dict[Feed, ImageRows | UnsupportedLayer]:
    """Return where the rows of an image lie in what feeds the layers, or why that cannot be told.

    Parameters
    ----------
    execute : callable
        Runs changed batches too, if the model takes several images at once, and returns what is captured, part by part.
    nodes : sequence of LayerNode
    parts : iterable of Tensors
        Captured of the batch.
    batch : ImageBatch
    """
    images = len(batch.values)
    feeds = {feed_of(node): node for node in nodes}
    if images == 1:
        return {feed: ImageRows(1, 1) for feed in feeds}
    owners: dict[Feed, RowOwners] = {}
    for feed, rows in _rows_of_parts(parts, feeds):
        owners[feed] = RowOwners(rows, images)
    for probe in probes(batch.values):
        try:
            for feed, rows in _rows_of_parts(execute(probe.values), feeds):
                owners[feed].compare(probe, rows)
        except NetworkError:  # of values that the model does not take; then this round shows nothing, or less
            continue
    return {feed: _found(owner) for feed, owner in owners.items()}


def _rows_of_parts(parts: Iterable[Tensors], feeds: Mapping[Feed, LayerNode]) -> Iterator[tuple[Feed, NDArray[Any]]]:
    for tensors in parts:
        for feed, node in feeds.items():
            if node.activation in tensors:
                yield feed, rows_of(node, tensors[node.activation])


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
    """Return what the layers see of an image, of the tensors that are there."""
    feeds = {feed_of(node): node for node in nodes if node.activation in tensors}  # of each feed any: they look at it alike
    return {feed: as_activations(node, rows[feed].of(rows_of(node, tensors[feed[0]]))) for feed, node in feeds.items()}
