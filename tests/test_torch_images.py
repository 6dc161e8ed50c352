"""PyTorch modules on several images: every layer's rows are the image's own, whatever the module does with its batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_models import integers

from cnvlutin2 import simulate
from cnvlutin2.errors import Cnvlutin2Warning, NetworkError
from cnvlutin2.layer import Layer
from cnvlutin2.network import Numeric, from_torch
from cnvlutin2.numeric import quantise

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed (extra [torch])")
nn = torch.nn

from torch_modules import Written  # noqa: E402  (needs PyTorch)


def sequence_first(module: Any, tokens: Any) -> Any:
    return module.f(torch.relu(tokens).transpose(0, 1)).transpose(0, 1)


def layers(module: Any, given: Any, numeric: Numeric | None = None) -> list[Layer]:
    return list(from_torch(module, given).run(None, numeric or Numeric()))


@pytest.mark.parametrize("tokens", [8, 17])
def test_rows_that_interleave_images(tokens: int) -> None:
    images = torch.stack([torch.ones(tokens, 32), -torch.ones(tokens, 32)])
    module = Written(sequence_first, f=nn.Linear(32, 16))
    (layer,) = layers(module, images)
    expected = quantise(np.maximum(images.numpy(), 0), layer.activation_frac or 0, 16)
    np.testing.assert_array_equal(layer.activations[:, :, 0].transpose(0, 2, 1), expected)


def test_totals_do_not_depend_on_the_batch() -> None:
    images = torch.from_numpy(integers(3, 5, 32, seed=4))
    images[1] = 0
    module = Written(sequence_first, f=nn.Linear(32, 16))
    together = simulate(from_torch(module, images), organisations="cnv2-dispatch").to_frame()["cycles"]
    alone = [
        int(simulate(from_torch(module, images[i : i + 1]), organisations="cnv2-dispatch").to_frame()["cycles"].sum())
        for i in range(3)
    ]
    assert list(together) == alone
    assert alone[1] < alone[0]


def test_a_module_that_mixes_images_is_run_on_each_alone() -> None:
    images = torch.from_numpy(integers(2, 4, 8))
    for mixes in (lambda self, x: self.f(x.flip(0)), lambda self, x: self.f(x - x.mean(0))):
        module = Written(mixes, f=nn.Linear(8, 3))
        with pytest.warns(Cnvlutin2Warning, match="answers otherwise for two images than for each alone"):
            (layer,) = layers(module, images)
        for i in range(2):
            (alone,) = layers(module, images[i : i + 1])
            shift = (alone.activation_frac or 0) - (layer.activation_frac or 0)
            np.testing.assert_array_equal(layer.activations[i], alone.activations[0] >> shift)


def test_an_image_does_not_see_what_the_one_before_left_behind() -> None:
    def counts(self: Any, x: Any) -> Any:
        self.seen += 1
        return self.f(x * self.seen)

    module = Written(counts, f=nn.Linear(8, 3))
    module.register_buffer("seen", torch.zeros(()))
    images = torch.from_numpy(integers(1, 8)).expand(3, 8)
    (layer,) = layers(module, images)
    assert (layer.activations == layer.activations[:1]).all()


def test_inputs_by_keyword_and_in_containers() -> None:
    images, other = torch.from_numpy(integers(3, 4, 8)), torch.from_numpy(integers(5, 8, seed=2))

    def forward(self: Any, images: Any, pair: Any = None, scale: float = 1.0) -> Any:
        return self.f(images if pair is None else pair[0] + pair[1][0] * scale)

    module = Written(forward, f=nn.Linear(8, 3))
    expected = images + other[0] * 2
    for given in ({"images": images, "pair": [images, other], "scale": 2.0}, (images, [images, other], 2.0)):
        (layer,) = layers(module, given)
        np.testing.assert_array_equal(
            layer.activations[:, :, 0].transpose(0, 2, 1), quantise(expected.numpy(), layer.activation_frac or 0, 16)
        )
    (layer,) = layers(module, {"images": images})
    assert layer.images == 3


def test_inputs_that_cannot_be_cut_are_refused() -> None:
    images, linear = torch.ones(4, 5, 8), Written(lambda self, x, mask=None: self.f(x), f=nn.Linear(8, 3))
    with pytest.raises(NetworkError, match=r"whether a tensor \[4, 4\] beside \[4, 5, 8\] holds a row an image cannot be told"):
        from_torch(linear, (images, torch.zeros(4, 4)))
    for tensor, kind in ((images.to("meta"), "on the meta device"), (images.to_sparse(), "sparse")):
        with pytest.raises(NetworkError, match=f"a tensor is {kind}"):
            from_torch(linear, tensor)
    for nothing in ({}, {"x": 1}, (torch.tensor(1.0),), torch.ones(0, 8)):
        with pytest.raises(NetworkError, match="first dimension is the images"):
            from_torch(linear, nothing)


def test_layers_that_differ_from_image_to_image_are_refused() -> None:
    def routes(self: Any, x: Any) -> Any:
        return self.f(x[x[..., 0] > 0])

    def branches(self: Any, x: Any) -> Any:
        return self.f(x) if float(x.sum()) > 0 else self.f(self.g(x))

    def weighs(self: Any, x: Any) -> Any:
        return self.f(x) @ torch.full((8, 2), float(x.sum()))

    images = torch.stack([torch.ones(4, 8), -torch.ones(4, 8)])
    for forward in (routes, branches, weighs):
        module = Written(forward, f=nn.Linear(8, 8), g=nn.Linear(8, 8))
        with pytest.raises(NetworkError, match=r"for image 1 than for image 0.*make a network of each image"):
            from_torch(module, images)
        assert layers(module, images[:1])


def test_an_input_is_not_written_to() -> None:
    images = torch.from_numpy(integers(2, 8))
    before = images.clone()
    layers(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(8, 3)), images, Numeric(quantised=True))
    assert torch.equal(images, before)
