"""A network that was calibrated once executes, under any thresholds, what a run of the model itself executes: to the bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_models import inputs, integers, model, node, saved

import cnvlutin2
from cnvlutin2.errors import ConfigError, NetworkError
from cnvlutin2.network import Inputs, Network, Numeric, Threshold, Thresholds
from cnvlutin2.network.onnx.calibrated_network import SESSIONS, PrunedSession
from cnvlutin2.network.onnx.executed_model import OnnxNetwork


def shared(dtype: str = "float32", opset: int = 17, batch: int | str = "n") -> onnx.ModelProto:
    """Two convolutions of one tensor, a depthwise one, and a Gemm with alpha, which classifies."""
    nodes = [
        node("Conv", "x w0", "a", "stem"),
        node("Relu", "a", "r"),
        node("Conv", "r w1", "b", "left"),
        node("Conv", "r w2", "c", "right", pads=[1, 1, 1, 1]),
        node("Concat", "b c", "d", "join", axis=1),
        node("Conv", "d w3", "e", "depthwise", group=8, pads=[1, 1, 1, 1]),
        node("Relu", "e", "f"),
        node("GlobalAveragePool", "f", "g"),
        node("Flatten", "g", "h"),
        node("Gemm", "h w4 b4", "y", "head", alpha=0.5, transB=1),
    ]
    weights = {
        "w0": integers(6, 3, 3, 3, dtype=dtype),
        "w1": integers(4, 6, 1, 1, dtype=dtype),
        "w2": integers(4, 6, 3, 3, dtype=dtype),
        "w3": integers(8, 1, 3, 3, dtype=dtype),
        "w4": integers(5, 8, dtype=dtype),
        "b4": integers(5, dtype=dtype),
    }
    return model(nodes, {"x": (batch, 3, 8, 8)}, ["y"], weights, opset=opset, dtype=dtype)


def products(dtype: str = "float32") -> onnx.ModelProto:
    """Products with a constant on either side, of whose outputs none is scores."""
    nodes = [node("MatMul", "x w0", "a", "first"), node("Relu", "a", "b"), node("MatMul", "w1 b", "y", "second")]
    weights = {"w0": integers(8, 10, dtype=dtype), "w1": integers(4, 6, dtype=dtype)}
    return model(nodes, {"x": ("n", 6, 8)}, ["y"], weights, dtype=dtype)


def opened(proto: onnx.ModelProto, folder: Path) -> OnnxNetwork:
    return OnnxNetwork(saved(folder, proto))


FACTS = (
    *("name", "geometry", "threshold", "weight_threshold", "first", "kind"),
    *("activation_frac", "weight_frac", "first_image", "tensor"),
)


@pytest.mark.parametrize("weights", [False, True], ids=["activations", "weights too"])
@pytest.mark.parametrize(
    ("make", "dtype", "shape"),
    [
        (shared, "float32", (4, 3, 8, 8)),
        (lambda: products("float64"), "float64", (3, 6, 8)),
        (lambda: shared("float16"), "float16", (4, 3, 8, 8)),
        (lambda: shared(opset=9), "float32", (4, 3, 8, 8)),
        (lambda: shared(batch=3), "float32", (4, 3, 8, 8)),
        (products, "float32", (3, 6, 8)),
    ],
    ids=["float32", "float64", "float16", "before Round", "fixed batch", "products"],
)
def test_it_executes_and_counts_what_a_run_does(
    make: Callable[[], onnx.ModelProto], dtype: str, shape: tuple[int, ...], weights: bool, tmp_path: Path
) -> None:
    network = opened(make(), tmp_path)
    values = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    given = inputs(values, labels=[0] * len(values) if len(shape) == 4 else None)
    kept = network.calibrated(given, 12)
    rng = np.random.default_rng(2)
    for _ in range(3):
        lsbs = {layer.name: int(rng.integers(1, 600)) for layer in kept.scales}
        weight_lsbs = {layer.name: int(rng.integers(1, 300)) for layer in kept.scales} if weights else {}
        limits = [Thresholds(None, {n: Threshold(v) for n, v in each.items()}) for each in (lsbs, weight_lsbs)]
        numeric = Numeric(12, limits[0], limits[1], quantised=True)
        expected, found = network.run(given, numeric), kept.run(None, numeric)
        pruned = 0
        for one, other in zip(expected, found, strict=True):
            assert np.array_equal(one.activations, other.activations)
            assert np.array_equal(one.weights, other.weights)
            assert [getattr(one, fact) for fact in FACTS] == [getattr(other, fact) for fact in FACTS]
            pruned += int((one.activations != 0).sum() - one.effectual_activations().sum())
        assert pruned
        assert (expected.accuracy, expected.predictions) == (found.accuracy, found.predictions)
        assert found.quantised
        scores = kept.scores(lsbs, weight_lsbs)
        assert scores.shape[0] == len(values)
        if found.predictions:
            assert tuple(scores.argmax(axis=1).tolist()) == found.predictions.classes
        some = kept.scores(lsbs, weight_lsbs, [2, 0])
        assert np.array_equal(some, scores[[2, 0]])


def digits(limit: int) -> tuple[Network, Inputs]:
    network = cnvlutin2.open_network("digits-pruned")
    return network, cnvlutin2.load_inputs(network, limit=limit)


def test_the_bundled_network_counts_alike() -> None:
    network, given = digits(8)
    assert isinstance(network, OnnxNetwork)
    kept = network.calibrated(given)
    limits = Thresholds(Threshold(1), {"conv2_2": Threshold(0.5, real=True), "fc4": Threshold(1000)})
    one = cnvlutin2.simulate(network, given, "cnv,cnv2-weights", thresholds=limits)
    other = cnvlutin2.simulate(kept, None, "cnv,cnv2-weights", thresholds=limits)
    ours, theirs = one.to_frame(), other.to_frame()
    columns = [c for c in ours.columns if c != "image_name"]
    assert ours[columns].equals(theirs[columns])
    assert one.networks[0].hashes == other.networks[0].hashes


def test_scores_in_floating_point_are_the_model_s_own() -> None:
    network, given = digits(5)
    assert isinstance(network, OnnxNetwork)
    kept = network.calibrated(given)
    (found,) = cnvlutin2.simulate(network, given, "cnv", cost=False).networks
    assert found.predictions is not None
    assert tuple(kept.float_scores.argmax(axis=1).tolist()) == found.predictions.classes
    assert kept.float_scores.shape == (5, 10)


def test_a_session_serves_all_thresholds_of_activations(monkeypatch: pytest.MonkeyPatch) -> None:
    network, given = digits(2)
    assert isinstance(network, OnnxNetwork)
    kept = network.calibrated(given)
    opened_sessions = []
    real = kept._run.open

    def counted(weight_thresholds: dict[str, int], *, captured: bool) -> PrunedSession:
        opened_sessions.append(captured)
        return real(weight_thresholds, captured=captured)

    monkeypatch.setattr(kept._run, "open", counted)
    for threshold in (1, 2, 3000):
        kept.scores({"conv2_2": threshold})
    assert len(opened_sessions) == 1
    for threshold in range(2, SESSIONS + 4):
        kept.scores({}, {"conv2_2": threshold})
    assert len(kept._sessions) == SESSIONS


def test_what_does_not_fit_is_refused() -> None:
    network, given = digits(2)
    assert isinstance(network, OnnxNetwork)
    kept = network.calibrated(given)
    with pytest.raises(NetworkError, match="takes no others"):
        next(kept.run(given, Numeric()))
    with pytest.raises(ConfigError, match="calibrated for data_bits=16, not 8"):
        next(kept.run(None, Numeric(8)))
    with pytest.raises(ConfigError, match="no layer is called 'conv9'"):
        next(kept.run(None, Numeric(thresholds=Thresholds(None, {"conv9": Threshold(2)}))))
    with pytest.raises(NetworkError, match="takes float32"):
        network.calibrated(Inputs(given.values[:, 0], given.names))
