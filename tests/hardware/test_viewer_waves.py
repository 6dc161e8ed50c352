"""The waves of the hardware show the lanes as the report's viewer does: when windows end, and when who multiplies what."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

import cnvlutin2
from cnvlutin2.organisation import Organisation, with_overrides
from cnvlutin2.report.viewer import viewer_data
from cnvlutin2.timing.engines import make_engine

pytest.importorskip("amaranth", reason="the hardware is written in Amaranth: install cnvlutin2[hardware]")

from waves import Cycle, read_waves

from cnvlutin2.hardware.chosen_layers import Choice, LayerImage, choose_layers
from cnvlutin2.hardware.design.node import Node
from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.hardware.simulators.amaranth import Bench
from cnvlutin2.hardware.simulators.protocol import PassJob
from cnvlutin2.hardware.stimuli import stimuli
from cnvlutin2.hardware.workload import Workload

LAYER = "conv3_1"
SIZES = {"tiles": 2, "filters_per_tile": 2, "lanes": 4, "brick": 4}


class Issue(NamedTuple):
    """A lane multiplies a value of a step by a weight of a filter in a cycle of the window, counted from 0."""

    lane: int
    filter: int
    cycle: int
    step: int
    value: int


def first_pass_waves(each: LayerImage, organisation: Organisation, folder: Path) -> tuple[Parameters, list[list[Cycle]]]:
    """Run the first pass of a layer, and return the cycles of each window."""
    workload = Workload(each.layer, organisation, each.mode, make_engine())
    longest = workload.plan.longest
    parameters = Parameters.of(organisation, window_runs=longest, fifo_depth=longest, nm_rows=0)
    work, given = next(iter(stimuli(workload, parameters)))
    bench, path = Bench(Node(parameters)), folder / "pass.vcd"
    with path.open("w", encoding="utf-8") as file, bench.simulator.write_vcd(file):
        list(bench.run([PassJob(work, given, 16 * work.cycles + 10_000)]))
    top = ("bench", "top")
    signals = {name: (*top, "barrier", name) for name in ("open", "first", "wend")}
    for walk in range(parameters.walks):
        scope = "lanes" if parameters.walks == 1 else f"lanes_{walk}"
        signals |= {f"{name}_{walk}": (*top, scope, name) for name in ("val", "word", "fin")}
    windows: list[list[Cycle]] = []
    for cycle in read_waves(path, signals, (*top, "clk")):
        if cycle["first"]:
            windows.append([])
        if cycle["open"]:
            windows[-1].append(cycle)
            assert cycle["wend"] == 0 or cycle is windows[-1][-1]
    assert all(sum(cycle["wend"] for cycle in window) == window[-1]["wend"] == 1 for window in windows)
    return parameters, windows


def issued(window: list[Cycle], trace: dict[str, Any], parameters: Parameters) -> set[Issue]:
    """Return what the waves of a window say that the traced tile does."""
    p, walk = parameters, trace["tile"] if parameters.walks > 1 else 0
    found = set()
    for number, cycle in enumerate(window):
        for lane in range(len(trace["begins"]) - 1):
            for stream in range(p.streams):
                at = lane * p.streams + stream
                if cycle[f"val_{walk}"] >> at & 1:
                    word = cycle[f"word_{walk}"] >> at * p.word_bits & ((1 << p.word_bits) - 1)
                    run = trace["begins"][lane] + (word >> p.offset_bits)
                    value = trace["starts"][run] + (word & ((1 << p.offset_bits) - 1)) * trace["stride"]
                    filters = [stream] if p.streams > 1 else range(trace["filters"])
                    found |= {Issue(lane, f, number, trace["steps"][run], value) for f in filters}
    return found


def shown(window: dict[str, Any], trace: dict[str, Any]) -> set[Issue]:
    """Return what the viewer's page shows of a window: masks run by run, and when each run begins."""
    runs, size, found = len(trace["steps"]), trace["bytes"], set()
    seen, weights = bytes.fromhex(window["seen"]), bytes.fromhex(trace["weights"] or "")
    columns = len(weights) // (runs * size)

    def mask(masks: bytes, at: int) -> int:
        return int.from_bytes(masks[at * size : (at + 1) * size], "little")

    for lane, (begin, end) in enumerate(zip(trace["begins"], trace["begins"][1:], strict=False)):
        for f in range(trace["filters"]):
            cycle = 0
            for run in range(begin, end):
                cost, wait = window["costs"][run], 0 if window["waits"] is None else window["waits"][run]
                cycle += wait[f] if isinstance(wait, list) else wait
                left = mask(seen, run) & (mask(weights, run * columns + f % columns) if columns else -1)
                offsets = [offset for offset in range(trace["lengths"][run]) if left >> offset & 1]
                for k, offset in enumerate(offsets):
                    value = trace["starts"][run] + offset * trace["stride"]
                    found.add(Issue(lane, f, cycle + k, trace["steps"][run], value))
                cycle += cost[f] if isinstance(cost, list) else cost
    return found


@pytest.mark.parametrize("arch", ["cnv2-dispatch", "cnv2-weights", "cnv2-weights-drift"])
def test_waves_and_viewer_show_the_same_lanes(arch: str, tmp_path: Path) -> None:
    organisation = with_overrides(cnvlutin2.preset(arch), SIZES)
    (((each,),)) = choose_layers("digits-pruned", None, [organisation], Choice(layers=(LAYER,))).by_organisation
    parameters, windows = first_pass_waves(each, organisation, tmp_path)

    traced = viewer_data([each.layer], organisation).networks[0].layers[LAYER]
    way = next(way for way in traced.ways if arch in way["archs"])
    assert traced.about["windows"] == list(range(16))
    assert [len(window) for window in windows] == way["cycles"]
    for window, loads in zip(windows, way["loads"], strict=True):
        fins = [[cycle[f"fin_{walk}"] for cycle in window] for walk in range(parameters.walks)]
        ends = [max(next(k for k, fin in enumerate(own) if fin >> lane & 1) for own in fins) + 1 for lane in range(len(loads))]
        assert ends == loads
    trace = way["trace"]
    places = [place["index"] for place in traced.about["shown"]]
    assert len(places) >= 2
    for place, window in zip(places, trace["windows"], strict=True):
        found = issued(windows[place], trace, parameters)
        assert found == shown(window, trace)
        assert len(found) > 40
