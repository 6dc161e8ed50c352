"""The report in a real browser: headless Chromium opens it from disk; people's hands are key presses and clicks."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from chromium import Page
from hands import CHARTS, NETWORK, VIEWS, choose, options, organisations, press, show
from report_layers import HOSTILE_NAMES, hostile_layers, random_layer

from cnvlutin2 import simulate
from cnvlutin2.report import write_report
from cnvlutin2.report.palette import SLOTS
from cnvlutin2.report.viewer import TraceCollector
from cnvlutin2.results import both_speedups


class TestEveryView:
    def test_opens_without_complaint_and_loads_nothing(self, opened: Page, report: Path) -> None:
        for view in VIEWS:
            show(opened, view)
        assert opened.complaints == []
        assert opened.requests == [report.resolve().as_uri()]

    def test_charts_are_drawn_within_their_cards(self, opened: Page) -> None:
        for view, charts in CHARTS.items():
            show(opened, view)
            drawn = opened.run(f"""[...document.querySelectorAll('#view-{view} .plot svg')].map(c => {{
                const box = c.getBoundingClientRect();
                const card = c.closest('.card').getBoundingClientRect();
                const sizes = [...c.querySelectorAll('rect, circle, polygon')].map(e => e.getBBox());
                const shapes = sizes.filter(size => size.width > 0 && size.height > 0);
                const outside = [...c.querySelectorAll('*')].map(e => e.getBoundingClientRect())
                    .filter(e => e.width > 0 && (e.right > card.right + 1 || e.left < card.left - 1));
                return [box.width, box.height, shapes.length, c.querySelectorAll('text').length, outside.length];
            }})""")
            assert len(drawn) == charts, view
            for width, height, shapes, texts, outside in drawn:
                assert width > 300, view
                assert height > 60, view
                assert shapes >= 7, view
                assert texts >= 4, view
                assert outside == 0, view

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [360, 768])
    def test_a_narrow_screen_has_no_sideways_scrolling(self, page: Page, report: Path, scheme: str, width: int) -> None:
        page.size(width, 740)
        page.colours(scheme)
        page.open(report)
        for view in VIEWS:
            show(page, view)
            assert page.run("document.documentElement.scrollWidth") <= width, view
            outside = page.run(f"""[...document.querySelectorAll('#view-{view} .card')].flatMap(card => {{
                const [left, right] = [card.getBoundingClientRect().left, card.getBoundingClientRect().right];
                const drawn = [...card.querySelectorAll('.plot svg *')].map(e => [e.getBoundingClientRect(), e.textContent]);
                return drawn.filter(([b]) => b.width > 0 && (b.right > right + 1 || b.left < left - 1)).map(([, text]) => text);
            }})""")
            assert outside == [], view
        assert page.complaints == []

    def test_text_stands_out_in_light_and_dark(self, opened: Page) -> None:
        show(opened, "slots")
        grounds = []
        for scheme in ("light", "dark"):
            opened.colours(scheme)
            ground = luminance(opened.run("getComputedStyle(document.querySelector('#view-slots .card')).backgroundColor"))
            for selector in ("#view-slots h2", "#view-slots .note", "#view-slots svg.chart text", "#view-slots select"):
                kind = "fill" if "svg" in selector else "color"
                text = luminance(opened.run(f"getComputedStyle(document.querySelector({json.dumps(selector)})).{kind}"))
                assert (max(text, ground) + 0.05) / (min(text, ground) + 0.05) >= 4.5, (scheme, selector)
            grounds.append(ground)
        assert grounds[0] > 0.8
        assert grounds[1] < 0.05

    def test_printing_shows_every_view_and_cuts_nothing(self, opened: Page) -> None:
        """On paper of 8 inches, in the dark too: what is drawn is as wide as the paper, and paper is white."""
        width = "document.querySelector('#view-speedup svg.chart').viewBox.baseVal.width"
        wide = opened.run(width)
        opened.colours("dark")
        opened.size(768, 1000)
        opened.run("dispatchEvent(new Event('beforeprint'))")
        opened.send("Emulation.setEmulatedMedia", media="print")
        opened.settle()
        assert opened.run("[...document.querySelectorAll('[role=tabpanel]')].every(p => p.checkVisibility())")
        drawn = "document.querySelectorAll('svg.chart')"
        assert opened.run(f"{drawn}.length") >= sum(CHARTS.values())
        outside = f"""[...{drawn}].flatMap(svg => [...svg.querySelectorAll('*')].map(e => [e.getBoundingClientRect(), svg, e]))
            .filter(([box]) => box.width > 0 && (box.right > 769 || box.left < -1))
            .map(([box, svg, e]) => [svg.getAttribute('aria-label'), e.textContent, box.right])"""
        assert opened.run(outside) == []
        assert opened.run("document.documentElement.scrollWidth") <= 768
        assert luminance(opened.run("getComputedStyle(document.querySelector('#view-slots h2')).color")) < 0.1
        opened.send("Emulation.setEmulatedMedia", media="")
        opened.size(1280, 900)
        opened.run("dispatchEvent(new Event('afterprint'))")
        opened.settle()
        assert opened.run("[...document.querySelectorAll('[role=tabpanel]')].filter(p => p.checkVisibility()).length") == 1
        assert opened.run(width) == wide
        assert opened.complaints == []

    def test_what_matters_least_recedes_in_light_and_dark(self, opened: Page) -> None:
        """The greys of slots, from the most important to the least, come nearer to the ground."""
        show(opened, "slots")
        for scheme in ("light", "dark"):
            opened.colours(scheme)
            ground = luminance(opened.run("getComputedStyle(document.querySelector('#view-slots .card')).backgroundColor"))
            greys = [SLOTS[kind].colour for kind in ("overhead", "unused_lanes", "unused_filters")]
            shown = [luminance(opened.run(_fill_of(grey))) for grey in greys]
            contrasts = [(max(each, ground) + 0.05) / (min(each, ground) + 0.05) for each in shown]
            assert contrasts == sorted(contrasts, reverse=True), scheme
            coloured = [kind.colour for kind in SLOTS.values() if kind.colour not in greys]
            if scheme == "dark":
                assert max(shown[1:]) < min(luminance(opened.run(_fill_of(colour))) for colour in coloured)


def _fill_of(colour: str) -> str:
    """Return JavaScript for the colour in which the page shows a fill."""
    return f"""(() => {{
        const rect = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
        rect.setAttribute('fill', {json.dumps(colour)});
        document.querySelector('#view-slots svg.chart').append(rect);
        const shown = getComputedStyle(rect).fill;
        rect.remove();
        return shown;
    }})()"""


def luminance(colour: str) -> float:
    """Relative luminance of ``rgb(r, g, b)``, as the accessibility guidelines define it."""
    parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class TestHostileNames:
    def test_doubtful_prices_are_told_beside_energies_and_gains(self, opened: Page) -> None:
        show(opened, "energy")
        texts = opened.run("[...document.querySelectorAll('#view-energy .card')].map(card => card.textContent)")
        told = ["price of selecting an activation" in text for text in texts]
        assert told == [True, True, False]

    def test_names_are_text(self, opened: Page) -> None:
        for view in VIEWS:
            show(opened, view)
        assert opened.run("window.hacked") is None
        assert opened.run("document.querySelectorAll('img, b, i, iframe, [onerror]').length") == 0
        assert opened.run("document.scripts.length") == 2
        assert opened.run("document.querySelector('h1').textContent") == NETWORK
        assert opened.run("document.title").startswith(NETWORK)

    def test_names_are_whole_in_the_table_and_the_selects(self, opened: Page) -> None:
        show(opened, "table")
        names = opened.run(
            "[...new Set([...document.querySelectorAll('#view-table tbody td:first-child')].map(c => c.textContent))]"
        )
        assert names == list(HOSTILE_NAMES)
        show(opened, "lanes")
        assert [text for _, text in options(opened, "lanes", "Layer")] == list(HOSTILE_NAMES)
        assert "<i>slow</i> memory" in [text for _, text in options(opened, "lanes", "Organisation")]

    def test_the_command_can_be_copied_as_it_was(self, opened: Page) -> None:
        show(opened, "repeat")
        assert opened.run("document.querySelector('#view-repeat pre').textContent") == f"cnvlutin2 run '{NETWORK}'"

    def test_the_policy_is_in_force(self, opened: Page) -> None:
        opened.run("""(() => {
            const script = document.createElement('script');
            script.textContent = 'window.injected = 1';
            document.body.append(script);
        })()""")
        assert opened.run("window.injected") is None
        assert opened.run("fetch('data:,x').then(() => 'loaded', () => 'refused')") == "refused"
        assert any("Content Security Policy" in complaint for complaint in opened.complaints)


class TestKeyboard:
    def test_tabs(self, opened: Page) -> None:
        opened.run("document.getElementById('tab-speedup').focus()")
        press(opened, "ArrowRight")
        assert opened.run("document.querySelector('[role=tab][aria-selected=true]').id") == "tab-slots"
        assert opened.run("document.activeElement.id") == "tab-slots"
        assert opened.run("[...document.querySelectorAll('[role=tabpanel]')].filter(p => !p.hidden).map(p => p.id)") == [
            "view-slots"
        ]
        press(opened, "End")
        assert opened.run("document.activeElement.id") == "tab-repeat"
        press(opened, "ArrowRight")
        assert opened.run("document.activeElement.id") == "tab-speedup"

    def test_a_view_has_an_address(self, page: Page, report: Path) -> None:
        page.open(report, "#viewer")
        assert page.run("document.querySelector('[role=tab][aria-selected=true]').id") == "tab-viewer"

    def test_arrows_read_the_values_of_a_chart(self, opened: Page) -> None:
        opened.run("document.querySelector('#view-speedup svg.chart').focus()")
        press(opened, "ArrowRight")
        assert opened.run("document.getElementById('tip').hidden") is False
        assert opened.run("document.getElementById('tip').textContent").startswith("dadiannao1.00x over dense")
        press(opened, "ArrowDown")
        assert opened.run("document.getElementById('tip').textContent").startswith("cnv")
        press(opened, "Escape")
        assert opened.run("document.getElementById('tip').hidden") is True

    def test_everything_that_answers_can_be_reached_and_has_a_name(self, opened: Page) -> None:
        for view in VIEWS:
            show(opened, view)
        unnamed = opened.run("""[...document.querySelectorAll('button, select, input, [tabindex], [role=region], [role=group]')]
            .filter(e => e.getAttribute('role') !== 'tabpanel' && !e.getAttribute('aria-label'))
            .filter(e => !e.textContent.trim() && !(e.labels && e.labels.length))
            .map(e => e.outerHTML)""")
        assert unnamed == []


class TestControls:
    def test_an_organisation_can_be_hidden_but_not_the_last(self, opened: Page) -> None:
        def bars() -> int:
            return int(opened.run("document.querySelectorAll('#view-speedup svg.chart')[0].querySelectorAll('rect.edge').length"))

        count = len(organisations())
        assert bars() == 2 * count  # of the datapath, and with waiting
        for hidden in range(count):
            opened.run(f"document.querySelectorAll('#view-speedup .legend button')[{hidden}].click()")
            opened.settle()
        assert bars() == 2
        pressed = opened.run(
            "[...document.querySelectorAll('#view-speedup .legend button')].map(b => b.getAttribute('aria-pressed'))"
        )
        assert pressed == ["false"] * (count - 1) + ["true"]

    def test_speed_ups_are_those_of_the_results(self, opened: Page) -> None:
        expected = simulate(hostile_layers(), None, organisations()).networks[0]
        texts = opened.run(
            "[...document.querySelectorAll('#view-speedup svg.chart')[0]"
            ".querySelectorAll('rect.edge + text, rect.edge + path + text')].map(t => t.textContent)"
        )
        both = [both_speedups(expected.speedup(o.name), expected.speedup_with_waiting(o.name)) for o in organisations()]
        assert texts == both
        head = opened.run("document.getElementById('head').textContent")
        assert all(f"{o.name} {text}" in head for o, text in zip(organisations(), both, strict=True))

    def test_slots_have_three_scales(self, opened: Page) -> None:
        show(opened, "slots")
        for scale, words in {"share": "multiplier slots", "cycles": "cycles an image", "dense": "dense baseline"}.items():
            choose(opened, "slots", "Bars show", scale)
            labels = opened.run("[...document.querySelectorAll('#view-slots svg.chart')].map(c => c.textContent)")
            assert [words in label for label in labels] == [True, True]
        assert opened.complaints == []

    def test_another_network_changes_everything(self, opened: Page) -> None:
        for view in VIEWS:
            show(opened, view)
        opened.run("""(() => {
            const select = document.querySelector('#head select');
            select.value = '1';
            select.dispatchEvent(new Event('change'));
        })()""")
        opened.settle()
        assert opened.run("document.querySelector('h1').textContent") == "ordinary"
        assert opened.run("document.querySelectorAll('#view-table tbody tr').length") == len(organisations())
        assert [text for _, text in options(opened, "viewer", "Layer")] == ["conv"]
        for view in VIEWS:
            show(opened, view)
        assert opened.complaints == []

    def test_the_table_sorts_and_finds(self, opened: Page) -> None:
        show(opened, "table")
        heads = opened.run("[...document.querySelectorAll('#view-table th')].map(t => t.textContent)")
        column = heads.index("speed-up")

        def values() -> list[float]:
            cells = opened.run(f"[...document.querySelectorAll('#view-table tbody tr')].map(r => r.cells[{column}].textContent)")
            return [float(cell.removesuffix("x")) for cell in cells]

        before = values()
        assert len(before) == len(HOSTILE_NAMES) * len(organisations())
        opened.run(f"document.querySelectorAll('#view-table th button')[{column}].click()")
        assert values() == sorted(before, reverse=True) != before
        assert opened.run(f"document.querySelectorAll('#view-table th')[{column}].getAttribute('aria-sort')") == "descending"
        opened.run(f"document.querySelectorAll('#view-table th button')[{column}].click()")
        assert values() == sorted(before)
        assert opened.run(f"document.querySelectorAll('#view-table th')[{column}].getAttribute('aria-sort')") == "ascending"
        opened.run("""(() => {
            const find = document.querySelector('#view-table input');
            find.value = '__PROTO__';
            find.dispatchEvent(new Event('input'));
        })()""")
        assert len(values()) == len(organisations())

    def test_the_table_counts_waiting_for_memory(self, opened: Page) -> None:
        show(opened, "table")
        heads = opened.run("[...document.querySelectorAll('#view-table th')].map(t => t.textContent)")
        rows = opened.run("[...document.querySelectorAll('#view-table tbody tr')].map(r => [...r.cells].map(c => c.textContent))")
        found = simulate(hostile_layers(), None, organisations()).networks[0]
        by_name = {(layer.layer.name, layer.arch): layer.cost for layer in found.layers}
        waited = 0
        for row in (dict(zip(heads, cells, strict=True)) for cells in rows):
            cost = by_name[row["layer"], row["organisation"]]
            assert cost is not None
            assert row["total cycles"] == f"{math.floor(float(cost.total_cycles.mean()) + 0.5):,}"
            waited += row["total cycles"] != row["cycles"]
        assert waited > 0

    @pytest.mark.parametrize("width", [360, 1280])
    def test_points_of_compute_and_dram_are_named_where_there_is_room(self, page: Page, report: Path, width: int) -> None:
        page.size(width, 900)
        page.open(report)
        show(page, "roofline")
        found = 0
        for value, _ in options(page, "roofline", "Organisation"):
            choose(page, "roofline", "Organisation", value)
            names = page.run("""[...document.querySelectorAll('#view-roofline text.name')].map(e => {
                const box = e.getBBox();
                return [e.textContent, box.x, box.y + 2, box.x + box.width, box.y + box.height - 2];
            })""")
            for index, (name, left, top, right, bottom) in enumerate(names):
                first = name.partition(" and ")[0].partition("…")[0]
                assert any(layer.startswith(first) for layer in HOSTILE_NAMES), name
                for _, *other in names[:index]:
                    assert left >= other[2] - 1 or other[0] >= right - 1 or top >= other[3] or other[1] >= bottom
            found += len(names)
        assert found > 0

    def test_lane_loads_of_every_organisation(self, opened: Page) -> None:
        show(opened, "lanes")
        found = options(opened, "lanes", "Organisation")
        assert [name for _, name in found] == [o.name for o in organisations()]
        maps = set()
        for value, _ in found:
            choose(opened, "lanes", "Organisation", value)
            assert "lanes work" in opened.run("document.querySelectorAll('#view-lanes .note')[1].textContent")
            maps.add(opened.run("document.querySelector('#view-lanes .plot svg').innerHTML"))
        assert len(maps) > 4


def test_a_report_without_traces_and_costs_says_what_is_missing(page: Page, tmp_path: Path) -> None:
    results = simulate([random_layer("conv", 40)], None, "cnv", cost=False)
    write_report(results, tmp_path / "r.html")
    page.size(1280, 900)
    page.open(tmp_path / "r.html")
    for view in VIEWS:
        show(page, view)
    for view, text in (
        ("lanes", "without traces"),
        ("viewer", "without traces"),
        ("density", "without traces"),
        ("energy", "no energy"),
        ("roofline", "no DRAM"),
    ):
        assert text in page.run(f"document.querySelector('#view-{view} .missing').textContent")
    assert page.complaints == []


def test_a_large_report_opens_and_stays_small(page: Page, tmp_path: Path) -> None:
    layers = [random_layer(f"inception_{i}/3x3", 16 * (1 + i % 12), filters=64, images=1, seed=i) for i in range(58)]
    collector = TraceCollector()
    results = simulate(layers, None, "all", observers=[collector.network("network")])
    write_report(results, tmp_path / "r.html", trace=collector.data(), command="cnvlutin2 run")
    assert (tmp_path / "r.html").stat().st_size < 3_000_000
    page.size(1280, 900)
    page.open(tmp_path / "r.html")
    for view in VIEWS:
        show(page, view)
    assert page.run("document.querySelectorAll('#view-table tbody tr').length") == len(layers) * len(results.organisations)
    assert page.complaints == []
