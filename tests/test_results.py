"""What results say beside the counts: what is left out, what is synthetic, and both speed-ups; and their schema."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator, ValidationError

import cnvlutin2
from cnvlutin2.errors import Cnvlutin2Warning, NetworkError
from cnvlutin2.network import ArrayNetwork, Findings, Inputs, Layer, LeftOut, Network, Numeric, Topology, open_network
from cnvlutin2.network.trace_file import save_trace
from cnvlutin2.network.traces import save_traces
from cnvlutin2.organisation import preset, with_overrides
from cnvlutin2.results import SCHEMA, Coverage, Results, json_schema, write_csv, write_json, write_parquet
from cnvlutin2.results.coverage import percent

VALIDATOR = Draft202012Validator(json_schema())


def layer(name: str = "conv", value: int = 1, **changes: object) -> Layer:
    """A 1x1 convolution of 16 filters on a map of 16 channels and 16x16, every activation of one value."""
    activations = np.full((1, 16, 16, 16), value, np.int16)
    return Layer(name, activations, np.ones((16, 16, 1, 1), np.int16), **changes)  # type: ignore[arg-type]


class Partial(Network):
    """A network of one layer of 16 x 16 x 256 multiply-accumulates, and parts that are not simulated."""

    def __init__(self, *macs: int | None) -> None:
        self.name = "partial"
        self.left_out = tuple(LeftOut(f"part{i}", "Einsum", "has two activations", count) for i, count in enumerate(macs))

    def layer_names(self) -> Sequence[str]:
        return ["conv"]

    def generate(self, inputs: Inputs | None, numeric: Numeric) -> Generator[Layer, None, Findings]:
        yield layer()
        return Findings(left_out=self.left_out)


def partial(*macs: int | None) -> Results:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Cnvlutin2Warning)
        return cnvlutin2.simulate(Partial(*macs), organisations="cnv2-dispatch")


class TestLeftOut:
    @pytest.mark.parametrize(
        ("macs", "counted", "uncounted", "share", "text"),
        [
            ((), 0, 0, 0.0, ""),
            ((65536,), 65536, 0, 0.5, "1 part left out, 50.0% of the multiply-accumulates"),
            ((65536, 131072), 196608, 0, 0.75, "2 parts left out, 75.0% of the multiply-accumulates"),
            ((0,), 0, 0, 0.0, "1 part left out, 0.0% of the multiply-accumulates"),
            ((None, None), 0, 2, None, "2 parts left out, an unknown share of the multiply-accumulates"),
            (
                (None, 65536),
                *(65536, 1, None),
                "2 parts left out, at least 50.0% of the multiply-accumulates (1 could not be counted)",
            ),
        ],
    )
    def test_the_share_is_counted_or_unknown(
        self, macs: Sequence[int | None], counted: int, uncounted: int, share: float | None, text: str, tmp_path: Path
    ) -> None:
        results = partial(*macs)
        (network,) = results.networks
        assert network.coverage == Coverage(65536, len(macs), counted, uncounted)
        assert network.coverage.left_out_text() == text
        assert text in repr(results)
        (document,) = results.to_dict()["networks"]
        assert [part["macs"] for part in document["left_out"]] == list(macs)
        assert [document[key] for key in ("macs", "left_out_macs", "left_out_uncounted")] == [65536, counted, uncounted]
        assert document["left_out_share"] == share
        write_csv(results, str(tmp_path / "r.csv"))
        write_parquet(results, str(tmp_path / "r.parquet"))
        for frame in (results.to_frame(), pd.read_csv(tmp_path / "r.csv"), pd.read_parquet(tmp_path / "r.parquet")):
            row = frame.iloc[0]
            assert (row["left_out"], row["left_out_macs"], row["left_out_uncounted"]) == (len(macs), counted, uncounted)
            assert math.isnan(row["left_out_share"]) if share is None else row["left_out_share"] == share

    def test_python_warns_who_simulates(self) -> None:
        with pytest.warns(Cnvlutin2Warning, match="'partial': 1 part left out, 50.0% .*: 1 Einsum; ") as seen:
            cnvlutin2.simulate(Partial(65536), organisations="cnv")
        assert seen[0].filename == __file__

    def test_a_whole_network_gives_no_warning(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            cnvlutin2.simulate(Partial(), organisations="cnv")

    def test_small_shares_are_not_none(self) -> None:
        assert [percent(share) for share in (0.0, 1.0, 0.25, 0.001, 0.000123)] == ["0.0%", "100.0%", "25.0%", "0.1%", "0.012%"]


class TestSynthetic:
    def test_topologies_are(self) -> None:
        with pytest.warns(Cnvlutin2Warning, match="3 parts left out"):
            results = cnvlutin2.simulate(Topology("alexnet", conv_only=True), organisations="cnv2-dispatch", cost=False)
        assert results.networks[0].synthetic
        assert "alexnet, synthetic values" in repr(results)
        (document,) = results.to_dict()["networks"]
        assert document["synthetic"] is True
        assert all(entry["synthetic"] for entry in document["layers"])
        assert results.to_frame()["synthetic"].all()

    def test_what_is_read_or_given_is_not(self) -> None:
        results = cnvlutin2.simulate(layer(), organisations="cnv2-dispatch")
        assert not results.networks[0].synthetic
        assert "synthetic" not in repr(results)
        assert not results.to_frame()["synthetic"].any()

    def test_one_layer_is_enough(self) -> None:
        results = cnvlutin2.simulate([layer("a"), layer("b", synthetic=True)], organisations="cnv2-dispatch")
        assert [entry["synthetic"] for entry in results.to_dict()["networks"][0]["layers"]] == [False, True]
        assert results.networks[0].synthetic

    def test_traces_remember(self, tmp_path: Path) -> None:
        save_traces([layer("a"), layer("b", synthetic=True)], tmp_path)
        stream = open_network(tmp_path).run(None, Numeric())
        assert [each.synthetic for each in stream] == [False, True]

    def test_traces_of_what_is_real_have_the_common_keys_alone(self, tmp_path: Path) -> None:
        with np.load(save_trace(layer(), tmp_path / "a.npz")) as archive:
            assert not {"synthetic", "weight_threshold"} & set(archive)

    def test_a_trace_says_yes_or_no(self, tmp_path: Path) -> None:
        ones = np.ones((1, 1, 1, 1), np.int16)
        np.savez(tmp_path / "a.npz", activations=ones, weights=ones, synthetic=2)
        with pytest.raises(NetworkError, match=r"a\.npz: synthetic must be 0 or 1, not 2"):
            open_network(tmp_path / "a.npz")


class TestBothSpeedups:
    """Eleven 1x1 layers of 16 channels on a map of 16x16: 256 windows of a cycle, for dense and skipping machines alike.

    The 16 filters sit in one tile, whose encoder passes 256 x 16 = 4096 values for the next layer, one a cycle; the last layer
    has no reader. Each layer has a value of its own, so that none reads what another has read.
    """

    LAYERS = tuple(layer(f"conv{i}", 1 + i, first=i == 0) for i in range(11))

    @pytest.mark.parametrize("entries", [1, 64, 4096])
    def test_a_layer_waits_whatever_buffers_hold(self, entries: int) -> None:
        cnv = with_overrides(preset("cnv"), {"encoder_buffer_entries": entries})
        results = cnvlutin2.simulate(ArrayNetwork(self.LAYERS, "chain"), organisations=cnv)
        (network,) = results.networks
        total = 10 * 4096 + 256
        assert network.costs["cnv"].machine.total_cycles.tolist() == [total]
        assert network.image_cycles("cnv").tolist() == [11 * 256]
        assert network.speedup("cnv") == results.speedup("cnv") == 1
        assert network.speedup_with_waiting("cnv") == 11 * 256 / total
        assert results.speedup_with_waiting("cnv") == pytest.approx(11 * 256 / total)
        assert repr(results) == "<Results: chain (cnv 1.00x, 0.07x with waiting)>"

    def test_auto_looks_at_the_wait(self) -> None:
        """Half of each layer's 32 channels is zero: a lane owns a value and a zero, so it skips in 256 cycles, dense in 512.

        The first writes 16 channels of 256 positions for a layer that skips, and waits until 4096 in either mode: dense, on a
        tie. What the second writes nobody reads, so it skips.
        """
        maps = np.zeros((2, 1, 32, 16, 16), np.int16)
        maps[0, :, ::2], maps[1, :, ::2] = 1, 2
        weights = np.ones((16, 32, 1, 1), np.int16)
        chain = [Layer(name, values, weights) for name, values in zip("ab", maps, strict=True)]
        found = {}
        for mode in ("skip", "dense", "auto"):
            organisation = with_overrides(preset("cnv"), {"layer_mode": mode})
            (network,) = cnvlutin2.simulate(ArrayNetwork(chain, "chain"), organisations=organisation).networks
            found[mode] = [(each.mode, int(each.cycles[0])) for each in network.layers]
        assert found["skip"] == [("skip", 256), ("skip", 256)]
        assert found["dense"] == [("dense", 512), ("dense", 512)]
        assert found["auto"] == [("dense", 512), ("skip", 256)]

    def test_runs_have_the_baseline_s_total_cycles(self) -> None:
        results = cnvlutin2.simulate("digits-pruned", organisations="cnv,dadiannao", jobs=1)
        (network,) = results.networks
        frame = results.to_frame()
        for arch, cost in network.costs.items():
            rows = frame[frame["arch"] == arch].groupby("image")
            assert rows["dense_total_cycles"].sum().tolist() == cost.baseline.total_cycles.tolist()
            assert rows["total_cycles"].sum().tolist() == cost.machine.total_cycles.tolist()
        totals = results.to_dict()["networks"][0]["totals"]
        assert [total["speedup_with_waiting"] for total in totals] == [cost.speedup for cost in network.costs.values()]
        assert frame[frame["arch"] == "dadiannao"]["speedup_with_waiting"].eq(1).all()

    def test_without_costs_it_is_not_known(self) -> None:
        results = cnvlutin2.simulate(layer(), organisations="cnv", cost=False)
        assert results.speedup_with_waiting("cnv") is None
        (total,) = results.to_dict()["networks"][0]["totals"]
        assert total["speedup_with_waiting"] is None
        assert total["cost"] is None
        assert results.to_frame()["speedup_with_waiting"].isna().all()
        assert repr(results) == "<Results: conv (cnv 1.00x)>"


class TestSchema:
    def document(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(json.dumps(partial(None, 7).to_dict()))
        return found

    def test_it_is_one(self) -> None:
        Draft202012Validator.check_schema(json_schema())
        assert json_schema()["$id"] == SCHEMA == "cnvlutin2/results/3"

    def test_plain_values_follow_it_without_a_detour_over_text(self) -> None:
        VALIDATOR.validate(partial(3).to_dict())

    @pytest.mark.parametrize(
        "place",
        [
            (),
            ("provenance",),
            ("networks", 0),
            ("networks", 0, "left_out", 0),
            ("networks", 0, "layers", 0),
            ("networks", 0, "totals", 0),
            ("networks", 0, "totals", 0, "slots"),
            ("networks", 0, "totals", 0, "cost"),
            ("networks", 0, "totals", 0, "cost", "baseline"),
            ("networks", 0, "totals", 0, "cost", "relative"),
            ("runs", 0),
            ("runs", 0, "slots"),
        ],
    )
    def test_nothing_more_and_nothing_less(self, place: Sequence[str | int]) -> None:
        document = self.document()
        VALIDATOR.validate(document)
        at = _at(document, place)
        at["more"] = 1
        with pytest.raises(ValidationError, match="'more' was unexpected"):
            VALIDATOR.validate(document)
        del at["more"]
        for key in list(at):
            value = at.pop(key)
            with pytest.raises(ValidationError, match=f"'{key}'"):
                VALIDATOR.validate(document)
            at[key] = value

    def test_maps_hold_what_they_say(self) -> None:
        document = self.document()
        for key in ("footprint_bits", "events"):
            run = _at(document, ("runs", 0))
            run[key]["mine"] = 0.5
            with pytest.raises(ValidationError, match=r"0\.5"):
                VALIDATOR.validate(document)
            run[key]["mine"] = 5
            VALIDATOR.validate(document)

    def test_the_documentation_names_every_key(self) -> None:
        page = (Path(__file__).parents[1] / "docs" / "results.md").read_text("utf-8")
        for name in ("network", "layer", "total", "run", "left_out", "accuracy", "provenance"):
            definition = json_schema()["$defs"][name]
            for key in definition["properties"]:
                assert f"`{key}`" in page, f"{key} of {name}"


def _at(document: Any, place: Sequence[str | int]) -> dict[str, Any]:
    for key in place:
        document = document[key]
    assert isinstance(document, dict)
    return document


def test_json_is_written_run_by_run_as_the_whole_would_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The layout with nothing left out, and names with all that JSON escapes."""
    activations = np.arange(-64, 64, dtype=np.int16).reshape(2, 16, 2, 2)
    layers = [Layer(name, activations, np.ones((16, 16, 1, 1), np.int16)) for name in ('a\n"b', "]\n}", "c")]
    results = cnvlutin2.simulate(ArrayNetwork(layers), organisations="cnv,cnv2-weights")
    expected = json.dumps(results.to_dict(), indent=1) + "\n"
    write_json(results, str(tmp_path / "results.json"))
    assert (tmp_path / "results.json").read_text("utf-8") == expected
    write_json(results, "-")
    assert capsys.readouterr().out == expected
