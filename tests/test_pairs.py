"""Pairs of an activation run and a filter: both sets of kernels agree."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from cnvlutin2.kernels import backend
from cnvlutin2.network import Layer
from cnvlutin2.organisation import Organisation, preset, with_overrides
from cnvlutin2.timing import PreparedLayer, time_layer

pytestmark = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"), reason="needs Numba's compiler, which is switched off"
)

LAYERS = {  # images, channels, size, filters, kernel, stride, padding, groups
    "runs of 4": (1, 64, 8, 20, 3, 1, 1, 1),
    "runs of 12, two images in a block": (2, 192, 14, 40, 1, 1, 0, 1),
    "runs of 16": (1, 256, 7, 70, 3, 1, 1, 1),
    "lanes whose cycles a byte does not hold": (3, 512, 5, 33, 3, 2, 1, 1),
    "runs of 3, several blocks": (1, 48, 30, 17, 3, 1, 1, 1),
    "groups": (2, 40, 9, 24, 2, 1, 0, 2),
    "several passes": (1, 160, 7, 600, 1, 1, 0, 1),
    "one window": (1, 1000, 1, 50, 1, 1, 0, 1),
    "more padding than map": (5, 33, 3, 9, 3, 1, 4, 3),
    "a long lane": (1, 4096, 1, 64, 1, 1, 0, 1),
    "runs of 9, a stride": (1, 144, 21, 48, 3, 2, 1, 1),
}
OPTIONS: dict[str, dict[str, object]] = {
    "default": {},
    "interleaved": {"lane_map": "interleaved"},
    "runs of up to 64": {"tiles": 2, "filters_per_tile": 5, "lanes": 4, "brick": 64},
    "rows": {"format": "packed_viai", "brick": 32, "lanes": 3, "run_overhead": 3},
    "a run a lane, and rows": {"format": "packed_viai", "brick": 64, "lanes": 64},
    "tiles beyond a word": {"tiles": 1, "filters_per_tile": 300, "lanes": 2},
    "shared": {"skip_weights": "shared"},
    "all activations": {"skip_activations": False},
}


def drawn(name: str) -> Layer:
    images, channels, size, filters, kernel, stride, pad, groups = LAYERS[name]
    rng = np.random.default_rng(5)
    activations = (rng.random((images, channels, size, size)) < 0.5).astype(np.int16)
    weights = (rng.random((filters, channels // groups, kernel, kernel)) < 0.4).astype(np.int16)
    return Layer(name, activations, weights, strides=(stride, stride), pads=(pad,) * 4, groups=groups)


def numbers(layer: Layer, organisations: list[Organisation], kernels: str, jobs: int) -> list[list[Any]]:
    timings = time_layer(PreparedLayer(layer, jobs, backend(kernels)), organisations)
    return [[timing.skip.cycles.tolist(), timing.skip.slots.tolist()] for timing in timings if timing.skip is not None]


@pytest.mark.parametrize("name", LAYERS)
def test_both_sets_of_kernels_agree(name: str) -> None:
    layer = drawn(name)
    for options in OPTIONS.values():
        changed = with_overrides(preset("cnv2-weights"), options)
        syncs = [("brick", "window"), ("brick", "brick"), ("brick", "layer"), ("window", "window"), ("window", "layer")]
        chosen = [with_overrides(changed, {"filter_sync": f, "tile_sync": t, "name": f"{f}-{t}"}) for f, t in syncs]
        found = numbers(layer, chosen, "numba", 3)
        assert len(found) == len(syncs)
        assert found == numbers(layer, chosen, "numpy", 1)
