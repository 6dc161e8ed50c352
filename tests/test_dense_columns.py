"""Organisations of one run that have different dense baselines: each is compared with its own, wherever it is shown.

A layer of four groups, of one channel and one filter each, has four windows of one value. The dense machine takes a cycle for
each window of each group, 16; with its groups side by side a cycle for each window, 4. A layer without groups takes 1 either way.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from cnvlutin2 import simulate
from cnvlutin2.cli.grid import Grid, grid_table
from cnvlutin2.cli.printed_tables import cost_grid, layers_grid, print_results
from cnvlutin2.layer import Layer
from cnvlutin2.network import ArrayNetwork
from cnvlutin2.organisation import Organisation, preset, with_overrides
from cnvlutin2.report.figure_specs import all_specs
from cnvlutin2.report.page_data import page_data
from cnvlutin2.report.viewer import TraceCollector, viewer_data
from cnvlutin2.results import DenseBaseline, NetworkResult, Results

GROUPED = Layer("depthwise", np.ones((1, 4, 2, 2), np.int16), np.ones((4, 1, 1, 1), np.int16), groups=4)
PLAIN = Layer("fc", np.ones((1, 16, 1, 1), np.int16), np.ones((1, 16, 1, 1), np.int16))


def named(base: str, name: str, **values: object) -> Organisation:
    return with_overrides(preset(base), {"name": name, **values})


SERIAL = named("cnv2-dispatch", "serial", layer_mode="skip")
PARALLEL = named("cnv2-dispatch", "parallel", layer_mode="skip", group_map="parallel")
SERIAL_WEIGHTS = named("cnv2-weights", "weights", layer_mode="skip")
DENSE_PARALLEL = named("dadiannao", "dense-parallel", group_map="parallel")


def found(*organisations: Organisation) -> Results:
    return simulate(ArrayNetwork([GROUPED, PLAIN], "net"), None, organisations)


@pytest.fixture(scope="module")
def mixed() -> Results:
    return found(SERIAL, PARALLEL, SERIAL_WEIGHTS)


def lines(grid: Grid) -> list[list[str]]:
    """The cells of a table's lines, as words."""
    out = StringIO()
    Console(file=out, width=200).print(grid_table(grid))
    return [line.split() for line in out.getvalue().splitlines()]


def columns(network: NetworkResult, archs: Sequence[str]) -> dict[str, list[str]]:
    """The cells of the table by layer, by the first line of its heading."""
    table = grid_table(layers_grid(network, archs))
    return {str(column.header).splitlines()[0]: [str(cell) for cell in column.cells] for column in table.columns}


def test_baselines_are_told_apart_by_their_cycles(mixed: Results) -> None:
    baselines = mixed.networks[0].dense_baselines()
    assert baselines == [DenseBaseline(("serial", "weights"), (16, 1)), DenseBaseline(("parallel",), (4, 1))]
    assert [baseline.cycles for baseline in baselines] == [17, 5]


def test_those_that_differ_in_nothing_dense_share_one() -> None:
    drift = named("cnv2-weights-drift", "spread", layer_mode="skip", filter_map="spread")
    assert [each.archs for each in found(SERIAL, drift).networks[0].dense_baselines()] == [("serial", "spread")]


def test_a_table_has_a_column_for_each(mixed: Results) -> None:
    cells = columns(mixed.networks[0], ["serial", "parallel", "weights"])
    assert cells["dense 1"] == ["16", "1", "17"]
    assert cells["dense 2"] == ["4", "1", "5"]
    headings = [str(column.header) for column in grid_table(layers_grid(mixed.networks[0], list(mixed.organisations))).columns]
    assert headings[-3:] == ["serial\n/ dense 1", "parallel\n/ dense 2", "weights\n/ dense 1"]


def test_some_organisations_keep_the_numbers_of_all(mixed: Results) -> None:
    cells = columns(mixed.networks[0], ["parallel"])
    assert "dense 1" not in cells
    assert cells["dense 2"] == ["4", "1", "5"]


def test_a_single_one_is_called_dense() -> None:
    cells = columns(found(SERIAL, SERIAL_WEIGHTS).networks[0], ["serial", "weights"])
    assert cells["dense"] == ["16", "1", "17"]
    assert [heading for heading in cells if "dense" in heading] == ["dense"]


def test_a_speedup_is_over_the_column_that_it_names() -> None:
    """Half of the lanes' values are skipped: eight lanes of two values each take 1 cycle where the dense machine takes 2."""
    activations = np.zeros((1, 32, 1, 1), np.int16)
    activations[:, ::2] = 1
    layer = Layer("fc", activations, np.ones((1, 32, 1, 1), np.int16))
    few = with_overrides(SERIAL, {"name": "few", "lanes": 8, "run_overhead": 0})
    cells = columns(simulate(layer, None, [SERIAL, few]).networks[0], ["serial", "few"])
    assert (cells["dense 1"][0], cells["serial"][0].split()) == ("2", ["1", "2.00x"])
    assert (cells["dense 2"][0], cells["few"][0].split()) == ("4", ["2", "2.00x"])


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_table_is_wider_than_the_page(width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Some organisations have short names, the others long ones and a baseline of their own."""
    monkeypatch.setenv("COLUMNS", str(width))
    long = [named("cnv2-dispatch", f"organisation-of-a-long-name-{i}", group_map=g) for i, g in enumerate(("serial", "parallel"))]
    short = [named("cnv", f"a{i}") for i in range(6)]
    print_results(found(*short, *long))
    printed = capsys.readouterr().out
    assert "…" not in printed
    assert max(map(len, printed.splitlines())) <= width
    assert sum(name in printed for name in ("organisation-of-a-long-name-0", "organisation-of-a-long-name-1")) == 2


def test_total_cycles_of_each_are_beside_what_waits(mixed: Results) -> None:
    rows = lines(cost_grid(mixed.networks[0], list(mixed.organisations)))
    assert ["of", "the", "dense", "baseline", "17", "5", "17"] in rows
    alone = lines(cost_grid(found(SERIAL, SERIAL_WEIGHTS).networks[0], ["serial", "weights"]))
    assert not any(row[:3] == ["of", "the", "dense"] for row in alone)


def test_json_has_each_of_its_own(mixed: Results) -> None:
    document = json.loads(json.dumps(mixed.to_dict()))
    assert {total["arch"]: total["dense_cycles"] for total in document["networks"][0]["totals"]} == {
        "serial": 17,
        "parallel": 5,
        "weights": 17,
    }
    assert {run["arch"]: run["dense_cycles"] for run in document["runs"] if run["layer"] == "depthwise"} == {
        "serial": 16,
        "parallel": 4,
        "weights": 16,
    }


def test_the_page_has_each_of_its_own(mixed: Results) -> None:
    (network,) = page_data(mixed, None, "")["networks"]
    assert [total["dense_cycles"] for total in network["totals"]] == [17, 5, 17]
    assert [runs[0]["dense_cycles"] for runs in network["runs"]] == [16, 4, 16]


def ways(*organisations: Organisation) -> list[list[tuple[list[str], int]]]:
    """The baselines that the lane viewer shows, by layer: names and passes' windows over all groups that they take."""
    layers = viewer_data([GROUPED, PLAIN], organisations).networks[0].to_json()
    return [[(way["archs"], len(way["loads"][0])) for way in layer["ways"] if way["baseline"]] for layer in layers]


def test_the_viewer_shows_each() -> None:
    """Of a depthwise layer one lane has a value; side by side four have."""
    assert ways(SERIAL, PARALLEL, SERIAL_WEIGHTS) == [
        [(["dense, as serial"], 1), (["dense, as parallel"], 4)],
        [(["dense, as serial", "dense, as parallel"], 16)],
    ]
    assert ways(SERIAL, SERIAL_WEIGHTS) == [[(["dense baseline"], 1)], [(["dense baseline"], 16)]]


def test_the_viewer_shows_those_alone_that_are_not_in_the_run() -> None:
    assert ways(preset("dadiannao"), SERIAL) == [[], []]
    assert ways(preset("dadiannao"), PARALLEL) == [[(["dense, as parallel"], 4)], [(["dense, as parallel"], 16)]]
    assert ways(preset("dadiannao"), PARALLEL, DENSE_PARALLEL) == [[], []]


def test_an_organisation_may_be_called_as_a_baseline_is() -> None:
    layers = viewer_data([PLAIN], named("cnv2-dispatch", "dense baseline")).networks[0].to_json()
    assert [(way["archs"], way["baseline"]) for way in layers[0]["ways"]] == [
        (["dense baseline"], False),
        (["dense baseline"], True),
    ]


@pytest.mark.parametrize("name", ["narrow, small", "narrow, as large"])
def test_the_viewer_joins_baselines_of_widths_that_do_the_same(name: str) -> None:
    lanes = {"narrow, small": 8, "narrow, as large": 16}[name]
    narrow = with_overrides(SERIAL, {"data_bits": 8, "lanes": lanes, "name": name})
    collector = TraceCollector()
    simulate(PLAIN, None, [SERIAL, narrow], observers=[collector.network("net")])
    (entry,) = collector.data().networks[0].to_json()
    shown = [name for way in entry["ways"] if way["baseline"] for name in way["archs"]]
    assert shown == (["dense baseline"] if lanes == 16 else ["dense baseline", f"dense, as {name}"])


def parts(results: Results, figure: str) -> dict[str, float]:
    """The length of each bar of a figure of stacked parts."""
    sums: dict[str, float] = {}
    for value in all_specs(results)[figure]["data"]["values"]:
        sums[value["row"]] = sums.get(value["row"], 0) + value["value"]
    return sums


def test_figures_compare_each_with_its_own(mixed: Results) -> None:
    """No value is skipped, so all take the dense machine's cycles: a share of 1, each of its own baseline."""
    assert parts(mixed, "cycles") == pytest.approx({"serial": 1, "parallel": 1, "weights": 1})
    energy = parts(mixed, "energy")
    assert list(energy) == ["dense, as serial", "dense, as parallel", "serial", "parallel", "weights"]
    assert [energy["dense, as serial"], energy["dense, as parallel"]] == pytest.approx([1, 1])
    cost = mixed.networks[0].costs["parallel"]
    assert energy["parallel"] == pytest.approx(cost.machine.total_pj.sum() / cost.baseline.total_pj.sum())


def test_a_baseline_that_is_in_the_run_has_no_second_bar() -> None:
    energy = parts(found(preset("dadiannao"), PARALLEL), "energy")
    assert list(energy) == ["dense, as parallel", "dadiannao", "parallel"]
    assert list(parts(found(preset("dadiannao"), SERIAL), "energy")) == ["dadiannao", "serial"]


def test_the_figure_of_footprints_has_a_block_for_each_way_to_store(mixed: Results) -> None:
    """Four groups of 2 rows of 2 values take 8 bricks; side by side, rows of 8 values take 2: each of 256 bits, fc another."""
    rows = {v["row"] for v in all_specs(mixed)["footprint"]["data"]["values"]}
    assert rows == {"net, as serial", "net, as parallel"}
    (network,) = mixed.networks
    bits = {arch: sum(int(each.footprint_bits["dense"][0]) for each in network.of(arch)) for arch in mixed.organisations}
    assert bits == {"serial": 9 * 256, "parallel": 3 * 256, "weights": 9 * 256}
