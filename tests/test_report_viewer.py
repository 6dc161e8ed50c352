"""The traces that the report shows: their numbers, their choice, their size."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from reference_engine import ReferenceEngine
from report_layers import random_layer

from cnvlutin2 import simulate
from cnvlutin2.network import ArrayNetwork, Findings, Inputs, Layer, Numeric
from cnvlutin2.organisation import Organisation, parameter, preset, with_overrides
from cnvlutin2.report.viewer import BASELINE, MOST_RUNS, MOST_WINDOWS, TraceCollector, viewer_data
from cnvlutin2.testing import layers, organisations
from cnvlutin2.timing.engine import RunMode


def traced(layer: Layer, *archs: Organisation) -> dict[str, Any]:
    """Return the layer as it goes into the page, through JSON and back."""
    (entry,) = viewer_data([layer], archs).networks[0].to_json()
    found: dict[str, Any] = json.loads(json.dumps(entry))
    return found


def way_of(entry: dict[str, Any], name: str, mode: str) -> dict[str, Any]:
    (way,) = [way for way in entry["ways"] if name in way["archs"] and way["mode"] == mode]
    return dict(way)


def bits(text: str, size: int) -> list[int]:
    """Read masks of `size` bytes from hexadecimal."""
    raw = bytes.fromhex(text)
    return [int.from_bytes(raw[i : i + size], "little") for i in range(0, len(raw), size)]


@given(layers(max_channels=24), organisations())
def test_a_shown_window_takes_what_the_reference_counts_for_it(layer: Layer, organisation: Organisation) -> None:
    # Where tiles do not meet at every window, ends do not add up from windows taken one by one.
    organisation = with_overrides(organisation, {"tile_sync": "window" if organisation.tile_sync == "layer" else "brick"})
    entry = traced(layer, organisation)
    mode = organisation.mode_for(layer.name, first=layer.first)
    both: tuple[RunMode, RunMode] = ("skip", "dense")
    for way_mode in (each for each in both if mode in (each, "auto")):
        way = way_of(entry, organisation.name, way_mode)
        ends = ReferenceEngine().window_ends(layer.image(0), organisation, way_mode)[0, 0, 0]
        cycles = np.diff(ends, prepend=0)
        assert way["cycles"] == cycles[entry["windows"]].tolist()
        for place, window in zip(entry["shown"], way["trace"]["windows"], strict=True):
            assert window["cycles"] == cycles[place["window"]]


@given(layers(), organisations())
def test_the_masks_explain_the_costs(layer: Layer, organisation: Organisation) -> None:
    """A reader of the page can work out every cost and every wait from what it shows of the run."""
    organisation = with_overrides(organisation, {"layer_mode": "skip"})
    trace = way_of(traced(layer, organisation), organisation.name, "skip")["trace"]
    size, runs = trace["bytes"], len(trace["steps"])
    weights = bits(trace["weights"], size) if trace["weights"] else []
    assert len(weights) == runs * {"none": 0, "shared": 1, "per_filter": trace["filters"]}[organisation.skip_weights]
    for window in trace["windows"]:
        seen = bits(window["seen"], size)
        effectual = bits(window["effectual"], size) if window["effectual"] else seen
        rows = window["rows"] or [1] * runs
        assert all(e & ~s == 0 for e, s in zip(effectual, seen, strict=True))
        for r in range(runs):
            own = weights[r * len(weights) // runs : (r + 1) * len(weights) // runs]
            products = [(seen[r] & w).bit_count() for w in own] or [seen[r].bit_count()]
            costs = window["costs"][r] if trace["free"] else [window["costs"][r]]
            expected = [max(p, rows[r]) + trace["run_overhead"] for p in products]
            if not trace["free"]:
                expected = [max(expected)]
            if organisation.tile_sync == "brick":  # another tile may take longer
                assert costs[0] >= expected[0]
            else:
                assert costs == expected
        spent = np.array(window["costs"]) + np.array(window["waits"] or 0)
        ends = [spent[a:b].sum(axis=0).max() for a, b in itertools.pairwise(trace["begins"])]
        slowest = max(ends) + trace["window_overhead"]
        assert window["cycles"] >= slowest  # another tile may be slower
        alike = trace["tiles"] == 1 or organisation.skip_weights == "none" or window is trace["windows"][0]
        if alike or organisation.tile_sync == "layer":  # where no tile waits for another
            assert window["cycles"] == slowest
        assert window["waits"] is None or organisation.drift


@given(layers(), organisations())
def test_loads_and_bricks_are_those_of_the_first_image(layer: Layer, organisation: Organisation) -> None:
    entry = traced(layer, organisation)
    for way in entry["ways"]:
        assert len(way["loads"]) == len(way["cycles"]) == len(entry["windows"]) <= MOST_WINDOWS
        for loads, cycles in zip(way["loads"], way["cycles"], strict=True):
            assert len(loads) <= way["lanes"]
            overhead = organisation.window_overhead if organisation.name in way["archs"] else 0
            assert max(loads) == cycles - overhead
    (held,) = entry["bricks"]
    effectual = int((np.abs(layer.activations[0].astype(int)) >= layer.threshold).sum())
    assert sum(n * count for n, count in enumerate(held["counts"])) == effectual


EIGHT = ["cnv", "cnv-viai", "cnv-roe", "cnv-packed", "cnv2-dispatch", "cnv2-weights-shared", "cnv2-weights", "dadiannao"]


def test_presets_that_do_the_same_share_a_way() -> None:
    entry = traced(random_layer("conv", 64, density=0.6), *(preset(name) for name in EIGHT))
    assert [way["archs"] for way in entry["ways"]] == [
        ["cnv", "cnv-viai", "cnv2-dispatch"],
        ["cnv-roe"],  # some bricks are stored raw
        ["cnv-packed"],
        ["cnv2-weights-shared"],
        ["cnv2-weights"],
        ["dadiannao"],
    ]


def test_only_those_that_do_the_same_share_a_way() -> None:
    base = preset("cnv2-weights")
    kinds: dict[str, dict[str, object]] = {
        "brick": {},
        "one": {"filter_sync": 1},
        "window": {"filter_sync": "window"},
        "spread": {"filter_map": "spread"},
        "barrier": {"filter_sync": 1, "tile_sync": "brick"},
        "all": {"filter_sync": "window", "tile_sync": "brick"},
        "layer": {"filter_map": "spread", "tile_sync": "layer"},
    }
    entry = traced(random_layer("conv", 64), *(with_overrides(base, {**kinds[name], "name": name}) for name in kinds))
    assert [way["archs"] for way in entry["ways"] if way["mode"] == "skip"] == [
        ["brick"],
        ["one"],
        ["window"],
        ["spread"],
        ["barrier", "all"],
        ["layer"],  # no tile waits for another at the end of a window
    ]


def test_drift_spread_seats_and_merged_groups_are_shown() -> None:
    """Four groups of four channels and three filters become one of 16 and 12, of which each of 16 tiles has at most one."""
    grouped = replace(random_layer("grouped", 4, filters=12), groups=4, activations=random_layer("", 16).activations)
    names = {"filter_map": "spread", "group_map": "parallel", "filter_sync": 1, "name": "new"}
    entry = traced(grouped, with_overrides(preset("cnv2-weights"), names))
    trace = way_of(entry, "new", "skip")["trace"]
    assert (trace["filters"], trace["tiles"], trace["row_packed"], trace["free"]) == (1, 12, False, True)
    assert trace["lengths"] == [1] * 16 * 9
    serial = way_of(traced(grouped, with_overrides(preset("cnv2-weights"), {"name": "old"})), "old", "skip")["trace"]
    assert (serial["filters"], serial["tiles"], serial["row_packed"], serial["free"]) == (3, 1, True, False)
    few = with_overrides(preset("cnv2-weights"), {"filter_sync": 1, "name": "few", "lanes": 2})
    window = way_of(traced(random_layer("conv", 64), few), "few", "skip")["trace"]["windows"][0]
    assert np.array(window["waits"]).shape == np.array(window["costs"]).shape
    assert np.array(window["waits"]).any()


def test_what_the_plain_engine_does_not_know_is_not_shown() -> None:
    class MadeUp(Organisation):
        lane_dance: str = parameter("none", "timing", "how lanes dance")

    layer = random_layer("conv", 64)
    odd, even = MadeUp(name="odd", lane_dance="waltz"), MadeUp(name="even")
    entry = traced(layer, odd, even)
    assert [way["archs"] for way in entry["ways"]] == [["even"], [BASELINE]]
    assert traced(layer, odd)["ways"] == []


def test_without_a_dense_organisation_there_is_a_baseline() -> None:
    layer = random_layer("conv", 64)
    entry = traced(layer, preset("cnv"), preset("cnv2-weights"))
    baseline = way_of(entry, BASELINE, "dense")
    assert set(baseline["cycles"]) == {9 * 64 // 16}


def test_auto_is_traced_both_ways() -> None:
    auto = with_overrides(preset("cnv2-dispatch"), {"layer_mode": "auto", "name": "either"})
    entry = traced(random_layer("conv", 64), auto)
    assert {way["mode"] for way in entry["ways"] if "either" in way["archs"]} == {"skip", "dense"}


def test_shown_windows_are_a_typical_one_first_the_slowest_and_the_corner() -> None:
    entry = traced(random_layer("conv", 96, size=7), preset("cnv"))
    cycles = way_of(entry, "cnv", "skip")["cycles"]
    by_label = {label: place for place in entry["shown"] for label in place["label"].split(", ")}
    assert cycles[by_label["slowest"]["index"]] == max(cycles)
    assert abs(cycles[by_label["typical"]["index"]] - np.median(cycles)) == min(abs(c - np.median(cycles)) for c in cycles)
    assert by_label["corner"]["window"] == 0
    assert "typical" in entry["shown"][0]["label"]
    assert entry["windows"] == sorted(set(entry["windows"]))


def test_widths_of_one_layer_are_joined() -> None:
    narrow = with_overrides(preset("cnv2-dispatch"), {"data_bits": 8, "name": "narrow"})
    collector = TraceCollector()
    simulate(random_layer("conv", 64), None, [preset("cnv2-dispatch"), narrow], observers=[collector.network("net")])
    (entry,) = collector.data().networks[0].to_json()
    assert [name for way in entry["ways"] for name in way["archs"] if name != BASELINE] == ["cnv2-dispatch", "narrow"]
    assert len(entry["bricks"]) == 1


class Batches(ArrayNetwork):
    """A network that yields its images one by one."""

    def generate(self, inputs: Inputs | None, numeric: Numeric) -> Any:
        for layer in super().generate(inputs, numeric):
            for image in range(layer.images):
                yield layer.image(image)
        return Findings()


def test_batches_do_not_matter() -> None:
    made = [random_layer(f"conv{i}", 48, images=3, seed=i) for i in range(2)]
    found = []
    for network in (ArrayNetwork(made), Batches(made)):
        collector = TraceCollector()
        simulate(network, None, "cnv,cnv2-weights", observers=[collector.network("net")])
        found.append(collector.data().networks[0].to_json())
    assert found[0] == found[1]


def test_long_windows_have_loads_but_no_runs() -> None:
    entry = traced(
        random_layer("fc", 16 * (MOST_RUNS + 1), size=1, kernel=1, filters=4), with_overrides(preset("cnv"), {"brick": 2})
    )
    way = way_of(entry, "cnv", "skip")
    assert way["trace"] is None
    assert way["loads"]


def test_a_page_of_many_layers_stays_small_and_shows_some_of_each_part() -> None:
    made = [replace(random_layer(f"conv{i}", 256, filters=64, images=1, seed=i)) for i in range(40)]
    data = viewer_data(made, "all")
    entries = data.networks[0].to_json()
    assert len(json.dumps(entries)) < 1_300_000
    assert all(way["loads"] for entry in entries for way in entry["ways"])
    shown = [i for i, entry in enumerate(entries) if any(way["trace"] for way in entry["ways"])]
    assert {0, 39} <= set(shown)
    assert any(10 <= i < 30 for i in shown)
    assert len(json.dumps(data.networks[0].to_json(share=0.25))) < 400_000


@pytest.mark.parametrize("position", [0, 1])
def test_networks_are_found_by_place_then_by_name(position: int) -> None:
    collector = TraceCollector()
    for name in ("one", "two"):
        collector.network(name)
    data = collector.data()
    assert data.of(position, "two") is data.networks[1]
    assert data.of(position, "three") is None


def test_values_are_plain() -> None:
    """No NumPy scalar hides in what becomes JSON."""

    def check(value: object) -> None:
        if isinstance(value, dict):
            for each in value.values():
                check(each)
        elif isinstance(value, (list, tuple)):
            for each in value:
                check(each)
        else:
            assert value is None or type(value) in (str, int, float, bool), type(value)

    check(traced(random_layer("conv", 20), preset("cnv-packed"), preset("cnv2-weights")))
