"""What holds of cycles and slots whatever engine counts them; the engine here is the one that a run gets."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation, preset, preset_names, with_overrides
from cnvlutin2.testing import layers, organisations
from cnvlutin2.timing import SLOT_KINDS, Timing, make_engine


def run(layer: Layer, organisation: Organisation) -> Timing:
    (timing,) = make_engine(1).time([layer], [organisation])[0].organisations
    found = timing.skip or timing.dense
    assert found is not None
    return found


def dense_cycles(layer: Layer, organisation: Organisation) -> NDArray[np.int64]:
    return run(layer, with_overrides(organisation, {"layer_mode": "dense"})).cycles


@pytest.mark.parametrize(
    ("channels", "filters", "size", "kernel", "pad", "cycles"),
    [(256, 384, 13, 3, 1, 48_672), (96, 256, 27, 5, 2, 109_350), (256, 256, 56, 3, 1, 451_584)],
)
def test_dadiannao_equals_another_simulator(channels: int, filters: int, size: int, kernel: int, pad: int, cycles: int) -> None:
    # Compute cycles of the same machine in the public simulator of another group.
    activations = np.zeros((1, channels, size, size), np.int16)
    layer = Layer("conv", activations, np.ones((filters, channels, kernel, kernel), np.int16), pads=(pad,) * 4)
    assert run(layer, preset("dadiannao")).cycles.tolist() == [cycles]


@given(layers(), organisations())
def test_slots_add_up(layer: Layer, organisation: Organisation) -> None:
    timing = run(layer, organisation)
    assert (timing.slots >= 0).all()
    assert (timing.slots.sum(axis=1) == timing.cycles * organisation.slots_per_cycle).all()


@given(layers(), organisations())
def test_effectual_slots_are_the_effectual_products(layer: Layer, organisation: Organisation) -> None:
    """Whatever is skipped, what must be multiplied is multiplied, once."""
    (found,) = make_engine(1).time([layer], [organisation])
    slots = run(layer, organisation).slots[:, SLOT_KINDS.index("effectual")]
    assert (slots == found.effectual_macs).all()
    assert (found.effectual_macs <= layer.macs).all()


@given(layers(), organisations())
def test_cnv_is_never_slower_than_dense(layer: Layer, organisation: Organisation) -> None:
    lanes = max(organisation.lanes, 2)
    changes = {
        "lanes": lanes,
        "brick": lanes,
        "lane_map": "sliced",
        "format": "dense",
        "detect": "dispatch",
        "layer_mode": "skip",
        "run_overhead": 0,
    }
    skipping = with_overrides(organisation, changes)
    assert (run(layer, skipping).cycles <= dense_cycles(layer, skipping)).all()


@given(layers(), organisations(), st.integers(0, 2**32 - 1))
def test_a_denser_input_is_never_faster(layer: Layer, organisation: Organisation, seed: int) -> None:
    # Packed records move when one grows, so their rows may fall either way: only fixed-size formats keep this law.
    skipping = with_overrides(organisation, {"layer_mode": "skip"})
    if skipping.format == "packed_viai":
        skipping = with_overrides(skipping, {"format": "viai"})
    fill = np.random.default_rng(seed).random(layer.activations.shape) < 0.3
    most = np.int16(2 ** (skipping.data_bits - 1) - 1)
    denser = replace(layer, activations=np.where(fill, most, layer.activations).astype(np.int16), threshold=1)
    assert (run(denser, skipping).cycles >= run(replace(layer, threshold=1), skipping).cycles).all()


@given(layers(), organisations())
def test_finer_skipping_is_never_slower(layer: Layer, organisation: Organisation) -> None:
    cycles = [
        run(layer, with_overrides(organisation, {"layer_mode": "skip", "skip_weights": weights})).cycles
        for weights in ("per_filter", "shared", "none")
    ]
    assert (cycles[0] <= cycles[1]).all()
    assert (cycles[1] <= cycles[2]).all()


@given(layers(), organisations())
def test_filters_that_may_drift_further_are_never_slower(layer: Layer, organisation: Organisation) -> None:
    """From a barrier at every run to none; as far as the lane is long, a bound is none."""
    machine = with_overrides(organisation, {"layer_mode": "skip", "skip_weights": "per_filter", "nbin_entries": 4096})
    longest = layer.kernel_size[0] * layer.kernel_size[1] * layer.group_channels * layer.groups
    syncs: list[str | int] = ["brick", 1, 2, 3, "window", min(longest, 4096 // machine.brick - 1)]
    cycles = [run(layer, with_overrides(machine, {"filter_sync": sync})).cycles for sync in syncs]
    for tighter, looser in pairwise(cycles[:5]):
        assert (looser <= tighter).all()
    assert longest > 4096 // machine.brick - 1 or (cycles[5] == cycles[4]).all()


@given(layers(max_images=3), organisations())
def test_images_do_not_matter_to_each_other(layer: Layer, organisation: Organisation) -> None:
    together = run(layer, organisation)
    backwards = run(replace(layer, activations=layer.activations[::-1]), organisation)
    assert (together.cycles == backwards.cycles[::-1]).all()
    assert (together.slots == backwards.slots[::-1]).all()
    for image in range(layer.images):
        assert run(layer.image(image), organisation).cycles.tolist() == [together.cycles[image]]


def test_presets_share_their_work_without_mixing() -> None:
    """Asked for together or one by one, in any order, an organisation gives the same cycles."""
    rng = np.random.default_rng(6)
    layer = Layer(
        "conv",
        np.maximum(rng.integers(-9, 9, (1, 40, 9, 9)), 0).astype(np.int16),
        rng.integers(-1, 2, (20, 40, 3, 3)).astype(np.int16),
    )
    chosen = [preset(name) for name in preset_names()]
    chosen += [with_overrides(o, {"lanes": 8, "brick": 8, "name": f"{o.name}-8"}) for o in chosen]
    together = make_engine(1).time([layer], chosen[::-1])[0].organisations[::-1]
    for organisation, timing in zip(chosen, together, strict=True):
        alone = run(layer, organisation)
        found = timing.skip or timing.dense
        assert found is not None
        assert (found.cycles == alone.cycles).all()
        assert (found.slots == alone.slots).all()
