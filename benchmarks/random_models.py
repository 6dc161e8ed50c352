"""Networks of real shapes with random weights, as ONNX models: those of which no trained file is at hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Activation = Literal["relu6", "relu"]

INVERTED_RESIDUALS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Of MobileNet-v2 (Sandler et al., CVPR 2018, table 2): expansion, channels, repetitions, stride of the first."""

SEPARABLE = ((32, 1), (32, 2), (32, 1), (64, 2), (64, 1), (64, 1), (64, 1), (128, 2), (128, 1), (128, 1), (256, 2), (256, 1))
"""Channels and stride of the detector's depthwise-separable layers, behind a convolution of stride 2."""


def depthwise_models(folder: Path) -> Iterator[Path]:
    """Write all of them to a folder; yield each one's file."""
    activations: tuple[Activation, ...] = ("relu6", "relu")
    for activation in activations:
        yield mobilenet(folder / f"mobilenet_{activation}.onnx", activation)
        yield detector(folder / f"detector_{activation}.onnx", activation)


INCEPTIONS = (
    *((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64)),
    *((128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128), (256, 160, 320, 32, 128, 128)),
    (384, 192, 384, 48, 128, 128),
)
"""Of GoogLeNet (Szegedy et al., CVPR 2015, table 1): filters of 1x1, before and of 3x3, before and of 5x5, behind the pool."""


def googlenet(path: Path) -> Path:
    """Write a network of GoogLeNet's shape, for 224x224 images."""
    graph = _Graph("relu")
    halved = {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}
    x = graph.node("MaxPool", graph.convolution("image", 3, 64, 7, stride=2), **halved)
    x, channels = graph.convolution(graph.convolution(x, 64, 64, 1), 64, 192), 192
    for number, (one, before_three, three, before_five, five, behind) in enumerate(INCEPTIONS):
        x = graph.node("MaxPool", x, **halved) if number in (0, 2, 7) else x
        pooled = graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])
        parts = (
            graph.convolution(x, channels, one, 1),
            graph.convolution(graph.convolution(x, channels, before_three, 1), before_three, three),
            graph.convolution(graph.convolution(x, channels, before_five, 1), before_five, five, 5),
            graph.convolution(pooled, channels, behind, 1),
        )
        x, channels = graph.node("Concat", *parts, axis=1), one + three + five + behind
    pooled = graph.node("GlobalAveragePool", x)
    return graph.write(path, (3, 224, 224), [graph.convolution(pooled, channels, 1000, 1, active=False)])


def mobilenet(path: Path, activation: Activation) -> Path:
    """Write a network of MobileNet-v2's shape, for 224x224 images."""
    graph = _Graph(activation)
    x, channels = graph.convolution("image", 3, 32, stride=2), 32
    for expansion, filters, count, stride in INVERTED_RESIDUALS:
        for i in range(count):
            inner = graph.convolution(x, channels, channels * expansion, 1) if expansion > 1 else x
            inner = graph.depthwise(inner, channels * expansion, stride if i == 0 else 1)
            inner = graph.convolution(inner, channels * expansion, filters, 1, active=False)
            x, channels = graph.add(x, inner) if i else inner, filters
    x = graph.convolution(x, channels, 1280, 1)
    pooled = graph.node("GlobalAveragePool", x)
    return graph.write(path, (3, 224, 224), [graph.convolution(pooled, 1280, 1000, 1, active=False)])


def detector(path: Path, activation: Activation) -> Path:
    """Write a small detector of boxes at three scales, for images 320 wide and 240 high."""
    graph = _Graph(activation)
    x, channels = graph.convolution("image", 3, 16, stride=2), 16
    outputs = []
    for i, (filters, stride) in enumerate(SEPARABLE):
        x, channels = graph.convolution(graph.depthwise(x, channels, stride), channels, filters, 1), filters
        if i in (6, 9, len(SEPARABLE) - 1):  # boxes and what is in them, at three scales
            outputs += [graph.convolution(graph.depthwise(x, channels, 1), channels, boxes, 1, active=False) for boxes in (6, 12)]
    return graph.write(path, (3, 240, 320), outputs)


class _Graph:
    """A graph of convolutions while it is made, with weights that keep the variance of what they see."""

    def __init__(self, activation: Activation) -> None:
        self._activation, self._rng = activation, np.random.default_rng(7)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        output = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def convolution(
        self, x: str, channels: int, filters: int, kernel: int = 3, stride: int = 1, groups: int = 1, *, active: bool = True
    ) -> str:
        """Add a convolution that keeps the size but for its stride, and its activation."""
        shape = filters, channels // groups, kernel, kernel
        weights = self._rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        w = self._constant(weights), self._constant(self._rng.normal(0, 0.1, filters))
        pads, strides = [kernel // 2] * 4, [stride] * 2
        found = self.node("Conv", x, *w, kernel_shape=[kernel] * 2, pads=pads, strides=strides, group=groups)
        if not active:
            return found
        if self._activation == "relu":
            return self.node("Relu", found)
        return self.node("Clip", found, self._constant(np.array(0)), self._constant(np.array(6)))

    def depthwise(self, x: str, channels: int, stride: int) -> str:
        """Add a convolution of 3x3 for each channel on its own, and its activation."""
        return self.convolution(x, channels, channels, stride=stride, groups=channels)

    def add(self, a: str, b: str) -> str:
        """Add a sum."""
        return self.node("Add", a, b)

    def _constant(self, values: np.ndarray) -> str:
        name = f"constant_{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def write(self, path: Path, shape: tuple[int, ...], outputs: list[str]) -> Path:
        """Write the model of one image at a time."""
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, *shape))
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, "C", "H", "W")) for name in outputs]
        graph = helper.make_graph(self._nodes, path.stem, [image], ends, self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)
        return path
