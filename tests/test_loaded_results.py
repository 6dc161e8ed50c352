"""Results that were written come back number for number; and what is made of two of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import cnvlutin2
from cnvlutin2.cli.main import group
from cnvlutin2.errors import ConfigError
from cnvlutin2.network import Layer, Network
from cnvlutin2.report.page_data import page_data
from cnvlutin2.results import Results, compare_results, load_results, write_json


def call(*arguments: object) -> Result:
    return CliRunner().invoke(group, list(map(str, arguments)))


def small(value: int = 1, *, archs: str = "cnv,cnv2-weights", cost: bool = True, name: str = "conv") -> Results:
    """A 1x1 convolution of 16 filters on 2 images of 32 channels, every activation but the first one of a value."""
    activations = np.full((2, 32, 4, 4), value, np.int16)
    activations[0, 0] = 0
    return cnvlutin2.simulate(
        Layer(name, activations, np.ones((16, 32, 1, 1), np.int16)), organisations=archs, cost=cost, thresholds=2
    )


def written(results: Results, path: Path) -> Path:
    write_json(results, str(path))
    return path


class TestLoaded:
    @pytest.mark.parametrize("make", [small, lambda: small(cost=False)], ids=["with costs", "without"])
    def test_everything_comes_back(self, make: Callable[[], Results], tmp_path: Path) -> None:
        results = make()
        loaded = load_results(written(results, tmp_path / "r.json"))
        assert loaded.to_dict() == results.to_dict() == json.loads((tmp_path / "r.json").read_text())
        pd.testing.assert_frame_equal(loaded.to_frame(), results.to_frame())
        assert page_data(loaded, None, "") == page_data(results, None, "")
        assert loaded.organisations == results.organisations
        assert loaded.networks[0].layers[0].cycles.dtype == np.int64

    def test_of_several_networks_and_all_organisations(self, tmp_path: Path) -> None:
        path = tmp_path / "r.json"
        options = ("--limit", 2, "--arch", "all", "--set", "layer_mode={first: dense}", "--dram", "lpddr4", "--threshold", 8)
        assert call("run", "digits", "digits-pruned", *options, "--json", path).exit_code == 0
        loaded = load_results(path)
        assert loaded.to_dict() == json.loads(path.read_text())
        assert [network.network for network in loaded.networks] == ["digits", "digits-pruned"]
        assert loaded.networks[0].accuracy is not None

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda d: d.update(schema="cnvlutin2/results/2"), "its layout is 'cnvlutin2/results/2'"),
            (lambda d: d.pop("schema"), "it names no layout"),
            (lambda d: d.pop("runs"), "at runs"),
            (lambda d: d["runs"].pop(), "has 1 runs under 'cnv2-weights' for 2 images"),
            (lambda d: d["runs"].reverse(), "one run"),
            (lambda d: d["runs"][0].update(cycles=-1), r"greater than or equal to 0.* at runs\.0\.cycles"),
            (lambda d: d["runs"][0].update(cycles=True), r"at runs\.0\.cycles"),
            (lambda d: d["runs"][0].update(cycles=1 << 63), r"at runs\.0\.cycles"),
            (lambda d: d["runs"][0].update(more=1), r"at runs\.0\.more"),
            (lambda d: d["runs"][0]["slots"].pop("fetch"), "slots lack 'fetch'"),
            (lambda d: d["runs"][1].pop("events"), "some runs have events"),
            (lambda d: d["runs"][0].update(mode="dense"), "several modes"),
            (lambda d: d["runs"][0].update(cycles=d["runs"][0]["cycles"] + 1), r"networks\.0\.totals\.0\.cycles\.0"),
            (lambda d: d["networks"][0]["totals"][0].update(speedup=9.0), r"networks\.0\.totals\.0\.speedup"),
            (lambda d: d["networks"][0]["totals"][0]["cost"]["relative"].update(mine=9.0), r"cost\.relative\.mine"),
            (lambda d: d["networks"][0]["layers"][0].update(mine=1), r"networks\.0\.layers\.0\.mine"),
            (lambda d: d["networks"][0].update(layers=[]), "has no layers"),
            (lambda d: d["organisations"]["cnv"].update(lanes=0), "at lanes"),
            (lambda d: d["organisations"].update(mine=d["organisations"].pop("cnv")), "another name than its own"),
            (lambda d: d.update(networks=[]), "no network"),
        ],
    )
    def test_what_contradicts_itself_is_refused(self, change: Callable[[Any], object], said: str, tmp_path: Path) -> None:
        document = small().to_dict()
        change(document)
        path = tmp_path / "r.json"
        path.write_text(json.dumps(document))
        with pytest.raises(ConfigError, match=said) as found:
            load_results(path)
        assert "r.json" in str(found.value)
        assert "\n" not in str(found.value)

    @pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b"null"])
    def test_what_is_no_such_file_is_refused(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "r.json"
        path.write_bytes(content)
        found = call("report", path)
        assert found.exit_code == 2
        assert found.stderr.startswith("cnvlutin2: error: ")
        assert found.stderr.count("\n") == 1
        assert sorted(p.name for p in tmp_path.iterdir()) == ["r.json"]

    def test_what_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"cannot read the results .*gone\.json: No such file"):
            load_results(tmp_path / "gone.json")
        with pytest.raises(ConfigError, match="it is no file"):
            load_results(tmp_path)


class TestNotebooks:
    def test_the_answer_is_a_table_of_harmless_text(self) -> None:
        shown = small(name="conv")._repr_html_()
        assert "<table>" in shown
        assert "<th>cnv2-weights</th>" in shown
        assert "2 images" in shown
        results = small(name="<script>alert(1)</script>")
        assert "<script>" not in results._repr_html_()
        assert "&lt;script&gt;" in results._repr_html_()
        assert f"<td>{results.speedup('cnv'):.2f}x</td>" in results._repr_html_()


class TestPages:
    def test_the_report_is_that_of_the_run_without_its_values(self, tmp_path: Path) -> None:
        path = written(small(), tmp_path / "r.json")
        assert call("report", path).exit_code == 0
        assert "cnv2-weights" in (tmp_path / "r.html").read_text()
        assert call("report", path, "-o", tmp_path / "page.html").exit_code == 0
        assert (tmp_path / "page.html").read_bytes() == (tmp_path / "r.html").read_bytes()

    def test_a_report_is_not_written_over_its_results(self, tmp_path: Path) -> None:
        path = written(small(), tmp_path / "r.json")
        before = path.read_bytes()
        found = call("report", path, "-o", path)
        assert found.exit_code == 2
        assert "would replace" in found.stderr
        assert path.read_bytes() == before

    def test_figures(self, tmp_path: Path) -> None:
        pytest.importorskip("vl_convert")
        path = written(small(), tmp_path / "r.json")
        found = call("figures", path, "-o", tmp_path / "figures")
        assert found.exit_code == 0, found.output
        assert {p.suffix for p in (tmp_path / "figures").iterdir()} == {".pdf", ".svg", ".png"}
        assert len(found.stdout.splitlines()) == len(list((tmp_path / "figures").iterdir()))


class TestCompared:
    def test_the_same_is_equal(self) -> None:
        comparison = compare_results(small(), small())
        assert comparison.equal
        assert not comparison.settings
        frame = small().to_frame()
        numeric = [c for c in frame.select_dtypes("number").columns if c != "image"]
        assert sum(comparison.compared.values()) == len(frame) * len(numeric)

    def test_every_number_that_differs_is_there_and_no_other(self) -> None:
        """Against a comparison cell by cell of the frames."""
        first, second = small(1), small(7)
        comparison = compare_results(first, second)
        expected = set()
        for one, other in zip(first.to_frame().to_dict("records"), second.to_frame().to_dict("records"), strict=True):
            for column, value in one.items():
                if not isinstance(value, (str, bool)) and value != other[column]:
                    key = one["network"], one["layer"], one["arch"], one["image"], column
                    expected.add((*key, value, other[column], other[column] - value))
        assert len(expected) > 20
        assert set(comparison.numbers.itertuples(index=False, name=None)) == expected
        counts = comparison.numbers[comparison.numbers["measure"] == "effectual_macs"]
        assert len(counts)
        assert all(isinstance(value, int) for key in ("first", "second", "change") for value in counts[key])
        by_measure = {measure: count for measure, count, *_ in comparison.by_measure()}
        assert sum(by_measure.values()) == len(expected)
        assert not comparison.equal

    def test_settings_say_what_differs(self) -> None:
        first, second = small(archs="cnv"), small(archs="cnv2-weights")
        places = {each.place: (each.first, each.second) for each in compare_results(first, second).settings}
        assert places["organisations.cnv / cnv2-weights.skip_weights"] == ("none", "per_filter")
        assert not any("lanes" in place for place in places)

    def test_what_only_one_has(self) -> None:
        comparison = compare_results(small(archs="cnv,cnv2-weights"), small(archs="cnv,cnv2-dispatch"))
        assert comparison.alone[:2] == [
            "organisation cnv2-weights is in the first alone",
            "organisation cnv2-dispatch is in the second alone",
        ]
        assert comparison.numbers.empty
        assert not comparison.equal
        comparison = compare_results(small(), small(cost=False))
        assert any("in the first alone" in text and "encoder_stall_cycles" in text for text in comparison.alone)
        with pytest.raises(ConfigError, match="no organisation in common"):
            compare_results(small(archs="cnv,cnv-roe"), small(archs="cnv2-dispatch,cnv2-weights"))

    def test_runs_of_one_alone_leave_the_others_integers(self) -> None:
        one, two = (cnvlutin2.simulate("digits", cnvlutin2.load_inputs(network, limit=n), "cnv") for network, n in _opened(1, 2))
        comparison = compare_results(one, two)
        assert (
            comparison.alone == ["7 runs are in the second alone: conv1_1 on image 1, conv1_2 on image 1, conv2_1 on image 1 ..."]
            or len(comparison.alone) == 1
        )
        assert comparison.numbers.empty

    def test_the_command(self, tmp_path: Path) -> None:
        a, b = written(small(1), tmp_path / "a.json"), written(small(7), tmp_path / "b.json")
        same = call("compare", a, a, "--exit-code")
        assert (same.exit_code, "numbers are equal" in same.stdout) == (0, True)
        files = {kind: tmp_path / f"c.{kind}" for kind in ("csv", "json")}
        page = tmp_path / "c.html"
        found = call("compare", a, b, "--exit-code", "--csv", files["csv"], "--json", files["json"], "--report", page)
        assert found.exit_code == 4
        assert "speed-up" in found.stdout
        comparison = compare_results(load_results(a), load_results(b))
        assert len(pd.read_csv(files["csv"])) == len(comparison.numbers)
        document = json.loads(files["json"].read_text())
        assert len(document["numbers"]) == len(comparison.numbers)
        assert document["equal"] is False
        text = page.read_text()
        assert "default-src &#x27;none&#x27;" in text
        assert "<script" not in text
        assert text.count("<tr>") > len(comparison.numbers)
        assert call("compare", a, b).exit_code == 0

    def test_names_are_harmless_in_the_page(self, tmp_path: Path) -> None:
        evil = "<img src=x onerror=alert(1)>"
        a, b = written(small(1, name=evil), tmp_path / "a.json"), written(small(7, name=evil), tmp_path / "b.json")
        assert call("compare", a, b, "--report", tmp_path / "c.html").exit_code == 0
        assert "<img" not in (tmp_path / "c.html").read_text()

    def test_outputs_are_checked_before_anything_is_read(self, tmp_path: Path) -> None:
        a = written(small(), tmp_path / "a.json")
        found = call("compare", a, a, "--csv", "-", "--json", "-")
        assert (found.exit_code, "writes to standard output like --csv" in found.stderr) == (2, True)
        found = call("compare", a, a, "--report", a)
        assert (found.exit_code, "would replace" in found.stderr) == (2, True)


def _opened(*limits: int) -> list[tuple[Network, int]]:
    network = cnvlutin2.open_network("digits")
    return [(network, limit) for limit in limits]


class TestPredictions:
    def test_they_are_in_every_file(self, tmp_path: Path) -> None:
        files = {kind: tmp_path / f"r.{kind}" for kind in ("json", "csv", "parquet")}
        options = [part for kind, file in files.items() for part in (f"--{kind}", file)]
        assert call("run", "digits", "--limit", 30, "--quantised", "--set", "data_bits=3", "-a", "cnv", *options).exit_code == 0
        (network,) = json.loads(files["json"].read_text())["networks"]
        found, accuracy = network["predictions"], network["accuracy"]
        pairs = list(zip(found["classes"], found["float_classes"], found["labels"], strict=True))
        assert len(pairs) == 30
        assert sum(one == other for one, other, _ in pairs) == accuracy["agree"] < 30
        assert sum(one == label for one, _, label in pairs) == accuracy["correct"]
        assert sum(one == label for _, one, label in pairs) == accuracy["float_correct"]
        for frame in (pd.read_csv(files["csv"]), pd.read_parquet(files["parquet"]), load_results(files["json"]).to_frame()):
            rows = frame[frame["layer"] == "fc5"].sort_values("image")
            assert list(rows[["predicted", "float_predicted", "label"]].itertuples(index=False, name=None)) == pairs

    def test_of_a_run_in_floating_point_there_are_one_s_own(self) -> None:
        network = cnvlutin2.open_network("digits")
        (found,) = cnvlutin2.simulate(network, cnvlutin2.load_inputs(network, limit=3), "cnv").networks
        assert found.predictions is not None
        assert found.predictions.float_classes is None
        assert found.predictions.classes == found.predictions.labels

    def test_of_layers_there_are_none(self) -> None:
        assert small().networks[0].predictions is None
        assert "predicted" not in small().to_frame()
