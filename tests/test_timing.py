"""The timing model against the slow reference, the shared vectors, published cycles and its own laws; both sets of kernels."""

from __future__ import annotations

import json
import weakref
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from cnvlutin2.kernels import backend
from cnvlutin2.network import Layer, Numeric
from cnvlutin2.network.traces import TraceNetwork
from cnvlutin2.organisation import Organisation, preset, preset_names, with_overrides
from cnvlutin2.testing import layers, organisations
from cnvlutin2.timing import SLOT_KINDS, LayerTiming, PreparedLayer, Timing, program, time_layer, time_layers

SYNCS = [(f, t) for f in ("brick", "window") for t in ("brick", "window", "layer")]


def run(layer: Layer, organisation: Organisation, kernels: ModuleType | None = None, jobs: int = 1) -> Timing:
    timing = time_layer(PreparedLayer(layer, jobs, kernels), [organisation])[0]
    found = timing.skip or timing.dense
    assert found is not None
    return found


def assert_same(some: list[LayerTiming], others: list[LayerTiming]) -> None:
    """Check that a layer took the same under every organisation."""
    for one, other in zip(some, others, strict=True):
        assert (one.mode, one.dense_cycles) == (other.mode, other.dense_cycles)
        for x, y in ((one.skip, other.skip), (one.dense, other.dense)):
            assert (x is None) == (y is None)
            if x is not None and y is not None:
                assert (x.cycles == y.cycles).all()
                assert (x.slots == y.slots).all()


class TestAgainstReference:
    @given(layers(), organisations())
    @settings(max_examples=250)
    def test_any_layer_and_organisation(self, kernels: ModuleType, layer: Layer, organisation: Organisation) -> None:
        mode = organisation.mode_for(layer.name, first=layer.first)
        for way in ("skip", "dense") if mode == "auto" else (mode,):
            chosen = with_overrides(organisation, {"layer_mode": way}) if mode == "auto" else organisation
            expected = reference.simulate(layer, chosen.model_dump())
            prepared = PreparedLayer(layer, 1, kernels)
            timing = time_layer(prepared, [chosen])[0]
            found = timing.skip or timing.dense
            assert found is not None
            assert found.cycles.tolist() == [r.cycles for r in expected]
            assert [dict(zip(SLOT_KINDS, row, strict=True)) for row in found.slots.tolist()] == [r.slots for r in expected]
            assert timing.dense_cycles == expected[0].dense_cycles
            assert prepared.effectual_macs.tolist() == [r.effectual_macs for r in expected]

    @given(layers(max_images=1), organisations())
    def test_every_way_to_wait(self, kernels: ModuleType, layer: Layer, organisation: Organisation) -> None:
        prepared = PreparedLayer(layer, 1, kernels)
        for filter_sync, tile_sync in SYNCS:
            changes = {"skip_weights": "per_filter", "filter_sync": filter_sync, "tile_sync": tile_sync, "layer_mode": "skip"}
            chosen = with_overrides(organisation, changes)
            timing = time_layer(prepared, [chosen])[0].skip
            assert timing is not None
            (expected,) = reference.simulate(layer, chosen.model_dump())
            assert timing.cycles.tolist() == [expected.cycles]
            assert dict(zip(SLOT_KINDS, timing.slots[0].tolist(), strict=True)) == expected.slots


class TestVectors:
    @pytest.mark.parametrize("trace", [f"t{i:02}" for i in range(10)])
    def test_cycles(self, shared: Path, kernels: ModuleType, trace: str) -> None:
        expected = json.loads((shared / "vectors" / "expected.json").read_text())[trace]
        (layer,) = TraceNetwork.open(shared / "vectors" / f"{trace}.npz").run(None, Numeric())
        prepared = PreparedLayer(layer, 2, kernels)
        assert prepared.effectual_macs.tolist() == [expected["effectual_macs"]]
        parsed = {name: Organisation.parse(case["config"]) for name, case in expected["organisations"].items()}
        found = dict(zip(parsed, time_layer(prepared, list(parsed.values())), strict=True))
        for name, case in expected["organisations"].items():
            timing = found[name].skip or found[name].dense
            assert timing is not None
            assert timing.cycles.tolist() == [case["cycles"]], name
            assert found[name].dense_cycles == expected["dense_cycles"]


@pytest.mark.parametrize(
    ("channels", "filters", "size", "kernel", "pad", "cycles"),
    [(256, 384, 13, 3, 1, 48_672), (96, 256, 27, 5, 2, 109_350), (256, 256, 56, 3, 1, 451_584)],
)
def test_dadiannao_equals_another_simulator(channels: int, filters: int, size: int, kernel: int, pad: int, cycles: int) -> None:
    # Compute cycles of the same machine in the public simulator of another group.
    activations = np.zeros((1, channels, size, size), np.int16)
    layer = Layer("conv", activations, np.ones((filters, channels, kernel, kernel), np.int16), pads=(pad,) * 4)
    assert run(layer, preset("dadiannao")).cycles.tolist() == [cycles]


class TestLaws:
    @given(layers(), organisations())
    def test_slots_add_up(self, layer: Layer, organisation: Organisation) -> None:
        timing = run(layer, organisation)
        assert (timing.slots >= 0).all()
        assert (timing.slots.sum(axis=1) == timing.cycles * organisation.slots_per_cycle).all()

    @given(layers(), organisations())
    def test_effectual_slots_are_the_effectual_products(self, layer: Layer, organisation: Organisation) -> None:
        # Whatever is skipped, what must be multiplied is multiplied, once.
        prepared = PreparedLayer(layer, 1)
        found = run(layer, organisation).slots[:, SLOT_KINDS.index("effectual")]
        assert (found == prepared.effectual_macs).all()
        assert (prepared.effectual_macs <= layer.macs).all()

    @given(layers(), organisations())
    def test_cnv_is_never_slower_than_dense(self, layer: Layer, organisation: Organisation) -> None:
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
        dense = with_overrides(skipping, {"layer_mode": "dense"})
        assert (run(layer, skipping).cycles <= run(layer, dense).cycles).all()

    @given(layers(), organisations(), st.integers(0, 2**32 - 1))
    def test_a_denser_input_is_never_faster(self, layer: Layer, organisation: Organisation, seed: int) -> None:
        # Packed records move when one grows, so their rows may fall either way: only fixed-size formats keep this law.
        skipping = with_overrides(organisation, {"layer_mode": "skip"})
        if skipping.format == "packed_viai":
            skipping = with_overrides(skipping, {"format": "viai"})
        fill = np.random.default_rng(seed).random(layer.activations.shape) < 0.3
        most = np.int16(2 ** (skipping.data_bits - 1) - 1)
        denser = replace(layer, activations=np.where(fill, most, layer.activations).astype(np.int16), threshold=1)
        assert (run(denser, skipping).cycles >= run(replace(layer, threshold=1), skipping).cycles).all()

    @given(layers(), organisations())
    def test_finer_skipping_is_never_slower(self, layer: Layer, organisation: Organisation) -> None:
        cycles = [
            run(layer, with_overrides(organisation, {"layer_mode": "skip", "skip_weights": weights})).cycles
            for weights in ("per_filter", "shared", "none")
        ]
        assert (cycles[0] <= cycles[1]).all()
        assert (cycles[1] <= cycles[2]).all()

    @given(layers(max_images=3), organisations())
    def test_images_and_threads_do_not_matter(self, layer: Layer, organisation: Organisation) -> None:
        together = run(layer, organisation)
        backwards = run(replace(layer, activations=layer.activations[::-1]), organisation, jobs=3)
        assert (together.cycles == backwards.cycles[::-1]).all()
        assert (together.slots == backwards.slots[::-1]).all()
        for image in range(layer.images):
            assert run(layer.image(image), organisation).cycles.tolist() == [together.cycles[image]]

    @given(st.lists(layers(max_images=2), min_size=1, max_size=5), st.lists(organisations(), min_size=1, max_size=4))
    def test_layers_together_are_the_same_as_each_alone(self, some: list[Layer], chosen: list[Organisation]) -> None:
        together = time_layers([PreparedLayer(layer, 2) for layer in some], chosen)
        assert len(together) == len(some)
        for layer, timings in zip(some, together, strict=True):
            assert_same(timings, time_layer(PreparedLayer(layer, 1, backend("numpy")), chosen))

    def test_batches_share_what_follows_from_shapes(self) -> None:
        rng = np.random.default_rng(9)
        weights = rng.integers(-1, 2, (20, 24, 3, 3)).astype(np.int16)
        chosen = [preset(name) for name in preset_names()]
        known = None
        for images in (1, 3, 1, 2):
            layer = Layer(
                "conv", rng.integers(-2, 3, (images, 24, 9, 7)).astype(np.int16), weights, threshold=images, pads=(1, 1, 1, 1)
            )
            prepared = PreparedLayer(layer, 1, weights=known)
            (timings,) = time_layers([prepared], chosen)
            assert_same(timings, time_layer(PreparedLayer(layer, 1, backend("numpy")), chosen))
            known = prepared.weights

    @pytest.mark.parametrize("size", [12, 110])  # done together with others, and on its own
    def test_many_threads(self, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(program, "_THREAD_GRAIN", 1000)
        rng = np.random.default_rng(5)
        activations = np.maximum(rng.integers(-99, 99, (2, 96, size, size)), 0).astype(np.int16)
        weights = np.where(rng.random((20, 96, 3, 3)) < 0.3, 7, 0).astype(np.int16)
        layer = Layer("conv", activations, weights, pads=(1, 1, 1, 1))
        assert PreparedLayer(layer).is_small == (size < 100 and backend().MANY_LAYERS)
        organisations = [preset(name) for name in preset_names()]
        one, many = (time_layer(layer, organisations, jobs) for jobs in (1, 7))
        assert_same(one, many)

    @given(st.lists(layers(max_images=1), min_size=1, max_size=3), st.integers(2, 7), st.data())
    def test_images_are_done_in_turn_where_many_do_not_fit(self, some: list[Layer], images: int, data: st.DataObject) -> None:
        chosen = [preset(name) for name in preset_names()]
        factor = np.array(data.draw(st.lists(st.integers(-2, 2), min_size=images, max_size=images)), np.int16)
        many = [replace(layer, activations=layer.activations // 3 * factor[:, None, None, None]) for layer in some]
        together = time_layers([PreparedLayer(layer, 1) for layer in many], chosen)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(program, "_TOGETHER", 2 * max(layer.activations[0].size for layer in some))
            patch.setattr(program, "_THREAD_GRAIN", 1)
            in_turn = time_layers([PreparedLayer(layer, 3) for layer in many], chosen)
            for one, other in zip(together, in_turn, strict=True):
                assert_same(one, other)

    def test_weights_that_outlive_a_batch_keep_no_activations(self) -> None:
        layer = Layer("conv", np.ones((3, 24, 9, 7), np.int16), np.ones((20, 24, 3, 3), np.int16))
        activations = weakref.ref(layer.activations)
        prepared = PreparedLayer(layer, 1)
        time_layers([prepared], [preset(name) for name in preset_names()])
        weights = prepared.weights
        del layer, prepared
        assert activations() is None
        assert weights.effectual == 20 * 24 * 9

    def test_presets_share_their_work_without_mixing(self) -> None:
        # Asked for together or one by one, in any order, an organisation gives the same cycles.
        rng = np.random.default_rng(6)
        layer = Layer(
            "conv",
            np.maximum(rng.integers(-9, 9, (1, 40, 9, 9)), 0).astype(np.int16),
            rng.integers(-1, 2, (20, 40, 3, 3)).astype(np.int16),
        )
        chosen = [preset(name) for name in preset_names()]
        chosen += [with_overrides(o, {"lanes": 8, "brick": 8, "name": f"{o.name}-8"}) for o in chosen]
        together = time_layer(PreparedLayer(layer), chosen[::-1])[::-1]
        for organisation, timing in zip(chosen, together, strict=True):
            alone = run(layer, organisation)
            found = timing.skip or timing.dense
            assert found is not None
            assert (found.cycles == alone.cycles).all()
            assert (found.slots == alone.slots).all()


def test_wide_bricks_and_large_overheads(kernels: ModuleType) -> None:
    # More than 16 bits a run, and cycles of a run beyond a byte.
    rng = np.random.default_rng(7)
    layer = Layer(
        "conv",
        np.maximum(rng.integers(-9, 9, (1, 150, 5, 4)), 0).astype(np.int16),
        np.where(rng.random((5, 150, 2, 2)) < 0.5, 3, 0).astype(np.int16),
        pads=(1, 0, 1, 1),
        strides=(2, 1),
    )
    for weights in ("none", "shared", "per_filter"):
        for sync in ("brick", "window"):
            options = {
                "tiles": 2,
                "filters_per_tile": 2,
                "lanes": 2,
                "brick": 64,
                "skip_weights": weights,
                "filter_sync": sync,
                "run_overhead": 300,
                "window_overhead": 5,
                "format": "packed_viai",
            }
            organisation = Organisation.parse(options)
            (expected,) = reference.simulate(layer, organisation.model_dump())
            assert run(layer, organisation, kernels).cycles.tolist() == [expected.cycles]


def test_an_unknown_set_of_kernels_is_refused() -> None:
    with pytest.raises(ValueError, match="use numba or numpy"):
        backend("fortran")
