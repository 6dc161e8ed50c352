"""Small layers and results that the report's tests share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cnvlutin2.network import Layer

HOSTILE_NAMES = (
    "<script>window.hacked = 1</script>",
    '"><img src=x onerror="window.hacked = 1">',
    "</script><script>window.hacked = 1</script>",
    "__proto__",
    '@@data@@ it\'s "quoted" & <b>bold</b>',
    "line\u2028separator\u2029 and \0 nul",
    "long" * 60,
)


def random_layer(
    name: str,
    channels: int,
    size: int = 6,
    filters: int = 40,
    kernel: int = 3,
    density: float = 0.45,
    weight_density: float = 0.4,
    images: int = 2,
    seed: int = 0,
) -> Layer:
    """Return a layer of random values, its bricks unevenly full."""
    rng = np.random.default_rng(seed)
    shape, weight_shape = (images, channels, size, size), (filters, channels, kernel, kernel)
    chance = density * rng.uniform(0.2, 1.8, (1, channels, 1, 1))
    activations = rng.integers(1, 99, shape) * (rng.random(shape) < chance)
    weights = rng.integers(1, 99, weight_shape) * (rng.random(weight_shape) < weight_density)
    pad = kernel // 2
    return Layer(name, activations.astype(np.int16), weights.astype(np.int16), pads=(pad,) * 4)


def hostile_layers() -> list[Layer]:
    """Return layers of hostile names: a shallow first one, wide ones, one of many groups, fully-connected ones."""
    shapes = ((3, 6, 20, 3), (40, 5, 300, 3), (256, 3, 24, 1), (30, 4, 10, 3), (80, 4, 33, 3), (300, 1, 20, 1), (64, 1, 10, 1))
    layers = [
        random_layer(name, channels, size, filters, kernel, density=0.95 if i == 0 else 0.4, seed=i)
        for i, (name, (channels, size, filters, kernel)) in enumerate(zip(HOSTILE_NAMES, shapes, strict=True))
    ]
    weights = np.ascontiguousarray(np.concatenate([layers[3].weights[:, :10]] * 3))
    grouped = replace(layers[3], weights=weights, groups=3, strides=(2, 1))
    return [replace(layers[0], first=True), *layers[1:3], grouped, *layers[4:]]


def only(layer: Layer, filters: int) -> Layer:
    """Return the first image, group and `filters` filters of a layer: all that the lanes are shown of."""
    weights = layer.weights[: min(layer.group_filters, filters)]
    activations = layer.activations[:1, : layer.group_channels]
    return replace(layer, activations=np.ascontiguousarray(activations), weights=np.ascontiguousarray(weights), groups=1)


def cut_to(layer: Layer, window: int) -> Layer:
    """Return the part of a layer's first image that one window sees, as a layer of one window without pads."""
    oy, ox = divmod(window, layer.output_size[1])
    (top, left, bottom, right), (dy, dx), (kh, kw) = layer.pads, layer.dilations, layer.kernel_size
    padded = np.pad(layer.activations[:1], ((0, 0), (0, 0), (top, bottom), (left, right)))
    y, x = oy * layer.strides[0], ox * layer.strides[1]
    part = padded[:, :, y : y + dy * (kh - 1) + 1, x : x + dx * (kw - 1) + 1]
    return replace(layer, activations=np.ascontiguousarray(part), pads=(0, 0, 0, 0))
