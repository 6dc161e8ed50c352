"""The study's page in a real browser: views that are linked, a front that nothing beats, and how a point is repeated."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import Page
from click.testing import CliRunner
from hands import choose, press, show

from cnvlutin2.cli.main import group
from cnvlutin2.cost.float_sums import mean
from cnvlutin2.study import Study, load_study, sweep
from cnvlutin2.study.pareto import pareto_front

VIEWS = ("points", "parallel", "accuracy", "table", "repeat")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("page") / "<b>bold"
    grid = {"tiles": [1, 2, 4], "threshold": [1, 64], "lanes": [4, 16], "tile_sync": ["window", "layer"]}
    values = {"networks": ["digits-pruned", "digits"], "limit": 4, "arch": ["cnv", "cnv2-weights"], "grid": grid}
    return sweep(values, folder, jobs=2)


@pytest.fixture
def opened(page: Page, study: Study, tmp_path: Path) -> Page:
    study.write_report(tmp_path / "study.html", command="cnvlutin2 sweep <study>")
    page.size(1280, 900)
    page.colours("light")
    page.open(tmp_path / "study.html")
    return page


def here(study: Study) -> list[dict[str, Any]]:
    return [record for record in study.records if record["network"] == "digits-pruned"]


def test_every_view_opens_without_complaint_and_loads_nothing(opened: Page, tmp_path: Path) -> None:
    for view in VIEWS:
        show(opened, view)
        assert opened.run(f"document.querySelectorAll('#view-{view} .card').length") >= 1
    assert opened.complaints == []
    assert opened.requests == [(tmp_path / "study.html").resolve().as_uri()]
    assert opened.run("document.querySelector('h1').textContent") == "<b>bold"


@pytest.mark.parametrize("width", [360, 768])
def test_a_narrow_screen_has_no_sideways_scrolling(opened: Page, width: int) -> None:
    opened.size(width, 740)
    opened.settle()
    for view in VIEWS:
        show(opened, view)
        assert opened.run("document.documentElement.scrollWidth") <= width, view


def test_points_of_the_network_are_drawn_and_the_front_is_what_nothing_beats(opened: Page, study: Study) -> None:
    records = here(study)
    drawn = "[...document.querySelectorAll('#view-points svg.chart .edge[data-point]')].map(e => e.dataset.point)"
    assert sorted(opened.run(drawn)) == sorted(str(record["point"]) for record in records)
    points = study.points()
    points = points[points["network"] == "digits-pruned"].reset_index(drop=True)
    points["time"] = points["total_cycles"] / points["clock_ghz"]
    for third in ("", "energy_pj"):
        choose(opened, "points", "Colour", third)
        front = pareto_front(points[["area_mm2", "time", *([third] if third else [])]].to_numpy().tolist())
        said = opened.run("document.querySelector('#view-points .controls .note').textContent")
        assert said == f"{len(points)} points, {len(front)} of them on the front"
    choose(opened, "points", "Across", "energy_pj")
    front = pareto_front(points[["energy_pj", "time"]].to_numpy().tolist())
    choose(opened, "points", "Colour", "")
    assert f"{len(front)} of them" in opened.run("document.querySelector('#view-points .controls .note').textContent")


def test_a_click_chooses_a_point_everywhere(opened: Page, study: Study) -> None:
    record = here(study)[3]
    opened.run(f"""(() => {{
        const box = document.querySelector('#view-points .edge[data-point="{record["point"]}"]').getBoundingClientRect();
        const at = {{bubbles: true, clientX: box.x + box.width / 2, clientY: box.y + box.height / 2}};
        document.querySelector('#view-points svg.chart').dispatchEvent(new MouseEvent('click', at));
    }})()""")
    chosen = opened.run("document.querySelector('#view-points .detail h2').textContent").removeprefix("Point ")
    found = [each for each in here(study) if str(each["point"]).startswith(chosen)]
    same = [(each["all_images"], each["total_area_mm2"]) for each in (found[0], record)]  # points may lie on each other
    assert same[0] == same[1]
    show(opened, "table")
    row = "document.querySelector('#view-table tr[aria-selected=\"true\"]').dataset.point"
    assert opened.run(row) == found[0]["point"]
    show(opened, "parallel")
    wide = "[...document.querySelectorAll('#view-parallel polyline[stroke-width=\"4\"]')].map(e => e.dataset.point)"
    assert opened.run(wide) == [found[0]["point"]]
    other = here(study)[7]["point"]
    opened.run(
        f"document.querySelector('#view-parallel polyline[data-point=\"{other}\"]').dispatchEvent(new MouseEvent('click'))"
    )
    show(opened, "points")
    assert opened.run("document.querySelector('#view-points .detail h2').textContent") == f"Point {str(other)[:8]}"


def test_every_point_has_a_line(opened: Page, study: Study) -> None:
    show(opened, "parallel")
    lines = "[...document.querySelectorAll('#view-parallel polyline')].map(e => e.dataset.point)"
    assert sorted(opened.run(lines)) == sorted(record["point"] for record in here(study))


def test_keys_choose_a_point(opened: Page) -> None:
    opened.run("document.querySelector('#view-points svg.chart').focus()")
    press(opened, "ArrowRight")
    opened.press("Enter", 13, "\r")
    assert opened.run("document.querySelector('#view-points .detail h2').textContent").startswith("Point ")


def test_the_table_sorts_and_finds(opened: Page, study: Study) -> None:
    show(opened, "table")
    opened.run("[...document.querySelectorAll('#view-table th button')].find(b => b.textContent === 'area').click()")
    ids = "[...document.querySelectorAll('#view-table tbody tr')].map(r => r.dataset.point)"
    areas = {record["point"]: record["total_area_mm2"] for record in here(study)}
    sizes = [areas[point] for point in opened.run(ids)]
    assert sizes == sorted(sizes, reverse=True)
    opened.run("""(() => {
        const find = document.querySelector('#view-table input');
        find.value = 'tiles=2 lanes=16';
        find.dispatchEvent(new Event('input'));
    })()""")
    wanted = [record["point"] for record in here(study) if (record["tiles"], record["lanes"]) == (2, 16)]
    assert sorted(opened.run(ids)) == sorted(wanted)


def test_a_point_is_repeated_as_the_page_says(
    opened: Page, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = json.loads(opened.run("document.getElementById('data').textContent"))
    monkeypatch.chdir(tmp_path)
    records = {record["point"]: record for record in load_study(study.folder).records}
    for shown in data["points"][::9]:
        Path("point.yaml").write_text(shown["yaml"])
        words = shlex.split(shown["command"])
        assert words[0] == "cnvlutin2"
        result = CliRunner().invoke(group, [*words[1:], "--json", "-"])
        assert result.exit_code == 0, result.output
        (total,) = json.loads(result.stdout)["networks"][0]["totals"]
        record = records[shown["id"]]
        assert sum(total["cycles"]) == record["all_images"]["cycles"]
        by_image = total["cost"]["energy_pj"]
        assert {name: mean(np.array(energy)) for name, energy in by_image.items()} == record["energy_pj"]


def test_another_network_shows_its_own_points(opened: Page, study: Study) -> None:
    opened.run("""(() => {
        const select = document.querySelector('header select');
        select.value = '1';
        select.dispatchEvent(new Event('change'));
    })()""")
    drawn = "[...document.querySelectorAll('#view-points svg.chart .edge[data-point]')].map(e => e.dataset.point)"
    assert sorted(opened.run(drawn)) == sorted(r["point"] for r in study.records if r["network"] == "digits")
