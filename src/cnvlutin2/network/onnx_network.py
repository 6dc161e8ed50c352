"""`OnnxNetwork`: any ONNX CNN as a source of layers, executed by onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from cnvlutin2.errors import NetworkError
from cnvlutin2.network.base import Accuracy, Inputs, LeftOut, Network, Numeric, Thresholds
from cnvlutin2.network.input_spec import InputSpec
from cnvlutin2.network.layer import Layer
from cnvlutin2.network.onnx_constants import Constants
from cnvlutin2.network.onnx_execution import (
    HOLD_BYTES,
    Captured,
    Execution,
    Feed,
    Gathering,
    Ranges,
    arranged,
    batches,
    feed_of,
    fitting,
    to_integers,
    update,
)
from cnvlutin2.network.onnx_geometry import kind_of, resolved_pads
from cnvlutin2.network.onnx_graph import LayerNode, find_layers
from cnvlutin2.network.onnx_model import OnnxModel, first_line, read_model
from cnvlutin2.network.onnx_quantised import QuantisedLayer, rewrite
from cnvlutin2.numeric import fraction_bits, quantise

Integers = dict[Feed, NDArray[np.int16]]


class OnnxNetwork(Network):
    """An ONNX model.

    onnxruntime runs the graph as it is, the inputs of every Conv, Gemm and MatMul with constant weights being captured as
    added outputs; whatever it fuses or folds, layers keep the names of the model's own nodes. Tensors are quantised one by one,
    by their largest magnitude over all inputs of the run. Without thresholds the network is executed in floating point and
    looked at quantised; with `Numeric.quantised`, or a threshold beyond one LSB, it is executed on the quantised, thresholded
    activations and weights (biases and all other operations stay in floating point).

    Parameters
    ----------
    path : path
        Of the ``.onnx`` file.
    name : str, optional
        The file's stem by default.
    threads : int
        Of onnxruntime; 0 leaves it to onnxruntime. Results do not depend on it.

    Attributes
    ----------
    path : Path
    input : InputSpec
        What the model takes.
    hashes : mapping of str to str
        SHA-256 of the model's files.
    left_out : tuple of LeftOut
        The nodes that multiply and are not simulated; a run may add nodes whose shapes show only then.

    Raises
    ------
    NetworkError
        If the file is not a valid model, takes no input or several, or has no layer to simulate.
    """

    takes_inputs: ClassVar[bool] = True

    def __init__(self, path: Path | str, name: str | None = None, *, threads: int = 0) -> None:
        self.path = Path(path)
        self._threads = threads
        self.name = name or self.path.stem
        try:
            left_out = self._read()
        except NetworkError:
            raise
        except (LookupError, ValueError, TypeError, ArithmeticError) as error:  # as a damaged name, that is no UTF-8
            raise NetworkError(f"{path}: is not a valid ONNX model: {first_line(error)}; export it again") from None
        if not self._nodes:
            listed = "; ".join(f"{out.name}: {out.reason}" for out in left_out[:3])
            what = "has no Conv, Gemm or MatMul with constant weights to simulate"
            raise NetworkError(f"{path}: {what}" + (f" ({listed})" if listed else ""))

    def _read(self) -> list[LeftOut]:
        model = read_model(self.path)
        self._model: OnnxModel | None = model
        self.hashes: Mapping[str, str] = dict(model.hashes)
        self.input = _input_spec(model)
        self._nodes, left_out = find_layers(model.proto.graph, Constants(model))
        self.left_out = tuple(left_out)
        return left_out

    def layer_names(self) -> Sequence[str]:
        """Return the names of the layers in execution order."""
        return [node.name for node in self._nodes]

    def layers(self, inputs: Inputs | None, numeric: Numeric) -> Iterator[Layer]:
        """Execute the network and yield its layers in execution order; see `Network.layers`.

        All layers come once, for all images, if their inputs fit in memory together (`onnx_execution.HOLD_BYTES`);
        otherwise again and again, for consecutive images each time.

        Raises
        ------
        NetworkError
            If the inputs do not fit the model, a value is not finite, or onnxruntime cannot run it.
        ConfigError
            If a threshold is given for a layer that there is not.
        """
        if inputs is None:
            raise NetworkError(f"network {self.name!r} has no inputs of its own; give images or an .npy batch with --input")
        numeric.thresholds.check_names(self.layer_names())
        numeric.weight_thresholds.check_names(self.layer_names(), "weight_threshold")
        self.input.check(inputs.values, inputs.names[0] if len(inputs.names) else "input")
        self.accuracy = None
        run = _Run(inputs, numeric, self.input.batch or 1)
        yield from self._execute(run)
        self.accuracy = run.accuracy()

    def _execute(self, run: _Run) -> Iterator[Layer]:
        model = self._take_model()
        weights = _weights(Constants(model), self._nodes, run.numeric)
        execution = Execution(model, self._nodes, threads=self._threads)
        del model  # onnxruntime has its own copy of the weights now
        held = self._calibrate(run, execution)
        layers = _thresholded(self._nodes, weights, run)
        captured: Iterator[tuple[int, Integers]]
        if run.numeric.quantised or any(layer.threshold > 1 or layer.weight_threshold > 1 for layer in layers):
            del execution
            captured = self._execute_quantised(run, layers)
        elif held is not None:
            captured = ((count, run.integers(values)) for count, values in _emptied(held))
        else:
            captured = self._execute_again(run, execution)
        gathering = Gathering()
        for count, integers in captured:
            gathering.add(integers, count)
            if gathering.full():
                yield from _layers(layers, run.ranges, *gathering.take())
        if gathering.images:
            yield from _layers(layers, run.ranges, *gathering.take())

    def _take_model(self) -> OnnxModel:
        """Return the model that was read last, or read it again: it is not kept beside onnxruntime's copy."""
        model, self._model = self._model or read_model(self.path), None
        if model.hashes != self.hashes:
            raise NetworkError(f"{self.path}: has changed since it was opened; run again")
        return model

    def _calibrate(self, run: _Run, execution: Execution) -> list[tuple[int, Captured]] | None:
        """Run in floating point: find ranges and answers; return what was captured if it fits in memory and may be of use."""
        held: list[tuple[int, Captured]] | None = None if run.may_prune() else []
        held_bytes = 0
        for batch in batches(run.inputs, run.size):
            output, tensors = execution.run(batch.values, batch.names)
            if batch.start == 0:
                self._nodes, left_out = fitting(self._nodes, tensors, run.size)
                self.left_out += tuple(left_out)
            captured = arranged(self._nodes, tensors, batch)
            update(run.ranges, self._nodes, tensors, captured, batch)
            run.float_answers.append(_answers(output, run.size)[: batch.count])
            held_bytes += sum(values.nbytes for values in captured.values())
            if held is not None and held_bytes <= HOLD_BYTES:
                held.append((batch.count, captured))
            else:
                held = None
        return held

    def _execute_again(self, run: _Run, execution: Execution) -> Iterator[tuple[int, Integers]]:
        for batch in batches(run.inputs, run.size):
            _, tensors = execution.run(batch.values, batch.names)
            yield batch.count, run.integers(arranged(self._nodes, tensors, batch))

    def _execute_quantised(self, run: _Run, layers: Sequence[QuantisedLayer]) -> Iterator[tuple[int, Integers]]:
        model = self._take_model()
        added = rewrite(model, layers, run.ranges.dtypes, run.numeric.data_bits)
        execution = Execution(model, self._nodes, added, threads=self._threads)
        del model
        for batch in batches(run.inputs, run.size):
            output, tensors = execution.run(batch.values, batch.names)
            run.answers.append(_answers(output, run.size)[: batch.count])
            captured = arranged(self._nodes, tensors, batch)
            yield batch.count, {feed: np.ascontiguousarray(values) for feed, values in captured.items()}


@dataclass(eq=False)
class _Run:
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

    def frac(self, tensor: str) -> int:
        """Return the fraction bits of a layer's input."""
        return fraction_bits(self.ranges.max_abs[tensor], self.numeric.data_bits)

    def integers(self, captured: Captured) -> Integers:
        """Quantise what was captured in floating point."""
        bits = self.numeric.data_bits
        return {feed: to_integers(values, self.frac(feed[0]), bits) for feed, values in captured.items()}

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


def _emptied(held: list[tuple[int, Captured]]) -> Iterator[tuple[int, Captured]]:
    """Yield and let go of each."""
    held.reverse()
    while held:
        yield held.pop()


def _answers(output: NDArray[Any], images: int) -> NDArray[np.int64]:
    """Return the top-1 class of every image; -1 if the output is not one score a class, ``[N, K]`` or ``[N, K, 1, 1]``."""
    classifies = output.ndim >= 2 and output.shape[0] == images and output.shape[1] > 1 and output[0, 0].size == 1
    if not classifies or output.dtype.kind != "f":
        return np.full(images, -1)
    answers: NDArray[np.int64] = output.reshape(images, -1).argmax(axis=1)
    return answers


def _weights(constants: Constants, nodes: Sequence[LayerNode], numeric: Numeric) -> dict[str, tuple[NDArray[np.int16], int]]:
    """Return every layer's quantised weights ``[Co, Cg, Kh, Kw]`` and their fraction bits, by the layer's name."""
    weights = {}
    for node in nodes:
        filters = node.filters(constants)
        largest = float(np.maximum(filters.max(), -filters.min())) if filters.size else 0.0
        if not np.isfinite(largest):
            raise NetworkError(
                f"layer {node.name!r}: its weights {node.weight!r} are infinite or not numbers; export the model again"
            )
        frac = fraction_bits(largest, numeric.data_bits)
        weights[node.name] = (np.ascontiguousarray(quantise(filters, frac, numeric.data_bits)), frac)
    return weights


def _thresholded(
    nodes: Sequence[LayerNode], weights: Mapping[str, tuple[NDArray[np.int16], int]], run: _Run
) -> list[QuantisedLayer]:
    """Return the layers at their scales and under their thresholds."""
    layers = []
    for node in nodes:
        filters, weight_frac = weights[node.name]
        frac = run.frac(node.activation)
        threshold, weight_threshold = (
            found.in_lsbs(scale) if found else 1
            for found, scale in (
                (run.numeric.thresholds.of(node.name), frac),
                (run.numeric.weight_thresholds.of(node.name), weight_frac),
            )
        )
        layers.append(QuantisedLayer(node, frac, threshold, filters, weight_frac, weight_threshold))
    return layers


def _layers(layers: Sequence[QuantisedLayer], ranges: Ranges, first_image: int, gathered: Integers) -> Iterator[Layer]:
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


def _input_spec(model: OnnxModel) -> InputSpec:
    """Return what a model's one input is like.

    Raises
    ------
    NetworkError
        If it takes none or several, or one that is not a tensor of numbers.
    """
    graph = model.proto.graph
    if len(graph.input) != 1:
        names = ", ".join(value.name for value in graph.input) or "none"
        raise NetworkError(
            f"{model.path}: takes {len(graph.input)} inputs ({names}), must be 1; export it with the others as initialisers"
        )
    (value,) = graph.input
    tensor = value.type.tensor_type
    try:
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    except KeyError:
        dtype = np.dtype(object)
    if not value.type.HasField("tensor_type") or dtype.kind not in "fiub":
        raise NetworkError(f"{model.path}: input {value.name!r} is not a tensor of numbers; export the model with one that is")
    if not tensor.HasField("shape") or len(tensor.shape.dim) == 0:
        raise NetworkError(f"{model.path}: input {value.name!r} has no shape; export the model with one")
    shape = tuple(dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim)
    metadata = {entry.key: entry.value for entry in model.proto.metadata_props}
    return InputSpec(value.name, shape, dtype, metadata, str(model.path))
