"""What the report shows of lanes, against the timing model and against the slow reference."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from hypothesis import assume, given
from numpy.typing import NDArray
from report_layers import cut_to, only

from cnvlutin2.network import Layer
from cnvlutin2.organisation import Organisation, preset, preset_names, with_overrides
from cnvlutin2.report.lanes import LaneWork, lane_work
from cnvlutin2.testing import layers, organisations
from cnvlutin2.timing import PreparedLayer, time_layer


def modes(layer: Layer, organisation: Organisation) -> list[str]:
    mode = organisation.mode_for(layer.name, first=layer.first)
    return ["skip", "dense"] if mode == "auto" else [mode]


def every_window(layer: Layer, organisation: Organisation, mode: str) -> LaneWork:
    return lane_work(PreparedLayer(layer, 1), organisation, mode, np.arange(layer.windows))


def masks(packed: NDArray[np.uint8]) -> list[list[int]]:
    """Turn the bytes of masks, ``[runs, windows, bytes]``, into Python integers."""
    return [[int.from_bytes(mask.tobytes(), "little") for mask in run] for run in packed]


@given(layers(max_images=1), organisations())
def test_windows_add_up_to_what_is_timed(layer: Layer, organisation: Organisation) -> None:
    layer = only(layer, organisation.filters)
    for mode in modes(layer, organisation):
        work = every_window(layer, organisation, mode)
        (timing,) = time_layer(layer, [with_overrides(organisation, {"layer_mode": mode})], jobs=1)
        found = timing.skip or timing.dense
        assert found is not None
        free_tiles = organisation.tile_sync == "layer" and mode == "skip"
        ends = work.ends.max(axis=2).sum(axis=0).max() + work.window_overhead * layer.windows if free_tiles else work.cycles.sum()
        assert found.cycles.tolist() == [ends]


@given(layers(), organisations())
def test_a_window_is_the_timing_of_a_layer_cut_to_it(layer: Layer, organisation: Organisation) -> None:
    """Pads are made real zeros, so that the window is the whole input; formats whose bricks the cut would move are left out."""
    assume(organisation.format not in ("packed_viai", "roe") and organisation.skip_activations)
    for mode in modes(layer, organisation):
        work = every_window(layer, organisation, mode)
        for window in range(layer.windows):
            cut = only(cut_to(layer, window), organisation.filters)
            (timing,) = time_layer(cut, [with_overrides(organisation, {"layer_mode": mode})], jobs=1)
            found = timing.skip or timing.dense
            assert found is not None
            assert found.cycles[0] == work.cycles[window]


@given(layers(), organisations())
def test_masks_and_ends_equal_the_references(layer: Layer, organisation: Organisation) -> None:
    machine = reference.Machine(layer, reference.Options.of(organisation.model_dump()))
    group, tiles = next(machine.passes())
    image = machine.store(0)
    work = every_window(layer, organisation, "skip")
    seen, effectual = masks(work.seen), masks(work.effectual)
    for number, window in enumerate(machine.windows()):
        piece = 0
        for lane, runs in enumerate(machine.lane_runs):
            expected = [machine.work(image, run, group, window) for run in runs]
            pieces = slice(piece, piece + len(runs))
            assert work.lengths[pieces].tolist() == [len(run) for run in runs]
            assert [mask[number] for mask in seen[pieces]] == [w.occupying for w in expected]
            assert [mask[number] for mask in effectual[pieces]] == [w.effectual for w in expected]
            assert work.rows[pieces, number].tolist() == [w.rows for w in expected]
            weights = [[machine.weight_masks(run, tile) for tile in tiles] for run in runs]
            ends = machine._lane(expected, weights, len(tiles), dict.fromkeys(reference.CLASSES, 0))
            if runs:
                found = np.broadcast_to(work.ends[number], (len(tiles), work.ends.shape[2]))
                assert found[:, lane].tolist() == ends
            piece += len(runs)
        assert piece == work.steps.size


@pytest.mark.parametrize("name", preset_names())
def test_presets_on_an_ordinary_layer(name: str) -> None:
    """At their full size of 16 lanes, 16 tiles, 16 filters; the filters fill them one and a half times."""
    rng = np.random.default_rng(7)
    activations = (rng.integers(1, 100, (1, 80, 5, 4)) * (rng.random((1, 80, 5, 4)) < 0.4)).astype(np.int16)
    weights = (rng.integers(1, 100, (384, 80, 3, 3)) * (rng.random((384, 80, 3, 3)) < 0.3)).astype(np.int16)
    layer = Layer("conv", activations, weights, pads=(1, 1, 1, 1))
    organisation = preset(name)
    work = every_window(layer, organisation, modes(layer, organisation)[0])
    (timing,) = time_layer(only(layer, organisation.filters), [organisation], jobs=1)
    found = timing.skip or timing.dense
    assert found is not None
    assert found.cycles.tolist() == [work.cycles.sum()]
