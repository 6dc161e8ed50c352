"""Executing networks: quantisation, thresholds, batches, accuracy; capturing changes nothing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx_models import NUMERICS, convolved, inputs, integers, model, node, plainly_run, run, saved

from cnvlutin2 import simulate
from cnvlutin2.errors import ConfigError, NetworkError
from cnvlutin2.network import (
    Accuracy,
    Findings,
    Inputs,
    Layer,
    Network,
    Numeric,
    OnnxNetwork,
    Threshold,
    Thresholds,
    gathering,
    load_inputs,
    open_network,
    reused_memory,
)
from cnvlutin2.network.bundled import bundled_inputs, bundled_names, bundled_path, bundled_record
from cnvlutin2.network.large_memory import LargeMemory
from cnvlutin2.network.onnx.capturing import CapturingSession
from cnvlutin2.network.onnx.model_file import read_model
from cnvlutin2.numeric import fraction_bits, quantise


def accuracy(network: Network, given: Inputs, numeric: Numeric | None = None) -> Accuracy | None:
    stream = network.run(given, numeric or Numeric())
    list(stream)
    return stream.accuracy


def small_cnn(opset: int = 17, dtype: str = "float32", batch: int | str = "N") -> onnx.ModelProto:
    """Two convolutions and a classifier whose weights are small whole numbers."""
    constants = {f"w{i}": integers(*s, dtype=dtype, reach=3) for i, s in enumerate(((8, 3, 3, 3), (16, 8, 3, 3), (16, 10)))}
    nodes = [
        node("Conv", "x w0", "c0", "conv0", pads=[1, 1, 1, 1]),
        node("Relu", "c0", "r0"),
        node("Conv", "r0 w1", "c1", "conv1", strides=[2, 2]),
        node("Relu", "c1", "r1"),
        node("GlobalAveragePool", "r1", "pooled"),
        node("Flatten", "pooled", "flat"),
        node("Gemm", "flat w2 bias", "scores", "fc", alpha=0.5),
    ]
    constants["bias"] = integers(10, seed=3, dtype=dtype)
    return model(
        nodes, {"x": [batch, 3, 8, 8]}, ["scores"], constants, opset=opset, dtype=dtype, ir_version=4 if opset < 11 else 8
    )


def test_tensors_are_quantised_by_their_largest_magnitude_over_all_inputs(tmp_path: Path) -> None:
    values = integers(5, 3, 8, 8, seed=1)
    values[3] *= 100
    layers = run(OnnxNetwork(saved(tmp_path, small_cnn())), inputs(values))
    frac = fraction_bits(float(np.abs(values).max()), 16)
    assert layers["conv0"].activation_frac == frac
    np.testing.assert_array_equal(layers["conv0"].activations, quantise(values, frac, 16))
    np.testing.assert_array_equal(
        np.ldexp(layers["conv1"].activations.astype(float), -(layers["conv1"].activation_frac or 0)),
        np.maximum(convolved(layers["conv0"]), 0),
    )


def test_capturing_does_not_change_the_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reused_memory, "LARGE_BYTES", 1)
    values = np.random.default_rng(0).random((3, 1, 8, 8)).astype(np.float32) * 16
    for path in map(bundled_path, bundled_names()):
        network = OnnxNetwork(path)
        captured = CapturingSession(read_model(path), network._nodes)
        found = [captured.run(values[i : i + 1], "image") for i in range(3)]
        np.testing.assert_array_equal(np.concatenate([scores for scores, _ in found]), plainly_run(path, values))
        for i, (scores, tensors) in enumerate(found):
            room = reused_memory.room_like(tensors, LargeMemory())
            assert room is not None
            again, written = captured.run(values[i : i + 1], "image", room)
            np.testing.assert_array_equal(again, scores)
            for name, tensor in tensors.items():
                np.testing.assert_array_equal(written[name], tensor)
                assert np.shares_memory(written[name], room[name]) == (name != captured._captures.input)


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_accuracy_in_integers(name: str) -> None:
    network = open_network(name)
    right = bundled_record()["networks"][name]["test_correct"]
    assert accuracy(network, bundled_inputs()) == Accuracy(360, None, right, right)
    assert accuracy(network, bundled_inputs(), Numeric(quantised=True)) == Accuracy(360, 360, right, right)


def test_accuracy_counts_what_is_right(tmp_path: Path) -> None:
    path = saved(tmp_path, small_cnn())
    values = integers(12, 3, 8, 8, seed=1)
    truth = plainly_run(path, values).argmax(axis=1)
    labels = truth.copy()
    labels[:4] = (labels[:4] + 1) % 10
    network = OnnxNetwork(path)
    assert accuracy(network, inputs(values, labels.tolist())) == Accuracy(12, None, 8, 8)
    # So few bits, or so high a threshold, that some answers change: both counts must be of the executed network.
    rough = Numeric(data_bits=4, thresholds=Thresholds(Threshold(3)))
    layers = run(network, inputs(values, labels.tolist()), rough)
    final = convolved(layers["fc"], thresholds=True)[:, :, 0, 0] + integers(10, seed=3)
    answers = final.argmax(axis=1)
    assert 0 < (answers != truth).sum() < 12
    expected = Accuracy(12, int((answers == truth).sum()), int((answers == labels).sum()), 8)
    assert accuracy(network, inputs(values, labels.tolist()), rough) == expected


def test_scores_need_not_be_the_first_output(tmp_path: Path) -> None:
    proto, values = small_cnn(), integers(12, 3, 8, 8, seed=1)
    labels = plainly_run(saved(tmp_path, proto, "plain"), values).argmax(axis=1).tolist()
    proto.graph.node.extend([node("ArgMax", "scores", "label", axis=1, keepdims=0), node("SequenceConstruct", "scores", "all")])
    sequence = onnx.helper.make_tensor_sequence_value_info("all", onnx.TensorProto.FLOAT, None)
    label = onnx.helper.make_tensor_value_info("label", onnx.TensorProto.INT64, ["N"])
    early = onnx.helper.make_tensor_value_info(proto.graph.node[1].output[0], onnx.TensorProto.FLOAT, ["N", None, None, None])
    scores = onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["N", 10])
    for others in ([label, early], [sequence, label], []):
        del proto.graph.output[:]
        proto.graph.output.extend([*others, scores])
        network = OnnxNetwork(saved(tmp_path, proto))
        assert accuracy(network, inputs(values, labels), Numeric(quantised=True)) == Accuracy(12, 12, 12, 12)
    # Where nothing is declared as scores, there is nothing to compare, whatever the type of the first output.
    for other in (sequence, label):
        del proto.graph.output[:]
        proto.graph.output.append(other)
        network = OnnxNetwork(saved(tmp_path, proto))
        assert accuracy(network, inputs(values), Numeric(quantised=True)) is None


def test_nothing_to_compare_is_no_accuracy(tmp_path: Path) -> None:
    network = OnnxNetwork(saved(tmp_path, small_cnn()))
    assert accuracy(network, inputs(integers(2, 3, 8, 8))) is None


def test_networks_that_do_not_classify_have_no_accuracy(tmp_path: Path) -> None:
    proto = model([node("Conv", "x w", "y")], {"x": ["N", 3, 8, 8]}, ["y"], {"w": integers(4, 3, 3, 3)})
    network = OnnxNetwork(saved(tmp_path, proto))
    assert accuracy(network, inputs(integers(2, 3, 8, 8)), Numeric(quantised=True)) is None


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 17])
@pytest.mark.parametrize(("threshold", "weight_threshold"), [(1, 1), (5, 1), (9, 3)])
def test_pruning_propagates_in_exact_integers(opset: int, threshold: int, weight_threshold: int, tmp_path: Path) -> None:
    # Six bits: every sum is exact in float32, so the integers of each layer follow from those of the one before.
    values = integers(3, 3, 8, 8, seed=1)
    path = saved(tmp_path, small_cnn(opset))
    numeric = Numeric(6, Thresholds(Threshold(threshold)), Thresholds(Threshold(weight_threshold)), quantised=True)
    floats, layers = run(OnnxNetwork(path), inputs(values), Numeric(6)), run(OnnxNetwork(path), inputs(values), numeric)
    assert [layer.threshold for layer in layers.values()] == [threshold] * 3
    assert [layer.weight_threshold for layer in layers.values()] == [weight_threshold] * 3
    for name, layer in layers.items():
        assert (layer.activation_frac, layer.weight_frac) == (floats[name].activation_frac, floats[name].weight_frac)
        np.testing.assert_array_equal(layer.weights, floats[name].weights)
    np.testing.assert_array_equal(layers["conv0"].activations, floats["conv0"].activations)
    first = np.maximum(convolved(layers["conv0"], thresholds=True), 0).astype(np.float32)
    np.testing.assert_array_equal(layers["conv1"].activations, quantise(first, layers["conv1"].activation_frac or 0, 6))
    second = np.maximum(convolved(layers["conv1"], thresholds=True), 0).astype(np.float32).mean(axis=(2, 3))
    np.testing.assert_array_equal(layers["fc"].activations[:, :, 0, 0], quantise(second, layers["fc"].activation_frac or 0, 6))
    if threshold > 1:
        assert (layers["conv1"].activations != floats["conv1"].activations).any()


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floating_point_types(dtype: str, tmp_path: Path) -> None:
    constants = {"w0": integers(6, 5, dtype=dtype), "w1": integers(5, 4, dtype=dtype)}
    nodes = [node("MatMul", "x w0", "h", "first"), node("Relu", "h", "r"), node("MatMul", "r w1", "y", "second")]
    path = saved(tmp_path, model(nodes, {"x": ["N", 6]}, ["y"], constants, dtype=dtype))
    values = integers(3, 6, seed=1, dtype=dtype)
    for numeric in (Numeric(8), Numeric(8, Thresholds(Threshold(40)))):
        layers = run(OnnxNetwork(path), inputs(values), numeric)
        hidden = np.maximum(convolved(layers["first"], thresholds=True), 0)
        expected = quantise(hidden, layers["second"].activation_frac or 0, 8)
        np.testing.assert_array_equal(layers["second"].activations, expected)


@pytest.mark.parametrize("exponent", [-140, -126, -100, 100, 115])
@pytest.mark.parametrize("opset", [9, 17])
def test_scales_far_from_one(exponent: int, opset: int, tmp_path: Path) -> None:
    nodes = [node("MatMul", "x w", "y", "fc")]
    proto = model(nodes, {"x": ["N", 6]}, ["y"], {"w": integers(6, 4)}, opset=opset, ir_version=4)
    values = np.ldexp(integers(3, 6, seed=1), exponent).astype(np.float32)
    layers = run(OnnxNetwork(saved(tmp_path, proto)), inputs(values), Numeric(quantised=True))
    np.testing.assert_array_equal(layers["fc"].activations[:, :, 0, 0], quantise(values, layers["fc"].activation_frac or 0, 16))
    assert np.abs(layers["fc"].activations).max() > 1 << 13


def test_thresholds_of_one_layer_in_real_units(tmp_path: Path) -> None:
    path = saved(tmp_path, small_cnn())
    values = integers(3, 3, 8, 8, seed=1)
    floats = run(OnnxNetwork(path), inputs(values))
    numeric = Numeric(thresholds=Thresholds(layers={"conv1": Threshold(2.5, real=True)}))
    network = OnnxNetwork(path)
    layers = run(network, inputs(values), numeric)
    assert layers["conv1"].threshold == 2.5 * 2 ** (floats["conv1"].activation_frac or 0)
    assert layers["conv0"].threshold == layers["fc"].threshold == 1
    np.testing.assert_array_equal(layers["conv1"].activations, floats["conv1"].activations)  # itself not thresholded
    assert (layers["fc"].activations != floats["fc"].activations).any()
    found = accuracy(network, inputs(values), numeric)
    assert found is not None
    assert found.agree is not None
    # So little that it is one LSB: nothing to execute again.
    assert accuracy(network, inputs(values), Numeric(thresholds=Thresholds(Threshold(1e-9, real=True)))) is None


def test_layers_with_one_input_may_have_different_thresholds(tmp_path: Path) -> None:
    nodes = [node("Conv", "x w", "a", "a"), node("Conv", "x w", "b", "b")]
    proto = model(nodes, {"x": ["N", 3, 8, 8]}, ["a", "b"], {"w": integers(16, 3, 3, 3)})
    layer_thresholds = {"a": Threshold(9000), "b": Threshold(17000)}
    numeric = Numeric(thresholds=Thresholds(layers=layer_thresholds))
    path = saved(tmp_path, proto)
    layers = run(OnnxNetwork(path), inputs(integers(2, 3, 8, 8, seed=1)), numeric)
    assert layers["a"].activations is layers["b"].activations
    assert [layers[name].threshold for name in "ab"] == [9000, 17000]
    nodes += [node("Relu", "a", "ra"), node("Relu", "b", "rb"), node("Conv", "ra v", "c", "c"), node("Conv", "rb v", "d", "d")]
    proto = model(nodes, {"x": ["N", 3, 8, 8]}, ["c", "d"], {"w": integers(16, 3, 3, 3), "v": integers(2, 16, 1, 1)})
    layers = run(OnnxNetwork(saved(tmp_path, proto)), inputs(integers(2, 3, 8, 8, seed=1)), numeric)
    for before, after in ("ac", "bd"):
        real = np.maximum(convolved(layers[before], thresholds=True), 0)
        np.testing.assert_array_equal(layers[after].activations, quantise(real, layers[after].activation_frac or 0, 16))


def test_unknown_layers_in_thresholds_are_refused(tmp_path: Path) -> None:
    network = OnnxNetwork(saved(tmp_path, small_cnn()))
    for key in ("thresholds", "weight_thresholds"):
        numeric = Numeric(**{key: Thresholds(layers={"conv9": Threshold(2)})})  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="no layer is called 'conv9'; the layers are conv0, conv1, fc"):
            run(network, inputs(integers(1, 3, 8, 8)), numeric)


@pytest.mark.parametrize("large_bytes", [1, reused_memory.LARGE_BYTES])
@pytest.mark.parametrize("numeric", NUMERICS)
def test_batches_together_are_the_whole(
    numeric: Numeric, large_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, given = OnnxNetwork(saved(tmp_path, small_cnn())), inputs(integers(7, 3, 8, 8, seed=1))
    whole = run(network, given, numeric)
    expected = accuracy(network, given, numeric)
    monkeypatch.setattr(reused_memory, "LARGE_BYTES", large_bytes)
    monkeypatch.setattr(gathering, "HOLD_BYTES", 8 * whole["conv0"].activations[0].nbytes)
    parts: dict[str, list[Layer]] = defaultdict(list)
    stream = network.run(given, numeric)
    for layer in stream:
        parts[layer.name].append(layer)
    assert len(parts["fc"]) > 1
    for name, layer in whole.items():
        np.testing.assert_array_equal(np.concatenate([part.activations for part in parts[name]]), layer.activations)
        assert [part.first_image for part in parts[name]] == np.cumsum([0, *(p.images for p in parts[name])]).tolist()[:-1]
        assert {(part.activation_frac, part.weight_frac) for part in parts[name]} == {(layer.activation_frac, layer.weight_frac)}
        assert all(part.weights is parts[name][0].weights for part in parts[name])
    assert stream.accuracy == expected


@pytest.mark.parametrize("large_bytes", [1, reused_memory.LARGE_BYTES])
def test_shapes_that_depend_on_the_image_are_refused(large_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row for every place whose value is not 0."""
    monkeypatch.setattr(reused_memory, "LARGE_BYTES", large_bytes)
    nodes = [
        node("NonZero", "x", "places"),
        node("Cast", "places", "real", to=onnx.TensorProto.FLOAT),
        node("Transpose", "real", "rows"),
        node("MatMul", "rows w", "y", "product"),
    ]
    path = saved(tmp_path, model(nodes, {"x": [1, 1, 4, 4]}, ["y"], {"w": integers(4, 3)}))
    values = np.zeros((3, 1, 4, 4), np.float32)
    values[:, 0, 0, :2] = 1
    assert run(OnnxNetwork(path), inputs(values))["product"].windows == 2
    values[2, 0, 1] = 1
    with pytest.raises(NetworkError, match=r"image2|is \[4, 1, 6\] for one image and \[4, 1, 2\] for another"):
        run(OnnxNetwork(path), inputs(values))


@pytest.mark.parametrize("numeric", NUMERICS)
@pytest.mark.parametrize("images", [1, 2, 3])
@pytest.mark.parametrize("large_bytes", [1, reused_memory.LARGE_BYTES])
def test_runs_that_capture_little_are_looked_at_together(
    numeric: Numeric, images: int, large_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, given = OnnxNetwork(saved(tmp_path, small_cnn())), inputs(integers(41, 3, 8, 8, seed=1))
    monkeypatch.setattr(gathering, "JOIN_BYTES", 1)
    alone = run(network, given, numeric)
    one_image = sum({id(layer.activations): 4 * layer.activations[0].size for layer in alone.values()}.values())
    monkeypatch.setattr(gathering, "JOIN_BYTES", images * one_image)
    monkeypatch.setattr(reused_memory, "LARGE_BYTES", large_bytes)
    for hold in (1 << 20, 32 * one_image):  # in the second case some are run again
        monkeypatch.setattr(gathering, "HOLD_BYTES", hold)
        parts: dict[str, list[Layer]] = defaultdict(list)
        for layer in network.run(given, numeric):
            parts[layer.name].append(layer)
        for name, layer in alone.items():
            np.testing.assert_array_equal(np.concatenate([part.activations for part in parts[name]]), layer.activations)
            assert {part.activation_frac for part in parts[name]} == {layer.activation_frac}


@pytest.mark.parametrize(
    ("numeric", "held_images", "executions"),
    [(Numeric(), 9, 5), (Numeric(), 5, 5), (Numeric(), 2, 5 + 3), (Numeric(quantised=True), 9, 5 + 5)],
)
def test_images_that_are_held_are_executed_once(
    numeric: Numeric, held_images: int, executions: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, given = OnnxNetwork(saved(tmp_path, small_cnn())), inputs(integers(5, 3, 8, 8, seed=1))
    one_image = 4 * sum(layer.activations[0].size for layer in run(network, given).values())
    monkeypatch.setattr(gathering, "HOLD_BYTES", held_images * one_image)
    monkeypatch.setattr(gathering, "JOIN_BYTES", 1)
    counted: list[str] = []
    held: list[bool] = []
    execute, offer = CapturingSession.run, gathering.Holding.offer

    def counting(self: CapturingSession, values: NDArray[Any], name: str, *room: Any) -> Any:
        counted.append(name)
        return execute(self, values, name, *room)

    def noting(self: gathering.Holding, captured: gathering.Captured) -> bool:
        held.append(offer(self, captured))
        return held[-1]

    monkeypatch.setattr(CapturingSession, "run", counting)
    monkeypatch.setattr(gathering.Holding, "offer", noting)
    run(network, given, numeric)
    assert len(counted) == executions
    assert held.count(True) == 2 * 5 - executions  # nothing is held that will not be asked for


@pytest.mark.parametrize("numeric", NUMERICS)
def test_images_do_not_depend_on_one_another_nor_on_threads(numeric: Numeric) -> None:
    given = bundled_inputs(9)
    order = np.random.default_rng(0).permutation(9)
    shuffled = Inputs(given.values[order], [given.names[i] for i in order])
    path = bundled_path("digits")
    one, two = run(OnnxNetwork(path, threads=1), given, numeric), run(OnnxNetwork(path, threads=2), shuffled, numeric)
    for name, layer in one.items():
        np.testing.assert_array_equal(layer.activations[order], two[name].activations)


@pytest.mark.parametrize("numeric", NUMERICS)
@pytest.mark.parametrize("images", [1, 4, 7])
def test_a_fixed_batch_changes_nothing(images: int, numeric: Numeric, tmp_path: Path) -> None:
    given = inputs(integers(images, 3, 8, 8, seed=1), [0] * images)
    fixed, free = (OnnxNetwork(saved(tmp_path, small_cnn(batch=b), str(b))) for b in (4, "N"))
    for (name, layer), other in zip(run(fixed, given, numeric).items(), run(free, given, numeric).values(), strict=True):
        assert layer.images == images, name
        np.testing.assert_array_equal(layer.activations, other.activations)
    assert accuracy(fixed, given, numeric) == accuracy(free, given, numeric)


def test_layers_that_read_one_tensor_say_so(tmp_path: Path) -> None:
    """Twice as it is and once more through an Identity; as columns it is another, and so is a tensor of equal values."""
    nodes = [
        node("Relu", "x", "r"),
        node("Identity", "r", "i"),
        node("Relu", "r", "equal"),
        *(node("MatMul", f"{t} w", f"y{n}", n) for n, t in (("a", "r"), ("b", "r"), ("c", "i"), ("d", "equal"))),
        node("MatMul", "w r", "ye", "e"),
    ]
    proto = model(nodes, {"x": ["N", 6, 6]}, [f"y{n}" for n in "abcde"], {"w": integers(6, 6)})
    for numeric in NUMERICS:
        layers = run(OnnxNetwork(saved(tmp_path, proto)), inputs(integers(2, 6, 6, seed=1)), numeric)
        tensors = [layers[name].tensor for name in "abcde"]
        assert tensors[0] == tensors[1] == tensors[2]
        assert None not in tensors
        assert len(set(tensors)) == 3


def test_jobs_are_the_threads_of_every_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that run the network, as it is and quantised, and of those that compute constants."""
    asked: list[tuple[int, int]] = []
    open_one = onnxruntime.InferenceSession

    def noting(model: bytes, options: Any, **others: Any) -> Any:
        asked.append((options.intra_op_num_threads, options.inter_op_num_threads))
        return open_one(model, options, **others)

    monkeypatch.setattr(onnxruntime, "InferenceSession", noting)
    nodes = [node("Transpose", "v", "w"), node("MatMul", "x w", "y", "fc")]
    path = saved(tmp_path, model(nodes, {"x": ["N", 6]}, ["y"], {"v": integers(4, 6)}))
    simulate(path, integers(2, 6), "cnv", quantised=True, jobs=1)
    assert asked == [(1, 1)] * len(asked)
    assert len(asked) >= 3
    asked.clear()
    network = OnnxNetwork(path, threads=2)
    asked.clear()
    for jobs, threads in ((3, 3), (None, 2)):  # the network itself stays as it is
        simulate(network, integers(2, 6), "cnv", jobs=jobs)
        assert (threads, 1) in asked
        asked.clear()
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {5}, raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    list(OnnxNetwork(path).run(inputs(integers(2, 6)), Numeric()))
    assert set(asked) == {(1, 1)}


def test_free_dimensions_are_the_inputs(tmp_path: Path) -> None:
    proto = model([node("Conv", "x w", "y", "conv")], {"x": ["N", 3, "H", "W"]}, ["y"], {"w": integers(4, 3, 3, 3)})
    network = OnnxNetwork(saved(tmp_path, proto))
    for size in ((5, 9), (12, 4)):
        assert run(network, inputs(integers(2, 3, *size)))["conv"].input_size == size


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (integers(2, 3, 8, 9), r"image0: is float32 \[2, 3, 8, 9\], but .*model.onnx takes float32 \[N, 3, 8, 8\]"),
        (integers(2, 3, 8), r"image0: is float32 \[2, 3, 8\]"),
        (integers(2, 3, 8, 8, dtype="float64"), "image0: is float64"),
        (integers(2, 3, 8, 8, dtype="int16"), "image0: is int16"),
        (integers(0, 3, 8, 8), "holds no values"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(values: NDArray[Any], words: str, tmp_path: Path) -> None:
    network = OnnxNetwork(saved(tmp_path, small_cnn()))
    with pytest.raises(NetworkError, match=words):
        run(network, Inputs(values, ["image0", "image1"]))


def test_names_and_labels_are_one_an_input(tmp_path: Path) -> None:
    network, values = OnnxNetwork(saved(tmp_path, small_cnn())), integers(2, 3, 8, 8)
    with pytest.raises(NetworkError, match="is given 1 names for 2 inputs"):
        run(network, Inputs(values, ["image0"]))
    with pytest.raises(NetworkError, match="is given 3 labels for 2 inputs"):
        run(network, inputs(values, [0, 1, 2]))


def test_no_inputs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"has no inputs of its own; give images or an .npy batch with --input"):
        list(OnnxNetwork(saved(tmp_path, small_cnn())).run(None, Numeric()))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_inputs_that_are_not_finite_are_refused(number: float, tmp_path: Path) -> None:
    values = integers(3, 3, 8, 8)
    values[1, 2, 3, 4] = number
    with pytest.raises(NetworkError, match="image1: holds values that are infinite or not numbers"):
        run(OnnxNetwork(saved(tmp_path, small_cnn())), inputs(values))


def test_activations_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    nodes = [node("Conv", "x w", "a", "fine"), node("Reciprocal", "a", "b"), node("Conv", "b v", "y", "broken")]
    proto = model(nodes, {"x": ["N", 3, 8, 8]}, ["y"], {"w": integers(4, 3, 1, 1), "v": integers(4, 4, 1, 1)})
    values = integers(2, 3, 8, 8)
    values[:] = 0
    with pytest.raises(NetworkError, match="layer 'broken': its input is infinite or not a number for image0"):
        run(OnnxNetwork(saved(tmp_path, proto)), inputs(values))
    proto.graph.node.extend([node("Conv", "b v", "z", "later")])  # of the layers that see it the first is named
    with pytest.raises(NetworkError, match="layer 'broken': its input"):
        run(OnnxNetwork(saved(tmp_path, proto)), inputs(values))


def test_what_pruning_makes_infinite_is_refused(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x w", "a", "fine"), node("Reciprocal", "a", "b"), node("MatMul", "b w", "y", "broken")]
    path = saved(tmp_path, model(nodes, {"x": ["N", 4]}, ["y"], {"w": np.eye(4, dtype=np.float32)}))
    values = np.array([[1, 2, 3, 4]], np.float32)
    run(OnnxNetwork(path), inputs(values))
    with pytest.raises(
        NetworkError, match="quantised and pruned, 'b' is infinite or not a number for image0; lower the thresholds"
    ):
        run(OnnxNetwork(path), inputs(values), Numeric(thresholds=Thresholds(Threshold(10000))))


SHARED_MODELS = {
    "squeezenet_v1.1": "imagenet-caffe",
    "squeezenet_v1.0_dc": "imagenet-caffe",
    "resnet20_cifar10": "imagenet-torch",
}


@pytest.mark.parametrize("name", SHARED_MODELS)
def test_real_networks_keep_their_answers(name: str, shared: Path) -> None:
    network = OnnxNetwork(shared / "models" / f"{name}.onnx")
    given = load_inputs(network, [shared / "photos"], preprocess=SHARED_MODELS[name])
    stream = network.run(given, Numeric(quantised=True))
    layers = {layer.name: layer for layer in stream}
    accuracy = Accuracy(images=len(given), agree=len(given))
    assert replace(stream.findings, predictions=None) == Findings(accuracy, quantised=True, hashes=network.hashes)
    graph = onnx.load(network.path).graph
    assert list(layers) == [n.name for n in graph.node if n.op_type in {"Conv", "Gemm"}]
    if name == "squeezenet_v1.0_dc":
        kept = sum(int(np.count_nonzero(layer.weights)) for layer in layers.values())
        assert round(kept / sum(layer.weights.size for layer in layers.values()), 3) == 0.334
