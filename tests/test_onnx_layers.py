"""From ONNX nodes to layers: what a layer multiplies adds up to what the node computed, for every kind of node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.reference
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx_models import convolved, inputs, integers, model, node, plainly_run, saved

from cnvlutin2.errors import NetworkError
from cnvlutin2.network import Layer, Numeric, OnnxNetwork, Threshold, Thresholds
from cnvlutin2.network.onnx.graph import LayerNode
from cnvlutin2.network.onnx.node_geometry import resolved_pads


def only_layer(path: Path, values: NDArray[Any]) -> Layer:
    (layer,) = OnnxNetwork(path).run(inputs(values), Numeric())
    return layer


def reference(proto: onnx.ModelProto, values: NDArray[Any], tensor: str | None = None) -> NDArray[Any]:
    """A tensor of the graph by onnx's own evaluator, the first output by default."""
    if tensor is not None:
        proto = onnx.ModelProto.FromString(proto.SerializeToString())
        proto.graph.output.insert(0, onnx.ValueInfoProto(name=tensor))
    evaluator = onnx.reference.ReferenceEvaluator(proto)
    (result, *_) = evaluator.run(None, {proto.graph.input[0].name: values})
    return np.asarray(result)


CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "plain": ((2, 3, 6, 5), (4, 3, 3, 3), {}),
    "padded": ((2, 3, 6, 5), (4, 3, 3, 3), {"pads": [1, 1, 1, 1]}),
    "asymmetric": ((2, 3, 6, 5), (4, 3, 3, 2), {"pads": [0, 1, 2, 3]}),
    "strided": ((2, 3, 9, 8), (4, 3, 3, 3), {"strides": [2, 3], "pads": [1, 0, 1, 1]}),
    "dilated": ((1, 2, 9, 9), (3, 2, 3, 2), {"dilations": [2, 3], "pads": [1, 1, 0, 0]}),
    "grouped": ((2, 6, 5, 5), (4, 3, 3, 3), {"group": 2, "pads": [1, 1, 1, 1]}),
    "depthwise": ((2, 5, 6, 6), (10, 1, 3, 3), {"group": 5}),
    "pointwise": ((2, 17, 3, 4), (5, 17, 1, 1), {}),
    "same upper": ((1, 3, 7, 6), (4, 3, 3, 4), {"auto_pad": "SAME_UPPER", "strides": [2, 1]}),
    "same lower": ((1, 3, 7, 6), (4, 3, 4, 3), {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    "valid": ((1, 3, 7, 6), (4, 3, 3, 3), {"auto_pad": "VALID", "strides": [2, 2]}),
    "whole map": ((2, 3, 4, 4), (5, 3, 4, 4), {}),
    "line": ((2, 3, 11), (4, 3, 5), {"strides": [2], "pads": [1, 3], "dilations": [2]}),
    "grouped line, same": ((2, 4, 11), (4, 2, 4), {"group": 2, "auto_pad": "SAME_UPPER", "strides": [3]}),
}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions_add_up(case: str, tmp_path: Path) -> None:
    shape, weights, attributes = CONVOLUTIONS[case]
    proto = model([node("Conv", "x w", "y", "conv", **attributes)], {"x": ["N", *shape[1:]]}, ["y"], {"w": integers(*weights)})
    values = integers(*shape, seed=1)
    path = saved(tmp_path, proto)
    layer = only_layer(path, values)
    result = convolved(layer) if len(shape) == 4 else convolved(layer)[:, :, 0]
    np.testing.assert_array_equal(result, plainly_run(path, values))
    if "auto_pad" not in attributes:  # which the evaluator of onnx 1.17 gets wrong
        np.testing.assert_array_equal(result, reference(proto, values))
    assert (layer.kind, layer.name, layer.first) == ("conv", "conv", True)


@given(data=st.data())
def test_any_convolution_adds_up(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    size = st.integers(1, 3)
    groups, channels, filters = (data.draw(size) for _ in range(3))
    kernel, strides, dilations = ([data.draw(size) for _ in range(2)] for _ in range(3))
    height, width = (data.draw(st.integers(1, 8)) for _ in range(2))
    attributes: dict[str, Any] = {"strides": strides, "dilations": dilations, "group": groups}
    auto_pad = data.draw(st.sampled_from(["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]))
    pads = [0] * 4
    if auto_pad == "NOTSET":
        pads = attributes["pads"] = [data.draw(st.integers(0, 2)) for _ in range(4)]
    else:
        attributes["auto_pad"] = auto_pad
        # onnxruntime runs no dilation together with auto_pad.
        dilations[:] = attributes["dilations"] = [1, 1]
    sizes = zip((height, width), kernel, dilations, (pads[0] + pads[2], pads[1] + pads[3]), strict=True)
    assume(auto_pad.startswith("SAME") or all(s + pad >= (k - 1) * d + 1 for s, k, d, pad in sizes))
    weights = integers(filters * groups, channels, *kernel)
    shape = (2, channels * groups, height, width)
    proto = model([node("Conv", "x w", "y", "conv", **attributes)], {"x": ["N", *shape[1:]]}, ["y"], {"w": weights})
    values = integers(*shape, seed=1)
    path = saved(tmp_path_factory.getbasetemp(), proto)
    layer = only_layer(path, values)
    np.testing.assert_array_equal(convolved(layer), plainly_run(path, values))
    if auto_pad == "NOTSET":
        np.testing.assert_array_equal(convolved(layer), reference(proto, values))


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    strides=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    dilations=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    upper=st.booleans(),
)
def test_same_padding_gives_an_output_for_every_stride(
    size: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int], dilations: tuple[int, int], upper: bool
) -> None:
    # With dilation too, which onnxruntime does not run.
    auto_pad = "SAME_UPPER" if upper else "SAME_LOWER"
    conv = LayerNode("c", "Conv", 0, "x", "w", (), strides=strides, dilations=dilations, kernel=kernel, auto_pad=auto_pad)
    top, left, bottom, right = resolved_pads(conv, *size)
    for before, after, full, window, stride, dilation in zip(
        (top, left), (bottom, right), size, kernel, strides, dilations, strict=True
    ):
        reach = (window - 1) * dilation + 1
        assert -(-full // stride) == (full + before + after - reach) // stride + 1
        assert 0 <= (after - before if upper else before - after) <= 1


@pytest.mark.parametrize(("trans_a", "trans_b", "alpha"), [(0, 0, 1.0), (0, 1, 1.0), (1, 0, 0.5), (1, 1, -2.0), (0, 1, 0.25)])
def test_gemm_adds_up(trans_a: int, trans_b: int, alpha: float, tmp_path: Path) -> None:
    weights = integers(5, 7) if trans_b else integers(7, 5)
    gemm = node("Gemm", "x w", "y", "fc", transA=trans_a, transB=trans_b, alpha=alpha)
    # With transA one image is one column: only a batch of one keeps images in the first dimension.
    nodes = [node("Reshape", "image shape", "x"), gemm] if trans_a else [gemm]
    constants = {"w": weights, **({"shape": np.array([7, 1])} if trans_a else {})}
    proto = model(nodes, {"image" if trans_a else "x": ["N", 7]}, ["y"], constants)
    values = integers(1 if trans_a else 3, 7, seed=1)
    layer = only_layer(saved(tmp_path, proto), values)
    np.testing.assert_array_equal(convolved(layer)[:, :, 0, 0], reference(proto, values))
    assert layer.kind == "fc"
    assert layer.input_size == (1, 1)


MATMULS: dict[str, tuple[tuple[int, ...], tuple[int, ...], int, str]] = {
    # input, weights, windows an image, kind
    "batch": ((3, 6), (6, 4), 1, "fc"),
    "tokens": ((3, 5, 6), (6, 4), 5, "matmul"),
    "map of tokens": ((2, 2, 5, 6), (6, 4), 10, "matmul"),
    "one matrix in a stack": ((3, 5, 6), (1, 6, 4), 5, "matmul"),
    "vector": ((3, 5, 6), (6,), 5, "matmul"),
}


@pytest.mark.parametrize("case", MATMULS)
def test_matmul_adds_up(case: str, tmp_path: Path) -> None:
    shape, weights, windows, kind = MATMULS[case]
    proto = model([node("MatMul", "x w", "y", "tokens")], {"x": ["N", *shape[1:]]}, ["y"], {"w": integers(*weights)})
    values = integers(*shape, seed=1)
    layer = only_layer(saved(tmp_path, proto), values)
    assert (layer.windows, layer.kind, layer.images) == (windows, kind, shape[0])
    result = convolved(layer)[:, :, 0].transpose(0, 2, 1)  # images, windows, filters
    np.testing.assert_array_equal(result.reshape(-1), reference(proto, values).reshape(-1))


def test_a_vector_is_the_one_row_of_its_image(tmp_path: Path) -> None:
    nodes = [node("Squeeze", "x zero", "v"), node("MatMul", "v w", "y", "fc")]
    proto = model(nodes, {"x": ["N", 6]}, ["y"], {"zero": np.array([0]), "w": integers(6, 4)})
    values = integers(3, 6, seed=1)
    layer = only_layer(saved(tmp_path, proto), values)
    assert (layer.images, layer.windows, layer.kind) == (3, 1, "fc")
    np.testing.assert_array_equal(convolved(layer)[:, :, 0, 0], np.stack([reference(proto, values[i : i + 1]) for i in range(3)]))


LEFT: dict[str, tuple[str, tuple[int, ...], tuple[int, ...], int, dict[str, Any]]] = {
    # node, weights, input, windows an image, attributes
    "columns are the windows": ("MatMul", (4, 5), (3, 5, 6), 6, {}),
    "of maps": ("MatMul", (4, 5), (3, 2, 5, 6), 12, {}),
    "one matrix in a stack": ("MatMul", (1, 4, 5), (3, 5, 6), 6, {}),
    "vector": ("MatMul", (5,), (3, 5, 6), 6, {}),
    "Gemm": ("Gemm", (4, 5), (1, 5), 1, {"transB": 1, "alpha": 0.5}),
    "Gemm of the transposed": ("Gemm", (5, 4), (3, 5), 1, {"transA": 1, "transB": 1}),
}


@pytest.mark.parametrize("threshold", [1, 9000])
@pytest.mark.parametrize("case", LEFT)
def test_the_constant_may_be_the_left_factor(case: str, threshold: int, tmp_path: Path) -> None:
    op, weights, shape, windows, attributes = LEFT[case]
    proto = model([node(op, "w x", "y", "mixing", **attributes)], {"x": ["N", *shape[1:]]}, ["y"], {"w": integers(*weights)})
    values = integers(*shape, seed=1)
    (layer,) = OnnxNetwork(saved(tmp_path, proto)).run(inputs(values), Numeric(thresholds=Thresholds(Threshold(threshold))))
    assert (layer.images, layer.windows, layer.threshold) == (shape[0], windows, threshold)
    # What the layer multiplies is what onnx's evaluator makes of an input without the small values.
    assert layer.activation_frac is not None
    kept = np.where(np.abs(values) * 2.0**layer.activation_frac >= threshold, values, 0).astype(np.float32)
    expected = reference(proto, kept)
    if op == "Gemm":  # images are the columns
        expected = expected.T
    elif len(shape) == 4:
        expected = expected.transpose(0, 2, 1, 3)
    np.testing.assert_array_equal(convolved(layer, thresholds=True).reshape(-1), expected.reshape(-1))


def test_rows_that_images_were_folded_into_are_the_images_windows(tmp_path: Path) -> None:
    nodes = [node("Reshape", "x rows", "r"), node("Gemm", "r w", "y", "fc")]
    proto = model(nodes, {"x": ["N", 5, 6]}, ["y"], {"rows": np.array([-1, 6]), "w": integers(6, 4)})
    values = integers(3, 5, 6, seed=1)
    layer = only_layer(saved(tmp_path, proto), values)
    assert (layer.images, layer.windows, layer.kind) == (3, 5, "matmul")
    np.testing.assert_array_equal(convolved(layer)[:, :, 0].transpose(0, 2, 1).reshape(15, 4), reference(proto, values))


def constant_weights() -> dict[str, tuple[list[onnx.NodeProto], dict[str, Any]]]:
    """Ways to the same weights ``[4, 3, 3, 3]`` that are no initialisers."""
    weights = integers(4, 3, 3, 3)
    eighths = numpy_helper.from_array(weights, "value")
    return {
        "a Constant node": ([helper.make_node("Constant", [], ["w"], value=eighths)], {}),
        "Identity": ([node("Identity", "v", "w")], {"v": weights}),
        "Transpose": ([node("Transpose", "v", "w", perm=[1, 0, 2, 3])], {"v": weights.transpose(1, 0, 2, 3)}),
        "Reshape": ([node("Reshape", "v shape", "w")], {"v": weights.reshape(-1), "shape": np.array([4, 3, 3, 3])}),
        "DequantizeLinear": (
            [node("DequantizeLinear", "v scale zero", "w")],
            {"v": (weights * 2 + 3).astype(np.int8), "scale": np.float32(0.5), "zero": np.int8(3)},
        ),
        "a product of constants": ([node("Mul", "v s", "w")], {"v": weights / 2, "s": np.full((4, 1, 1, 1), 2, np.float32)}),
        "two steps": ([node("Identity", "v", "i"), node("Neg", "i", "w")], {"v": -weights}),
    }


@pytest.mark.parametrize("way", constant_weights())
def test_weights_may_come_through_other_nodes(way: str, tmp_path: Path) -> None:
    nodes, constants = constant_weights()[way]
    proto = model([*nodes, node("Conv", "x w", "y", "conv")], {"x": ["N", 3, 5, 5]}, ["y"], constants)
    plain = model([node("Conv", "x w", "y", "conv")], {"x": ["N", 3, 5, 5]}, ["y"], {"w": integers(4, 3, 3, 3)})
    values = integers(2, 3, 5, 5, seed=1)
    layer, expected = only_layer(saved(tmp_path, proto), values), only_layer(saved(tmp_path, plain, "plain"), values)
    np.testing.assert_array_equal(layer.weights, expected.weights)
    assert layer.weight_frac == expected.weight_frac


def test_large_weights_through_other_nodes(tmp_path: Path) -> None:
    weights = integers(40, 30)
    proto = model([node("Transpose", "v", "w"), node("MatMul", "x w", "y", "fc")], {"x": ["N", 30]}, ["y"], {"v": weights})
    values = integers(2, 30, seed=1)
    np.testing.assert_array_equal(convolved(only_layer(saved(tmp_path, proto), values))[:, :, 0, 0], values @ weights.T)


def residual() -> onnx.ModelProto:
    """Convolutions with batch normalisation, one without a name, a shared input, shared weights, a branch, a classifier."""
    random = np.random.default_rng(5)
    constants = {f"w{i}": random.standard_normal((6, c, 3, 3)).astype(np.float32) for i, c in enumerate((3, 6, 6))}
    for i in range(3):
        constants |= {f"{p}{i}": random.random(6).astype(np.float32) + 0.5 for p in ("scale", "shift", "mean", "var")}
    constants["fc"] = random.standard_normal((6, 10)).astype(np.float32)
    nodes = []
    for i, (source, name) in enumerate((("x", "stem"), ("r0", ""), ("r0", "branch"))):
        nodes += [
            node("Conv", f"{source} w{i}", f"c{i}", name, pads=[1, 1, 1, 1]),
            node("BatchNormalization", f"c{i} scale{i} shift{i} mean{i} var{i}", f"b{i}", f"norm{i}"),
            *([node("Relu", "b0", "r0", "relu")] if i == 0 else []),
        ]
    nodes += [
        node("Add", "b1 b2", "sum"),
        node("Relu", "sum", "r1"),
        node("Conv", "r1 w2", "again", "again", pads=[1, 1, 1, 1]),
        node("GlobalAveragePool", "again", "pooled"),
        node("Flatten", "pooled", "flat"),
        node("Gemm", "flat fc", "scores", "branch"),
    ]
    return model(nodes, {"x": ["N", 3, 8, 8]}, ["scores"], constants)


def test_names_order_and_first_layer(tmp_path: Path) -> None:
    network = OnnxNetwork(saved(tmp_path, residual()))
    names = ["stem", "c1", "branch", "again", "branch#2"]  # the unnamed one by its output, the second "branch" numbered
    assert list(network.layer_names()) == names
    random = np.random.default_rng(0)
    layers = list(network.run(inputs(random.standard_normal((4, 3, 8, 8)).astype(np.float32)), Numeric()))
    assert [layer.name for layer in layers] == names
    assert [layer.first for layer in layers] == [True, False, False, False, False]
    assert [layer.kind for layer in layers] == ["conv"] * 4 + ["fc"]
    assert layers[1].activations is layers[2].activations  # one tensor, one array
    assert network.left_out == ()


def test_a_named_node_keeps_its_name_before_an_output_that_is_called_so(tmp_path: Path) -> None:
    nodes = [node("Conv", "x w", "taken"), node("Conv", "taken w", "y", "taken")]
    proto = model(nodes, {"x": ["N", 3, 5, 5]}, ["y"], {"w": integers(3, 3, 1, 1)})
    assert list(OnnxNetwork(saved(tmp_path, proto)).layer_names()) == ["taken#2", "taken"]


def test_captured_inputs_are_the_reference_evaluators(tmp_path: Path) -> None:
    proto = residual()
    values = np.random.default_rng(1).standard_normal((3, 3, 8, 8)).astype(np.float32)
    layers = list(OnnxNetwork(saved(tmp_path, proto)).run(inputs(values), Numeric(data_bits=10)))
    for layer, tensor in zip(layers, ("x", "r0", "r0", "r1", "flat"), strict=True):
        expected = reference(proto, values, tensor)
        expected = expected.reshape(*expected.shape, *(1,) * (4 - expected.ndim))
        assert layer.activation_frac is not None
        assert layer.activation_frac == 9 - np.ceil(np.log2(np.abs(expected).max()))
        found = np.ldexp(layer.activations.astype(np.float64), -layer.activation_frac)
        # Sums in another order: at most the next integer.
        np.testing.assert_allclose(found, expected, atol=0.501 * 2.0**-layer.activation_frac)


def left_out(path: Path) -> dict[str, tuple[str, str]]:
    return {out.name: (out.operator, out.reason) for out in OnnxNetwork(path).left_out}


def test_what_has_no_meaning_is_listed(tmp_path: Path) -> None:
    body = helper.make_graph(
        [node("Conv", "small deep", "inner", "hidden")], "body", [], [helper.make_tensor_value_info("inner", 1, None)]
    )
    nodes = [
        node("Conv", "x w", "a", "kept"),
        node("ConvTranspose", "a up", "b", "transposed"),
        node("Conv", "a computed", "unused1", "hyper"),
        node("Reshape", "a five", "volume"),
        node("Conv", "volume cube", "unused2", "cubic"),
        node("MatMul", "a a", "unused3", "attention"),
        node("MatMul", "square a", "unused4", "mixed"),
        node("MatMul", "a stack", "unused5", "heads"),
        node("MatMul", "square square", "unused6", "folded"),
        node("Conv", "a deep", "unused7", "cropped", pads=[-1, 0, 0, 0]),
        node("Einsum", "a square", "unused8", "sum", equation="ncij,jk->ncik"),
        node("Identity", "a", "small"),
        node("If", "true", "unused9", "choice", then_branch=body, else_branch=body),
        node("ReduceMean", "x", "computed", keepdims=1, axes=[0]),
        node("Mystery", "a square", "unused10", "mystery", domain="example.org"),
        node("Enigma", "a", "unused11", "enigma", domain="example.org"),
    ]
    nodes[2], nodes[13] = nodes[13], nodes[2]
    constants = {
        "w": integers(4, 3, 1, 1),
        "up": integers(4, 2, 2, 2),
        "five": np.array([0, 0, 4, 2, 2]),
        "cube": integers(4, 4, 1, 1, 1),
        "square": integers(4, 4),
        "stack": integers(4, 4, 4),
        "deep": integers(4, 4, 1, 1),
        "true": np.array(True),
    }
    proto = model(nodes, {"x": ["N", 3, 4, 4]}, ["b"], constants, opset=13, domains=["example.org"])
    found = left_out(saved(tmp_path, proto))
    assert {name: op for name, (op, _) in found.items()} == {
        "transposed": "ConvTranspose",
        "hyper": "Conv",
        "cubic": "Conv",
        "attention": "MatMul",
        "heads": "MatMul",
        "folded": "MatMul",
        "cropped": "Conv",
        "sum": "Einsum",
        "choice/then_branch/hidden": "Conv",
        "choice/else_branch/hidden": "Conv",
        "mystery": "Mystery",
        "enigma": "Enigma",
    }
    for name, words in {
        "transposed": "transposed convolution",
        "hyper": "weights are not constant",
        "cubic": "3-dimensional",
        "attention": "two activations",
        "heads": "stack of matrices",
        "folded": "constants",
        "cropped": "negative padding",
        "choice/then_branch/hidden": "body of If 'choice'",
        "mystery": "domain 'example.org' that is not known here, and may multiply; it holds constant weights: 'square'",
        "enigma": "domain 'example.org' that is not known here, and may multiply",
    }.items():
        assert words in found[name][1]


def test_quantised_operations_are_listed(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w", "a", "kept"),
        node("QuantizeLinear", "a one zero", "q"),
        node("ConvInteger", "q wi", "i", "integer"),
        node("QLinearConv", "q one zero wq one zerow one zero", "l", "linear"),
        node("DequantizeLinear", "l one zero", "y"),
    ]
    constants = {
        "w": integers(4, 3, 1, 1),
        "one": np.float32(1),
        "zero": np.uint8(0),
        "zerow": np.int8(0),
        "wi": integers(4, 4, 1, 1, dtype="int8"),
        "wq": integers(4, 4, 1, 1, dtype="int8"),
    }
    found = left_out(saved(tmp_path, model(nodes, {"x": ["N", 3, 4, 4]}, ["y"], constants)))
    assert {name: op for name, (op, _) in found.items()} == {"integer": "ConvInteger", "linear": "QLinearConv"}


def test_quantize_dequantize_pairs_are_layers(tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", "x step zero", "q"),
        node("DequantizeLinear", "q step zero", "d"),
        node("DequantizeLinear", "wq step zero", "w"),
        node("Conv", "d w", "y", "conv"),
    ]
    constants = {"step": np.float32(0.5), "zero": np.int8(0), "wq": integers(4, 3, 3, 3, dtype="int8")}
    proto = model(nodes, {"x": ["N", 3, 5, 5]}, ["y"], constants, opset=19)
    values = integers(2, 3, 5, 5, seed=1)
    np.testing.assert_array_equal(convolved(only_layer(saved(tmp_path, proto), values)), reference(proto, values))


def test_maps_that_are_not_the_batch_are_listed_when_they_run(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w", "a", "kept"),
        node("Reshape", "a shape", "parts"),
        node("Conv", "parts v", "y", "folded"),
    ]
    constants = {"w": integers(4, 3, 1, 1), "shape": np.array([-1, 2, 4, 4]), "v": integers(2, 2, 1, 1)}
    network = OnnxNetwork(saved(tmp_path, model(nodes, {"x": ["N", 3, 4, 4]}, ["y"], constants)))
    stream = network.run(inputs(integers(3, 3, 4, 4, seed=1)), Numeric())
    assert [layer.name for layer in stream] == ["kept"]
    (out,) = stream.left_out
    assert (out.name, out.operator) == ("folded", "Conv")
    assert "2 maps for 1 image" in out.reason
    assert network.left_out == ()
    assert list(network.layer_names()) == ["kept", "folded"]


def test_first_layers_are_those_that_see_the_input_alone(tmp_path: Path) -> None:
    nodes = [
        node("ConvTranspose", "x up", "a", "up"),
        node("Conv", "a w", "b", "after"),
        node("Mul", "x two", "c"),
        node("Conv", "c v", "d", "stem"),
        node("Conv", "x v", "e", "second"),
        node("Concat", "x d", "f", axis=1),
        node("Conv", "f both", "g", "mixed"),
    ]
    constants = {"up": integers(3, 3, 1, 1), "w": integers(3, 3, 1, 1), "v": integers(2, 3, 1, 1), "two": np.float32(2)}
    constants["both"] = integers(2, 5, 1, 1)
    network = OnnxNetwork(saved(tmp_path, model(nodes, {"x": ["N", 3, 4, 4]}, ["b", "d", "e", "g"], constants)))
    layers = list(network.run(inputs(integers(1, 3, 4, 4, seed=1)), Numeric()))
    assert [layer.name for layer in layers if layer.first] == ["stem", "second"]


def test_functions_are_looked_into(tmp_path: Path) -> None:
    proto = model(
        [node("Block", "x w", "a", "block", domain="local"), node("Relu", "a", "y")],
        {"x": ["N", 3, 4, 4]},
        ["y"],
        {"w": integers(16, 3, 3, 3)},
        domains=["local"],
    )
    body = [node("Conv", "in weight", "mid", "conv", pads=[1, 1, 1, 1]), node("Relu", "mid", "out")]
    opset = [helper.make_opsetid("", 17)]
    proto.functions.append(helper.make_function("local", "Block", ["in", "weight"], ["out"], body, opset))
    values = integers(2, 3, 4, 4, seed=1)
    layer = only_layer(saved(tmp_path, proto), values)
    np.testing.assert_array_equal(np.maximum(convolved(layer), 0), reference(proto, values))


def test_a_network_without_layers_is_refused(tmp_path: Path) -> None:
    nodes = [node("ConvTranspose", "x w", "y", "up")]
    path = saved(tmp_path, model(nodes, {"x": ["N", 3, 4, 4]}, ["y"], {"w": integers(3, 3, 1, 1)}))
    with pytest.raises(
        NetworkError, match=r"no Conv, Gemm or MatMul with constant weights to simulate \(up: transposed convolution; .*'w'\)"
    ):
        OnnxNetwork(path)


def test_a_network_whose_layers_cannot_be_told_apart_by_image_is_refused(tmp_path: Path) -> None:
    nodes = [node("Reshape", "x shape", "parts"), node("Conv", "parts w", "y", "folded")]
    constants = {"shape": np.array([-1, 1, 4, 4]), "w": integers(2, 1, 1, 1)}
    network = OnnxNetwork(saved(tmp_path, model(nodes, {"x": ["N", 3, 4, 4]}, ["y"], constants)))
    with pytest.raises(NetworkError, match=r"has no layer to simulate \(folded: it sees 3 maps for 1 image"):
        list(network.run(inputs(integers(2, 3, 4, 4)), Numeric()))
