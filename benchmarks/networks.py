"""The networks that are measured: an onnxruntime session, its input, and the layers that a simulation sees."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from benchmarks.random_models import depthwise_models
from cnvlutin2.network import Inputs, Layer, Network, Numeric, load_inputs, open_network
from cnvlutin2.network.topologies import Topology

MODELS = Path(__file__).resolve().parents[1].parent / "shared"
SHARED = {"squeezenet_v1.1": "imagenet-caffe", "squeezenet_v1.0_dc": "imagenet-caffe", "resnet20_cifar10": "imagenet-torch"}
TOPOLOGIES = ("vgg19", "googlenet")
WEIGHT_DENSITY = 0.3


@dataclass
class Case:
    """One network on one input.

    Parameters
    ----------
    name : str
    infer : callable
        Run onnxruntime, once an image.
    layers : list of Layer
        What the simulation gets.
    floats : list of array
        The layers' inputs before quantisation.
    """

    name: str
    infer: Callable[[], object]
    layers: list[Layer]
    floats: list[NDArray[np.float32]]


def cases() -> Iterator[Case]:
    """Yield the networks one at a time, those at hand with several images too; models that are not at hand are passed over."""
    yield _model("digits", open_network("digits"), load_inputs(open_network("digits"), limit=1))
    for stem, path in shared_models():
        network, photos = open_network(path), photographs()
        for chosen in (photos[:1], photos):
            name = stem if len(chosen) == 1 else f"{stem} x{len(chosen)}"
            yield _model(name, network, load_inputs(network, chosen, preprocess=SHARED[stem]), path)
            gc.collect()
    for name in TOPOLOGIES:
        yield _topology(name)
        gc.collect()
    if not (MODELS / "photos").is_dir():
        print("depthwise networks: photographs are not at hand, passed over")
        return
    with TemporaryDirectory() as folder:
        for path in depthwise_models(Path(folder)):
            network = open_network(path)
            yield _model(path.stem, network, load_inputs(network, photographs()[:1], preprocess="imagenet-torch"), path)
            gc.collect()


def shared_models() -> Iterator[tuple[str, Path]]:
    """Yield the name and the file of every trained model that is at hand; others are passed over."""
    for stem in SHARED:
        path = MODELS / "models" / f"{stem}.onnx"
        if path.is_file():
            yield stem, path
        else:
            print(f"{stem}: the model is not at hand, passed over")


def photographs() -> list[Path]:
    """Return the photographs beside the models."""
    return sorted((MODELS / "photos").iterdir())


def inference(path: Path, values: NDArray[Any]) -> Callable[[], object]:
    """Return what runs onnxruntime on images ``[N, C, H, W]``, one by one: some models take no more."""
    session, images = _session(str(path)), np.ascontiguousarray(values)
    key = session.get_inputs()[0].name

    def infer() -> None:
        for i in range(len(images)):
            session.run(None, {key: images[i : i + 1]})

    return infer


def _session(model: bytes | str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def _model(name: str, network: Network, inputs: Inputs, path: Path | None = None) -> Case:
    from cnvlutin2.network.bundled import bundled_path

    infer = inference(Path(str(path or bundled_path(name))), inputs.values)
    layers = list(network.run(inputs, Numeric()))
    return Case(name, infer, layers, [_dequantised(layer) for layer in layers])


def _topology(name: str) -> Case:
    """Build a graph of the topology's layers side by side: their inference time without what stands between them."""
    layers = list(Topology(name, weight_density=WEIGHT_DENSITY).run(None, Numeric()))
    nodes, inputs, outputs, weights, feed = [], [], [], [], {}
    for i, layer in enumerate(layers):
        shape, out = layer.activations.shape, (1, layer.filters, *layer.output_size)
        inputs.append(helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, shape))
        outputs.append(helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, out))
        weights.append(numpy_helper.from_array(layer.weights.astype(np.float32), f"w{i}"))
        nodes.append(
            helper.make_node(
                "Conv",
                [f"x{i}", f"w{i}"],
                [f"y{i}"],
                pads=layer.pads,
                strides=layer.strides,
                dilations=layer.dilations,
                group=layer.groups,
            )
        )
        feed[f"x{i}"] = _dequantised(layer)
    graph = helper.make_graph(nodes, name, inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    session = _session(model.SerializeToString())
    return Case(name, lambda: session.run(None, feed), layers, list(feed.values()))


def _dequantised(layer: Layer) -> NDArray[np.float32]:
    return np.ldexp(layer.activations.astype(np.float32), -(layer.activation_frac or 0))
