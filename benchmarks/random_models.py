"""Networks of real shapes with random weights, as ONNX models: those of which no trained file is at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


@dataclass
class _Builder:
    """An ONNX graph in the making; `channels` is what each tensor has."""

    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)
    channels: dict[str, int] = field(default_factory=dict)

    def constant(self, name: str, values: NDArray[Any]) -> str:
        self.weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def node(self, kind: str, inputs: list[str], channels: int, **attributes: Any) -> str:
        out = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [out], name=f"{kind.lower()}{len(self.nodes)}", **attributes))
        self.channels[out] = channels
        return out

    def conv(
        self, source: str, filters: int, kernel: int = 1, stride: int = 1, *, depthwise: bool = False, relu: str = "Relu"
    ) -> str:
        """Add a convolution that keeps the size but for its stride, and what follows it: Relu, Relu6 or nothing."""
        inside = 1 if depthwise else self.channels[source]
        fan_in = inside * kernel * kernel
        name = f"w{len(self.weights)}"
        weights = self.constant(name, self.rng.normal(0, (2 / fan_in) ** 0.5, (filters, inside, kernel, kernel)))
        bias = self.constant(f"{name}_b", self.rng.normal(0, 0.1, filters))
        out = self.node(
            "Conv",
            [source, weights, bias],
            filters,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
            group=self.channels[source] if depthwise else 1,
        )
        if relu == "Relu6":
            return self.node("Clip", [out, "zero", "six"], filters)
        return self.node("Relu", [out], filters) if relu else out

    def model(self, source: str, size: tuple[int, int], outputs: list[str]) -> onnx.ModelProto:
        self.constant("zero", np.array(0))
        self.constant("six", np.array(6))
        given = helper.make_tensor_value_info(source, TensorProto.FLOAT, [1, self.channels[source], *size])
        made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, self.channels[name], None, None]) for name in outputs]
        graph = helper.make_graph(self.nodes, "random", [given], made, self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _started() -> tuple[_Builder, str]:
    builder = _Builder()
    builder.channels["image"] = 3
    return builder, "image"


def googlenet() -> onnx.ModelProto:
    """GoogLeNet's shapes, for a photograph of 224x224."""
    b, x = _started()
    pool = {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}
    x = b.conv(x, 64, 7, 2)
    x = b.node("MaxPool", [x], 64, **pool)
    x = b.conv(b.conv(x, 64), 192, 3)
    for place, parts in enumerate(
        (
            (64, 96, 128, 16, 32, 32),
            (128, 128, 192, 32, 96, 64),
            (192, 96, 208, 16, 48, 64),
            (160, 112, 224, 24, 64, 64),
            (128, 128, 256, 24, 64, 64),
            (112, 144, 288, 32, 64, 64),
            (256, 160, 320, 32, 128, 128),
            (256, 160, 320, 32, 128, 128),
            (384, 192, 384, 48, 128, 128),
        )
    ):
        if place in (0, 2, 7):
            x = b.node("MaxPool", [x], b.channels[x], **pool)
        one, reduced3, three, reduced5, five, pooled = parts
        around = b.node("MaxPool", [x], b.channels[x], kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])
        branches = [
            b.conv(x, one),
            b.conv(b.conv(x, reduced3), three, 3),
            b.conv(b.conv(x, reduced5), five, 5),
            b.conv(around, pooled),
        ]
        x = b.node("Concat", branches, one + three + five + pooled, axis=1)
    x = b.node("GlobalAveragePool", [x], 1024)
    x = b.conv(x, 1000, relu="")
    return b.model("image", (224, 224), [x])


def mobilenet(relu: str = "Relu6") -> onnx.ModelProto:
    """MobileNetV2's shapes, for a photograph of 224x224."""
    b, x = _started()
    x = b.conv(x, 32, 3, 2, relu=relu)
    for expansion, filters, times, stride in (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):
        for number in range(times):
            before, wide = x, b.channels[x] * expansion
            x = b.conv(x, wide, relu=relu) if expansion > 1 else x
            x = b.conv(x, wide, 3, stride if number == 0 else 1, depthwise=True, relu=relu)
            x = b.conv(x, filters, relu="")
            if number:
                x = b.node("Add", [before, x], filters)
    x = b.conv(x, 1280, relu=relu)
    x = b.node("GlobalAveragePool", [x], 1280)
    x = b.conv(x, 1000, relu="")
    return b.model("image", (224, 224), [x])


def detector(relu: str = "Relu") -> onnx.ModelProto:
    """A small detector of 320x240 made of depthwise-separable convolutions, as face detectors are: few channels, large maps."""
    b, x = _started()
    x = b.conv(x, 16, 3, 2, relu=relu)
    heads = []
    for filters, stride in (
        (32, 1),
        (32, 2),
        (32, 1),
        (64, 2),
        (64, 1),
        (64, 1),
        (64, 1),
        (128, 2),
        (128, 1),
        (128, 1),
        (256, 2),
    ):
        x = b.conv(x, b.channels[x], 3, stride, depthwise=True, relu=relu)
        x = b.conv(x, filters, relu=relu)
        if filters == 64 or filters >= 128:
            heads.append(x)
    found = []
    for head in (heads[3], heads[6], heads[7]):
        for filters in (12, 6):
            y = b.conv(head, b.channels[head], 3, depthwise=True, relu=relu)
            found.append(b.conv(y, filters, relu=""))
    return b.model("image", (240, 320), found)


MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    "GoogLeNet's shapes": googlenet,
    "MobileNetV2's, ReLU6": mobilenet,
    "MobileNetV2's, ReLU": lambda: mobilenet("Relu"),
    "small detector": detector,
}
