"""Executing an ONNX graph segment by segment, what is captured handed over as it comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from cnvlutin2.network.onnx.capturing import Captures
from cnvlutin2.network.onnx.constant_tensors import Constants
from cnvlutin2.network.onnx.graph import LayerNode
from cnvlutin2.network.onnx.model_file import OnnxModel
from cnvlutin2.network.onnx.node_order import node_reads
from cnvlutin2.network.onnx.ort_session import OrtSession, OrtTensor, open_session
from cnvlutin2.network.onnx.quantised_graph import Added
from cnvlutin2.network.onnx.segments import Segment, cut, optimised
from cnvlutin2.network.reused_memory import Tensors, give_back

KEPT_OPEN = 16
"""Segments whose sessions stay open from one image to the next: each has threads of its own."""


class SegmentedSession:
    """Sessions on the segments of a model, its layers' inputs captured one after another.

    Parameters
    ----------
    model : OnnxModel
        Its graph is given the outputs; it can be dropped afterwards.
    nodes, added, counted
        See `Captures`.
    threads : int
        Of onnxruntime; 0: the processors that this process may use.
    sizes : mapping of str to int
        Bytes of the layers' inputs and of the scores, as far as they are known.

    Attributes
    ----------
    scores : array
        The model's, of the last image that ran to the end.
    shapes : dict of str to tuple of int
        Of the tensors that are counted, in the same run.
    """

    def __init__(
        self,
        model: OnnxModel,
        nodes: Sequence[LayerNode],
        added: Added | None = None,
        threads: int = 0,
        counted: Sequence[str] = (),
        *,
        sizes: Mapping[str, int],
    ) -> None:
        self.scores: NDArray[Any] = np.empty(0)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._captures = captures = Captures(model, nodes, added, counted)
        self._threads = threads
        self._model = optimised(model)
        ranks = dict.fromkeys([*captures.counted, *captures.wanted], len(captures.captured))
        for rank, (tensor, captured) in enumerate(captures.captured.items()):
            ranks |= dict.fromkeys([captured, *([captures.checks[tensor]] if captures.checks else [])], rank)
        graph = self._model.proto.graph
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._folded = {
            name: Constants(self._model).value(name) for name in ranks if name in self._constants
        }  # asked for, and turned out to be constant
        of_captured = {own: sizes.get(tensor, 0) for tensor, own in captures.captured.items()}
        self._segments = cut(graph, ranks, {**sizes, **of_captured})
        self._open: dict[int, OrtSession] = {}

    def run(self, values: NDArray[np.generic], name: str) -> Iterator[Tensors]:
        """Run copies of an image; yield captured tensors as soon as they are there, each once.

        What is handed over is the taker's, who clears it to let go of it; here is held what is still to be read, and no more.

        Raises
        ------
        NetworkError
            If onnxruntime cannot, or a check says that a value is not finite; names the image.
        """
        captures = self._captures
        held = {captures.input: OrtTensor.of(values)}
        self.scores, self.shapes = np.empty(0), {captures.input: values.shape}
        yield from self._captured({captures.input: values, **self._folded}, name)
        for number, segment in enumerate(self._segments):
            give_back()
            with captures.complaining(name):
                session = self._session(number, held)
                found = session.run_tensors(segment.leaves, {tensor: held[tensor] for tensor in segment.takes})
            held |= zip(segment.leaves, found, strict=True)
            del found, session
            self.shapes |= {tensor: held[tensor].shape for tensor in segment.asked}
            arrays = {tensor: held[tensor].array() for tensor in segment.asked}
            for tensor in segment.frees:
                held.pop(tensor, None)
            self.scores = arrays.get(captures.output, self.scores)
            yield from self._captured(arrays, name)

    def _captured(self, arrays: dict[str, NDArray[Any]], name: str) -> Iterator[Tensors]:
        """Yield what is captured of some tensors, if any is, and hold it no longer."""
        tensors = self._captures.of(arrays, name)
        arrays.clear()
        if tensors:
            yield tensors

    def _session(self, number: int, held: Mapping[str, OrtTensor]) -> OrtSession:
        """Return the session of a segment, opened when what it takes is there: then its types are known."""
        session = self._open.get(number)
        if session is None:
            session = open_session(self._part(self._segments[number], held), self._threads, optimised=True)
            if len(self._segments) <= KEPT_OPEN:
                self._open[number] = session
        return session

    def _part(self, segment: Segment, held: Mapping[str, OrtTensor]) -> OnnxModel:
        graph = onnx.GraphProto(name="segment", node=segment.nodes)
        for tensor in segment.takes:
            graph.input.add(name=tensor).type.tensor_type.elem_type = held[tensor].element_type
        for tensor in segment.leaves:
            graph.output.add(name=tensor)
        read = [name for name in set().union(*map(node_reads, segment.nodes)) if name in self._constants]
        graph.initializer.extend(self._constants[name] for name in read)
        whole = self._model
        proto = onnx.ModelProto(ir_version=whole.proto.ir_version, opset_import=whole.proto.opset_import, graph=graph)
        return OnnxModel(whole.path, proto, {name: whole.weights[name] for name in read if name in whole.weights})
