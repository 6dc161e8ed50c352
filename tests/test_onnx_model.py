"""Reading ONNX files: what is accepted equals the plain file, what is not is refused in one line that names it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import convolved, inputs, integers, model, node, saved

from cnvlutin2.errors import NetworkError
from cnvlutin2.network import Numeric, OnnxNetwork, open_network
from cnvlutin2.network.bundled import bundled_inputs, bundled_path

WEIGHTS = integers(16, 3, 5, 5)
VALUES = integers(2, 3, 8, 8, seed=1)


def convolution(**options: Any) -> onnx.ModelProto:
    return model([node("Conv", "x w", "y", "conv")], {"x": ["N", 3, 8, 8]}, ["y"], {"w": WEIGHTS}, **options)


def refused(path: Path, words: str) -> str:
    """Opening or running a model must fail with one line that names the file; return the line."""
    with pytest.raises(NetworkError, match=words) as caught:
        list(OnnxNetwork(path).run(inputs(VALUES), Numeric()))
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


def same_as_plain(path: Path, folder: Path) -> None:
    plain = OnnxNetwork(saved(folder, convolution(), "plain"))
    for network in (OnnxNetwork(path), plain):
        (layer,) = network.run(inputs(VALUES), Numeric())
        if network is not plain:
            found = layer
    np.testing.assert_array_equal(found.weights, layer.weights)
    np.testing.assert_array_equal(found.activations, layer.activations)


@pytest.mark.parametrize("part", [0, 1, 100, 0.25, 0.5, 0.9, 0.999])
def test_truncated_models_are_refused(part: float, tmp_path: Path) -> None:
    data = bundled_path("digits").read_bytes()
    path = tmp_path / "short.onnx"
    path.write_bytes(data[: part if isinstance(part, int) else int(len(data) * part)])
    refused(path, "ONNX model")


@pytest.mark.parametrize("data", [b"not a model", b"\x00" * 100, b"\xff" * 100, b"PK\x03\x04" + bytes(60), "{}".encode("utf-16")])
def test_other_files_are_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(data)
    refused(path, "ONNX model")


def test_missing_and_unreadable_files_are_refused(tmp_path: Path) -> None:
    refused(tmp_path / "none.onnx", "cannot be read: No such file")
    (tmp_path / "folder.onnx").mkdir()
    refused(tmp_path / "folder.onnx", "is not a file")
    os.mkfifo(tmp_path / "pipe.onnx")
    refused(tmp_path / "pipe.onnx", "is not a file")
    with (tmp_path / "huge.onnx").open("wb") as file:
        file.truncate((1 << 31) + 1)  # a hole: it takes no room
    refused(tmp_path / "huge.onnx", "larger than any ONNX file")


def damage(change: Callable[[onnx.ModelProto], object]) -> onnx.ModelProto:
    proto = convolution()
    change(proto)
    return proto


DAMAGES: dict[str, tuple[Callable[[onnx.ModelProto], object], str]] = {
    "no operator set": (lambda p: p.opset_import.pop(), "not a valid ONNX model"),
    "an undefined tensor": (lambda p: p.graph.node[0].input.__setitem__(0, "nowhere"), "not a valid ONNX model"),
    "an unknown operation": (lambda p: setattr(p.graph.node[0], "op_type", "Convolve"), "not a valid ONNX model"),
    "a future operator set": (
        lambda p: setattr(p.opset_import[0], "version", 9999),
        r"its opset 9999 is newer .*; upgrade onnx$",
    ),
    "a future format": (lambda p: setattr(p, "ir_version", 9999), r"its IR version 9999 is newer .*; upgrade onnx$"),
    "the next format": (lambda p: setattr(p, "ir_version", onnx.IR_VERSION + 1), "upgrade onnx$"),
    "too few values": (lambda p: p.graph.initializer[0].dims.__setitem__(0, 17), "tensor 'w' does not fit its header"),
    "a huge header": (lambda p: p.graph.initializer[0].dims.__setitem__(0, 1 << 50), "tensor 'w' does not fit its header"),
    "an output that is not made": (lambda p: setattr(p.graph.output[0], "name", "z"), "not a valid|does not take"),
    "no output": (lambda p: p.graph.output.pop(), "it has no output"),
    "a kernel that does not fit": (lambda p: p.graph.initializer[0].dims.__setitem__(slice(1, 4), [5, 3, 5]), "onnxruntime"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_inconsistent_models_are_refused(what: str, tmp_path: Path) -> None:
    change, words = DAMAGES[what]
    refused(saved(tmp_path, damage(change)), words)


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bytes.onnx"
    path.write_bytes(convolution().SerializeToString().replace(b"conv", b"c\x9bnv"))
    refused(path, "not a valid ONNX model")


def external(location: str, offset: int | str = 0) -> onnx.ModelProto:
    proto = convolution()
    (tensor,) = proto.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": str(offset)}.items():
        tensor.external_data.add(key=key, value=value)
    return proto


@pytest.mark.parametrize("offset", [0, 3, 4096])
def test_external_data_beside_the_model(offset: int, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "weights.bin").write_bytes(bytes(offset) + WEIGHTS.tobytes())
    same_as_plain(saved(tmp_path, external("data/weights.bin", offset)), tmp_path)


def test_external_data_is_hashed(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(WEIGHTS.tobytes())
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "weights.bin").write_bytes(WEIGHTS.tobytes() + b"1")
    for location in ("weights.bin", "a/weights.bin"):
        path = saved(tmp_path, external(location))
        expected = {file: hashlib.sha256((tmp_path / file).read_bytes()).hexdigest() for file in (path.name, location)}
        assert OnnxNetwork(path).hashes == expected


@pytest.mark.parametrize(
    "location", ["/outside.bin", "../outside.bin", "a/../../outside.bin", "..\\outside.bin", "", "link.bin", "there"]
)
def test_external_data_elsewhere_is_refused(location: str, tmp_path: Path) -> None:
    (tmp_path / "outside.bin").write_bytes(WEIGHTS.tobytes())
    folder = tmp_path / "models"
    (folder / "a").mkdir(parents=True)
    (folder / "link.bin").symlink_to(tmp_path / "outside.bin")
    (folder / "there").symlink_to(tmp_path, target_is_directory=True)
    place = {"/outside.bin": str(tmp_path / "outside.bin"), "there": "there/outside.bin"}.get(location, location)
    assert "outside the model's folder" in refused(saved(folder, external(place)), "tensor 'w' keeps its data in")


def test_links_to_files_of_other_names_are_the_models_own(tmp_path: Path) -> None:
    """As a cache of downloads keeps them: contents by hash in one folder, names that belong together as links in another."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "main" / "onnx"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    (blobs / "1a").write_bytes(external("model.onnx_data").SerializeToString())
    (blobs / "2b").write_bytes(WEIGHTS.tobytes())
    for name, blob in (("model.onnx", "1a"), ("model.onnx_data", "2b")):
        (snapshot / name).symlink_to(Path("../../../blobs") / blob)
    same_as_plain(snapshot / "model.onnx", tmp_path)
    assert set(OnnxNetwork(snapshot / "model.onnx").hashes) == {"model.onnx", "model.onnx_data"}


def test_a_link_to_a_model_finds_the_data_beside_the_model(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(WEIGHTS.tobytes())
    saved(folder, external("weights.bin"))
    (tmp_path / "link.onnx").symlink_to(folder / "model.onnx")
    same_as_plain(tmp_path / "link.onnx", tmp_path)


def test_links_beside_a_linked_model_may_lead_to_its_folders_alone(tmp_path: Path) -> None:
    blobs, snapshot, other = tmp_path / "blobs", tmp_path / "snapshot", tmp_path / "other"
    for folder in (blobs, snapshot, other):
        folder.mkdir()
    (blobs / "1a").write_bytes(external("weights.bin").SerializeToString())
    (other / "2b").write_bytes(WEIGHTS.tobytes())
    (snapshot / "model.onnx").symlink_to("../blobs/1a")
    (snapshot / "weights.bin").symlink_to("../other/2b")
    refused(snapshot / "model.onnx", "outside the model's folder")


@pytest.mark.parametrize("seed", range(5))
def test_nodes_may_come_in_any_order(seed: int, tmp_path: Path) -> None:
    """As a converter to float16 appends its Casts: in the graph, in a body that reads from outside, and in a function."""
    body = [node("Add", "outer kept", "sum"), node("Relu", "sum", "inner")]
    block = [node("Conv", "in w", "mid", "conv"), node("Relu", "mid", "half"), node("Neg", "half", "out")]
    nodes = [
        node("Block", "x w", "kept", domain="local"),
        node("Sigmoid", "kept", "outer"),
        node("If", "yes", "chosen"),
        node("Conv", "chosen v", "y", "last"),
    ]
    order = np.random.default_rng(seed).permutation
    branch = helper.make_graph([body[i] for i in order(2)], "b", [], [helper.make_tensor_value_info("inner", 1, None)])
    nodes[2].attribute.extend(helper.make_attribute(key, branch) for key in ("then_branch", "else_branch"))
    constants = {"w": WEIGHTS, "v": integers(4, 16, 1, 1), "yes": np.array(True)}
    proto = model([nodes[i] for i in order(4)], {"x": ["N", 3, 8, 8]}, ["y"], constants, domains=["local"])
    opset = [helper.make_opsetid("", 17)]
    proto.functions.append(helper.make_function("local", "Block", ["in", "w"], ["out"], [block[i] for i in order(3)], opset))
    layers = {layer.name: layer for layer in OnnxNetwork(saved(tmp_path, proto)).run(inputs(VALUES), Numeric())}
    first, last = layers.values()
    kept = -np.maximum(convolved(first), 0)
    outer = 1 / (1 + np.exp(-kept))
    assert last.activation_frac is not None
    seen = np.ldexp(last.activations.astype(np.float64), -last.activation_frac)
    np.testing.assert_allclose(seen, np.maximum(outer + kept, 0), atol=2.0**-last.activation_frac)


def test_nodes_in_a_circle_are_refused(tmp_path: Path) -> None:
    nodes = [node("Conv", "x w", "a", "conv"), node("Add", "a c", "b"), node("Relu", "b", "c")]
    refused(saved(tmp_path, model(nodes, {"x": ["N", 3, 8, 8]}, ["c"], {"w": WEIGHTS})), "not a valid ONNX model")


def test_external_data_of_other_tensors_is_looked_at_too(tmp_path: Path) -> None:
    value = external("../outside.bin").graph.initializer[0]
    constant = helper.make_node("Constant", [], ["w"], value=value)
    body = helper.make_graph([], "body", [], [helper.make_tensor_value_info("v", 1, None)], [value])
    for nodes in ([constant], [node("If", "yes", "w", then_branch=body, else_branch=body)]):
        proto = model([*nodes, node("Conv", "x w", "y")], {"x": ["N", 3, 8, 8]}, ["y"], {"yes": np.array(True)})
        refused(saved(tmp_path, proto), "outside the model's folder")


def test_external_constants_are_read(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(WEIGHTS.tobytes())
    constant = helper.make_node("Constant", [], ["w"], value=external("weights.bin").graph.initializer[0])
    proto = model([constant, node("Conv", "x w", "y", "conv")], {"x": ["N", 3, 8, 8]}, ["y"])
    same_as_plain(saved(tmp_path, proto), tmp_path)


def test_missing_and_truncated_external_data_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, external("weights.bin", 8))
    with pytest.raises(NetworkError, match=r"weights.bin: is missing: model.onnx keeps tensor 'w' in it"):
        OnnxNetwork(path)
    (tmp_path / "weights.bin").write_bytes(WEIGHTS.tobytes())
    with pytest.raises(NetworkError, match=r"weights.bin: is truncated: 'w' of model.onnx ends at byte 4808 of 4800"):
        OnnxNetwork(path)
    for offset in ("-4", "many"):
        with pytest.raises(NetworkError, match="'w'"):
            OnnxNetwork(saved(tmp_path, external("weights.bin", offset)))


def sparse(linear: bool) -> onnx.ModelProto:
    proto = convolution()
    places = np.nonzero(WEIGHTS)
    indices = np.ravel_multi_index(places, WEIGHTS.shape) if linear else np.stack(places, axis=1)
    values = numpy_helper.from_array(WEIGHTS[places], "w")
    proto.graph.sparse_initializer.append(
        onnx.SparseTensorProto(values=values, indices=numpy_helper.from_array(indices), dims=WEIGHTS.shape)
    )
    del proto.graph.initializer[:]
    return proto


@pytest.mark.parametrize("linear", [True, False])
def test_sparse_weights(linear: bool, tmp_path: Path) -> None:
    same_as_plain(saved(tmp_path, sparse(linear)), tmp_path)


def test_sparse_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    for linear in (True, False):
        for index in (-1, 1 << 40):
            proto = sparse(linear)
            indices = numpy_helper.to_array(proto.graph.sparse_initializer[0].indices).copy()
            indices.flat[0] = index
            proto.graph.sparse_initializer[0].indices.CopyFrom(numpy_helper.from_array(indices))
            refused(saved(tmp_path, proto), "sparse tensor 'w'")
    proto = sparse(linear=True)
    proto.graph.sparse_initializer[0].dims[:] = [1 << 20, 1 << 20]
    refused(saved(tmp_path, proto), "more than 2 GiB")


def test_old_models_list_their_weights_as_inputs(tmp_path: Path) -> None:
    proto = convolution(ir_version=3, opset=7)
    proto.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, WEIGHTS.shape))
    same_as_plain(saved(tmp_path, proto), tmp_path)


def test_unused_weights_do_no_harm(tmp_path: Path) -> None:
    proto = convolution()
    proto.graph.initializer.append(numpy_helper.from_array(integers(100, 100), "unused"))
    same_as_plain(saved(tmp_path, proto), tmp_path)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(number: float, tmp_path: Path) -> None:
    proto = convolution()
    weights = WEIGHTS.copy()
    weights[3, 1, 2, 2] = number
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, "w"))
    network = OnnxNetwork(saved(tmp_path, proto))
    with pytest.raises(NetworkError, match="layer 'conv': its weights 'w' are infinite or not numbers"):
        list(network.run(inputs(VALUES), Numeric()))


def test_models_of_several_inputs_are_refused(tmp_path: Path) -> None:
    proto = model([node("Conv", "x w", "y")], {"x": ["N", 3, 8, 8], "w": [4, 3, 1, 1]}, ["y"])
    refused(saved(tmp_path, proto), r"takes 2 inputs \(x, w\), must be 1")
    constant = model([node("Identity", "w", "y")], {}, ["y"], {"w": WEIGHTS})
    refused(saved(tmp_path, constant), r"takes 0 inputs \(none\), must be 1")


def test_inputs_without_a_shape_or_of_text_are_refused(tmp_path: Path) -> None:
    proto = convolution()
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    refused(saved(tmp_path, proto), "not a tensor of numbers")


def test_a_model_that_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, convolution())
    network = OnnxNetwork(path)
    (before,) = network.run(inputs(VALUES), Numeric())
    list(network.run(inputs(VALUES), Numeric(8)))  # read again, and equal
    changed = convolution()
    changed.doc_string = "changed"
    saved(tmp_path, changed)
    with pytest.raises(NetworkError, match="has changed since it was opened"):
        list(network.run(inputs(VALUES), Numeric(7)))
    (same,) = OnnxNetwork(saved(tmp_path, convolution())).run(inputs(VALUES), Numeric())
    np.testing.assert_array_equal(same.activations, before.activations)


def test_errors_of_onnxruntime_stay_off_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    change, words = DAMAGES["a kernel that does not fit"]
    refused(saved(tmp_path, damage(change)), words)
    assert capfd.readouterr() == ("", "")


def test_nothing_is_written_below_the_home_folder(tmp_path: Path) -> None:
    """onnxruntime's telemetry, else, with its import."""
    code = "from cnvlutin2.network import OnnxNetwork; from cnvlutin2.network.bundled import bundled_path; "
    code += "OnnxNetwork(bundled_path('digits')); import sys; assert 'onnxruntime' in sys.modules"
    unset = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
    environment = {key: value for key, value in os.environ.items() if key not in unset} | {"HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []


def test_open_network_knows_every_kind(tmp_path: Path) -> None:
    assert open_network("digits").name == "digits"
    assert open_network("digits-pruned").takes_inputs
    assert open_network("alexnet").name == "alexnet"
    assert open_network(saved(tmp_path, convolution(), "mine")).name == "mine"
    assert open_network(str(tmp_path / "mine.onnx")).layer_names() == ["conv"]
    (tmp_path / "digits").write_bytes(convolution().SerializeToString())
    assert open_network(tmp_path / "digits").layer_names() == ["conv"]
    with pytest.raises(NetworkError, match=r"no network 'nonesuch': .*digits, digits-pruned, .*vgg19"):
        open_network("nonesuch")
    with pytest.raises(NetworkError, match=r"missing.onnx: cannot be read"):
        open_network("missing.onnx")


def test_open_network_opens_traces(shared: Path) -> None:
    trace = open_network(shared / "vectors" / "t00.npz")
    assert not trace.takes_inputs
    assert len(open_network(str(shared / "vectors")).layer_names()) == 10


def test_the_bundled_networks_bring_their_inputs() -> None:
    layers = list(open_network("digits").run(bundled_inputs(2), Numeric()))
    assert [layer.name for layer in layers] == ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "fc4", "fc5"]
