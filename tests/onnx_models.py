"""Small ONNX models for the tests, and plain ways to what they compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cnvlutin2.network import Inputs, Layer, Network, Numeric

Shape = Sequence[int | str | None]
NUMERICS = [Numeric(), Numeric(quantised=True)]
ELEMENTS = {
    "float16": TensorProto.FLOAT16,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
}


def node(op: str, inputs: str, outputs: str, name: str = "", **attributes: Any) -> onnx.NodeProto:
    """A node; tensors are separated by spaces, `_` is an optional input that is left out."""
    return helper.make_node(op, ["" if i == "_" else i for i in inputs.split()], outputs.split(), name=name, **attributes)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape],
    outputs: Sequence[str],
    constants: Mapping[str, Any] | None = None,
    opset: int = 17,
    dtype: str = "float32",
    **options: Any,
) -> onnx.ModelProto:
    """A model with float inputs; the outputs' types are inferred."""
    domains = [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in options.pop("domains", ())]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(key, ELEMENTS[dtype], shape) for key, shape in inputs.items()],
        [helper.make_tensor_value_info(key, ELEMENTS[dtype], None) for key in outputs],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=domains, **{"ir_version": 8, **options})


def saved(folder: Path, proto: onnx.ModelProto, name: str = "model") -> Path:
    path = folder / f"{name}.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def integers(*shape: int, seed: int = 0, reach: int = 7, dtype: str = "float32") -> NDArray[Any]:
    """Small whole numbers, which quantise without loss and multiply without rounding; about a third are 0."""
    random = np.random.default_rng([seed, *shape])
    values = random.integers(-reach, reach + 1, shape) * (random.random(shape) > 0.3)
    return values.astype(dtype)


def inputs(values: NDArray[Any], labels: Sequence[int] | None = None) -> Inputs:
    names = [f"image{i}" for i in range(len(values))]
    return Inputs(values, names, {}, None if labels is None else np.array(labels, np.int64))


def plainly_run(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    """What onnxruntime makes of a model as it is, image by image."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: values[i : i + 1]})[0] for i in range(len(values))])


def convolved(layer: Layer, *, thresholds: bool = False) -> NDArray[np.float64]:
    """What a layer computes, in real units, by loops over the kernel: ``[N, Co, Ho, Wo]``."""
    activations, weights = layer.activations.astype(np.int64), layer.weights.astype(np.int64)
    if thresholds:
        activations = np.where(np.abs(activations) >= layer.threshold, activations, 0)
        weights = np.where(np.abs(weights) >= layer.weight_threshold, weights, 0)
    top, left, bottom, right = layer.pads
    padded = np.pad(activations, ((0, 0), (0, 0), (top, bottom), (left, right)))
    high, wide = layer.output_size
    filters, channels = layer.group_filters, layer.group_channels
    result = np.zeros((layer.images, layer.filters, high, wide), np.int64)
    for group in range(layer.groups):
        inside = padded[:, group * channels : (group + 1) * channels]
        own = slice(group * filters, (group + 1) * filters)
        for ky in range(layer.kernel_size[0]):
            for kx in range(layer.kernel_size[1]):
                y, x = ky * layer.dilations[0], kx * layer.dilations[1]
                seen = inside[:, :, y : y + high * layer.strides[0] : layer.strides[0]][
                    ..., x : x + wide * layer.strides[1] : layer.strides[1]
                ]
                result[:, own] += np.einsum("nchw,fc->nfhw", seen[:, :, :high, :wide], weights[own, :, ky, kx])
    assert layer.activation_frac is not None
    assert layer.weight_frac is not None
    return np.ldexp(result.astype(np.float64), -layer.activation_frac - layer.weight_frac)


def run(network: Network, given: Inputs, numeric: Numeric | None = None) -> dict[str, Layer]:
    """Return the layers that a network yields, by name."""
    return {layer.name: layer for layer in network.run(given, numeric or Numeric())}
