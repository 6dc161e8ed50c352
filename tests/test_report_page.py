"""The report's file: what is in it, what cannot be, what happens when it cannot be written."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from report_layers import HOSTILE_NAMES, hostile_layers, random_layer
from test_results import Partial

from cnvlutin2 import simulate
from cnvlutin2.errors import Cnvlutin2Warning, OutputError
from cnvlutin2.network import ArrayNetwork
from cnvlutin2.organisation import preset, preset_names, with_overrides
from cnvlutin2.report import write_report
from cnvlutin2.report.html_page import SCRIPTS, render, to_script
from cnvlutin2.report.page_data import page_data
from cnvlutin2.report.palette import COMPONENTS, FORMATS, SLOTS, organisation_styles
from cnvlutin2.report.viewer import TraceCollector, ViewerData
from cnvlutin2.results import WAITING, Results
from cnvlutin2.timing import SLOT_KINDS

HOSTILE = "</title><script>window.hacked = 1</script>"


@pytest.fixture(scope="module")
def watched() -> tuple[Results, ViewerData]:
    collector = TraceCollector()
    network = ArrayNetwork(hostile_layers(), HOSTILE)
    return simulate(network, None, "all", observers=[collector.network(HOSTILE)]), collector.data()


@pytest.fixture(scope="module")
def page(watched: tuple[Results, ViewerData], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(watched[0], path, trace=watched[1], command=f"cnvlutin2 run '{HOSTILE}'")
    return path.read_text("utf-8")


def embedded(page: str) -> dict[str, object]:
    (text,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    found: dict[str, object] = json.loads(text)
    return found


def test_data_come_back_as_they_went_in(page: str, watched: tuple[Results, ViewerData]) -> None:
    data = page_data(*watched, f"cnvlutin2 run '{HOSTILE}'")
    assert embedded(page) == json.loads(json.dumps(data))


def test_nothing_from_outside_is_markup(page: str) -> None:
    """The page's own elements are all there are: two scripts, one style, no image, no handler."""
    assert page.count("<script") == page.count("</script>") == 2
    assert page.count("</title>") == 1
    assert "<img" not in page
    assert "\u2028" not in page
    assert "\0" not in page
    assert all(ord(c) < 128 for c in re.findall(r"json\">(.*?)</script>", page, re.DOTALL)[0])


def test_what_to_script_writes_holds_no_markup() -> None:
    text = to_script({name: [name] for name in HOSTILE_NAMES})
    assert not set("<>&\u2028\u2029\0") & set(text)
    assert json.loads(text) == {name: [name] for name in HOSTILE_NAMES}


def test_settings_are_words_not_json(page: str) -> None:
    (config,) = [arch["config"] for arch in embedded(page)["archs"] if arch["name"] == "cnv"]  # type: ignore[attr-defined]
    assert config["layer_mode"] == "default: skip, first: dense"
    assert config["encoder_values_per_cycle"] == "1"


def test_the_head_has_what_one_must_know() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Cnvlutin2Warning)
        results = simulate(Partial(65536), organisations="cnv")
    data = page_data(results, None, "")
    assert data["waiting"] == WAITING
    (network,) = data["networks"]
    assert network["left_out_text"] == "1 part left out, 50.0% of the multiply-accumulates"
    assert network["left_out"][0]["macs"] == 65536
    assert network["synthetic"] is False
    assert network["totals"][0]["waited"] == results.networks[0].speedup_with_waiting("cnv")
    made_up = replace(random_layer("conv", 32), synthetic=True)
    (network,) = page_data(simulate(made_up, None, "cnv", cost=False), None, "")["networks"]
    assert (network["synthetic"], network["left_out_text"], network["totals"][0]["waited"]) == (True, "", None)


def test_numbers_that_json_does_not_know_are_refused() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        to_script({"speedup": float("nan")})


def test_the_policy_allows_this_script_and_style_alone(page: str) -> None:
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.replace("&#x27;", "'").split(";"))
    assert rules["default-src"] == "'none'"
    for rule, tag in (("script-src", "<script>"), ("style-src", "<style>")):
        (content,) = re.findall(f"{tag}(.*?)</{tag[1:]}", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_the_page_loads_nothing(page: str) -> None:
    own = page.replace("http://www.w3.org/2000/svg", "")  # the name of a namespace, which nobody fetches
    own = re.sub(r'json">.*?</script>', "", own, flags=re.DOTALL)
    assert "://" not in own
    assert not re.search(
        r"@import|url\(|\bfetch\(|XMLHttpRequest|\bimport\b|\beval\b|innerHTML|document\.write|new Function", own
    )
    assert re.findall(r'(?:src|href)="([^"]*)"', own) == ["data:,"]


def test_a_name_cannot_fill_a_place_of_the_template() -> None:
    text = render({"name": "@@script@@ @@title@@"}, title="@@data@@")
    assert "<title>@@data@@ " in text
    assert '{"name":"@@script@@ @@title@@"}' in text


def test_half_a_surrogate_pair_is_survived(tmp_path: Path) -> None:
    results = simulate(ArrayNetwork([random_layer("half \ud800", 20)], "net \udfff"), None, "cnv", cost=False)
    write_report(results, tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text("utf-8")
    for name in ("half \\ud800", "net \\udfff"):  # written out, in JavaScript's own quotes
        assert json.dumps(name) in text


def test_a_page_of_googlenets_size_is_small(tmp_path: Path) -> None:
    """58 layers on all eight presets, as large as GoogLeNet's in channels and filters."""
    layers = [random_layer(f"inception_{i}/3x3", 16 * (1 + i % 20), filters=128, images=1, seed=i) for i in range(58)]
    collector = TraceCollector()
    results = simulate(layers, None, "all", observers=[collector.network("network")])
    write_report(results, tmp_path / "r.html", trace=collector.data(), command="cnvlutin2 run")
    size = (tmp_path / "r.html").stat().st_size
    assert size < 3_000_000
    assert size < 1_500_000  # what it was when this was written, and room


def test_sums_in_the_page_are_those_of_the_results(watched: tuple[Results, ViewerData]) -> None:
    results, trace = watched
    data = page_data(results, trace, "")
    network, entry = results.networks[0], data["networks"][0]
    for position, arch in enumerate(results.organisations):
        assert [run["cycles"] for run in entry["runs"][position]] == [int(r.cycles.sum()) for r in network.of(arch)]
        by_kind = {s["key"]: sum(run["slots"][k] for run in entry["runs"][position]) for k, s in enumerate(data["slots"])}
        assert by_kind == network.slots(arch)
        energy = sum(sum(run["cost"]["energy_pj"]) for run in entry["runs"][position])
        assert energy == pytest.approx(float(network.costs[arch].machine.total_pj.sum()), rel=1e-4)
        cautions = entry["costs"][position]["cautions"]
        assert bool(cautions) == (results.organisations[arch].skip_weights == "per_filter")
    (store,) = entry["footprints"]
    for f, form in enumerate(data["formats"]):
        bits = sum(int(layer.footprint_bits[form["key"]].sum()) for layer in network.of("cnv"))
        assert sum(layer[f] for layer in store["bits"]) == bits


def test_organisations_that_store_otherwise_have_footprints_of_their_own() -> None:
    small = with_overrides(preset("cnv"), {"brick": 8, "lanes": 8, "name": "small"})
    results = simulate([random_layer("conv", 40)], None, [preset("cnv"), small, preset("cnv-roe")], cost=False)
    assert [entry["archs"] for entry in page_data(results, None, "")["networks"][0]["footprints"]] == [[0, 2], [1]]


def test_results_without_costs_or_traces_make_a_page(tmp_path: Path) -> None:
    results = simulate([random_layer("conv", 40)], None, "cnv", cost=False)
    write_report(results, tmp_path / "r.html")
    data = embedded((tmp_path / "r.html").read_text("utf-8"))
    assert data["components"] == []
    assert data["networks"][0]["layers"][0]["trace"] is None  # type: ignore[index]


@pytest.mark.parametrize("target", ["missing/r.html", "."])
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, target: str) -> None:
    results = simulate([random_layer("conv", 20)], None, "cnv", cost=False)
    with pytest.raises(OutputError, match=re.escape(str(tmp_path / target))):
        write_report(results, tmp_path / target)
    assert list(tmp_path.iterdir()) == []


def test_every_kind_of_slot_has_a_look() -> None:
    assert set(SLOTS) == set(SLOT_KINDS)
    for kinds in (SLOTS, FORMATS, COMPONENTS):
        assert len({kind.colour for kind in kinds.values()}) == len(kinds)


def test_every_component_and_format_of_a_result_has_a_look() -> None:
    (layer,) = simulate([random_layer("conv", 40)], None, "cnv").networks[0].layers
    assert layer.cost is not None
    assert set(layer.cost.energy_pj) == set(COMPONENTS)
    assert set(layer.footprint_bits) == set(FORMATS)


def test_organisations_look_the_same_in_every_report_and_unlike_one_another() -> None:
    presets = organisation_styles(preset_names())
    assert len({style.colour for style in presets.values()}) == len(presets)
    assert len(set(organisation_styles([f"mine{i}" for i in range(64)]).values())) == 64
    mixed = organisation_styles(["mine", "cnv", "yours", "cnv2-weights"])
    assert mixed["cnv"] == presets["cnv"]
    assert mixed["cnv2-weights"] == presets["cnv2-weights"]
    assert len({style.colour for style in mixed.values()}) == 4
    everything = organisation_styles([*preset_names(), "mine"])
    assert len(set(everything.values())) == len(everything)


def test_a_file_of_the_script_is_not_forgotten() -> None:
    folder = Path(__file__).resolve().parents[1] / "src" / "cnvlutin2" / "report" / "page"
    assert sorted(SCRIPTS) == sorted(path.name for path in folder.glob("*.js"))


def test_two_networks_of_one_name_keep_their_own_traces() -> None:
    collector = TraceCollector()
    found = [
        simulate([random_layer("conv", channels)], None, "cnv", observers=[collector.network("network")]) for channels in (20, 40)
    ]
    joined = Results([results.networks[0] for results in found], found[0].organisations)
    data = page_data(joined, collector.data(), "")
    assert [network["layers"][0]["trace"]["channels"] for network in data["networks"]] == [20, 40]
