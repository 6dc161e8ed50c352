"""Models of a fixed batch of ONNX: what their layers see of each image, wherever it lies in the batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_models import NUMERICS, inputs, integers, model, node, run, saved

from cnvlutin2 import simulate
from cnvlutin2.network import Numeric, OnnxNetwork


def tokens(batch: int | str, tokens: int = 17) -> onnx.ModelProto:
    """Layers on tokens of 32 channels, with the images in the middle (sequence-first), flipped, and first again."""
    shape = {"x": [batch, tokens, 32]}
    constants = {f"w{i}": integers(32, 32, seed=i, reach=2) for i in range(4)}
    fold = {"rows": np.array([-1, 32]), "reverse": np.array([-1]), "end": np.array([-100]), "zero": np.array([0])}
    nodes = [
        node("Relu", "x", "r"),
        node("Transpose", "r", "t", perm=[1, 0, 2]),
        node("MatMul", "t w0", "m0", "sequence_first"),
        node("Reshape", "m0 rows", "flat"),
        node("Gemm", "flat w1", "m1", "folded"),
        node("Transpose", "m0", "back", perm=[1, 0, 2]),
        node("Slice", "back reverse end zero reverse", "flipped"),
        node("MatMul", "flipped w2", "m2", "flipped"),
        node("Transpose", "m2", "columns", perm=[0, 2, 1]),
        node("MatMul", "w3 columns", "y", "columns"),
    ]
    return model(nodes, shape, ["y"], {**constants, **fold})


@pytest.mark.parametrize("numeric", NUMERICS)
@pytest.mark.parametrize("batch", [2, 3, 5])
@pytest.mark.parametrize("images", [1, 2, 7])
def test_images_are_told_apart_wherever_they_lie_in_a_batch(batch: int, images: int, numeric: Numeric, tmp_path: Path) -> None:
    given = inputs(integers(images, 17, 32, seed=1))
    fixed, free = (OnnxNetwork(saved(tmp_path, tokens(b), str(b))) for b in (batch, "N"))
    found, expected = run(fixed, given, numeric), run(free, given, numeric)
    assert list(found) == list(expected) == ["sequence_first", "folded", "flipped", "columns"]
    for name, layer in found.items():
        np.testing.assert_array_equal(layer.activations, expected[name].activations)
        assert layer.windows == 17


def test_an_image_in_a_batch_has_the_cycles_that_it_has_alone(tmp_path: Path) -> None:
    """Of ones, and of what a ReLU takes away: 8 windows of 2 cycles or 1 each, where half of each other's rows make 12 and 12."""
    values = np.stack([np.ones((8, 32), np.float32), -np.ones((8, 32), np.float32)])
    for given, cycles in ((values, [16, 8]), (values[::-1], [8, 16])):
        network = simulate(saved(tmp_path, tokens(2, tokens=8)), np.ascontiguousarray(given), "cnv2-dispatch").networks[0]
        assert network.layers[0].layer.name == "sequence_first"
        assert network.layers[0].cycles.tolist() == cycles


@pytest.mark.parametrize("value", [None, 0, 3])
def test_images_that_are_indices_are_told_apart(value: int | None, tmp_path: Path) -> None:
    """Reals that a model looks up in a table of four rows: others than these it does not take."""
    nodes = [
        node("Cast", "x", "i", to=onnx.TensorProto.INT64),
        node("Gather", "table i", "rows"),
        node("Transpose", "rows", "t", perm=[1, 0, 2]),
        node("MatMul", "t w", "y", "product"),
    ]
    proto = model(nodes, {"x": [3, 9]}, ["y"], {"table": integers(4, 8), "w": integers(8, 8)})
    values = np.random.default_rng(0).integers(0, 4, (2, 9)).astype(np.float32)
    values = values if value is None else np.full_like(values, value)
    layer = run(OnnxNetwork(saved(tmp_path, proto)), inputs(values))["product"]
    assert layer.activation_frac is not None
    seen = np.ldexp(layer.activations[:, :, 0].astype(np.float64), -layer.activation_frac)
    np.testing.assert_array_equal(seen.transpose(0, 2, 1), integers(4, 8)[values.astype(int)])


def test_layers_that_mix_images_are_left_out(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w", "a", "before"),
        node("ReduceMean", "a", "mean", axes=[0]),
        node("Sub", "a mean", "b"),
        node("Conv", "b v", "c", "after"),
        node("Reshape", "x shape", "side"),
        node("Conv", "side s", "d", "channels", group=2),
    ]
    constants = {"w": integers(4, 3, 1, 1), "v": integers(4, 4, 1, 1), "s": integers(4, 3, 1, 1)}
    proto = model(nodes, {"x": [2, 3, 4, 4]}, ["c", "d"], {**constants, "shape": np.array([1, 6, 4, 4])})
    stream = OnnxNetwork(saved(tmp_path, proto)).run(inputs(integers(3, 3, 4, 4, seed=1)), Numeric())
    assert [layer.name for layer in stream] == ["before"]
    assert [out.name for out in stream.left_out] == ["after", "channels"]
    for out in stream.left_out:
        assert "depends on others of a batch of 2" in out.reason
