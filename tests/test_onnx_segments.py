"""Models executed segment by segment: the same to the bit, and no more in memory than what is still to be read."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import WeakSet

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx_models import NUMERICS, inputs, integers, model, node, saved
from test_onnx_batches import tokens
from test_onnx_layers import residual
from test_onnx_network import small_cnn

from cnvlutin2 import simulate
from cnvlutin2.errors import NetworkError
from cnvlutin2.network import Inputs, Layer, LayerStream, Network, Numeric, OnnxNetwork, Threshold, Thresholds, load_inputs
from cnvlutin2.network.bundled import bundled_inputs, bundled_names, bundled_path
from cnvlutin2.network.kept import Kept
from cnvlutin2.network.onnx import capturing, executed_model, segmented_session, segments
from cnvlutin2.network.onnx.ort_session import OrtSession, OrtTensor, open_session
from cnvlutin2.network.onnx.segmented_run import SegmentedRun
from cnvlutin2.network.onnx.segmented_session import KEPT_OPEN
from cnvlutin2.network.onnx.segments import cut
from cnvlutin2.simulation import in_batches
from cnvlutin2.simulation import session as timing_session

Cut = Callable[[int], None]


@pytest.fixture
def in_segments(monkeypatch: pytest.MonkeyPatch) -> Cut:
    """Have every model executed in segments, of which each ends with so many bytes."""

    def of(size_bytes: int) -> None:
        monkeypatch.setattr(executed_model, "WHOLE_BYTES", -1)
        monkeypatch.setattr(segments, "SEGMENT_BYTES", size_bytes)

    return of


def joined(network: Network, given: Inputs, numeric: Numeric) -> tuple[dict[str, list[Layer]], LayerStream]:
    """The batches of every layer."""
    found: dict[str, list[Layer]] = {}
    stream = network.run(given, numeric)
    for layer in stream:
        found.setdefault(layer.name, []).append(layer)
    return found, stream


def assert_the_same(network: Network, given: Inputs, numeric: Numeric, in_segments: Cut) -> None:
    whole, expected = joined(network, given, numeric)
    for size_bytes in (0, 700, 1 << 40):
        in_segments(size_bytes)
        network.kept = Kept()
        found, stream = joined(network, given, numeric)
        assert list(found) == list(whole)
        for name, batches in found.items():
            assert [layer.first_image for layer in batches] == list(range(len(given.values)))
            for key in ("activations", "weights"):
                arrays = [np.concatenate([getattr(layer, key) for layer in some]) for some in (batches, whole[name])]
                np.testing.assert_array_equal(arrays[0][: len(arrays[1])], arrays[1])
            for key in ("geometry", "activation_frac", "weight_frac", "threshold", "weight_threshold", "first", "kind", "tensor"):
                assert {getattr(layer, key) for layer in batches} == {getattr(whole[name][0], key)}
        assert stream.findings == expected.findings


@pytest.mark.parametrize("numeric", [*NUMERICS, Numeric(8, Thresholds(layers={"conv1": Threshold(0.25, real=True)}))])
@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("batch", ["N", 1, 2])
def test_it_is_the_whole_to_the_bit(images: int, batch: int | str, numeric: Numeric, tmp_path: Path, in_segments: Cut) -> None:
    network = OnnxNetwork(saved(tmp_path, small_cnn(batch=batch)))
    assert_the_same(network, inputs(integers(images, 3, 8, 8, seed=1), [0] * images), numeric, in_segments)


def side_outputs() -> onnx.ModelProto:
    """What is not simulated in between, an output that nothing needs, a product of activations, a body, and a folded shape."""
    body = onnx.helper.make_graph(
        [node("Relu", "c0", "in_body")], "then", [], [onnx.ValueInfoProto(name="in_body")]
    )  # reads what is outside
    nodes = [
        node("Conv", "x w0", "c0", "first", pads=[1, 1, 1, 1]),
        node("ReduceSum", "c0", "sum", keepdims=0),
        node("Greater", "sum zero", "positive"),
        node("If", "positive", "chosen", then_branch=body, else_branch=body),
        node("Conv", "chosen w1", "c1", "second", pads=[1, 1, 1, 1]),
        node("Shape", "c1", "shape"),
        node("Reshape", "c0 shape", "again"),
        node("MatMul", "again c1", "product", "of activations"),
        node("Add", "product c0", "added"),
        node("Conv", "added w1", "c2", "third"),
        node("Sigmoid", "c2", "unneeded"),
        node("GlobalAveragePool", "c2", "scores"),
    ]
    constants = {"w0": integers(16, 3, 3, 3), "w1": integers(16, 16, 3, 3), "zero": np.float32(0)}
    return model(nodes, {"x": [1, 3, 8, 8]}, ["unneeded", "scores"], constants)


@pytest.mark.parametrize("numeric", NUMERICS)
@pytest.mark.parametrize("proto", [residual(), side_outputs()], ids=["residual", "side outputs"])
def test_branches_bodies_and_what_is_left_out(proto: onnx.ModelProto, numeric: Numeric, tmp_path: Path, in_segments: Cut) -> None:
    values = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    for given in (inputs(values), inputs(values[:1])):
        assert_the_same(OnnxNetwork(saved(tmp_path, proto)), given, numeric, in_segments)


@pytest.mark.parametrize("numeric", NUMERICS)
def test_fixed_batches(numeric: Numeric, tmp_path: Path, in_segments: Cut) -> None:
    for batch in (2, 3):
        network = OnnxNetwork(saved(tmp_path, tokens(batch), str(batch)))
        assert_the_same(network, inputs(integers(2, 17, 32, seed=1)), numeric, in_segments)


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_networks(name: str, in_segments: Cut) -> None:
    for numeric in NUMERICS:
        assert_the_same(OnnxNetwork(bundled_path(name)), bundled_inputs(3), numeric, in_segments)


@pytest.mark.parametrize("name", ["squeezenet_v1.1", "squeezenet_v1.0_dc", "resnet20_cifar10"])
def test_real_networks(name: str, shared: Path, in_segments: Cut) -> None:
    network = OnnxNetwork(shared / "models" / f"{name}.onnx")
    given = load_inputs(network, sorted((shared / "photos").iterdir())[:2], preprocess="imagenet-torch")
    whole, _ = joined(network, given, Numeric())
    in_segments(1)
    for name, batches in joined(network, given, Numeric())[0].items():
        np.testing.assert_array_equal(np.concatenate([b.activations for b in batches]), whole[name][0].activations)


def test_shapes_that_depend_on_the_image_are_refused(tmp_path: Path, in_segments: Cut) -> None:
    nodes = [node("NonZero", "x", "where"), node("Cast", "where", "real", to=1), node("MatMul", "w real", "y", "conv")]
    network = OnnxNetwork(saved(tmp_path, model(nodes, {"x": ["N", 4]}, ["y"], {"w": integers(3, 2)})))
    in_segments(1)
    with pytest.raises(NetworkError, match="give images that the model sees alike"):
        list(network.run(inputs(np.array([[1, 1, 0, 0], [1, 1, 1, 0]], np.float32)), Numeric()))


def test_what_is_not_finite_is_named(tmp_path: Path, in_segments: Cut) -> None:
    nodes = [node("Log", "x", "l"), node("Conv", "l w", "y", "conv")]
    network = OnnxNetwork(saved(tmp_path, model(nodes, {"x": ["N", 3, 4, 4]}, ["y"], {"w": integers(4, 3, 1, 1)})))
    in_segments(1)
    for values in (np.ones((1, 3, 4, 4)), np.ones((2, 3, 4, 4))):
        values[-1] = 0
        with pytest.raises(NetworkError, match=f"layer 'conv': its input is .* for image{len(values) - 1}"):
            list(network.run(inputs(values.astype(np.float32)), Numeric()))


def chain(layers: int, channels: int, size: int) -> onnx.ModelProto:
    nodes, constants, tensor = [], {}, "x"
    for i in range(layers):
        constants[f"w{i}"] = integers(channels, 3 if i == 0 else channels, 3, 3, seed=i)
        nodes += [node("Conv", f"{tensor} w{i}", f"c{i}", f"conv{i}", pads=[1, 1, 1, 1]), node("Relu", f"c{i}", f"r{i}")]
        tensor = f"r{i}"
    return model(nodes, {"x": ["N", 3, size, size]}, [tensor], constants)


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("numeric", NUMERICS)
@pytest.mark.parametrize("channels", [16, 20])  # those whose maps onnxruntime holds in blocks of channels, and others
def test_what_is_held_does_not_grow_with_the_layers(
    channels: int, numeric: Numeric, images: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_segments: Cut
) -> None:
    """When a segment starts there is one map, two where a network is executed quantised, and the image; and no layer."""
    largest = 4 * channels * 32 * 32
    network = OnnxNetwork(saved(tmp_path, chain(8, channels, 32)))
    in_segments(largest // 2)
    alive: WeakSet[OrtTensor] = WeakSet()
    layers: WeakSet[Layer] = WeakSet()
    make, check, execute = OrtTensor.__init__, Layer.__post_init__, OrtSession.run_tensors
    held: list[int] = []

    def noting(self: OrtTensor, value: Any) -> None:
        make(self, value)
        alive.add(self)

    def noting_layer(self: Layer) -> None:
        check(self)
        layers.add(self)

    def looking(self: OrtSession, outputs: Sequence[str], feeds: Any) -> list[OrtTensor]:
        gc.collect()
        held.append(sum(tensor.array().nbytes for tensor in alive))
        assert not layers
        return execute(self, outputs, feeds)

    monkeypatch.setattr(timing_session, "TOGETHER", 0)  # as of layers that are large
    monkeypatch.setattr(OrtTensor, "__init__", noting)
    monkeypatch.setattr(OrtSession, "run_tensors", looking)
    monkeypatch.setattr(Layer, "__post_init__", noting_layer)
    values = inputs(integers(images, 3, 32, 32, seed=1))
    simulate(network, values, "cnv,cnv2-weights", quantised=numeric.quantised)
    assert len(held) >= 8 * images
    in_blocks = 4 * -(-channels // 16) * 16 * 32 * 32  # as onnxruntime may hold it: no blocks are larger
    assert max(held) <= (2 if numeric.quantised else 1) * in_blocks + values.values[:1].nbytes


def test_integers_wait_for_their_turn_and_no_longer(tmp_path: Path, in_segments: Cut) -> None:
    network = OnnxNetwork(saved(tmp_path, residual()))
    in_segments(1)
    assert [layer.name for layer in network.run(inputs(integers(1, 3, 8, 8)), Numeric())] == list(network.layer_names())


def test_only_what_is_large_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two inputs of 16 channels of 32x32 and one of 3 channels of them: 4096 * 35 bytes an image."""
    for limit, cut_up in ((4096 * 35, False), (4096 * 35 - 1, True)):
        monkeypatch.setattr(executed_model, "WHOLE_BYTES", limit)
        run = OnnxNetwork(saved(tmp_path, chain(3, 16, 32)))._run(inputs(integers(5, 3, 32, 32)), Numeric())
        assert isinstance(run, SegmentedRun) == cut_up


def test_sequences_are_not_cut(tmp_path: Path, in_segments: Cut) -> None:
    nodes = [
        node("Conv", "x w", "c", "conv"),
        node("SplitToSequence", "c", "parts", axis=1),
        node("ConcatFromSequence", "parts", "again", axis=1),
        node("Conv", "again v", "y", "after"),
    ]
    constants = {"w": integers(4, 3, 1, 1), "v": integers(4, 4, 1, 1)}
    network = OnnxNetwork(saved(tmp_path, model(nodes, {"x": ["N", 3, 4, 4]}, ["y"], constants)))
    in_segments(1)
    assert [layer.name for layer in network.run(inputs(integers(1, 3, 4, 4)), Numeric())] == ["conv", "after"]


def test_sessions_of_few_segments_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_segments: Cut) -> None:
    opened: list[int] = []
    own = open_session

    def noting(*given: Any, **options: Any) -> Any:
        opened.append(1)
        return own(*given, **options)

    monkeypatch.setattr(segmented_session, "open_session", noting)
    for layers, images in ((3, 2), (KEPT_OPEN, 2)):
        network = OnnxNetwork(saved(tmp_path, chain(layers, 16, 8), str(layers)))
        in_segments(0)
        opened.clear()
        list(network.run(inputs(integers(images, 3, 8, 8)), Numeric()))
        pieces = 2 * layers  # a convolution, and its map as the layers see it
        assert len(opened) == (pieces if pieces <= KEPT_OPEN else 2 * images * pieces)


class TestCut:
    """A graph of which `a` and `c` are asked for, and `d` leads to nothing."""

    NODES = (
        node("Relu", "x", "b"),
        node("Neg", "x", "d"),
        node("Abs", "b", "c"),
        node("Mul", "b w", "e"),
        node("Add", "e x", "a"),
    )

    def graph(self) -> onnx.GraphProto:
        return model(list(self.NODES), {"x": [1]}, ["a", "c"], {"w": np.float32(2)}).graph

    def test_what_comes_first_by_rank_is_made_first(self) -> None:
        (first, second) = cut(self.graph(), {"c": 0, "a": 1}, {"c": segments.SEGMENT_BYTES // 2, "a": segments.SEGMENT_BYTES})
        assert [n.op_type for n in first.nodes] == ["Relu", "Abs", "Mul"]
        assert (first.takes, first.leaves, first.asked, first.frees) == (["x"], ["c", "e"], ["c"], ["c"])
        assert (second.takes, second.leaves, second.asked) == (["e", "x"], ["a"], ["a"])
        assert sorted(second.frees) == ["a", "e", "x"]

    def test_another_rank_is_another_order(self) -> None:
        (only,) = cut(self.graph(), {"c": 1, "a": 0}, {})
        assert [n.op_type for n in only.nodes] == ["Relu", "Mul", "Add", "Abs"]

    def test_what_nothing_needs_is_not_executed(self) -> None:
        (only,) = cut(self.graph(), {"c": 0}, {})
        assert [n.op_type for n in only.nodes] == ["Relu", "Abs"]


def test_a_large_layer_is_handed_on_before_the_next_is_made() -> None:
    made: list[str] = []

    def layers() -> Iterator[Layer]:
        for name, size in (("small", 8), ("large", 600), ("next", 600)):
            made.append(name)
            yield Layer(name, np.ones((1, 1, size, size), np.int16), np.ones((1, 1, 1, 1), np.int16))

    batches = in_batches(layers())
    assert [layer.name for layer in next(batches)] == ["small"]
    assert [layer.name for layer in next(batches)] == ["large"]
    assert made == ["small", "large"]


def test_a_tensor_is_an_array_without_a_copy() -> None:
    values: NDArray[np.float32] = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensor = OrtTensor.of(values)
    array = tensor.array()
    np.testing.assert_array_equal(array, values)
    assert array.ctypes.data == tensor.value.data_ptr()
    del tensor
    np.testing.assert_array_equal(array, values)  # it holds the memory
    for dtype in (np.bool_, np.int64, np.float16, np.float64, np.uint8):
        np.testing.assert_array_equal(OrtTensor.of(values.astype(dtype)).array(), values.astype(dtype))
    assert OrtTensor.of(np.zeros((0, 3), np.int64)).array().shape == (0, 3)


@pytest.mark.parametrize("where", [capturing, segmented_session])
def test_another_run_opens_no_session(
    where: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_segments: Cut
) -> None:
    opened: list[int] = []
    own = open_session

    def noting(*given: Any, **options: Any) -> Any:
        opened.append(1)
        return own(*given, **options)

    monkeypatch.setattr(where, "open_session", noting)
    if where is segmented_session:
        in_segments(0)
    network = OnnxNetwork(saved(tmp_path, chain(3, 16, 8)))
    for seed, numeric, opens in ((1, Numeric(), True), (2, Numeric(), False), (3, Numeric(8), True), (4, Numeric(8), False)):
        given = inputs(integers(2, 3, 8, 8, seed=seed))
        opened.clear()
        found, stream = joined(network.with_threads(1), given, numeric)
        assert bool(opened) == opens
        expected, alone = joined(OnnxNetwork(network.path, threads=1), given, numeric)
        assert stream.findings == alone.findings
        for name, batches in found.items():
            for layer, other in zip(batches, expected[name], strict=True):
                np.testing.assert_array_equal(layer.activations, other.activations)
                np.testing.assert_array_equal(layer.weights, other.weights)
