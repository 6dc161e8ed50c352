"""Networks from PyTorch: what layers multiply adds up to what PyTorch computes; left out where PyTorch is not installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_models import convolved, integers

from cnvlutin2.errors import ConfigError, NetworkError
from cnvlutin2.network import Accuracy, Findings, Inputs, Layer, Numeric, Predictions, Threshold, Thresholds, open_network
from cnvlutin2.network.reader_registry import find_reader
from cnvlutin2.network.torch.executed_module import TorchNetwork, from_torch
from cnvlutin2.network.torch.torch_reader import TorchReader
from cnvlutin2.numeric import quantise

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed (extra [torch])")
nn = torch.nn


def whole(module: Any) -> Any:
    """Fill a module's parameters with small whole numbers."""
    with torch.no_grad():
        for i, parameter in enumerate(module.parameters()):
            parameter.copy_(torch.from_numpy(integers(*parameter.shape, seed=i, reach=3)))
    return module


def values(*shape: int) -> Any:
    return torch.from_numpy(integers(*shape, seed=9))


def by_name(network: TorchNetwork, numeric: Numeric | None = None) -> dict[str, Layer]:
    return {layer.name: layer for layer in network.run(None, numeric or Numeric())}


def findings(network: TorchNetwork, numeric: Numeric | None = None) -> Findings:
    stream = network.run(None, numeric or Numeric())
    list(stream)
    return stream.findings


MODULES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "plain": (lambda: nn.Conv2d(3, 4, 3, bias=False), (2, 3, 6, 5)),
    "all options": (lambda: nn.Conv2d(6, 4, (3, 2), (2, 1), (1, 2), (1, 2), 2, bias=False), (2, 6, 9, 8)),
    "depthwise": (lambda: nn.Conv2d(5, 10, 3, groups=5, bias=False), (2, 5, 6, 6)),
    "same": (lambda: nn.Conv2d(3, 4, 3, padding="same", bias=False), (2, 3, 6, 6)),
    "line": (lambda: nn.Conv1d(3, 4, 3, 2, 1, bias=False), (2, 3, 11)),
    "connected": (lambda: nn.Linear(7, 5, bias=False), (3, 7)),
    "tokens": (lambda: nn.Linear(7, 5, bias=False), (3, 4, 7)),
}


@pytest.mark.parametrize("case", MODULES)
def test_products_add_up(case: str) -> None:
    make, shape = MODULES[case]
    module, given = whole(make()), values(*shape)
    (layer,) = by_name(from_torch(module, given)).values()
    expected = module(given).detach().numpy()
    result = convolved(layer)
    if case == "tokens":
        assert (layer.kind, layer.windows) == ("matmul", 4)
        result = result[:, :, 0].transpose(0, 2, 1)
    np.testing.assert_array_equal(result.reshape(expected.shape), expected)
    assert layer.first


class Net(nn.Module):  # type: ignore[name-defined,misc,unused-ignore]
    """Layers by module, by function, pruned, in place, twice; what is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.ReLU(inplace=True))
        self.kernel = nn.Parameter(torch.zeros(8, 4, 3, 3))
        self.register_buffer("mask", torch.from_numpy((integers(8, 4, 3, 3) > 0).astype(np.float32)))
        self.shared = nn.Linear(8, 8, bias=False)
        self.head = nn.Linear(8, 5)

    def forward(self, images: Any) -> Any:
        maps = torch.relu_(nn.functional.conv2d(self.features(images), self.kernel * self.mask))
        pooled = self.shared(self.shared(maps.mean((2, 3))))
        return self.head(pooled)


def test_names_and_values() -> None:
    module, given = whole(Net()), values(4, 3, 8, 8)
    network = from_torch(module, given, "net")
    layers = by_name(network)
    assert list(layers) == ["features.0", "convolution", "shared", "shared#2", "head"]
    assert [layer.first for layer in layers.values()] == [True] + [False] * 4
    assert network.left_out == ()
    first = np.maximum(convolved(layers["features.0"]), 0)
    np.testing.assert_array_equal(
        quantise(first, layers["convolution"].activation_frac or 0, 16), layers["convolution"].activations
    )
    real = np.ldexp(layers["convolution"].weights.astype(float), -(layers["convolution"].weight_frac or 0))
    np.testing.assert_array_equal(real, (module.kernel * module.mask).detach().numpy())


def test_pruning_propagates_in_exact_integers() -> None:
    module, given = whole(Net()), values(6, 3, 8, 8)
    network = from_torch(module, given)
    numeric = Numeric(6, Thresholds(Threshold(4)), Thresholds(Threshold(2)))
    layers = by_name(network, numeric)
    first = np.maximum(convolved(layers["features.0"], thresholds=True), 0)
    np.testing.assert_array_equal(
        quantise(first, layers["convolution"].activation_frac or 0, 6), layers["convolution"].activations
    )
    final = convolved(layers["head"], thresholds=True)[:, :, 0, 0] + module.head.bias.detach().numpy()
    agree = int((final.argmax(axis=1) == module(given).argmax(dim=1).numpy()).sum())
    found = findings(network, numeric)
    assert (found.accuracy, found.quantised) == (Accuracy(6, agree), True)
    alone = tuple(module(given).argmax(dim=1).tolist())
    assert findings(network) == Findings(predictions=Predictions(alone))


@pytest.mark.parametrize("numeric", [Numeric(), Numeric(quantised=True)])
def test_alpha_is_folded_into_the_weights(numeric: Numeric) -> None:
    class Scaled(nn.Module):  # type: ignore[name-defined,misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.from_numpy(integers(6, 4)))

        def forward(self, rows: Any) -> Any:
            return torch.mm(torch.addmm(torch.zeros(4), rows, self.weight, alpha=0.5), self.weight.t())

    module, given = Scaled(), values(3, 6)
    first, second = by_name(from_torch(module, given), numeric).values()
    hidden = convolved(first)[:, :, 0, 0]
    np.testing.assert_array_equal(hidden, (given @ module.weight).detach().numpy() / 2)
    np.testing.assert_array_equal(convolved(second)[:, :, 0, 0], hidden @ module.weight.detach().numpy().T)


def test_the_module_is_left_as_it_was() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(0.9), nn.BatchNorm2d(4).eval(), nn.Flatten(), nn.LazyLinear(3))
    given = values(2, 3, 5, 5)
    module(given)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    layers = by_name(from_torch(module, given), Numeric(quantised=True))
    assert len(layers) == 2
    assert [m.training for m in module] == [True, True, False, True, True]
    for key, value in module.state_dict().items():
        assert torch.equal(value, before[key])
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())


def test_what_has_no_meaning_is_listed() -> None:
    class Odd(nn.Module):  # type: ignore[name-defined,misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.up = nn.ConvTranspose2d(3, 3, 2)
            self.cube = nn.Conv3d(1, 2, 1)
            self.stem = nn.Conv2d(3, 3, 1)
            self.rnn = nn.LSTM(8, 4, batch_first=True)

        def forward(self, images: Any) -> Any:
            x = self.stem(self.up(images))
            self.cube(x[:, None])
            nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
            flat = x.flatten(1)
            flat @ flat.T
            self.rnn(x[:, 0, :, :8])
            return torch.matmul(x, x.transpose(2, 3))

    network = from_torch(Odd(), values(2, 3, 8, 8))
    assert list(network.layer_names()) == ["stem"]
    assert not by_name(network)["stem"].first
    found = {out.name: out.reason for out in network.left_out}
    assert list(found) == ["up", "cube", "mm", "rnn", "bmm"]
    for name, words in {"up": "transposed", "cube": "3-dimensional", "mm": "two activations"}.items():
        assert words in found[name]


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(NetworkError, match="runs no convolution and no product"):
        from_torch(nn.ReLU(), values(2, 3))
    with pytest.raises(NetworkError, match="module 'Linear' cannot run on image 0 alone, as a batch of 1: "):
        from_torch(nn.Linear(7, 5), values(2, 3))
    with pytest.raises(NetworkError, match="first dimension is the images"):
        from_torch(nn.Linear(7, 5), "image")
    network = from_torch(nn.Linear(3, 5), torch.full((2, 3), torch.nan), "odd")
    with pytest.raises(NetworkError, match="layer 'addmm': its input hold"):
        by_name(network)
    network = from_torch(nn.Sequential(nn.Linear(3, 5)), values(2, 3))
    with pytest.raises(ConfigError, match="no layer is called 'nonesuch'; the layers are 0"):
        by_name(network, Numeric(thresholds=Thresholds(layers={"nonesuch": Threshold(2)})))
    with pytest.raises(NetworkError, match="was made with its inputs"):
        list(network.run(Inputs(np.zeros((1, 3)), ["x"]), Numeric()))


def test_a_module_and_its_inputs_are_a_source() -> None:
    module, given = whole(Net()), values(2, 3, 8, 8)
    network = open_network((module, given))
    assert isinstance(network, TorchNetwork)
    assert not network.takes_inputs
    assert network.layer_names() == from_torch(module, given).layer_names()
    assert isinstance(find_reader((module, given)), TorchReader)
    assert not TorchReader().can_read((given, module))


def test_interleaved_runs_do_not_mix() -> None:
    network = from_torch(whole(Net()), values(6, 3, 8, 8))
    numerics = [Numeric(), Numeric(6, Thresholds(Threshold(4))), Numeric(quantised=True)]
    alone = [list(by_name(network, numeric).values()) for numeric in numerics]
    expected = [findings(network, numeric) for numeric in numerics]
    assert [found.quantised for found in expected] == [False, True, True]
    streams = [network.run(None, numeric) for numeric in numerics]
    for found in zip(zip(*alone, strict=True), zip(*streams, strict=True), strict=True):
        for one, other in zip(*found, strict=True):
            assert (one.name, one.threshold, one.activation_frac) == (other.name, other.threshold, other.activation_frac)
            np.testing.assert_array_equal(one.activations, other.activations)
    assert [stream.findings for stream in streams] == expected


def test_what_is_left_out_is_in_the_findings() -> None:
    network = from_torch(nn.Sequential(nn.ConvTranspose2d(3, 3, 2), nn.Conv2d(3, 4, 3)), values(2, 3, 6, 6))
    assert [out.name for out in findings(network).left_out] == [out.name for out in network.left_out] == ["0"]
