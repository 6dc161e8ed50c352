"""What the report shows of lanes, against the slow reference and the engine's windows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import reference
from hypothesis import given
from numpy.typing import NDArray
from reference_engine import ReferenceEngine

from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation, preset, preset_names, with_overrides
from cnvlutin2.report.lane_work import LaneWork, first_pass, lane_ends, lane_work, window_runs
from cnvlutin2.testing import layers, organisations
from cnvlutin2.timing.engine import RunMode
from cnvlutin2.timing.plain import PlainEngine

MODES: tuple[RunMode, RunMode] = ("skip", "dense")


def every_window(layer: Layer, organisation: Organisation, mode: RunMode) -> tuple[LaneWork, NDArray[np.int64]]:
    """Return the work of the lanes, and their ends."""
    chosen, windows = first_pass(layer.image(0), organisation), np.arange(layer.windows)
    work = lane_work(chosen, mode, windows)
    assert window_runs(chosen, mode) == work.steps.size
    return work, lane_ends(chosen, mode, windows)


def masks(packed: NDArray[np.uint8]) -> list[list[int]]:
    """Turn the bytes of masks, ``[runs, n, bytes]``, into Python integers."""
    return [[int.from_bytes(mask.tobytes(), "little") for mask in run] for run in packed]


@given(layers(max_images=2, max_channels=24), organisations())
def test_windows_take_what_the_reference_counts(layer: Layer, organisation: Organisation) -> None:
    # Where tiles do not meet at every window, ends do not add up from windows taken one by one.
    organisation = with_overrides(organisation, {"tile_sync": "window" if organisation.tile_sync == "layer" else "brick"})
    for mode in MODES:
        _, ends = every_window(layer, organisation, mode)
        cycles = ends.max(axis=(0, 1)) + organisation.window_overhead
        assert cycles.cumsum().tolist() == ReferenceEngine().window_ends(layer.image(0), organisation, mode)[0, 0, 0].tolist()


@given(layers(), organisations())
def test_masks_and_ends_equal_the_references(layer: Layer, organisation: Organisation) -> None:
    machine = reference.Machine(layer, reference.Options.of(organisation))
    group, tiles = next(machine.passes())
    image = machine.store(0)
    work, ends = every_window(layer, organisation, "skip")
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
            found = machine._lane(expected, weights, len(tiles), dict.fromkeys(reference.CLASSES, 0))
            if runs:
                assert np.broadcast_to(ends[lane, :, number], len(tiles)).tolist() == found
            piece += len(runs)
        assert piece == work.steps.size


@given(layers(max_images=1), organisations())
def test_weights_are_those_of_each_tiles_filters(layer: Layer, organisation: Organisation) -> None:
    machine = reference.Machine(layer, reference.Options.of(organisation))
    _, tiles = next(machine.passes())
    work, _ = every_window(layer, organisation, "skip")
    if organisation.skip_weights == "none":
        assert work.weights is None
        return
    assert work.weights is not None
    assert work.tile_begins.size == len(tiles)
    for tile, filters in enumerate(tiles):
        found = masks(work.weights[:, work.columns(tile)])
        expected = [machine.weight_masks(run, filters) for runs in machine.lane_runs for run in runs]
        if organisation.skip_weights == "shared":
            expected = [[int(np.bitwise_or.reduce(np.array(own, np.uint64)))] for own in expected]
        assert found == expected


@given(layers(max_images=1), organisations())
def test_costs_and_waits_lead_to_the_ends(layer: Layer, organisation: Organisation) -> None:
    for mode in MODES:
        work, ends = every_window(layer, organisation, mode)
        spent = np.add.reduceat(work.costs + work.waits, work.begins[:-1], axis=0)
        by_tile = np.maximum.reduceat(spent, work.tile_begins, axis=1) if spent.shape[1] > ends.shape[1] else spent
        assert by_tile.tolist() == ends.tolist()
        assert work.costs.min() >= 1
        if not isinstance(organisation.filter_sync, int) or not organisation.filters_part or mode == "dense":
            assert not work.waits.any()


@given(layers(max_images=1), organisations())
def test_a_filter_waits_no_longer_than_the_drift_makes_it(layer: Layer, organisation: Organisation) -> None:
    """It waits until the slowest filter of its tile has ended the run whose place in the buffer it needs."""
    drift = 2
    changes = {"skip_weights": "per_filter", "filter_sync": drift, "tile_sync": "window"}
    work, _ = every_window(layer, with_overrides(organisation, changes), "skip")
    for tile in range(work.tile_begins.size):
        for first, last in pairwise(work.begins.tolist()):
            own = slice(first, last), work.columns(tile)
            ends = np.cumsum(work.costs[own] + work.waits[own], axis=0)
            slowest = ends.max(axis=1, keepdims=True)
            ready = ends[drift:-1]  # with the run before
            room = np.maximum(slowest[: len(ready)], ready)
            assert (work.waits[own][drift + 1 :] == room - ready).all()
            assert not work.waits[own][: drift + 1].any()


@given(layers(max_images=1), organisations())
def test_lanes_together_take_every_value_once(layer: Layer, organisation: Organisation) -> None:
    work, ends = every_window(layer, organisation, "dense")
    machine = reference.Machine(layer, reference.Options.of(organisation))
    taken = [
        (step, start + i * work.stride)
        for step, start, length in zip(work.steps.tolist(), work.starts.tolist(), work.lengths.tolist(), strict=True)
        for i in range(length)
    ]
    assert sorted(taken) == [(s, v) for s, step in enumerate(machine.steps) for v in range(len(step))]
    assert set(ends.ravel().tolist()) == {len(machine.chunks)}
    image, group = machine.store(0), next(machine.passes())[0]
    for number, window in enumerate(machine.windows()):
        bits = [machine.work(image, step, group, window).effectual for step in machine.steps]
        values = iter(taken)
        for length, mask in zip(work.lengths.tolist(), masks(work.effectual), strict=True):
            assert mask[number] == sum((bits[s] >> v & 1) << i for i, (s, v) in enumerate(next(values) for _ in range(length)))


@pytest.mark.parametrize("name", preset_names())
def test_presets_on_an_ordinary_layer(name: str) -> None:
    """At their full size of 16 lanes, 16 tiles, 16 filters; the filters fill them one and a half times."""
    rng = np.random.default_rng(7)
    activations = (rng.integers(1, 100, (1, 80, 5, 4)) * (rng.random((1, 80, 5, 4)) < 0.4)).astype(np.int16)
    weights = (rng.integers(1, 100, (384, 80, 3, 3)) * (rng.random((384, 80, 3, 3)) < 0.3)).astype(np.int16)
    layer, organisation = Layer("conv", activations, weights, pads=(1, 1, 1, 1)), preset(name)
    for mode in MODES:
        _, ends = every_window(layer, organisation, mode)
        cycles = ends.max(axis=(0, 1)) + organisation.window_overhead
        assert cycles.cumsum().tolist() == PlainEngine().window_ends(layer, organisation, mode)[0, 0, 0].tolist()
