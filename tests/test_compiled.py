"""The compiled engine where small random layers do not reach, against the plain one; and which way was taken."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cnvlutin2.layer import Geometry, Layer
from cnvlutin2.mapping import Schedule
from cnvlutin2.organisation import Organisation, preset, preset_names, with_overrides
from cnvlutin2.organisation.organisation import parameter
from cnvlutin2.timing import LayerTimings, RunMode, make_engine
from cnvlutin2.timing.compiled import bands, engine, plan, recording
from cnvlutin2.timing.compiled.engine import CompiledEngine
from cnvlutin2.timing.compiled.knowledge import left_to_plain
from cnvlutin2.timing.compiled.packing import walk_record
from cnvlutin2.timing.compiled.sharing import dense_key, skip_key
from cnvlutin2.timing.compiled.tuning import BLOCK
from cnvlutin2.timing.observed import ObservedWeights
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


def full(channels: int, size: tuple[int, int], filters: int, kernel: tuple[int, int] = (1, 1), **shape: Any) -> Layer:
    """Return a layer that takes as many cycles as it can: all activations and all weights are effectual."""
    some = layer(channels, size, filters, kernel, **shape)
    return replace(some, activations=np.ones_like(some.activations), weights=np.ones_like(some.weights))


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


def test_what_is_done_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but streams of records, which are walked whole beside; of a layer that is large."""
    monkeypatch.setattr(bands, "BAND", 300)
    bands.bands_of.cache_clear()
    some = layer(20, (17, 6), 6, (2, 3))
    cut = len(bands.bands_of(some.geometry))
    for ways, expected in ((WAYS[:1], cut), (WAYS[:2], cut + 1), (WAYS[3:7], cut), (WAYS[3:], cut + 1)):
        assert len(plan.plan_layer(some, ObservedWeights(some), ways).bands) == expected > 3
    monkeypatch.undo()
    bands.bands_of.cache_clear()
    assert len(plan.plan_layer(some, ObservedWeights(some), WAYS).bands) == 1


def test_bands_count_what_is_stored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "BAND", 100)
    for g in (Geometry(8, 23, 5, 4, (3, 3), (2, 1), (1, 1, 1, 1)), Geometry(8, 23, 5, 4, (1, 1), (4, 1)), Geometry(8, 9, 5, 4)):
        bands.bands_of.cache_clear()
        cut = bands.bands_of(g)
        rows = [band.first_row + row for band in cut for row in range(*band.own_rows)]
        assert rows == list(range(g.height))
        assert sum(band.geometry.outputs[0] for band in cut) == g.outputs[0]
    bands.bands_of.cache_clear()


@pytest.mark.parametrize("brick", [3, 8, 51, 64])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_as_many_runs_as_a_byte_holds_the_cycles_of(brick: int, more: int) -> None:
    """A lane's longest runs are added up in bytes, a burst of them at a time: 255 cycles, where the brick divides that."""
    runs = 255 // brick + more
    check(full(runs * brick, (2, 3), 5), like(WAYS, brick=brick, lanes=1))
    check(layer(runs * brick, (2, 3), 5), like(WAYS, brick=brick, lanes=1))
    check(full(4 * runs * brick - 1, (2, 3), 5), like(WAYS, brick=brick))  # the last lane's last run is shorter


@pytest.mark.parametrize("values", [254, 255, 256, 257, 1030])
def test_lanes_of_more_cycles_than_a_byte_holds(values: int) -> None:
    check(full(values, (1, 2), 3), like(WAYS, lanes=1))  # in one step
    overhead = like(WAYS, lanes=1, brick=64, run_overhead=1)  # which counts too: 4 runs of 250 values
    check(full(values - 4, (1, 2), 3), overhead)


@pytest.mark.parametrize("kernel", [(5, 6), (3, 11), (5, 7)])  # of 240, 264 and 280 values a lane
def test_windows_of_more_cycles_than_a_byte_holds(kernel: tuple[int, int]) -> None:
    some = full(16, (9, 12), 3, kernel, pads=(2, 3, 2, 3))
    check(some, like(WAYS, lanes=2))
    for organisation in like(WAYS, lanes=2):
        ends = CompiledEngine(NoFallback(), 1).window_ends(some, organisation, "skip")
        assert ends.tolist() == PLAIN.window_ends(some, organisation, "skip").tolist(), organisation.name


def test_as_many_cycles_as_a_word_holds() -> None:
    check(full(65_535, (1, 1), 3), like(WAYS, lanes=1, brick=51))
    for organisation in like(WAYS, lanes=1, brick=51):
        found = left_to_plain(Schedule.of(Geometry(65_536, 1, 1, 3), organisation))
        assert found == "cycles beyond 16 bits in a window", organisation.name


def test_organisations_of_different_widths_together() -> None:
    some = layer(300, (3, 4), 6, (2, 2))
    check(some, [*WAYS, *(with_overrides(o, {"lanes": 1, "name": f"{o.name}-1"}) for o in WAYS)])


def test_ways_to_store_of_which_one_takes_more_than_a_byte_holds() -> None:
    """144 runs of a value, which take a cycle each, or, packed, two: records of 144 bits lie in rows of 136."""
    some, ways = full(8, (13, 13), 3, (12, 12)), like(WAYS, lanes=8)
    check(some, ways)
    widths = {o.name: recording.longest_lane(Schedule.of(some.geometry, o)) for o in ways}
    assert (widths["lanes"], widths["packed"]) == (144, 432)  # of three rows at most
    found = CompiledEngine(NoFallback(), 1).time([some], ways)[0].organisations
    assert [timing.of("skip").cycles.tolist() for timing in found[:2]] == [[4 * 144], [4 * 288]]


@pytest.mark.parametrize("strides", [(1, 2), (2, 1), (1, 1), (3, 1)])
def test_strides_that_differ_by_axis(strides: tuple[int, int]) -> None:
    check(layer(12, (7, 9), 5, (3, 3), strides=strides, pads=(1, 1, 1, 1)))
    check(layer(12, (7, 9), 5, (1, 1), strides=strides))


@pytest.mark.parametrize("down", [True, False])
def test_strides_of_layers_with_as_many_windows_as_places(down: bool) -> None:
    """Padding makes up for the stride: windows are as many as places, but do not lie at them."""
    for (long, short), reach, pad in (((3, 5), 3, 2), ((2, 70), 1, 1), ((1, 70), 1, 0)):
        size, kernel, strides = ((long, short), (reach, 1), (2, 1)) if down else ((short, long), (1, reach), (1, 2))
        before = pad if reach > 1 else 0
        pads = (before, 0, pad, 0) if down else (0, before, 0, pad)
        some = layer(12, size, 5, kernel, strides=strides, pads=pads)
        assert some.output_size == size
        check(some)


@pytest.mark.parametrize("dilations", [(1, 30), (30, 1), (30, 30)])
def test_kernels_that_reach_far(dilations: tuple[int, int]) -> None:
    """Further than a vector of places, within the map and in its padding."""
    check(layer(12, (4 * dilations[0] + 5, 4 * dilations[1] + 4), 5, (5, 5), strides=(4, 3), dilations=dilations))
    check(layer(12, (4, 4), 5, (5, 5), dilations=dilations, pads=(70, 70, 70, 70), strides=(3, 3)))
    for kernel in ((5, 1), (1, 5)):
        check(layer(12, (4 * dilations[0] + 1, 4 * dilations[1] + 1), 5, kernel, dilations=dilations))
    for pads in ((0, 80, 0, 80), (80, 0, 80, 0)):
        check(layer(12, (4, 4), 5, (2, 2), pads=pads))


def test_windows_that_begin_behind_the_map() -> None:
    check(layer(12, (3, 2), 5, (2, 2), pads=(1, 6, 1, 6)))
    check(layer(12, (3, 1), 5, (1, 1), pads=(2, 3, 2, 3)))


@pytest.mark.parametrize("threshold", [1, 32767, 32768, 40000])
def test_extreme_values_at_extreme_thresholds(threshold: int) -> None:
    extremes = np.array([-32768, -32767, 32767, 0, 1, -1], np.int16)
    rng = np.random.default_rng(0)
    activations, weights = rng.choice(extremes, (2, 24, 3, 23)), rng.choice(extremes, (9, 24, 2, 2))
    check(Layer("extreme", activations, weights, threshold=threshold, weight_threshold=threshold))


@pytest.mark.parametrize("more", [-1, 0, 1, 65])
def test_a_block_of_windows_and_more(more: int) -> None:
    some = layer(16, (1, BLOCK + more), 9)
    check(some)
    for organisation in WAYS:
        ends = CompiledEngine(NoFallback(), 1).window_ends(some, organisation, "skip")
        assert ends.tolist() == PLAIN.window_ends(some, organisation, "skip").tolist(), organisation.name


def test_many_images() -> None:
    check(layer(16, (3, 3), 5, (2, 2), images=70))


def test_sums_of_bytes_that_a_word_does_not_hold() -> None:
    """258 bytes of 255 are more than a word of 16 bits holds."""
    # Of a lane's bursts in every vector of windows, if filters wait: 8 vectors of 34 bursts of 5 runs of 51.
    check(full(19 * 51, (18, 34), 3, (3, 3)), like(WAYS[2:], lanes=1, brick=51))
    # Of a lane's bursts for every filter, if they do not: 90 filters of 3 bursts.
    check(full(15 * 51, (1, 3), 90), like(WAYS[1:], tiles=1, filters_per_tile=90, lanes=1, brick=51))
    # Of a lane's runs for every filter, if they drift: 90 filters of 12 runs of 64.
    check(full(12 * 64, (1, 3), 90), like(WAYS[1:], tiles=1, filters_per_tile=90, lanes=1, brick=64))


@pytest.mark.parametrize("windows", [3, 4, 5])
def test_filters_that_lead_are_looked_for_where_windows_are_many(windows: int) -> None:
    some, waiting = layer(40, (1, windows), 30), like([WAYS[2], WAYS[3], WAYS[6]], brick=16)
    check(some, waiting)
    schedule = Schedule.of(some.geometry, waiting[1])
    leaders = walk_record(schedule, some, some.windows).leaders
    assert (leaders.min() < 4) == (windows > 4)


def dense(ineffectual: float, *, images: int = 1, **shape: Any) -> Layer:
    """Return a layer with few ineffectual weights: 40 channels, 37 filters."""
    some = layer(40, (6, 13), 37, (3, 3), images=images, pads=(1, 1, 1, 1), **shape)
    weights = np.random.default_rng(3).random(some.weights.shape) >= ineffectual
    return replace(some, weights=weights.astype(np.int16))


DRIFTS = [WAYS[5], *like([WAYS[5]], filter_sync=2, run_overhead=1), *like([WAYS[5]], tile_sync="layer")]


@pytest.mark.parametrize("ineffectual", [0, 0.002, 0.02, 1])
def test_filters_and_tiles_that_do_the_same(ineffectual: float) -> None:
    """They are walked once: tiles with all weights that any has, and of one tile filters with all that any of it has."""
    some = dense(ineffectual, images=2)
    check(some, [*WAYS, *DRIFTS])
    check(some, like(WAYS, filter_map="spread"))
    check(some, like(WAYS, tiles=9, lanes=1, filters_per_tile=2))
    check(dense(ineffectual, groups=1, strides=(2, 1)), like([*WAYS[2:], *DRIFTS], run_overhead=2))
    waiting, drifting = (walk_record(Schedule.of(some.geometry, way), some, some.windows) for way in (WAYS[3], WAYS[5]))
    if ineffectual == 0.02:
        assert 0.2 < waiting.full.mean() < 1
    if ineffectual == 0.002:
        assert 0.1 < drifting.full.mean() < 1
        assert set(drifting.alike.tolist()) == {1, 2, 3, 4}


def test_tiles_that_do_the_same_in_blocks_of_several_sizes() -> None:
    """A shorter block, behind which a longer one has left its cycles, and the longer one of the next image."""
    some = layer(40, (1, BLOCK + 65), 9, images=3)
    some = replace(some, weights=np.ones_like(some.weights))
    check(some, like([*WAYS, *DRIFTS], tiles=3, filters_per_tile=3))


@pytest.mark.parametrize(("ineffectual", "walks"), [(0, 1), (0.002, 3), (0.1, 4), (1, 1)])
def test_organisations_that_walk_the_same_weights_are_walked_once(ineffectual: float, walks: int) -> None:
    """Where all filters of a tile have the same weights, they never part, and shared skipping skips the same."""
    some = dense(ineffectual)
    (band,) = plan.plan_layer(some, ObservedWeights(some), WAYS[2:6]).bands
    assert len(band.pairs) == walks
    check(some, WAYS[2:6])


@pytest.mark.parametrize("options", [{"tiles": 1, "filters_per_tile": 300}, {"tiles": 300, "filters_per_tile": 1}])
def test_many_filters_and_many_tiles(options: dict[str, object]) -> None:
    """A pass of 300 filters and one of 20, of each of two groups."""
    check(layer(24, (3, 3), 640, (2, 2), groups=2), like(WAYS, **options))
    check(layer(24, (3, 3), 640, (2, 2), groups=2), like(WAYS, filter_map="spread", **options))


@pytest.mark.parametrize("together", [1, 2, 4, 8])
def test_groups_side_by_side(together: int) -> None:
    """Depthwise and grouped, in rows too; as many together as filters have room for."""
    options = {"group_map": "parallel", "lanes": 8, "brick": 8, "tiles": 1, "filters_per_tile": 2 * together}
    some = layer(8, (5, 6), 16, (3, 3), groups=8, pads=(1, 1, 1, 1))
    assert Schedule.of(some.geometry, machine(**options)).together == together
    check(some, like(WAYS, **options))


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_rows_that_are_packed(stride: int) -> None:
    for pads in ((0, 0, 0, 0), (1, 3, 1, 3)):
        check(layer(3, (9, 150), 5, (3, 5), strides=(stride, stride), pads=pads), like([WAYS[0], *WAYS[2:]], brick=16))


RAW = machine(name="raw", format="roe", detect="output", data_bits=4)  # bricks of more than half are stored raw


@pytest.mark.parametrize("brick", [8, 11, 64])
@pytest.mark.parametrize("channels", [1, 3, 7])
def test_raw_bricks_of_rows(channels: int, brick: int) -> None:
    """Whether lanes have a value each, so that every run takes a cycle, or more; a row's last brick is shorter."""
    ways = [*like([RAW], brick=brick), *like([RAW], brick=brick, lanes=64, name="unit"), machine(brick=brick), RAW]
    for shape in ({"pads": (1, 3, 1, 3)}, {"strides": (2, 3)}):
        check(layer(3 * channels, (9, 35), 6, (3, 5), groups=3, images=2, **shape), ways)
    some = layer(3 * channels, (9, 35), 6, (3, 5), groups=3)
    for organisation in ways:
        ends = CompiledEngine(NoFallback(), 1).window_ends(some, organisation, "skip")
        assert ends.tolist() == PLAIN.window_ends(some, organisation, "skip").tolist(), organisation.name


def test_raw_bricks_of_many_depthwise_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some maps at a time, and in bands."""
    some = layer(40, (7, 9), 40, (3, 3), groups=40, images=2, pads=(1, 1, 1, 1))
    check(some, [RAW])
    monkeypatch.setattr(recording, "ROWS", 22)
    recording.row_bricks_record.cache_clear()
    check(some, [RAW])
    monkeypatch.setattr(bands, "BAND", 600)
    bands.bands_of.cache_clear()
    check(some, [RAW, *like([RAW], group_map="parallel")])
    for cache in (bands.bands_of, recording.row_bricks_record):
        cache.cache_clear()


@pytest.mark.parametrize("brick", [32, 40, 64])
def test_masks_of_many_digits(brick: int) -> None:
    check(layer(4 * brick, (4, 4), 9, (2, 2)), like(WAYS, brick=brick))


@pytest.mark.parametrize("drift", [1, 2, 5, 31])
def test_drift_of_any_length(drift: int) -> None:
    check(layer(64, (4, 5), 9, (3, 3), pads=(1, 1, 1, 1)), like([WAYS[5]], filter_sync=drift, run_overhead=2))


@pytest.mark.parametrize("ineffectual", [0, 0.02, 0.5])
def test_drifts_of_several_lengths_together(ineffectual: float) -> None:
    """They walk the same weights, but not the same way, unless all filters do the same."""
    ways = [way for drift in (1, 2, 3, "window", "brick") for way in like([WAYS[5]], filter_sync=drift)]
    check(dense(ineffectual), ways)


def test_batches_of_a_layer_share_what_is_kept() -> None:
    compiled, some = make_engine(1, "numba"), layer(20, (6, 6), 9, (3, 3), images=4)
    together = compiled.time([some], WAYS)[0]
    for image in range(some.images):
        alone = compiled.time([some.image(image)], WAYS)[0]
        for one, all_of_them in zip(alone.organisations, together.organisations, strict=True):
            assert one.of("skip").cycles.tolist() == [all_of_them.of("skip").cycles[image]]
    other = Layer("layer", some.activations, some.weights[::-1].copy() * 0, threshold=some.threshold)
    assert compiled.time([other], WAYS)[0].effectual_macs.tolist() == [0] * 4  # of the same name, with other weights


@pytest.mark.parametrize("change", [{"first": True}, {"weight_threshold": 8}, {"pads": (0, 1, 0, 1)}, {"strides": (2, 1)}])
def test_layers_of_one_name_are_told_apart(change: dict[str, Any]) -> None:
    """By all that a plan was made for, though they have the same weights; and each is known again."""
    some = layer(20, (6, 6), 9, (3, 3))
    other = replace(some, **change)
    ways = [with_overrides(WAYS[0], {"layer_mode": {"default": "skip", "first": "dense"}}), WAYS[3]]
    compiled = CompiledEngine(NoFallback(), 1)
    for each in (some, other, some, other):
        (found,), (expected,) = compiled.time([each], ways), PLAIN.time([each], ways)
        assert [timing.mode for timing in found.organisations] == [timing.mode for timing in expected.organisations]
        for one, second in zip(found.organisations, expected.organisations, strict=True):
            way: RunMode = "dense" if one.mode == "dense" else "skip"
            assert one.of(way).cycles.tolist() == second.of(way).cycles.tolist()
            assert one.of(way).slots.tolist() == second.of(way).slots.tolist()


ORDINARY = [
    Geometry(64, 14, 14, 32, (3, 3), pads=(1, 1, 1, 1)),
    Geometry(3, 32, 32, 16, (7, 7), (2, 2), (3, 3, 3, 3)),
    Geometry(32, 14, 14, 32, (3, 3), (2, 2), (1, 1, 1, 1), groups=32),
    Geometry(4096, 1, 1, 1000),
    Geometry(25088, 1, 1, 64),
]


DANCES = [("one", "none"), ("two", "none"), ("three", "waltz")]


class MadeUp(Organisation):
    """An organisation with an option that nobody thought of."""

    lane_dance: str = parameter("none", "timing", "how lanes dance")


@pytest.mark.parametrize("key", [skip_key, dense_key])
def test_an_option_that_nobody_thought_of_parts_results(key: Callable[[Schedule], Hashable]) -> None:
    still, same, other = (Schedule.of(ORDINARY[0], MadeUp(name=name, lane_dance=dance)) for name, dance in DANCES)
    assert key(still) == key(same) != key(other)


def test_what_makes_no_difference_shares_results() -> None:
    """Among the presets: so many are counted, whatever else they differ in."""
    keys = {name: skip_key(Schedule.of(ORDINARY[0], preset(name))) for name in preset_names()}
    assert keys["cnv"] == keys["cnv-viai"] == keys["cnv2-dispatch"]  # others store raw bricks, or records without gaps
    apart = {keys[name] for name in ("cnv", "cnv-roe", "cnv-packed", "cnv2-weights", "cnv2-weights-shared", "cnv2-weights-drift")}
    assert len(apart) == 6


@pytest.mark.parametrize("geometry", ORDINARY)
def test_ordinary_layers_are_not_left_to_plain(geometry: Geometry) -> None:
    for name in preset_names():
        for options in ({}, {"group_map": "parallel"}, {"filter_map": "spread"}, {"tile_sync": "layer"}):
            schedule = Schedule.of(geometry, with_overrides(preset(name), options))
            assert not left_to_plain(schedule), (name, options)


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


@pytest.mark.parametrize(
    ("geometry", "alone"),
    [
        (Geometry(40, 5, 6, 4), True),
        (Geometry(40, 5, 6, 4, kernel=(2, 1)), False),
        (Geometry(40, 5, 6, 4, strides=(1, 2)), False),
        (Geometry(40, 5, 6, 4, pads=(1, 0, 0, 0)), False),
        (Geometry(40, 5, 6, 4, pads=(0, 0, 0, 1)), False),
    ],
)
def test_places_that_are_windows_are_not_walked(geometry: Geometry, alone: bool) -> None:
    assert recording.windows_record(Schedule.of(geometry, WAYS[0]).steps).alone == alone


@pytest.mark.parametrize(
    ("geometry", "flat"),
    [
        (Geometry(40, 5, 6, 4), True),
        (Geometry(40, 5, 6, 4, kernel=(3, 3), pads=(1, 1, 1, 1)), True),
        (Geometry(40, 5, 6, 4, kernel=(3, 3), dilations=(2, 2), pads=(2, 2, 2, 2)), True),
        (Geometry(40, 5, 6, 4, kernel=(3, 3)), False),
        (Geometry(40, 5, 6, 4, strides=(1, 2)), False),
    ],
)
def test_windows_that_lie_as_places_do_are_read_together(geometry: Geometry, flat: bool) -> None:
    assert recording.reads_record(Schedule.of(geometry, WAYS[3]).steps, sees_all=False).flat == flat


@pytest.mark.parametrize(("brick", "units"), [(16, 17), (8, 0), (64, 68)])
def test_records_of_whole_units_are_added_up_in_bytes(brick: int, units: int) -> None:
    """Of 16 bits, if the vector is of so many; a row of 8 values and 8 bits holds no record whole."""
    schedule = Schedule.of(Geometry(128, 5, 6, 4), machine(format="packed_viai", brick=brick))
    assert recording.storage_record([schedule]).row_units.tolist() == [units]
