"""The lane viewer in a real browser: it shows what the timing model counts, cycle by cycle."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import Page
from hands import choose, options, organisations, press, select_of, show
from report_layers import HOSTILE_NAMES, cut_to, hostile_layers, only, random_layer

from cnvlutin2 import simulate
from cnvlutin2.network import Layer
from cnvlutin2.organisation import Organisation, with_overrides
from cnvlutin2.report import write_report
from cnvlutin2.report.viewer import TraceCollector
from cnvlutin2.timing.engine import Timing
from cnvlutin2.timing.plain import PlainEngine
from cnvlutin2.timing.slots import SLOT_KINDS


def timed(layer: Layer, window: int, organisation: Organisation) -> tuple[str, Timing]:
    """Time a layer cut to one window; return the mode it runs in, too."""
    mode = organisation.mode_for(layer.name, first=layer.first)
    cut = only(cut_to(layer, window), organisation.filters)
    (timings,) = PlainEngine().time([cut], [with_overrides(organisation, {"layer_mode": mode})])
    (timing,) = timings.organisations
    return mode, timing.of("dense" if mode == "dense" else "skip")


class TestLaneViewer:
    def test_it_steps_with_buttons_keys_and_by_itself(self, opened: Page) -> None:
        show(opened, "viewer")
        counter = "document.querySelector('#view-viewer .counter').textContent"
        span = int(opened.run(counter).split()[-1])
        assert opened.run(counter) == f"cycle 1 of {span}"
        before = opened.run("document.querySelector('#view-viewer .machine svg.chart').outerHTML")
        opened.run("document.querySelector('[aria-label=\"One cycle on\"]').click()")
        assert opened.run(counter) == f"cycle 2 of {span}"
        assert opened.run("document.querySelector('#view-viewer .machine svg.chart').outerHTML") != before
        opened.run("document.querySelector('#view-viewer .steps').focus()")
        press(opened, "ArrowRight")
        assert opened.run(counter) == f"cycle 3 of {span}"
        press(opened, "ArrowLeft", "ArrowLeft", "ArrowLeft")
        assert opened.run(counter) == f"cycle 1 of {span}"
        press(opened, "End")
        assert opened.run(counter) == f"cycle {span} of {span}"
        press(opened, "Home", " ")
        opened.wait(f"{counter} !== 'cycle 1 of {span}'")
        press(opened, " ")
        assert opened.run("document.querySelector('#view-viewer button.primary').textContent") == "Play"

    def test_it_begins_with_the_machine_that_the_page_shows_where_skipping_helps_it(self, page: Page, tmp_path: Path) -> None:
        """Not where an organisation helps that stands on neither side."""
        pruned, alone = random_layer("pruned", 64, weight_density=0.02), random_layer("alone", 64, weight_density=1.0)
        full = replace(pruned, activations=np.ones_like(pruned.activations))
        collector = TraceCollector()
        results = simulate([full, alone], None, "cnv2-dispatch,cnv2-weights", observers=[collector.network("network")])
        write_report(results, tmp_path / "r.html", trace=collector.data())
        helped = {run.arch: run.speedup for run in results.networks[0].layers if run.layer.name == "pruned"}
        assert helped["cnv2-weights"] > max(run.speedup for run in results.networks[0].layers if run.layer.name == "alone") > 1
        page.open(tmp_path / "r.html", "#viewer")
        assert page.run(f"{select_of('viewer', 'Layer')}.selectedOptions[0].textContent") == "pruned"
        right = f"{select_of('viewer', 'Right')}.selectedOptions[0].textContent"
        assert page.run(right) == "cnv2-weights"
        show(page, "slots")
        assert page.run(f"{select_of('slots', 'Organisation')}.selectedOptions[0].textContent") == "cnv2-weights"
        choose(page, "slots", "Organisation", 0)
        for view in ("energy", "lanes", "roofline"):
            show(page, view)
            assert page.run(f"{select_of(view, 'Organisation')}.selectedOptions[0].textContent") == "cnv2-dispatch"
        show(page, "viewer")
        assert page.run(right) == "cnv2-dispatch"
        page.open(tmp_path / "r.html", "#slots")
        choose(page, "slots", "Organisation", 0)
        show(page, "viewer")  # made only now
        assert page.run(f"{select_of('viewer', 'Layer')}.selectedOptions[0].textContent") == "alone"
        assert page.run(right) == "cnv2-dispatch"

    def test_it_says_what_its_words_mean(self, opened: Page) -> None:
        show(opened, "viewer")
        summary = "document.querySelector('#view-viewer details.words summary')"
        assert opened.run(f"{summary}.nextElementSibling.checkVisibility()") is False
        opened.run(f"{summary}.focus()")
        press(opened, " ")
        assert opened.run(f"{summary}.nextElementSibling.checkVisibility()") is True
        words = opened.run("[...document.querySelectorAll('#view-viewer dt')].map(word => word.textContent)")
        assert {"window", "lane", "brick", "run", "offset", "barrier"} < set(words)

    def test_a_lane_is_chosen_by_key_and_click(self, opened: Page) -> None:
        show(opened, "viewer")
        chosen = "document.querySelector('#view-viewer .machine strong').textContent"
        assert opened.run(chosen) == "Lane 0: "
        opened.run("document.querySelector('#view-viewer .steps').focus()")
        press(opened, "ArrowDown", "ArrowDown", "ArrowUp")
        assert opened.run(chosen) == "Lane 1: "
        opened.run("""(() => {
            const svg = document.querySelector('#view-viewer .machine svg.chart');
            const lane = [...svg.querySelectorAll('text')].find(t => t.textContent === '5').getBoundingClientRect();
            svg.dispatchEvent(new MouseEvent('click', {clientX: lane.x + 40, clientY: lane.y + 6, bubbles: true}));
        })()""")
        assert opened.run(chosen) == "Lane 5: "

    @pytest.mark.parametrize("index", range(len(HOSTILE_NAMES)))
    def test_every_window_takes_what_the_timing_model_counts(self, opened: Page, index: int) -> None:
        """The barrier of every shown window of every organisation; of those that skip no weights, all the lanes did, too.

        Formats whose bricks move when a layer is cut to a window are compared elsewhere, with the slow reference.
        """
        layer = hostile_layers()[index]
        show(opened, "viewer")
        if layer.name not in [text for _, text in options(opened, "viewer", "Layer")]:
            assert layer.group_channels > 256  # too many runs to step through
            return
        choose(opened, "viewer", "Layer", index)
        known = {o.name: o for o in organisations() if o.format not in ("roe", "packed_viai")}
        windows = options(opened, "viewer", "Window")
        assert windows
        compared = 0
        for window, text in windows:
            choose(opened, "viewer", "Window", window)
            y, x = (int(part.split()[-1]) for part in text.split(" (")[0].split(", "))
            for value, name in options(opened, "viewer", "Right"):
                if name not in known:
                    continue
                choose(opened, "viewer", "Right", value)
                mode, timing = timed(layer, y * layer.output_size[1] + x, known[name])
                output = "document.querySelectorAll('#view-viewer .machine output')[1]"
                cycles = int(opened.run(f"{output}.dataset.cycles"))
                assert [cycles] == timing.cycles.tolist()
                assert int(opened.run(f"{output}.textContent")) == cycles - known[name].window_overhead
                opened.run("document.querySelector('[aria-label=\"Last cycle\"]').click()")
                if mode == "dense" or known[name].skip_weights == "none":
                    tally = json.loads(opened.run("document.querySelectorAll('#view-viewer .machine .mono')[1].dataset.tally"))
                    assert tally == expected_tally(timing, min(layer.group_filters, known[name].filters))
                compared += 1
        assert compared == len(windows) * len(known)
        assert opened.complaints == []

    def test_the_filters_of_a_tile_are_shown_where_weights_are_skipped(self, opened: Page) -> None:
        show(opened, "viewer")
        choose(opened, "viewer", "Layer", 1)
        for name, rows in (("cnv2-weights", 16), ("cnv2-weights-shared", 1), ("free", 16)):
            (value,) = [value for value, text in options(opened, "viewer", "Right") if text == name]
            choose(opened, "viewer", "Right", value)
            machine = "document.querySelectorAll('#view-viewer .machine')[1]"
            height = opened.run(f"{machine}.querySelector('svg[aria-label^=\"Filters\"]').getAttribute('height')")
            assert int(height) == 20 + 11 * rows


def expected_tally(timing: Timing, filters: int) -> dict[str, int]:
    """Turn multiplier slots into cycles of lanes: every filter does the same, and weights do not matter to a lane."""
    slots: dict[str, Any] = dict(zip(SLOT_KINDS, timing.slots[0].tolist(), strict=True))
    slots["effectual"] += slots.pop("ineffectual_weight")
    del slots["unused_filters"]
    assert all(count % filters == 0 for count in slots.values())
    return {kind: count // filters for kind, count in slots.items() if count}
