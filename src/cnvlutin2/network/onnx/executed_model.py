"""`OnnxNetwork`: any ONNX CNN as a source of layers, executed by onnxruntime."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Self, cast

import numpy as np
from onnx import helper

from cnvlutin2.errors import NetworkError
from cnvlutin2.layer import Layer
from cnvlutin2.network.input_spec import InputSpec
from cnvlutin2.network.inputs import Inputs
from cnvlutin2.network.layer_stream import Findings
from cnvlutin2.network.network import Network
from cnvlutin2.network.onnx.calibrated_network import CalibratedNetwork, CalibratedRun
from cnvlutin2.network.onnx.capturing import answer_output
from cnvlutin2.network.onnx.constant_tensors import Constants
from cnvlutin2.network.onnx.graph import find_layers
from cnvlutin2.network.onnx.model_file import ModelFile, OnnxModel, read_model
from cnvlutin2.network.onnx.model_run import ModelRun
from cnvlutin2.network.onnx.segmented_run import SegmentedRun
from cnvlutin2.network.onnx.segments import can_be_cut, tensor_sizes
from cnvlutin2.network.onnx.tensors import first_line
from cnvlutin2.network.quantisation import Numeric

WHOLE_BYTES = 64 << 20
"""Up to so much layers' inputs are captured all at once; a model whose layers see more of an image is executed in segments."""


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
        Of onnxruntime; 0: the processors that this process may use. Results do not depend on it.

    Attributes
    ----------
    path : Path
    input : InputSpec
        What the model takes.
    hashes : mapping of str to str
        SHA-256 of the model's files.
    left_out : tuple of LeftOut
        The nodes that multiply, or may, and are not simulated; a run counts their multiply-accumulates, and adds nodes whose
        shapes show only then.

    Raises
    ------
    NetworkError
        If the file is not a valid model, takes no input or several, or has no layer to simulate.
    """

    def __init__(self, path: Path | str, name: str | None = None, *, threads: int = 0) -> None:
        self.path = Path(path)
        self._threads = threads
        self.name = name or self.path.stem
        try:
            model = read_model(self.path)
            self.input: InputSpec = _input_spec(model)
            self._nodes, self._left_out = find_layers(model.proto.graph, Constants(model))
        except NetworkError:
            raise
        except (LookupError, ValueError, TypeError, ArithmeticError) as error:  # as a damaged name, that is no UTF-8
            raise NetworkError(f"{path}: is not a valid ONNX model: {first_line(error)}; export it again") from None
        self.left_out = tuple(node.left_out for node in self._left_out)
        self._file = ModelFile(model)
        self.hashes: Mapping[str, str] = self._file.hashes
        if not self._nodes:
            listed = "; ".join(f"{out.name}: {out.reason}" for out in self.left_out[:3])
            what = "has no Conv, Gemm or MatMul with constant weights to simulate"
            raise NetworkError(f"{path}: {what}" + (f" ({listed})" if listed else ""))

    def with_threads(self, threads: int) -> Self:
        """Return the same network, executed by so many threads of onnxruntime."""
        network = copy(self)
        network._threads, network.kept = threads, self.kept
        return network

    def layer_names(self) -> Sequence[str]:
        """Return the names of the layers in execution order."""
        return [node.name for node in self._nodes]

    def generate(self, inputs: Inputs | None, numeric: Numeric) -> Generator[Layer, None, Findings]:
        """Execute the network and yield its layers in execution order; see `Network.run`.

        All layers come once, for all images, if their inputs fit in memory together (`gathering.HOLD_BYTES`); otherwise again
        and again, for consecutive images each time; for one at a time, if what they see of it is much (`WHOLE_BYTES`).

        Raises
        ------
        NetworkError
            If the inputs do not fit the model, a value is not finite, or onnxruntime cannot run it.
        ConfigError
            If a threshold is given for a layer that there is not.
        """
        if inputs is None:
            raise NetworkError(f"network {self.name!r} has no inputs of its own; give images or an .npy batch with --input")
        numeric.check_names(self.layer_names())
        self._check(inputs)
        run = self._run(inputs, numeric)
        yield from run.layers()
        left_out, predictions = tuple(run.left_out), run.predictions()
        return Findings(run.accuracy(), run.quantised, self.hashes, left_out=left_out, predictions=predictions)

    def _check(self, inputs: Inputs) -> None:
        """Refuse inputs that do not fit the model."""
        self.input.check(inputs.shape, inputs.dtype, inputs.names[0] if len(inputs.names) else "input")
        for what, found in (("names", inputs.names), ("labels", inputs.labels)):
            if found is not None and len(found) != len(inputs):
                raise NetworkError(f"network {self.name!r} is given {len(found)} {what} for {len(inputs)} inputs; give one each")

    def calibrated(self, inputs: Inputs, data_bits: int = 16) -> CalibratedNetwork:
        """Execute the network once, in floating point, and return it at the scales that were found.

        What is returned is executed on quantised values, again and again under other thresholds, without calibration.

        Raises
        ------
        NetworkError
            As of `generate`.
        """
        self._check(inputs)
        run = CalibratedRun(
            self._file, (self._nodes, self._left_out), inputs, Numeric(data_bits), self.input.batch or 1, self._threads, self.kept
        )
        return CalibratedNetwork(self.name, run, self.hashes)

    def _run(self, inputs: Inputs, numeric: Numeric) -> ModelRun:
        """Return a run: segment by segment if what layers see of an image is much."""
        copies = self.input.batch or 1
        given = self._file, (self._nodes, self._left_out), inputs, numeric, copies, self._threads, self.kept
        shape = copies, *inputs.shape[1:]
        large, sizes = found = cast(tuple[bool, Mapping[str, int]] | None, self.kept.take("sizes", shape)) or self._sizes(shape)
        self.kept.put("sizes", shape, found)
        return SegmentedRun(sizes, *given) if large else ModelRun(*given)

    def _sizes(self, shape: tuple[int, ...]) -> tuple[bool, Mapping[str, int]]:
        """Return whether what layers see of an image is much, and its bytes and those of the scores, as far as they are known."""
        model = self._file.take()
        seen = dict.fromkeys(node.activation for node in self._nodes)
        sizes = tensor_sizes(model.proto, shape, [*seen, answer_output(model.proto.graph)])
        large = sum(sizes.get(tensor, 0) for tensor in seen) > WHOLE_BYTES and can_be_cut(model.proto)
        self._file.put_back(model)
        return large, sizes


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
