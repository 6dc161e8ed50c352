"""What PyTorch multiplies and is not simulated is listed, with a true reason and counted multiply-accumulates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx_models import convolved, integers

from cnvlutin2.network import LeftOut, Numeric, from_torch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed (extra [torch])")
nn, functional = torch.nn, torch.nn.functional

from torch_modules import Written  # noqa: E402  (needs PyTorch)


@torch.library.custom_op("cnvlutin2_tests::project", mutates_args=())  # type: ignore[misc,untyped-decorator,unused-ignore]
def project(rows: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return rows @ weights


@torch.library.custom_op("cnvlutin2_tests::project_into", mutates_args=("out",))  # type: ignore[misc,untyped-decorator,unused-ignore]
def project_into(rows: torch.Tensor, weights: torch.Tensor, out: torch.Tensor) -> None:
    torch.matmul(rows, weights, out=out)


def into(self: Any, x: Any) -> Any:
    out = x.new_empty(x.shape[0], 6, 8)
    torch.ops.cnvlutin2_tests.project_into(x, self.w, out)
    return out


OUTSIDE = torch.ones(16, 4)
FUSED, TWO, UNKNOWN = (
    "multiplies activations by one another",
    "multiplies two activations",
    "not known here (it holds constant weights)",
)
QUANTISED = "quantised operator"
# All see x, [N, 6, 16]: of an image 6 rows of 16.
CASES: dict[str, tuple[Callable[[Any, Any], Any], str, str, int | None]] = {
    "two activations": (lambda self, x: x @ x.mT, "bmm", TWO, 6 * 6 * 16),
    "einsum": (lambda self, x: torch.einsum("bnd,bmd->bnm", x, x), "bmm", TWO, 6 * 6 * 16),
    "added product": (lambda self, x: torch.baddbmm(x[:, :, :6], x, x.mT), "baddbmm", TWO, 6 * 6 * 16),
    "dot": (lambda self, x: torch.dot(x[0, 0], x[0, 1]), "dot", TWO, 16),
    "stack": (lambda self, x: torch.bmm(x.expand(2, 6, 16), self.stack), "bmm", "different constant matrices", 2 * 6 * 16 * 4),
    "attention": (
        lambda self, x: functional.scaled_dot_product_attention(x[:, None], x[:, None], x[:, None], attn_mask=self.mask),
        "_scaled_dot_product_flash_attention_for_cpu",
        FUSED,
        2 * 6 * 6 * 16,
    ),
    "lstm": (lambda self, x: self.lstm(x)[0], "mkldnn_rnn_layer", "recurrent layer", 6 * 4 * (16 * 3 + 3 * 3)),
    "bilinear": (lambda self, x: self.bilinear(x, x), "_trilinear", "a bilinear product", None),
    "transposed": (lambda self, x: self.transposed(x), "convolution", "transposed convolution", 16 * 6 * 2 * 3),
    "three dimensions": (lambda self, x: self.cube(x[:, None, None]), "convolution", "3-dimensional", 5 * 15 * 2 * 4),
    "frames": (lambda self, x: self.map(x.reshape(-1, 1, 4, 8)), "convolution", "3 maps for one image", 3 * 3 * 7 * 4 * 2),
    "distances": (lambda self, x: torch.cdist(x, x), "_cdist_forward", "distances", None),
    "fourier": (lambda self, x: torch.fft.rfft(x).abs(), "_fft_r2c", "a Fourier transform", None),
    "complex": (lambda self, x: (x.to(torch.complex64) @ self.w.to(torch.complex64)).abs(), "mm", "complex", 6 * 16 * 8),
    "inverse": (lambda self, x: torch.linalg.inv(x @ x.mT + torch.eye(6)), "linalg_inv_ex", "linear algebra", None),
    "bag": (
        lambda self, x: self.bag(self.index.expand(len(x), 3), per_sample_weights=x[:, 0, :3]),
        "_embedding_bag",
        "weights the rows of a table",
        None,
    ),
    "integers": (lambda self, x: torch._int_mm(x[0].repeat(4, 1).to(torch.int8), self.bytes), "_int_mm", QUANTISED, None),
    "another library's": (
        lambda self, x: torch.ops.cnvlutin2_tests.project(x, self.w),
        "cnvlutin2_tests::project",
        UNKNOWN,
        None,
    ),
    "another's, in place": (into, "cnvlutin2_tests::project_into", UNKNOWN, None),
    "a closure's": (lambda self, x: x @ OUTSIDE, "mm", "make it a parameter or a buffer", 6 * 16 * 4),
    "out of sight": (lambda self, x: torch.from_numpy(x.numpy() @ np.ones((16, 4), np.float32)) * 2, "mul", "NumPy's", None),
    "from a list": (lambda self, x: torch.tensor(x.numpy().tolist()) * 2, "mul", "NumPy's", None),
}


def module_of(function: Callable[[Any, Any], Any]) -> Any:
    torch.manual_seed(0)
    module = Written(
        lambda self, x: (self.head(x), function(self, x)),
        head=nn.Linear(16, 8),
        lstm=nn.LSTM(16, 3, batch_first=True),
        bilinear=nn.Bilinear(16, 16, 2),
        transposed=nn.ConvTranspose1d(6, 2, 3),
        cube=nn.Conv3d(1, 2, (1, 2, 2)),
        map=nn.Conv2d(1, 2, 2),
        bag=nn.EmbeddingBag(5, 4, mode="sum"),
        w=nn.Parameter(torch.ones(16, 8)),
    )
    buffers = {
        "stack": torch.randn(2, 16, 4),
        "mask": torch.zeros(6, 6),
        "index": torch.tensor([[0, 2, 1]]),
        "bytes": torch.ones(16, 8).to(torch.int8),
    }
    for name, tensor in buffers.items():
        module.register_buffer(name, tensor)
    return module


@pytest.mark.parametrize("case", CASES)
def test_what_multiplies_is_listed(case: str) -> None:
    function, operator, words, macs = CASES[case]
    network = from_torch(module_of(function), torch.from_numpy(integers(1, 6, 16)))
    assert network.layer_names()[0] == "head"
    found = next(out for out in network.left_out if out.operator == operator)
    assert words in found.reason
    assert found.macs == macs


@pytest.mark.parametrize(
    "function",
    [
        lambda self, x: functional.interpolate(x[:, None], scale_factor=2, mode="bicubic"),
        lambda self, x: functional.layer_norm(x.softmax(-1).cumsum(1), (16,)).sort(-1)[0].topk(2)[0],
        lambda self, x: functional.avg_pool1d(functional.gelu(x), 2).std((1, 2)),
        lambda self, x: functional.batch_norm(x, None, None, training=True) - torch.tensor([0.5] * 16),
        lambda self, x: self.bag(self.index.expand(len(x), 3)) * x.new_empty(len(x), 4).fill_(2.0),
        lambda self, x: functional.grid_sample(x[:, None], torch.zeros(len(x), 2, 2, 2), align_corners=False),
        lambda self, x: self.w @ self.w.T @ self.stack[0],  # of constants alone
        lambda self, x: x[:0] @ self.w,  # of nothing
        lambda self, x: torch.fft.rfft(self.w).abs(),
    ],
)
def test_what_multiplies_nothing_is_not_listed(function: Callable[[Any, Any], Any]) -> None:
    network = from_torch(module_of(function), torch.from_numpy(integers(1, 6, 16)))
    assert (list(network.layer_names()), network.left_out) == (["head"], ())


PRODUCTS: dict[str, Callable[[Any, Any], Any]] = {
    "rows": lambda self, x: x @ self.w,
    "columns": lambda self, x: self.w.T @ x.mT,
    "einsum": lambda self, x: torch.einsum("bnd,de->bne", x, self.w),
    "sequence first": lambda self, x: x.transpose(0, 1) @ self.w,
    "vector on the right": lambda self, x: x[0] @ self.w[:, 0],
    "vector on the left": lambda self, x: self.w.T @ x[0, 0],
    "added": lambda self, x: torch.addmv(torch.zeros(8), self.w.T, x[0, 0], alpha=2),
    "dot": lambda self, x: torch.dot(self.w[:, 0], x[0, 1]),
    "an attribute": lambda self, x: x @ self.plain,
    "made of numbers": lambda self, x: x @ (torch.arange(32.0).reshape(16, 2) - torch.tensor([[1.0, 2.0]])),
    "half": lambda self, x: x.bfloat16() @ self.w.bfloat16(),
    "sparse": lambda self, x: torch.sparse.mm(self.w.T.to_sparse(), x[0].T),
}


@pytest.mark.parametrize("case", PRODUCTS)
@pytest.mark.parametrize("quantised", [False, True])
def test_products_with_a_constant_factor_are_layers(case: str, quantised: bool) -> None:
    module = Written(
        PRODUCTS[case], w=nn.Parameter(torch.from_numpy(integers(16, 8, seed=1))), plain=torch.from_numpy(integers(16, 3))
    )
    given = torch.from_numpy(integers(1, 6, 16, seed=2))
    network = from_torch(module, given)
    (layer,) = network.run(None, Numeric(quantised=quantised))
    assert network.left_out == ()
    with torch.no_grad():
        expected = module(given).float().numpy().reshape(-1)
    assert sorted(convolved(layer).reshape(-1)) == sorted(expected)


def test_the_record_is_exact() -> None:
    network = from_torch(module_of(lambda self, x: self.lstm(x)[0] @ x[:, :3]), torch.from_numpy(integers(2, 6, 16)))
    assert network.left_out[1] == LeftOut("bmm", "bmm", "multiplies two activations: it has no constant weights", 6 * 3 * 16)
