"""What a study asks for: definitions, constraints, what is the same, and what is refused before anything runs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnvlutin2 import simulate
from cnvlutin2.errors import ConfigError, NetworkError
from cnvlutin2.network import Layer, save_trace
from cnvlutin2.organisation import Organisation, preset, with_overrides
from cnvlutin2.study.constraint import Constraint
from cnvlutin2.study.definition import definition_of, read_definition
from cnvlutin2.study.equivalence import without_idle_options
from cnvlutin2.study.pareto import pareto_front
from cnvlutin2.study.planning import Plan, plan_study
from cnvlutin2.study.sweeping import MANY, sweep
from cnvlutin2.testing import layers, organisations

DIGITS: dict[str, object] = {"networks": "digits", "limit": 1}


def plan(**values: object) -> Plan:
    return plan_study(definition_of({**DIGITS, **values}))


def refused(values: Mapping[str, object]) -> str:
    with pytest.raises((ConfigError, NetworkError)) as caught:
        plan_study(definition_of(values))
    (line,) = str(caught.value).splitlines()
    return line


class TestConstraints:
    PARAMETERS: Mapping[str, object] = {
        "tiles": 4,
        "lanes": 8,
        "filter_sync": "brick",
        "clock_ghz": 1.5,
        "prefetch_weights": True,
    }

    @pytest.mark.parametrize(
        "text",
        [
            "tiles * lanes == 32",
            "tiles < lanes <= 8",
            "filter_sync in ('brick', 2) and not tiles > lanes",
            "filter_sync != 2 or tiles == 5",
            "prefetch_weights == true",
            "prefetch_weights and true",
            "lanes % 3 == 2 and lanes // 3 == 2 and lanes / 16 == 0.5 and -tiles + 1 == -3",
            "filter_sync not in ['window']",
            "clock_ghz >= 1.5",
        ],
    )
    def test_hold(self, text: str) -> None:
        assert Constraint(text).holds(self.PARAMETERS)
        assert not Constraint(f"not ({text})").holds(self.PARAMETERS)

    @pytest.mark.parametrize(
        "text",
        [
            "__import__('os').system('true')",
            "tiles.__class__",
            "[tiles for tiles in (1, 2)]",
            "(lambda: true)()",
            "tiles ** lanes",
            "tiles if true else lanes",
            "f'{tiles}' == '4'",
            "tiles[0]",
            "{1: 2}",
            "tiles := 4",
            "b'x' == b'x'",
            "1j == 1",
            "tiles is 4",
            "tiles << 60",
            "*tiles",
            "",
            "tiles ==",
            "tiles == 4 " + "and tiles == 4 " * 100,
            "(" * 300 + "tiles" + ")" * 300,
        ],
    )
    def test_anything_else_is_refused_when_it_is_read(self, text: str) -> None:
        with pytest.raises(ConfigError, match="cannot use the constraint"):
            Constraint(text)

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("tiles", "neither true nor false"),
            ("tiles and lanes", "neither true nor false"),
            ("filter_sync < 3", "no order"),
            ("filter_sync * 3 == 1", "no number"),
            ("tiles / (lanes - 8) > 1", "division by zero"),
            ("tiles in lanes", "brackets"),
        ],
    )
    def test_what_has_no_value_is_refused_when_it_is_met(self, text: str, what: str) -> None:
        with pytest.raises(ConfigError, match=what):
            Constraint(text).holds(self.PARAMETERS)

    @pytest.mark.parametrize("text", ["not " * 240 + "tiles == 4", "-" * 980 + "tiles == 4", "tiles == 4" + " == 4" * 190])
    def test_deep_ones_are_true_or_refused(self, text: str) -> None:
        with contextlib.suppress(ConfigError):
            assert Constraint(text).holds(self.PARAMETERS)

    def test_a_name_that_is_no_parameter_is_refused_before_anything_is_computed(self) -> None:
        assert "'tile' is no parameter; did you mean 'tiles'?" in refused({**DIGITS, "where": "tile < 3"})


class TestDefinitions:
    def test_every_combination_is_a_point(self) -> None:
        found = plan(arch=["cnv", "cnv2-weights"], grid={"lanes": [8, 16], "tiles": [2, 4, 8]}, where="tiles * lanes < 128")
        sizes = [(p.organisation.name, p.organisation.lanes, p.organisation.tiles) for p in found.points]
        assert sizes == [(a, n, t) for a in ("cnv", "cnv2-weights") for n in (8, 16) for t in (2, 4, 8) if n * t < 128]

    def test_listed_points_are_crossed_with_the_grid(self) -> None:
        found = plan(
            points=[{"lanes": 4, "brick": 4}, {"lanes": 8, "brick": 8}], grid={"tiles": [1, 2]}, set={"nbin_entries": 80}
        )
        assert [(p.organisation.lanes, p.organisation.brick, p.organisation.tiles) for p in found.points] == [
            (4, 4, 1),
            (4, 4, 2),
            (8, 8, 1),
            (8, 8, 2),
        ]
        assert {p.organisation.nbin_entries for p in found.points} == {80}

    def test_the_same_machine_is_one_point(self) -> None:
        found = plan(grid={"filter_sync": ["brick", 1, 2, "window"], "lanes": [8, 16]})
        assert len(found.points) == 2
        assert len(found.asked) == 8
        assert len(plan(arch="cnv2-weights", grid={"filter_sync": ["brick", 1, 2, "window"]}).points) == 4

    def test_the_same_network_by_two_names_is_one(self, tmp_path: Path) -> None:
        layer = Layer("conv", np.ones((1, 16, 3, 3), np.int16), np.ones((2, 16, 1, 1), np.int16))
        for folder in ("a", "b"):
            (tmp_path / folder).mkdir()
            save_trace(layer, tmp_path / folder / "net.npz")
        found = plan_study(definition_of({"networks": [str(tmp_path / "a" / "net.npz"), str(tmp_path / "b" / "net.npz")]}))
        assert len(found.points) == 1

    def test_a_files_paths_are_from_its_folder(self, tmp_path: Path) -> None:
        (tmp_path / "half.yaml").write_text("base: cnv\ntiles: 8\n")
        (tmp_path / "limits.yaml").write_text("default: 2\n")
        (tmp_path / "digits").mkdir()  # a name comes before a folder of that name
        text = "networks: digits\nlimit: 1\narch: half.yaml\ngrid: {threshold: [limits.yaml], energy: [45nm]}\n"
        (tmp_path / "study.yaml").write_text(text)
        (point,) = plan_study(read_definition(tmp_path / "study.yaml")).points
        assert (point.organisation.tiles, point.threshold) == (8, "limits.yaml")
        assert json.loads(point.capture.thresholds) == {"default": "2"}

    def test_seeds_and_densities_are_parameters_of_topologies(self) -> None:
        found = plan_study(definition_of({"networks": ["alexnet", "digits"], "limit": 1, "grid": {"seed": [0, 1]}}))
        assert [p.network for p in found.points] == ["alexnet", "alexnet", "digits"]

    def test_identity_is_of_content(self) -> None:
        (first,) = plan().points
        same = plan(set={"nbin_entries": 64}).points[0]
        assert first.id == same.id
        others: list[dict[str, object]] = [
            {"limit": 2},
            {"threshold": 2},
            {"quantised": True},
            {"energy": "45nm"},
            {"set": {"dram": "hbm2"}},
        ]
        found = {plan(**each).points[0].id for each in others} | {first.id}
        assert len(found) == len(others) + 1


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"grids": {}}, "unknown key 'grids'"),
        ({"grid": {"lane": [1]}}, "did you mean 'lanes'?"),
        ({"grid": {"lanes": []}}, "has no values"),
        ({"grid": {"lanes": None}}, "has no values"),
        ({"grid": [1]}, "no mapping"),
        ({"grid": {"lanes": [[1]]}}, "no plain value"),
        ({"grid": {"lanes": [0]}}, "cnv with lanes=0 is no organisation"),
        ({"grid": {"lanes": [8]}, "where": ["lanes > 8", "lanes < 8"]}, "no combination of 1 meets the constraints"),
        ({"where": [3]}, "no constraint"),
        ({"networks": "nothing"}, "there is no network 'nothing'"),
        ({"networks": [{"input": "x"}]}, "with the key 'network'"),
        ({"networks": [{"network": "digits", "inputs": "x"}]}, "did you mean 'input'?"),
        ({"networks": [{"network": "digits", "seed": 3}]}, "is for topologies"),
        ({"networks": "alexnet", "limit": 1}, "for networks that are executed"),
        ({"grid": {"seed": [1]}}, "is for topologies"),
        ({"arch": "cnv3"}, "unknown organisation 'cnv3'"),
        ({"arch": [3]}, "no organisation"),
        ({"threshold": 0}, "the threshold 0 is out of range"),
        ({"grid": {"threshold": ["some"]}}, "cannot read the threshold"),
        ({"quantised": 3}, "neither true nor false"),
        ({"energy": "7nm"}, "there is no cost table '7nm'"),
        ({"energy": 7}, "no cost table"),
        ({"set": {"layer_mode.nothing": "dense"}}, "no layer is called 'nothing'"),
        ({"points": [3]}, "no mapping"),
        ({"points": [{"tile": 3}]}, "unknown parameter 'tile'"),
        ({"limit": [1, 2]}, "value that it cannot have"),
    ],
)
def test_bad_input_is_one_line(values: dict[str, object], what: str) -> None:
    given = {**values} if "networks" in values else {**DIGITS, **values}
    assert what in refused(given)


def test_a_label_file_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("1\n")
    assert "labels" in refused({"networks": "digits", "labels": str(tmp_path / "labels.txt")})


def test_very_many_points_are_asked_about(tmp_path: Path) -> None:
    values = {**DIGITS, "grid": {"tiles": list(range(1, 201)), "lanes": list(range(1, 65))}}
    assert MANY < 200 * 64
    with pytest.raises(ConfigError, match="12,800 combinations"):
        sweep(values, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def plain(organisation: Organisation, layer: Layer) -> list[dict[str, Any]]:
    """All that is found of a layer under an organisation, by whatever name."""
    found = simulate(layer, None, [organisation.model_copy(update={"name": "it"})], jobs=1)
    document = found.to_dict()
    return [*document["runs"], *document["networks"][0]["totals"]]


@given(st.data())
def test_options_without_effect_have_none(data: st.DataObject) -> None:
    drawn = data.draw(organisations())
    changes: dict[str, object] = {
        "encoder_values_per_cycle": data.draw(st.sampled_from((0, 1, 3))),
        "encoder_buffer_entries": data.draw(st.sampled_from((16, 64))),
        "prefetch_weights": data.draw(st.booleans()),
        "dram": data.draw(st.sampled_from(("unlimited", 0.5))),
    }
    organisation = with_overrides(drawn, changes)
    layer = data.draw(layers())
    assert plain(without_idle_options(organisation), layer) == plain(organisation, layer)


def test_options_with_effect_are_kept() -> None:
    for name in ("cnv", "cnv2-weights", "cnv2-weights-drift", "dadiannao"):
        assert without_idle_options(preset(name)) == preset(name)
    modes = {"default": "skip", "first": "dense", "conv": "skip"}
    kept = with_overrides(preset("cnv"), {"layer_mode": modes})
    assert without_idle_options(kept) == kept  # a first layer of that name would run dense without its entry


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12))
def test_the_front_is_what_nothing_beats(costs: list[tuple[int, int, int]]) -> None:
    def beats(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        return all(a <= b for a, b in zip(one, other, strict=True)) and one != other

    assert pareto_front(costs) == [i for i, cost in enumerate(costs) if not any(beats(other, cost) for other in costs)]
