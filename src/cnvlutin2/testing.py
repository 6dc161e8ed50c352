"""Hypothesis strategies: random small layers and organisations, for this package's tests and for those of its users.

Needs `hypothesis`, which the extra ``[test]`` brings; nothing else in the package imports it.

Examples
--------
>>> from hypothesis import given
>>> from cnvlutin2.testing import layers, organisations
>>> @given(layers(), organisations())
... def test_something(layer, organisation):
...     assert layer.macs > 0
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings import format_names, get_format
from cnvlutin2.errors import ToolMissing
from cnvlutin2.layer import Kind, Layer
from cnvlutin2.numeric import limits
from cnvlutin2.organisation import LayerMode, Organisation

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ToolMissing("cnvlutin2.testing needs hypothesis; install it with: python -m pip install 'cnvlutin2[test]'") from error

_DENSITIES = (0.0, 0.05, 0.3, 0.5, 0.8, 1.0)


@st.composite
def layers(draw: st.DrawFn, *, data_bits: int = 16, max_images: int = 3, max_channels: int = 40, max_filters: int = 12) -> Layer:
    """Draw a small layer of any kind that the model knows.

    Convolutions (grouped, depthwise, strided, dilated, asymmetrically padded, 1x1, shallow ones that are stored by rows),
    fully-connected layers and token-wise products; channel counts that no brick divides, activation and weight
    densities from none to all, thresholds, and the most extreme integers.

    Parameters
    ----------
    data_bits : int
        Every value fits this many bits.
    max_images, max_channels, max_filters : int
        Largest batch; most channels and filters of a group.

    Returns
    -------
    SearchStrategy of Layer
    """
    kind = cast(Kind, draw(st.sampled_from(("conv", "conv", "conv", "fc", "matmul"))))
    groups, channels, filters = 1, draw(_channels(max_channels)), draw(st.integers(1, max_filters))
    kernel = strides = dilations = (1, 1)
    pads = (0, 0, 0, 0)
    size = (1, 1) if kind == "fc" else (1, draw(st.integers(1, 4)))
    if kind == "conv":
        groups, channels, filters = draw(_grouping(channels, filters))
        kernel, strides, dilations = (draw(_pair(1, most)) for most in (3, 3, 2))
        pads = draw(st.tuples(*[st.integers(0, 2)] * 4))
        size = (
            draw(_extent(kernel[0], dilations[0], pads[0] + pads[2])),
            draw(_extent(kernel[1], dilations[1], pads[1] + pads[3])),
        )
    threshold = draw(_thresholds(data_bits))
    weight_threshold = draw(_thresholds(data_bits))
    return Layer(
        name=draw(st.sampled_from(("conv1", "layer", "fc6"))),
        activations=draw(integer_arrays((draw(st.integers(1, max_images)), groups * channels, *size), data_bits, threshold)),
        weights=draw(integer_arrays((groups * filters, channels, *kernel), data_bits, weight_threshold)),
        strides=strides,
        pads=pads,
        dilations=dilations,
        groups=groups,
        threshold=threshold,
        weight_threshold=weight_threshold,
        first=draw(st.booleans()),
        kind=kind,
    )


@st.composite
def integer_arrays(
    draw: st.DrawFn, shape: tuple[int, ...], data_bits: int = 16, threshold: int = 1, density: float | None = None
) -> NDArray[np.int16]:
    """Draw an int16 array of some density, its values close to the threshold, ordinary, or at the limits of the width.

    Parameters
    ----------
    shape : tuple of int
    data_bits : int
        Every value fits this many bits.
    threshold : int
        Magnitudes of `threshold` and ``threshold - 1`` are made frequent.
    density : float, optional
        Chance of a value not to be 0; drawn if None.

    Returns
    -------
    SearchStrategy of int16 array
    """
    rng = np.random.default_rng(draw(st.integers(0, (1 << 32) - 1)))
    chance = draw(st.sampled_from(_DENSITIES)) if density is None else density
    low, high = limits(data_bits)
    extremes = np.clip([low, low + 1, -threshold, 1 - threshold, threshold - 1, threshold, high], low, high)
    ordinary = rng.integers(low, high, shape, endpoint=True)
    values = np.where(rng.random(shape) < 0.3, rng.choice(extremes, shape), ordinary)
    return np.where(rng.random(shape) < chance, values, 0).astype(np.int16)


@st.composite
def organisations(draw: st.DrawFn, *, data_bits: int | None = 16, layer_names: Sequence[str] = ()) -> Organisation:
    """Draw any valid organisation, with few tiles, filters, lanes and small bricks so that small layers fill it.

    Parameters
    ----------
    data_bits : int or None
        The width, or None for any.
    layer_names : sequence of str
        Layers that `layer_mode` may name; with none it suits any network.

    Returns
    -------
    SearchStrategy of Organisation
    """
    detect = draw(st.sampled_from(("output", "dispatch")))
    usable = [name for name in format_names() if detect == "dispatch" or get_format(name).marks]
    values: dict[str, Any] = {
        "name": "drawn",
        "tiles": draw(st.integers(1, 3)),
        "filters_per_tile": draw(st.integers(1, 5)),
        "lanes": draw(st.sampled_from((1, 2, 3, 4, 5, 8, 16))),
        "brick": draw(st.sampled_from((2, 3, 4, 8, 16))),
        "data_bits": draw(st.integers(2, 16)) if data_bits is None else data_bits,
        "detect": detect,
        "format": draw(st.sampled_from(usable)),
        "skip_activations": draw(st.booleans()),
        "skip_weights": draw(st.sampled_from(("none", "shared", "per_filter"))),
        "filter_sync": draw(st.sampled_from(("brick", "window", 1, 2, 3))),  # 4 runs of 16 values fill NBin
        "filter_map": draw(st.sampled_from(("blocked", "spread"))),
        "group_map": draw(st.sampled_from(("serial", "parallel"))),
        "tile_sync": draw(st.sampled_from(("brick", "window", "layer"))),
        "lane_map": draw(st.sampled_from(("sliced", "interleaved"))),
        "packing": draw(st.sampled_from(("row", "brick"))),
        "layer_mode": draw(_layer_modes(layer_names)),
        "run_overhead": draw(st.integers(0, 2)),
        "window_overhead": draw(st.integers(0, 2)),
        "pointer_group": draw(st.integers(1, 4)),
    }
    return Organisation.parse(values, source="cnvlutin2.testing")


def _layer_modes(layer_names: Sequence[str]) -> st.SearchStrategy[LayerMode]:
    one = st.sampled_from(("skip", "skip", "auto", "dense"))
    several = st.dictionaries(st.sampled_from(("default", "first", *layer_names)), one, max_size=3)
    return cast("st.SearchStrategy[LayerMode]", one | several)


def _channels(most: int) -> st.SearchStrategy[int]:
    # Few channels make shallow layers, multiples of a brick whole ones, the rest ragged ones.
    return st.one_of(
        st.integers(1, min(4, most)), st.integers(1, most), st.sampled_from([n for n in (16, 32) if n <= most] or [1])
    )


@st.composite
def _grouping(draw: st.DrawFn, channels: int, filters: int) -> tuple[int, int, int]:
    """Draw groups, and the channels and filters of each: one group, a few smaller ones, or depthwise."""
    kind = draw(st.sampled_from(("one", "one", "grouped", "depthwise")))
    if kind == "grouped":
        groups = draw(st.integers(2, 3))
        return groups, max(1, channels // groups), max(1, filters // groups)
    return (min(channels, 6), 1, draw(st.integers(1, 2))) if kind == "depthwise" else (1, channels, filters)


def _pair(least: int, most: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(least, most), st.integers(least, most))


def _extent(kernel: int, dilation: int, pads: int) -> st.SearchStrategy[int]:
    """Draw an input size that holds at least one window."""
    least = max(1, dilation * (kernel - 1) + 1 - pads)
    return st.integers(least, least + 4)


def _thresholds(data_bits: int) -> st.SearchStrategy[int]:
    high = limits(data_bits)[1]
    return st.one_of(st.just(1), st.sampled_from((1, max(1, high // 4), high + 1)))
