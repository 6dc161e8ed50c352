"""The figures for papers: what is written, what they show, what happens without the extra."""

from __future__ import annotations

import io
import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from report_layers import hostile_layers, random_layer

from cnvlutin2 import simulate
from cnvlutin2.errors import OutputError, ToolMissing
from cnvlutin2.network import ArrayNetwork
from cnvlutin2.organisation import preset, with_overrides
from cnvlutin2.report import write_figures
from cnvlutin2.report.figure_specs import MOST_BARS, WIDTH_PT, all_specs
from cnvlutin2.report.palette import SLOTS, organisation_styles
from cnvlutin2.results import Results

HOSTILE = with_overrides(preset("cnv2-weights"), {"name": "mine <b>'\"&amp;"})
LABEL = "mine <b>'\"&amp;"
FIGURES = ["cycles", "energy", "footprint", "speedup", "speedup-layers"]


@pytest.fixture(scope="module")
def results() -> Results:
    network = ArrayNetwork(hostile_layers(), "<script>../../etc/passwd</script>")
    return simulate(network, None, ["dadiannao,cnv", HOSTILE])


@pytest.fixture(scope="module")
def several(results: Results) -> Results:
    other = simulate(ArrayNetwork([random_layer("conv", 40)], "net"), None, ["dadiannao,cnv", HOSTILE])
    return Results([*results.networks, *other.networks, *other.networks], results.organisations)


@pytest.fixture(scope="module")
def written(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("vl_convert", reason="figures need vl-convert, of the extra [report]")
    folder = tmp_path_factory.mktemp("figures") / "made" / "for it"
    paths = write_figures(results, folder)
    assert sorted(paths) == sorted(folder.iterdir())
    return folder


def test_every_figure_in_every_format(written: Path) -> None:
    assert {p.name for p in written.iterdir()} == {f"{name}.{kind}" for name in FIGURES for kind in ("pdf", "png", "svg")}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_one_column_wide(written: Path, name: str) -> None:
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", (written / f"{name}.pdf").read_bytes())
    assert box is not None
    assert float(box[1]) == pytest.approx(WIDTH_PT, abs=1)
    with Image.open(io.BytesIO((written / f"{name}.png").read_bytes())) as picture:
        assert picture.width / 300 * 72 == pytest.approx(WIDTH_PT, abs=1)
        assert len(picture.getcolors(1 << 20) or ()) > 4


@pytest.mark.parametrize("name", FIGURES)
def test_letters_can_be_read(written: Path, name: str) -> None:
    svg = (written / f"{name}.svg").read_text("utf-8")
    sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)px"', svg)]
    assert sizes
    assert min(sizes) >= 7


def test_names_in_a_picture_are_text(written: Path) -> None:
    root = ET.fromstring((written / "speedup-layers.svg").read_text("utf-8"))  # noqa: S314
    assert {element.tag.split("}")[1] for element in root.iter()} <= {
        "svg",
        "g",
        "path",
        "rect",
        "text",
        "line",
        "defs",
        "clipPath",
    }
    texts = [element.text or "" for element in root.iter()]
    assert any("<script>window.hacked" in text for text in texts)
    assert LABEL in texts


def test_colours_are_the_pages(written: Path, results: Results) -> None:
    svg = (written / "speedup.svg").read_text("utf-8")
    assert {style.colour for style in organisation_styles(results.organisations).values()} <= set(
        re.findall(r"#[0-9a-f]{6}", svg)
    )
    svg = (written / "cycles.svg").read_text("utf-8")
    assert SLOTS["effectual"].colour in svg


def marks(spec: dict[str, Any]) -> list[dict[str, Any]]:
    values: list[dict[str, Any]] = spec["data"]["values"]
    return values


def test_numbers_are_those_of_the_results(results: Results) -> None:
    specs, network = all_specs(results), results.networks[0]
    labels = dict(zip(results.organisations, ("dadiannao", "cnv", LABEL), strict=True))
    speedups: dict[str, dict[str, float]] = {}
    for mark in marks(specs["speedup"]):
        speedups.setdefault(mark["row"].partition(", ")[2], {})[mark["part"]] = mark["value"]
    assert speedups[""] == {labels[a]: network.speedup(a) for a in labels}
    assert speedups["with waiting"] == {labels[a]: network.speedup_with_waiting(a) for a in labels}
    for arch, label in labels.items():
        length = sum(m["value"] for m in marks(specs["cycles"]) if m["row"] == label)
        assert length == pytest.approx(1 / network.speedup(arch))
        energy = sum(m["value"] for m in marks(specs["energy"]) if m["row"] == label)
        assert energy == pytest.approx(1 / network.costs[arch].energy_gain)
    dense = {m["part"]: m["value"] for m in marks(specs["footprint"])}
    assert dense["dense"] == 1
    assert dense["entropy bound"] < dense["packed VIAI"]


def test_several_networks_have_a_mean_and_a_file_of_layers_each(several: Results) -> None:
    specs = all_specs(several)
    layers = [name for name in specs if name.startswith("speedup-layers")]
    assert layers == ["speedup-layers-1-script-------etc-passwd--script", "speedup-layers-2-net", "speedup-layers-3-net--2"]
    rows = {m["row"] for m in marks(specs["speedup"])}
    assert {"net", "net (2)", "geometric mean"} <= rows
    (mean,) = [m["value"] for m in marks(specs["speedup"]) if m["row"] == "geometric mean" and m["part"] == "cnv"]
    assert mean == pytest.approx(several.speedup("cnv"))
    waiting = "geometric mean, with waiting"
    (mean,) = [m["value"] for m in marks(specs["speedup"]) if m["row"] == waiting and m["part"] == "cnv"]
    assert mean == pytest.approx(several.speedup_with_waiting("cnv"))


def test_synthetic_values_say_so_below_every_figure(several: Results, tmp_path: Path) -> None:
    assert not any("title" in spec for spec in all_specs(several).values())
    made_up = replace(random_layer("conv", 40), synthetic=True)
    other = simulate(ArrayNetwork([made_up], "made up"), None, list(several.organisations.values()))
    alone = all_specs(other)
    assert len(alone) == len(FIGURES)
    assert all(spec["title"]["text"] == ["synthetic values"] for spec in alone.values())
    together = all_specs(Results([several.networks[1], *other.networks], several.organisations))
    texts = {name: spec.get("title", {}).get("text") for name, spec in together.items()}
    assert texts.pop("speedup-layers-1-net") is None
    assert texts.pop("speedup-layers-2-made-up") == ["synthetic values"]
    assert list(texts.values()) == [["synthetic values: made up"]] * 4
    pytest.importorskip("vl_convert", reason="figures need vl-convert, of the extra [report]")
    for path in write_figures(other, tmp_path):
        assert path.suffix != ".svg" or ">synthetic values<" in path.read_text("utf-8")


def test_several_networks_are_drawn(several: Results, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert", reason="figures need vl-convert, of the extra [report]")
    assert len(write_figures(several, tmp_path)) == 3 * 7


def test_many_layers_become_numbers() -> None:
    layers = [random_layer(f"conv{i}", 20, filters=8, images=1, seed=i) for i in range(MOST_BARS // 3)]
    spec = all_specs(simulate(layers, None, "dadiannao,cnv,cnv2-weights", cost=False))
    assert spec["speedup-layers"]["layer"][0]["mark"] == "rect"
    assert "energy" not in spec


def test_a_dense_baseline_stands_beside_organisations_that_all_skip() -> None:
    spec = all_specs(simulate([random_layer("conv", 40)], None, "cnv"))["energy"]
    assert {m["row"] for m in marks(spec)} == {"dense baseline", "cnv"}


def test_without_the_extra_the_remedy_is_named(results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(ToolMissing, match=re.escape("pip install 'cnvlutin2[report]'")):
        write_figures(results, tmp_path / "figures")
    assert not (tmp_path / "figures").exists()


def test_a_folder_that_cannot_be_made_is_named(results: Results, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert", reason="figures need vl-convert, of the extra [report]")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write_figures(results, tmp_path / "file")
