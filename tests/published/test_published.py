"""Published numbers as a table of tests: what agrees exactly, and what is known to differ, by how much and why."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from cnvlutin2 import Layer, preset, simulate
from cnvlutin2.cli.main import COMMANDS
from cnvlutin2.cli.reproduce_command import reproduce_command
from cnvlutin2.cost import load_table
from cnvlutin2.cost.published import published_dense_cycles, published_figures, published_thresholds
from cnvlutin2.network import Topology
from cnvlutin2.network.topology_shapes import load_shapes, topology_names
from cnvlutin2.network.traces import TraceWriter
from cnvlutin2.reproduction import Reproduction, reproduce

GAPS: dict[str, dict[str, Any]] = YAML(typ="safe", pure=True).load(Path(__file__).with_name("known_gaps.yaml").read_text("utf-8"))


@cache
def reproduction() -> Reproduction:
    return reproduce([], load_table(), jobs=1)


@pytest.mark.parametrize(("geometry", "cycles"), published_dense_cycles())
def test_dense_cycles_of_another_simulator(geometry: tuple[int, int, int, int, int], cycles: int) -> None:
    channels, filters, size, kernel, pad = geometry
    # Of the closed form, and of the simulation.
    out = size + 2 * pad - kernel + 1
    assert cycles == out * out * kernel * kernel * (channels // 16) * -(-filters // 256)
    layer = Layer(
        "l", np.ones((1, channels, size, size), np.int16), np.ones((filters, channels, kernel, kernel), np.int16), pads=(pad,) * 4
    )
    found = simulate(layer, organisations="dadiannao", cost=False).networks[0].layers[0]
    assert found.dense_cycles == found.cycles.tolist()[0] == cycles


@pytest.mark.parametrize("key", GAPS)
def test_figures_of_the_paper(key: str) -> None:
    gap, published = GAPS[key], published_figures()[key]
    assert gap["published"] == published.value
    assert gap["source"] in published.source
    (comparison,) = (c for c in reproduction().comparisons if c.key == key)
    low, high = gap["computed"]
    assert low - 1e-12 <= comparison.computed <= high + 1e-12
    if gap["gap"].startswith("none"):
        assert comparison.computed == pytest.approx(published.value, abs=1e-3)
    else:  # a gap that has closed must not go on being explained
        assert abs(comparison.computed / published.value - 1) > 0.01
        assert len(comparison.why) > 40


def test_every_comparison_has_its_row() -> None:
    assert {comparison.key for comparison in reproduction().comparisons} == set(GAPS)


def test_the_derived_figures() -> None:
    figures = {key: figure.value for key, figure in published_figures().items()}
    assert figures["energy_gain"] == pytest.approx(figures["edp_gain"] / figures["speedup_mean"], abs=0.005)
    assert figures["energy_gain"] == pytest.approx(figures["ed2p_gain"] / figures["speedup_mean"] ** 2, abs=0.005)
    assert all(figure.how in ("read", "recalled", "derived") for figure in published_figures().values())


def test_what_does_not_depend_on_the_technology() -> None:
    """Offsets take a quarter of NM, so the area overhead is near NM's part of the area by any of the tables."""
    for parts in reproduction().areas.values():
        assert parts["nm"] < parts["total"] < 1.1 * parts["nm"]


@pytest.mark.parametrize("name", topology_names())
def test_recalled_thresholds_fit_the_networks(name: str) -> None:
    lsbs, speedup = published_thresholds()[name]
    convolutions = [shape.name for shape in load_shapes(name).layers if shape.kind == "conv"]
    modules = dict.fromkeys(layer.split("/")[0] for layer in convolutions)
    assert len(lsbs) == (len(modules) if name == "googlenet" else len(convolutions))
    assert speedup > 1


def test_waiting_for_encoders_is_the_difference() -> None:
    """Where no tile waits, both accounts agree; where one does, the network takes longer and more energy."""
    networks = reproduction().networks
    assert [network.network for network in networks] == list(topology_names())
    for network in networks:
        if network.speedup_with_waiting == network.speedup:
            assert network.edp_gain == pytest.approx(network.edp_gain_unwaited)
        else:
            assert network.speedup_with_waiting < network.speedup
            assert network.edp_gain < network.edp_gain_unwaited


class TestCommand:
    def test_tables_and_json(self, tmp_path: Path) -> None:
        assert COMMANDS["reproduce"][0].endswith(":reproduce_command")
        traces, target = tmp_path / "traces", tmp_path / "out.json"
        rng = np.random.default_rng(0)
        with TraceWriter(traces) as writer:
            writer.add(Layer("conv", rng.integers(0, 2, (1, 16, 4, 4), np.int16), np.ones((4, 16, 3, 3), np.int16)))
        found = CliRunner().invoke(reproduce_command, [str(traces), "--energy", "45nm", "--json", str(target), "-j", "1"])
        assert found.exit_code == 0, found.output
        for text in ("what differs, and why", "area that Cnvlutin adds", "48,672 and 48,672, equal", "4.49%", "digits-pruned"):
            assert text in found.stdout
        assert "vgg19: convolutions" in found.stderr
        document = json.loads(target.read_text("utf-8"))
        assert document["schema"] == "cnvlutin2/reproduction/1"
        assert document["table"] == "45nm"
        assert [network["values"] for network in document["networks"]] == ["synthetic"] * 6 + ["real"] * 3
        assert {c["key"] for c in document["comparisons"]} == set(GAPS)

    def test_inputs_need_a_model(self) -> None:
        found = CliRunner().invoke(reproduce_command, ["--input", "photo.jpg"])
        assert "is for models, and none was named" in str(found.exception)


def test_speedups_by_hand_of_one_network() -> None:
    """The command's figures are those of a simulation, nothing else."""
    expected = simulate(Topology("nin", conv_only=True), organisations="cnv", jobs=1).networks[0]
    (found,) = (network for network in reproduction().networks if network.network == "nin")
    assert found.speedup == expected.speedup("cnv")
    assert found.speedup_with_waiting == expected.costs["cnv"].speedup
    assert preset("cnv").encoder_buffer_entries == 64
