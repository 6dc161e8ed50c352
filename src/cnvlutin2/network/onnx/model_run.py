"""One run of an ONNX model: calibrated in floating point, executed quantised if need be, its layers put together.

All that changes during a run is here; `OnnxNetwork` stays as it is.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError, UnsupportedLayer
from cnvlutin2.layer import Layer
from cnvlutin2.network.accuracy import Accuracy, Predictions, as_predictions, check_labels, compare_answers, top_classes
from cnvlutin2.network.attribution import ImageRows
from cnvlutin2.network.calibration import Ranges, Scales, executes_quantised
from cnvlutin2.network.gathering import (
    Captured,
    Feed,
    Gathering,
    Holding,
    concatenated,
    is_enough,
    join_small,
)
from cnvlutin2.network.image_batches import ImageBatch, image_batches
from cnvlutin2.network.inputs import Inputs
from cnvlutin2.network.kept import Kept
from cnvlutin2.network.large_memory import LargeMemory
from cnvlutin2.network.left_out import LeftOut
from cnvlutin2.network.onnx.capturing import CapturingSession, feed_of, image_rows, layer_activations, part_by_fit
from cnvlutin2.network.onnx.constant_tensors import Constants
from cnvlutin2.network.onnx.graph import LayerNode, LeftOutNode
from cnvlutin2.network.onnx.model_file import ModelFile
from cnvlutin2.network.onnx.node_geometry import layer_kind, resolved_pads
from cnvlutin2.network.onnx.quantised_graph import QuantisedLayer, rewrite
from cnvlutin2.network.quantisation import Numeric
from cnvlutin2.network.reused_memory import Tensors, next_room
from cnvlutin2.numeric import fraction_bits, largest_magnitude, quantise

Filters = dict[str, tuple[NDArray[np.int16], int]]
"""Quantised weights ``[Co, Cg, Kh, Kw]`` and their fraction bits, by the layer's name."""


class ModelRun:
    """One run: what it is given, and what it has found so far. All that is captured of an image is captured at once.

    Parameters
    ----------
    file : ModelFile
    nodes : sequence of LayerNode, sequence of LeftOutNode
        What is simulated, and what is not.
    inputs : Inputs
    numeric : Numeric
    copies : int
        Of an image, that the model takes at once.
    threads : int
        Of onnxruntime.
    kept : Kept
        Has the session and the weights of an earlier run, and gets them back.

    Attributes
    ----------
    left_out : list of LeftOut
        With its multiply-accumulates, and with layers that the first image shows to be none.
    quantised : bool
        Whether the model is executed on quantised values; known from the first layer on.
    """

    def __init__(
        self,
        file: ModelFile,
        nodes: tuple[Sequence[LayerNode], Sequence[LeftOutNode]],
        inputs: Inputs,
        numeric: Numeric,
        copies: int,
        threads: int,
        kept: Kept,
    ) -> None:
        self.left_out: list[LeftOut] = []
        self.quantised = False
        self._file, self._inputs, self._numeric = file, inputs, numeric
        self._nodes, self._left_out_nodes = list(nodes[0]), list(nodes[1])
        self._copies, self._threads, self._kept = copies, threads, kept
        self._opened_for: tuple[Hashable, Hashable] = (
            type(self).__name__,
            (numeric.data_bits, copies, threads, inputs.shape[1:]),
        )
        self._memory = LargeMemory()
        self._rows: dict[Feed, ImageRows] = {}  # where an image's lie in what feeds layers
        self._dtypes: dict[str, np.dtype[np.generic]] = {}  # of the tensors that layers take in
        self._ranks: dict[str, int] = {}
        self._float_answers: list[NDArray[np.int64]] = []
        self._quantised_answers: list[NDArray[np.int64]] = []

    def layers(self) -> Iterator[Layer]:
        """Execute the model; yield its layers, all images at once if they fit in memory together (`gathering.HOLD_BYTES`)."""
        session, filters = opened = self._opened()
        held = Holding(useful=not self._numeric.may_execute_quantised())
        fracs = self._calibrate(session, held)
        layers = self._quantised_layers(fracs, filters)
        if self.quantised:
            del session, opened
            captured = self._execute_quantised(layers)
        else:
            first = held.images
            captured = chain(held.drain(), self._execute_again(session, first))
        gathering = Gathering(len(self._inputs), self._numeric.data_bits)
        for part in join_small(captured):
            gathering.add(part, fracs)
            if gathering.full:
                yield from assemble(layers, self._ranks, *gathering.take())
        if not self.quantised:
            self._kept.put(*self._opened_for, opened)

    def _opened(self) -> tuple[CapturingSession, Filters]:
        """Return a session on the model, and its weights: those of an earlier run, or new ones."""
        found = cast(tuple[CapturingSession, Filters] | None, self._kept.take(*self._opened_for))
        if found is None:
            model = self._file.take()
            filters = quantised_filters(Constants(model), self._nodes, self._numeric.data_bits)
            found = CapturingSession(model, self._nodes, threads=self._threads, counted=self._counted()), filters
        return found

    def accuracy(self) -> Accuracy | None:
        """Return how the model classified; None if it does not, or there is nothing to compare with."""
        return compare_answers(*self._answers())

    def predictions(self) -> Predictions | None:
        """Return what the model answered; None if it does not classify."""
        return as_predictions(*self._answers())

    def _answers(self) -> tuple[NDArray[np.int64], NDArray[np.int64] | None, NDArray[np.int64] | None]:
        quantised = np.concatenate(self._quantised_answers) if self._quantised_answers else None
        return np.concatenate(self._float_answers), quantised, self._inputs.labels

    def _counted(self) -> list[str]:
        """Return the tensors whose shapes tell the multiply-accumulates of what is left out."""
        return [tensor for node in self._left_out_nodes if node.counted for tensor in node.counted.tensors]

    def _quantised_layer(self, node: LayerNode, frac: int, filters: Filters) -> QuantisedLayer:
        weights, weight_frac = filters[node.name]
        return QuantisedLayer(node, weights, Scales.of(node.name, frac, weight_frac, self._numeric))

    def _quantised_layers(self, fracs: Mapping[str, int], filters: Filters) -> list[QuantisedLayer]:
        """Return the layers at their scales; then it is known whether the model is executed quantised."""
        layers = [self._quantised_layer(node, fracs[node.activation], filters) for node in self._nodes]
        self.quantised = executes_quantised(self._numeric, (layer.scales for layer in layers))
        return layers

    def _answer(self, scores: NDArray[Any]) -> None:
        """Note what the model says of the next image, in floating point."""
        check_labels(self._inputs.labels, scores, self._copies)
        self._float_answers.append(top_classes(scores, self._copies)[:1])

    def _ranges(self) -> Ranges:
        return Ranges({feed_of(node): node.name for node in reversed(self._nodes)})

    def _calibrate(self, session: CapturingSession, held: Holding) -> dict[str, int]:
        """Execute in floating point: hold what was captured of the first images; return the tensors' fraction bits."""
        ranges: Ranges | None = None
        some: list[Captured] = []
        first, total = 0, len(self._inputs)  # the first image of `some`
        room: Tensors | None = None
        for batch in image_batches(self._inputs, self._copies):
            output, tensors = session.run(batch.values, batch.name, room)
            if batch.index == 0:
                self._look_at(session, tensors, batch)
            self._answer(output)
            some.append(layer_activations(self._nodes, tensors, self._rows))
            end = batch.index + 1
            if not is_enough(some) and end < total:
                continue
            captured = concatenated(some)
            ranges = ranges or self._ranges()
            ranges.widen(captured, self._inputs.names[first:end])
            if held.offer(captured):
                room = None
            some, first, room = [], end, next_room(room, tensors, some[-1], self._memory)
        return ranges.fracs(self._numeric.data_bits) if ranges else {}

    def _look_at(self, session: CapturingSession, tensors: Tensors, batch: ImageBatch) -> None:
        """See which layers the tensors of the first image show to be none."""
        shapes = session.shapes(batch.values, batch.name)
        rows = image_rows(lambda values: [session.run(values, batch.name)[1]], self._nodes, [tensors], batch)
        self._leave_out(shapes, self._part(tensors, rows))

    def _part(self, tensors: Tensors, rows: Mapping[Feed, ImageRows | UnsupportedLayer]) -> list[LeftOut]:
        """Leave out those layers with their input among some tensors that see no image's; note the others' types and ranks."""
        fit, unfit = part_by_fit([node for node in self._nodes if node.activation in tensors], tensors, rows, self._copies)
        kept = {node.index for node in fit}
        self._nodes = [node for node in self._nodes if node.activation not in tensors or node.index in kept]
        self._rows |= {feed: found for feed, found in rows.items() if isinstance(found, ImageRows)}
        for node in fit:
            self._dtypes[node.activation] = tensors[node.activation].dtype
            self._ranks[node.activation] = tensors[node.activation].ndim
        return unfit

    def _leave_out(self, shapes: Mapping[str, tuple[int, ...]], unfit: Sequence[LeftOut]) -> None:
        """Note what is left out, of a model whose layers have all been looked at."""
        self.left_out = [*(node.with_macs(shapes, self._copies) for node in self._left_out_nodes), *unfit]
        if not self._nodes:
            raise NetworkError(f"{self._file.path}: has no layer to simulate ({unfit[0].name}: {unfit[0].reason})")

    def _execute_again(self, session: CapturingSession, first: int) -> Iterator[Captured]:
        room: Tensors | None = None
        for batch in image_batches(self._inputs, self._copies, first):
            _, tensors = session.run(batch.values, batch.name, room)
            captured = layer_activations(self._nodes, tensors, self._rows)
            yield captured
            room = next_room(room, tensors, captured, self._memory)

    def _execute_quantised(self, layers: Sequence[QuantisedLayer]) -> Iterator[Captured]:
        model = self._file.take()
        added = rewrite(model, layers, self._dtypes, self._numeric.data_bits)
        session = CapturingSession(model, self._nodes, added, threads=self._threads)
        del model
        room: Tensors | None = None
        for batch in image_batches(self._inputs, self._copies):
            output, tensors = session.run(batch.values, batch.name, room)
            self._quantised_answers.append(top_classes(output, self._copies)[:1])
            captured = layer_activations(self._nodes, tensors, self._rows)
            yield captured
            room = next_room(room, tensors, captured, self._memory)


def quantised_filters(constants: Constants, nodes: Sequence[LayerNode], data_bits: int) -> Filters:
    """Return every layer's quantised weights.

    Raises
    ------
    NetworkError
        If a weight is infinite or not a number.
    """
    found: Filters = {}
    for node in nodes:
        filters = node.filters(constants)
        largest = largest_magnitude(filters)
        if not np.isfinite(largest):
            raise NetworkError(
                f"layer {node.name!r}: its weights {node.weight!r} are infinite or not numbers; export the model again"
            )
        frac = fraction_bits(largest, data_bits)
        found[node.name] = (quantise(filters, frac, data_bits), frac)
    return found


def assemble(
    layers: Sequence[QuantisedLayer], ranks: Mapping[str, int], first_image: int, gathered: dict[Feed, NDArray[np.int16]]
) -> Iterator[Layer]:
    """Yield a batch's layers, letting go of activations that no later one reads."""
    last = {feed_of(layer.node): index for index, layer in enumerate(layers)}
    for index, layer in enumerate(layers):
        feed = feed_of(layer.node)
        activations = gathered.pop(feed) if last[feed] == index else gathered[feed]
        yield layer_of(layer, ranks[layer.node.activation], activations, first_image)


def layer_of(layer: QuantisedLayer, rank: int, activations: NDArray[np.int16], first_image: int) -> Layer:
    """Return a layer with its activations ``[N, C, H, W]`` of some images; `rank` is that of its input in the graph."""
    node, scales = layer.node, layer.scales
    height, width = activations.shape[2:]
    return Layer(
        name=node.name,
        activations=activations,
        weights=layer.weights,
        strides=node.strides,
        pads=resolved_pads(node, height, width),
        dilations=node.dilations,
        groups=node.groups,
        threshold=scales.threshold,
        weight_threshold=scales.weight_threshold,
        first=node.first,
        kind=layer_kind(node, rank, width),
        activation_frac=scales.frac,
        weight_frac=scales.weight_frac,
        first_image=first_image,
        tensor=feed_of(node),
    )
