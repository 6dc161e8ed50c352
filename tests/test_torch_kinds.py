"""Kinds of PyTorch modules: scripted, exported, compiled, under modes of PyTorch; and all of them left as they were."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from onnx_models import integers

from cnvlutin2.errors import NetworkError
from cnvlutin2.network import Numeric, from_torch, open_network

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed (extra [torch])")
nn = torch.nn

from torch_modules import Written  # noqa: E402  (needs PyTorch)


def small() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, eps=0.0), nn.ReLU(), nn.Flatten(), nn.Linear(72, 4)).eval()


def images(count: int = 2) -> Any:
    return torch.from_numpy(integers(count, 3, 5, 5, seed=3))


def in_inference_mode(module: Any) -> Any:
    def forward(self: Any, x: Any) -> Any:
        with torch.inference_mode():
            return self.inner(x)

    return Written(forward, inner=module)


def made_in_inference_mode(module: Any) -> Any:
    with torch.inference_mode():
        return copy.deepcopy(module)


def exported(module: Any) -> Any:
    return torch.export.export(module, (images(),), dynamic_shapes=({0: torch.export.Dim("batch")},))


KINDS: dict[str, Callable[[Any], Any]] = {
    "traced": lambda module: torch.jit.trace(module, images()),
    "scripted": torch.jit.script,
    "frozen": lambda module: torch.jit.freeze(torch.jit.script(module)),
    "scripted inside": lambda module: nn.Sequential(torch.jit.script(module)),
    "exported": exported,
    "exported module": lambda module: exported(module).module(),
    "symbolically traced": torch.fx.symbolic_trace,
    "compiled": torch.compile,
    "data parallel": nn.DataParallel,
    "inference mode inside": in_inference_mode,
    "made in inference mode": made_in_inference_mode,
    "channels last": lambda module: module.to(memory_format=torch.channels_last),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_the_same_layers(kind: str) -> None:
    expected = list(from_torch(small(), images()).run(None, Numeric()))
    network = open_network((KINDS[kind](small()), images()))
    found = list(network.run(None, Numeric()))
    assert network.left_out == ()
    assert [layer.kind for layer in found] == ["conv", "fc"]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
        np.testing.assert_array_equal(one.activations, other.activations)
        assert one.first == other.first
    if kind in ("traced", "scripted", "exported", "compiled"):
        assert [layer.name for layer in found] == ["0", "4"]


@contextmanager
def warm_autocast(module: Any) -> Iterator[None]:
    with torch.autocast("cpu", torch.bfloat16):
        module(images())  # caches the cast weights
        yield


@pytest.mark.parametrize("mode", [lambda module: torch.inference_mode(), warm_autocast, lambda module: torch.no_grad()])
def test_modes_of_the_caller(mode: Callable[[Any], Any]) -> None:
    module = small()
    with mode(module):
        network = from_torch(module, images())
        assert (list(network.layer_names()), network.left_out) == (["0", "4"], ())
        assert torch.is_inference_mode_enabled() == isinstance(mode(module), torch.inference_mode)
    module(images()).sum().backward()  # no cast of the run without gradients is left
    assert module[0].weight.grad is not None


@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
@pytest.mark.parametrize("layout", ["to_sparse_csr", "to_sparse_csc", "to_sparse"])
def test_sparse_weights_are_weights(layout: str) -> None:
    dense = torch.from_numpy(integers(4, 16) * (integers(4, 16, seed=1) > 0))
    sparse = Written(lambda self, x: nn.functional.linear(x, self.w), w=nn.Parameter(getattr(dense, layout)()))
    (layer,) = from_torch(sparse, torch.from_numpy(integers(3, 16))).run(None, Numeric(quantised=True))
    np.testing.assert_array_equal(np.ldexp(layer.weights[:, :, 0, 0].astype(float), -(layer.weight_frac or 0)), dense.numpy())


def test_projections_of_attention_are_layers() -> None:
    def multiplied(module: Any) -> dict[str, int]:
        return {layer.name: layer.macs for layer in from_torch(module, tokens).run(None, Numeric())}

    tokens = torch.randn(2, 5, 16)
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    rows = 5
    expected = {
        "self_attn": rows * 48 * 16,
        "self_attn.out_proj": rows * 16 * 16,
        "linear1": rows * 16 * 32,
        "linear2": rows * 16 * 32,
    }
    assert multiplied(layer) == expected
    assert multiplied(nn.TransformerEncoder(layer, 1)) == {f"layers.0.{name}": macs for name, macs in expected.items()}
    assert torch.backends.mha.get_fastpath_enabled()


def test_layers_share_a_tensor_by_its_identity() -> None:
    def forward(self: Any, x: Any) -> Any:
        a = torch.relu(x)
        found = [self.q(a), self.k(a), self.q(a.clone()), self.q(a.flip(1))]
        a.add_(0)  # written again
        return [*found, self.q(a), self.q(torch.zeros_like(a)), self.q(torch.zeros_like(a))]

    module = Written(forward, q=nn.Linear(8, 4), k=nn.Linear(8, 4))
    for count in (1, 3):
        read = [layer.tensor for layer in from_torch(module, torch.ones(count, 5, 8)).run(None, Numeric())]
        assert read[0] == read[1]
        assert len(set(read)) == len(read) - 1


def test_hooks_that_change_values_count() -> None:
    module = nn.Sequential(nn.Linear(8, 6), nn.Linear(6, 4))
    module[0].register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
    _, second = from_torch(module, torch.ones(2, 8)).run(None, Numeric())
    assert not second.activations.any()


def test_branches_of_control_flow_are_seen() -> None:
    def forward(self: Any, x: Any) -> Any:
        return torch.cond(x.sum() > 0, lambda x: self.f(x), lambda x: self.g(self.f(x)), (x,))

    module = Written(forward, f=nn.Linear(8, 8), g=nn.Linear(8, 8))
    assert [len(from_torch(module, sign * torch.ones(1, 8)).layer_names()) for sign in (1, -1)] == [1, 2]


class Restless(nn.Module):  # type: ignore[name-defined,misc,unused-ignore]
    """Changes whatever it has when it runs."""

    seen: Any
    by_name: dict[str, Any]

    def __init__(self, fails: bool) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(16, 4), nn.BatchNorm1d(16)
        self.register_buffer("seen", torch.zeros(()))
        self.plain, self.calls, self.held, self.by_name, self.fails = torch.zeros(2), 0, [0], {}, fails

    def forward(self, x: Any) -> Any:
        self.seen += 1
        self.seen = self.seen + 1
        self.plain[0] = 5
        self.calls += 1
        self.held.append(x)
        self.by_name["x"] = self.new = x
        self.norm.train()
        x = self.norm(x[:, None].expand(-1, 3, -1).transpose(1, 2)).mean(2)
        self.linear.weight.data = torch.renorm(self.linear.weight.data, 2, 0, 0.1)
        self.linear.bias.data.add_(1)
        self.linear.bias.requires_grad_(False)
        torch.rand(3)
        if self.fails:
            raise KeyError("nothing")
        return self.linear(x)


@pytest.mark.filterwarnings("ignore:module 'Restless' answers otherwise")
@pytest.mark.parametrize("fails", [False, True])
def test_whatever_a_module_changes_is_put_back(fails: bool) -> None:
    module, given = Restless(fails), torch.from_numpy(integers(3, 16))
    state = {key: value.clone() for key, value in module.state_dict().items()}
    attributes, memory, seen, random = set(vars(module)), module.linear.weight.data_ptr(), module.seen, torch.get_rng_state()
    if fails:
        with pytest.raises(NetworkError, match="image 0 alone, as a batch of 1: 'nothing'"):
            from_torch(module, given)
    else:
        list(from_torch(module, given).run(None, Numeric(8, quantised=True)))
    for key, value in module.state_dict().items():
        assert torch.equal(value, state[key]), key
    assert (module.calls, module.held, module.by_name, set(vars(module))) == (0, [0], {}, attributes)
    assert not module.plain.any()
    assert module.seen is seen
    assert module.linear.weight.data_ptr() == memory
    assert module.linear.bias.requires_grad
    assert all(each.training and not each._forward_hooks for each in module.modules())
    assert torch.equal(torch.get_rng_state(), random)


def test_modes_are_put_back_without_calling_what_a_module_redefines() -> None:
    class Merging(nn.Linear):  # type: ignore[name-defined,misc,unused-ignore]
        def train(self, mode: bool = True) -> Any:
            raise AssertionError("merges its weights")

    from_torch(Merging(8, 4), torch.ones(1, 8))


def test_modules_without_values_are_refused() -> None:
    for module, what in (
        (nn.LazyLinear(4), "has no shape yet; call the module once"),
        (nn.Linear(8, 4, device="meta"), "on the meta device"),
    ):
        with pytest.raises(NetworkError, match=what):
            from_torch(module, torch.ones(2, 8))
    with pytest.raises(NetworkError, match=r"takes a torch.nn.Module or a torch.export.ExportedProgram, not a function"):
        from_torch(small, images())
    fixed = torch.export.export(small(), (images(2),)).module()
    with pytest.raises(NetworkError, match="cannot run on image 0 alone, as a batch of 1: "):
        from_torch(fixed, images(2))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_a_compiler_hides_is_listed() -> None:
    """Convolutions that run in kernels of the JIT's own do not show; what takes their outputs does."""
    hiding = torch.jit.optimize_for_inference(torch.jit.script(small()))
    found = from_torch(hiding, images())
    seen = sum(layer.kind == "conv" for layer in found.run(None, Numeric()))
    assert seen + len(found.left_out) >= 1
    assert seen or "what multiplied for them is not known" in found.left_out[0].reason
