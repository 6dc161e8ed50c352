"""The compiled engine where small random layers do not reach, against the plain one; and which way was taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from cnvlutin2.layer import Geometry, Layer
from cnvlutin2.mapping import Schedule
from cnvlutin2.organisation import Organisation, preset, preset_names, with_overrides
from cnvlutin2.timing import LayerTimings, make_engine
from cnvlutin2.timing.compiled import bands, engine, plan
from cnvlutin2.timing.compiled.engine import CompiledEngine
from cnvlutin2.timing.compiled.knowledge import left_to_plain
from cnvlutin2.timing.plain import PlainEngine

PLAIN = PlainEngine()


class NoFallback(PlainEngine):
    """In place of the plain engine, where nothing may be left to it."""

    def time(self, layers: Sequence[Layer], organisations: Sequence[Organisation]) -> list[LayerTimings]:
        raise AssertionError(f"{[o.name for o in organisations]} were left to the plain engine")


def layer(
    channels: int, size: tuple[int, int], filters: int, kernel: tuple[int, int] = (1, 1), *, images: int = 1, **shape: object
) -> Layer:
    groups = shape.get("groups", 1)
    assert isinstance(groups, int)
    rng = np.random.default_rng(channels * filters + images)
    activations = np.where(rng.random((images, channels, *size)) < 0.5, rng.integers(-99, 99, (images, channels, *size)), 0)
    weights = np.where(rng.random((filters, channels // groups, *kernel)) < 0.4, 7, 0)
    return Layer("layer", activations.astype(np.int16), weights.astype(np.int16), **shape)  # type: ignore[arg-type]


def machine(**options: object) -> Organisation:
    return Organisation.parse({"tiles": 2, "filters_per_tile": 4, "lanes": 4, "brick": 8, "nbin_entries": 4096, **options})


WAYS = [
    machine(name="lanes"),
    machine(name="packed", format="packed_viai"),
    machine(name="shared", skip_weights="shared"),
    machine(name="waiting", skip_weights="per_filter"),
    machine(name="free", skip_weights="per_filter", filter_sync="window"),
    machine(name="drifting", skip_weights="per_filter", filter_sync=1),
    machine(name="barrier", skip_weights="per_filter", tile_sync="brick"),
    machine(name="apart", skip_weights="per_filter", tile_sync="layer"),
]


def check(some: Layer, organisations: Sequence[Organisation] = WAYS, jobs: int = 1) -> None:
    """Check that both engines say the same, and that the compiled one leaves nothing to the other."""
    (found,), (expected,) = (e.time([some], organisations) for e in (CompiledEngine(NoFallback(), jobs), PLAIN))
    assert found.effectual_macs.tolist() == expected.effectual_macs.tolist()
    assert found.effectual_activations.tolist() == expected.effectual_activations.tolist()
    for organisation, one, other in zip(organisations, found.organisations, expected.organisations, strict=True):
        for a, b in ((one.skip, other.skip), (one.dense, other.dense)):
            assert (a is None) == (b is None), organisation.name
            if a is not None and b is not None:
                assert a.cycles.tolist() == b.cycles.tolist(), organisation.name
                assert a.slots.tolist() == b.slots.tolist(), organisation.name


def like(organisations: Sequence[Organisation], **options: object) -> list[Organisation]:
    return [with_overrides(organisation, options) for organisation in organisations]


@pytest.mark.parametrize("jobs", [1, 7])
def test_passes_and_bands_are_shared_among_threads(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "THREAD_GRAIN_NS", 1)
    monkeypatch.setattr(bands, "BAND", 600)
    monkeypatch.setattr(plan, "BAND", 600)
    bands.bands_of.cache_clear()
    check(layer(20, (11, 9), 40, (3, 3), images=3, pads=(1, 1, 1, 1)), jobs=jobs)
    bands.bands_of.cache_clear()


@pytest.mark.parametrize(
    "shape",
    [
        {"strides": (2, 1), "pads": (1, 0, 1, 2)},
        {"strides": (3, 2)},  # rows between windows that no window reads
        {"strides": (1, 3), "dilations": (2, 1), "pads": (2, 1, 2, 1)},
        {"pads": (5, 0, 5, 0)},  # rows of windows that lie in the padding: not done in bands
    ],
)
def test_bands_of_every_shape(shape: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "BAND", 300)
    bands.bands_of.cache_clear()
    some = layer(20, (17, 6), 6, (2, 3), images=2, **shape)
    assert (len(bands.bands_of(some.geometry)) > 3) == (shape.get("pads") != (5, 0, 5, 0))
    check(some)
    check(layer(20, (17, 6), 6, (1, 1), strides=(3, 1)))
    check(layer(3, (40, 6), 6, (2, 3), **shape), like(WAYS[:1] + WAYS[2:], brick=16))  # stored by rows
    bands.bands_of.cache_clear()


def test_bands_count_what_is_stored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "BAND", 100)
    for g in (Geometry(8, 23, 5, 4, (3, 3), (2, 1), (1, 1, 1, 1)), Geometry(8, 23, 5, 4, (1, 1), (4, 1)), Geometry(8, 9, 5, 4)):
        bands.bands_of.cache_clear()
        cut = bands.bands_of(g)
        rows = [band.first_row + row for band in cut for row in range(*band.own_rows)]
        assert rows == list(range(g.height))
        assert sum(band.geometry.outputs[0] for band in cut) == g.outputs[0]
    bands.bands_of.cache_clear()


@pytest.mark.parametrize("channels", [31 * 8, 32 * 8, 33 * 8, 8 * 4 * 32 + 8])
def test_as_many_runs_as_a_byte_holds_the_cycles_of(channels: int) -> None:
    # Runs of 8 values: a byte holds the cycles of 31; a lane of four has 8 to 9, or 31 to 33 where there is one lane.
    some = layer(channels, (2, 3), 5)
    some = Layer("full", np.ones_like(some.activations), np.ones_like(some.weights))  # as many cycles as there can be
    check(some)
    check(some, like(WAYS, lanes=1))


@pytest.mark.parametrize("values", [254, 255, 256, 257, 1030])
def test_lanes_of_more_cycles_than_a_byte_holds(values: int) -> None:
    ones = Layer("full", np.ones((1, values, 1, 2), np.int16), np.ones((3, values, 1, 1), np.int16))
    check(ones, like(WAYS, lanes=1))  # in one step
    spread = Layer("steps", np.ones((1, 16, 20, 20), np.int16), np.ones((3, 16, 9, 8), np.int16), pads=(4, 4, 4, 4))
    check(spread, like(WAYS, lanes=2))  # over the steps of a window


def test_organisations_of_different_widths_together() -> None:
    some = layer(300, (3, 4), 6, (2, 2))
    check(some, [*WAYS, *(with_overrides(o, {"lanes": 1, "name": f"{o.name}-1"}) for o in WAYS)])


@pytest.mark.parametrize("strides", [(1, 2), (2, 1), (1, 1), (3, 1)])
def test_strides_that_differ_by_axis(strides: tuple[int, int]) -> None:
    check(layer(12, (7, 9), 5, (3, 3), strides=strides, pads=(1, 1, 1, 1)))
    check(layer(12, (7, 9), 5, (1, 1), strides=strides))


def test_windows_that_begin_behind_the_map() -> None:
    check(layer(12, (3, 2), 5, (2, 2), pads=(1, 6, 1, 6)))
    check(layer(12, (3, 1), 5, (1, 1), pads=(2, 3, 2, 3)))


@pytest.mark.parametrize("threshold", [1, 32767, 32768, 40000])
def test_extreme_values_at_extreme_thresholds(threshold: int) -> None:
    extremes = np.array([-32768, -32767, 32767, 0, 1, -1], np.int16)
    rng = np.random.default_rng(0)
    activations, weights = rng.choice(extremes, (2, 24, 3, 23)), rng.choice(extremes, (9, 24, 2, 2))
    check(Layer("extreme", activations, weights, threshold=threshold, weight_threshold=threshold))


def test_many_windows_and_many_images() -> None:
    check(layer(16, (25, 25), 5, (3, 3), pads=(1, 1, 1, 1)))  # more than a block
    check(layer(16, (3, 3), 5, (2, 2), images=70))


def test_sums_that_words_do_not_hold() -> None:
    # More than 256 bytes are added to words: filters of a tile, runs of a lane.
    some = layer(700, (1, 3), 90)
    check(some, like(WAYS, tiles=1, filters_per_tile=90, lanes=1))


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_rows_that_are_packed(stride: int) -> None:
    for pads in ((0, 0, 0, 0), (1, 3, 1, 3)):
        check(layer(3, (9, 150), 5, (3, 5), strides=(stride, stride), pads=pads), like([WAYS[0], *WAYS[2:]], brick=16))


@pytest.mark.parametrize("brick", [32, 40, 64])
def test_masks_of_many_digits(brick: int) -> None:
    check(layer(4 * brick, (4, 4), 9, (2, 2)), like(WAYS, brick=brick))


@pytest.mark.parametrize("drift", [1, 2, 5, 31])
def test_drift_of_any_length(drift: int) -> None:
    check(layer(64, (4, 5), 9, (3, 3), pads=(1, 1, 1, 1)), like([WAYS[5]], filter_sync=drift, run_overhead=2))


def test_batches_of_a_layer_share_what_is_kept() -> None:
    compiled, some = make_engine(1, "numba"), layer(20, (6, 6), 9, (3, 3), images=4)
    together = compiled.time([some], WAYS)[0]
    for image in range(some.images):
        alone = compiled.time([some.image(image)], WAYS)[0]
        for one, all_of_them in zip(alone.organisations, together.organisations, strict=True):
            assert one.of("skip").cycles.tolist() == [all_of_them.of("skip").cycles[image]]
    other = Layer("layer", some.activations, some.weights[::-1].copy() * 0, threshold=some.threshold)
    assert compiled.time([other], WAYS)[0].effectual_macs.tolist() == [0] * 4  # of the same name, with other weights


ORDINARY = [
    Geometry(64, 14, 14, 32, (3, 3), pads=(1, 1, 1, 1)),
    Geometry(3, 32, 32, 16, (7, 7), (2, 2), (3, 3, 3, 3)),
    Geometry(32, 14, 14, 32, (3, 3), (2, 2), (1, 1, 1, 1), groups=32),
    Geometry(4096, 1, 1, 1000),
    Geometry(25088, 1, 1, 64),
]


@pytest.mark.parametrize("geometry", ORDINARY)
def test_ordinary_layers_are_not_left_to_plain(geometry: Geometry) -> None:
    for name in preset_names():
        for options in ({}, {"group_map": "parallel"}, {"filter_map": "spread"}, {"tile_sync": "layer"}):
            schedule = Schedule.of(geometry, with_overrides(preset(name), options))
            raw_rows = name == "cnv-roe" and schedule.steps.row_packed
            assert bool(left_to_plain(schedule)) == raw_rows, (name, options)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"lane_map": "interleaved"}, "interleaved lanes"),
        ({"skip_activations": False}, "zeros multiplied"),
        ({"format": "roe", "detect": "output", "skip_weights": "shared"}, "raw bricks"),
        ({"run_overhead": 70_000}, "cycles beyond 16 bits"),
    ],
)
def test_what_is_left_to_plain_says_why(options: dict[str, object], reason: str) -> None:
    some, organisation = layer(24, (4, 4), 9, (2, 2)), machine(**options)
    assert reason in left_to_plain(Schedule.of(some.geometry, organisation))
    with pytest.raises(AssertionError, match="left to the plain engine"):
        CompiledEngine(NoFallback(), 1).time([some], [organisation])
    found, expected = (e.time([some], [organisation])[0].organisations[0] for e in (make_engine(1, "numba"), PLAIN))
    assert found.of("skip").slots.tolist() == expected.of("skip").slots.tolist()
