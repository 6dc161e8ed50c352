"""What is the plain engine's own: its blocks of windows. What it counts, the contract of engines holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from report_layers import random_layer

from cnvlutin2.layer import Layer
from cnvlutin2.mapping import Schedule
from cnvlutin2.organisation import Organisation, preset
from cnvlutin2.testing import layers, organisations
from cnvlutin2.timing.observed import ObservedLayer
from cnvlutin2.timing.plain import Operands, Pass, PlainEngine
from cnvlutin2.timing.plain import passes as plain_passes


def first_pass(layer: Layer, organisation: Organisation) -> Pass:
    return Pass(Operands(ObservedLayer(layer), Schedule.of(layer.geometry, organisation)), 0, 0)


@given(layers(), organisations())
def test_blocks_do_not_matter(layer: Layer, organisation: Organisation) -> None:
    (whole,) = PlainEngine().time([layer], [organisation])[0].organisations
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_passes, "BLOCK_BYTES", 3000)
        (cut,) = PlainEngine().time([layer], [organisation])[0].organisations
    for one, other in ((whole.skip, cut.skip), (whole.dense, cut.dense)):
        if one is not None and other is not None:
            assert one.cycles.tolist() == other.cycles.tolist()
            assert one.slots.tolist() == other.slots.tolist()


@pytest.mark.parametrize("name", ["cnv", "cnv2-weights-shared", "cnv2-weights"])
def test_a_block_fits_into_its_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a walk of a block holds, and the two arrays of a step's values in floating point, are no more than was allowed."""
    chosen = first_pass(random_layer("conv", 300, size=12, filters=30, images=2), preset(name))
    every = np.arange(2 * 144)
    monkeypatch.setattr(plain_passes, "BLOCK_BYTES", 1 << 20)
    blocks = chosen.blocks(every)
    assert np.concatenate(blocks).tolist() == every.tolist()
    assert len(blocks) > 1
    walk = chosen.walk(blocks[0])
    held = walk.products.nbytes + walk.begins.nbytes + walk.ends.nbytes + 16 * 300 * blocks[0].size
    assert (1 << 18) < held <= 1 << 20


def test_one_window_is_a_block_however_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_passes, "BLOCK_BYTES", 1)
    blocks = first_pass(random_layer("conv", 40), preset("cnv2-weights")).blocks(np.arange(3))
    assert [block.tolist() for block in blocks] == [[0], [1], [2]]


@pytest.mark.parametrize("images", [1, 3])
def test_windows_are_counted_over_the_images(images: int) -> None:
    """The same image again is the same work again; its places follow those of the image before."""
    layer = random_layer("conv", 20, images=1)
    again = Layer("conv", np.repeat(layer.activations, images, axis=0), layer.weights, pads=layer.pads)
    once, many = (first_pass(each, preset("cnv2-weights")) for each in (layer, again))
    windows = np.arange(layer.windows)
    assert many.walk(windows + (images - 1) * layer.windows).ends.tolist() == once.walk(windows).ends.tolist()
