"""`OnnxNetwork`: any ONNX CNN as a source of layers, executed by onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import ClassVar

import numpy as np
from onnx import helper

from cnvlutin2.errors import NetworkError
from cnvlutin2.layer import Layer
from cnvlutin2.network.base import Inputs, LeftOut, Network, Numeric
from cnvlutin2.network.input_spec import InputSpec
from cnvlutin2.network.onnx_constants import Constants
from cnvlutin2.network.onnx_execution import (
    HOLD_BYTES,
    Captured,
    Execution,
    Gathering,
    Tensors,
    arranged,
    batches,
    fitting,
    is_enough,
    joined,
    room_like,
    size_bytes,
    together,
    update,
)
from cnvlutin2.network.onnx_graph import find_layers
from cnvlutin2.network.onnx_model import OnnxModel, read_model
from cnvlutin2.network.onnx_quantised import QuantisedLayer, rewrite
from cnvlutin2.network.onnx_run import Run, answers, assemble, at_scale, emptied, quantised_weights
from cnvlutin2.network.onnx_tensors import first_line


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
        for what, found in (("names", inputs.names), ("labels", inputs.labels)):
            if found is not None and len(found) != len(inputs.values):
                raise NetworkError(
                    f"network {self.name!r} is given {len(found)} {what} for {len(inputs.values)} inputs; give one each"
                )
        self.accuracy = None
        self.quantised = False
        run = Run(inputs, numeric, self.input.batch or 1)
        yield from self._execute(run)
        self.accuracy = run.accuracy()

    def _execute(self, run: Run) -> Iterator[Layer]:
        model = self._take_model()
        weights = quantised_weights(Constants(model), self._nodes, run.numeric)
        execution = Execution(model, self._nodes, threads=self._threads)
        del model  # onnxruntime has its own copy of the weights now
        held = self._calibrate(run, execution)
        layers = at_scale(self._nodes, weights, run)
        self.quantised = run.numeric.quantised or any(layer.threshold > 1 or layer.weight_threshold > 1 for layer in layers)
        if self.quantised:
            del execution
            captured = self._execute_quantised(run, layers)
        else:
            images = sum(len(next(iter(values.values()))) for values in held)
            captured = chain(emptied(held), self._execute_again(run, execution, images))
        gathering, fracs = Gathering(len(run.inputs.values), run.numeric.data_bits), run.fracs()
        for values in together(captured):
            gathering.add(values, fracs)
            if gathering.full:
                yield from assemble(layers, run.ranges, *gathering.take())

    def _take_model(self) -> OnnxModel:
        """Return the model that was read last, or read it again: it is not kept beside onnxruntime's copy."""
        model, self._model = self._model or read_model(self.path), None
        if model.hashes != self.hashes:
            raise NetworkError(f"{self.path}: has changed since it was opened; run again")
        return model

    def _calibrate(self, run: Run, execution: Execution) -> list[Captured]:
        """Run in floating point: find ranges and answers; return what the first runs captured, if that may be of use."""
        held: list[Captured] = []
        left = 0 if run.may_prune() else HOLD_BYTES
        some: list[Captured] = []
        first, total = 0, len(run.inputs.values)  # the first image of these runs
        room: Tensors | None = None
        for batch in batches(run.inputs, run.size):
            output, tensors = execution.run(batch.values, batch.names, room)
            if batch.start == 0:
                self._look_at(run, tensors)
            run.float_answers.append(answers(output, run.size)[: batch.count])
            some.append(arranged(self._nodes, tensors, batch))
            end = batch.start + batch.count
            if not is_enough(some) and end < total:
                continue
            captured = joined(some)
            update(run.ranges, self._nodes, captured, run.inputs.names[first:end])
            left -= size_bytes(captured)
            if left >= 0:
                held.append(captured)
                room = None
            some, first, room = [], end, _next_room(room, tensors, some[-1])
        return held

    def _look_at(self, run: Run, tensors: Tensors) -> None:
        """Leave out layers that the tensors of the first run show to be none; note the others' types and ranks."""
        self._nodes, left_out = fitting(self._nodes, tensors, run.size)
        self.left_out += tuple(left_out)
        if not self._nodes:
            raise NetworkError(f"{self.path}: has no layer to simulate ({left_out[0].name}: {left_out[0].reason})")
        for node in self._nodes:
            run.ranges.dtypes[node.activation] = tensors[node.activation].dtype
            run.ranges.ranks[node.activation] = tensors[node.activation].ndim

    def _execute_again(self, run: Run, execution: Execution, first: int) -> Iterator[Captured]:
        room: Tensors | None = None
        for batch in batches(run.inputs, run.size, first):
            _, tensors = execution.run(batch.values, batch.names, room)
            captured = arranged(self._nodes, tensors, batch)
            yield captured
            room = _next_room(room, tensors, captured)

    def _execute_quantised(self, run: Run, layers: Sequence[QuantisedLayer]) -> Iterator[Captured]:
        model = self._take_model()
        added = rewrite(model, layers, run.ranges.dtypes, run.numeric.data_bits)
        execution = Execution(model, self._nodes, added, threads=self._threads)
        del model
        room: Tensors | None = None
        for batch in batches(run.inputs, run.size):
            output, tensors = execution.run(batch.values, batch.names, room)
            run.answers.append(answers(output, run.size)[: batch.count])
            captured = arranged(self._nodes, tensors, batch)
            yield captured
            room = _next_room(room, tensors, captured)


def _next_room(room: Tensors | None, tensors: Tensors, captured: Captured) -> Tensors | None:
    """Return room for the next run: that of the last, or new room, but none if runs are looked at together."""
    return room or (room_like(tensors) if is_enough([captured]) else None)


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
