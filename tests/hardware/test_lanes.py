"""Lanes and barrier against the recurrence: every value in its cycle, and every window's end."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("amaranth", reason="the hardware needs Amaranth: the extra [hardware]")

from dice import Dice
from lane_bench import Windows, simulate
from lane_reference import Issue, RefRun, walk

from cnvlutin2.hardware.cosimulation import Equipment, cosimulate
from cnvlutin2.hardware.design.lane import LaneShape
from cnvlutin2.hardware.design.run_layout import RunLayout
from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import load_organisations, with_overrides

SHAPES = {
    "none": LaneShape(RunLayout(4, 8)),
    "none, offsets": LaneShape(RunLayout(8, 8, slot_offsets=True)),
    "none, rows": LaneShape(RunLayout(4, 8, rows_bits=2), run_overhead=1),
    "gapless": LaneShape(RunLayout(8, 8, rows_bits=2), run_overhead=1, gapless=True),
    "shared": LaneShape(RunLayout(8, 8), weight_masks=True),
    "shared by two tiles": LaneShape(RunLayout(4, 8), streams=2, weight_masks=True),
    "per filter": LaneShape(RunLayout(8, 4, rows_bits=2), streams=3, weight_masks=True, run_overhead=2),
    "per filter, offsets": LaneShape(RunLayout(8, 8, slot_offsets=True), streams=3, weight_masks=True),
    "drift 1": LaneShape(RunLayout(4, 8), streams=3, weight_masks=True, drift=1),
    "drift 2": LaneShape(RunLayout(4, 4, rows_bits=2), streams=2, weight_masks=True, run_overhead=1, drift=2),
    "drift 4, offsets": LaneShape(RunLayout(4, 8, slot_offsets=True), streams=4, weight_masks=True, drift=4),
}


def random_windows(shape: LaneShape, rng: Dice) -> Windows:
    """Three lanes, of which the last may have no run; every window has the same weights."""
    layout, lengths = shape.run, [rng.between(1, 9), rng.between(1, 9), rng.one_of([0, 3])]
    full = (1 << layout.brick) - 1
    weights = [
        [tuple(rng.bits(layout.brick) if shape.weight_masks else full for _ in range(shape.streams)) for _ in range(n)]
        for n in lengths
    ]

    def run(masks: tuple[int, ...]) -> RefRun:
        values = tuple(rng.between(1, (1 << layout.data_bits) - 1) for _ in range(layout.brick))
        rows = rng.between(1, 3) if layout.rows_bits else 1
        mask = full >> rng.below(layout.brick + 1) if shape.gapless else rng.one_of([0, full, rng.bits(layout.brick)])
        return RefRun(values, mask, rows, masks)

    return [[[run(masks) for masks in weights[lane]] for lane in range(3)] for _ in range(rng.between(1, 5))]


def expected(shape: LaneShape, windows: Windows, window_overhead: int) -> tuple[list[int], list[list[list[Issue]]]]:
    ends: list[int] = []
    issues: list[list[list[Issue]]] = [[[] for _ in range(shape.streams)] for _ in windows[0]]
    for window in windows:
        begin, end = ends[-1] if ends else 0, 0
        for lane, runs in enumerate(window):
            if runs:
                lane_end, found = walk(runs, begin, shape.drift, shape.run_overhead)
                end = max(end, lane_end)
                for s, stream in enumerate(found):
                    issues[lane][s] += stream
        ends.append(end + window_overhead)
    return ends, issues


@pytest.mark.parametrize("name", SHAPES)
def test_every_value_comes_in_its_cycle(name: str) -> None:
    shape, rng = SHAPES[name], Dice(name)
    for window_overhead in (0, 0, 1, 3):
        windows = random_windows(shape, rng)
        watched = simulate(shape, windows, window_overhead=window_overhead)
        ends, issues = expected(shape, windows, window_overhead)
        assert watched.ends == ends
        assert watched.issues == issues
        assert (watched.starved, watched.closed) == (0, 0)


@pytest.mark.parametrize("name", SHAPES)
def test_late_rows_cost_cycles_but_no_value(name: str) -> None:
    shape, rng = SHAPES[name], Dice(name)
    windows = random_windows(shape, rng)
    watched = simulate(shape, windows, stalls=0.7, seed=1)
    ends, issues = expected(shape, windows, 0)
    assert all(late >= due for late, due in zip(watched.ends, ends, strict=True))
    without_cycles = [[[issue[1:] for issue in stream] for stream in lane] for lane in watched.issues]
    assert without_cycles == [[[issue[1:] for issue in stream] for stream in lane] for lane in issues]
    if watched.ends[-1] > ends[-1]:
        assert watched.starved + watched.closed > 0


def test_a_drift_without_end_needs_no_more_than_a_windows_runs() -> None:
    rng = np.random.default_rng(3)
    activations = rng.integers(1, 9, (1, 14, 4, 3)) * (rng.random((1, 14, 4, 3)) < 0.5)
    weights = rng.integers(1, 9, (3, 14, 2, 2)) * (rng.random((3, 14, 2, 2)) < 0.4)
    layer = Layer("conv", activations.astype(np.int16), weights.astype(np.int16))
    sizes = {"tiles": 1, "filters_per_tile": 3, "lanes": 2, "brick": 4, "filter_sync": 900, "nbin_entries": 4096}
    organisation = with_overrides(load_organisations("cnv2-weights-drift")[0], sizes)
    assert Parameters.of(organisation, window_runs=8).drift == 7
    (found,) = cosimulate(layer, organisation, equipment=Equipment(simulator="amaranth")).runs
    assert not found.differs
    waits = with_overrides(organisation, {"filter_sync": "brick"})
    assert found.cycles < cosimulate(layer, waits, equipment=Equipment(simulator="amaranth")).runs[0].cycles
