"""The node on layers whose every cycle was worked out by hand, in Amaranth's own simulator."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("amaranth", reason="the hardware needs Amaranth: the extra [hardware]")

from cnvlutin2.errors import ConfigError
from cnvlutin2.hardware import emit
from cnvlutin2.hardware.design.node import Node
from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.hardware.simulators.amaranth import Bench
from cnvlutin2.hardware.simulators.protocol import PassJob, PassResult
from cnvlutin2.hardware.stimuli import stimuli
from cnvlutin2.hardware.workload import Workload
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import preset, with_overrides
from cnvlutin2.timing.engine import RunMode
from cnvlutin2.timing.plain import PlainEngine

SIZES = {"tiles": 1, "filters_per_tile": 2, "lanes": 2, "brick": 2, "data_bits": 8}

LAYER = Layer(
    "by hand",
    np.array([[[[3, 0, 6]], [[4, 0, 0]], [[5, 0, 0]], [[-7, 0, 2]]]], np.int16),  # three places of four channels
    np.array([[[[0]], [[2]], [[0]], [[4]]], [[[1]], [[0]], [[3]], [[0]]]], np.int16),
)
"""Two filters over a row of three places. Lane 0 owns channels 0 and 1, lane 1 channels 2 and 3."""

OUTPUTS = [[2 * 4 - 4 * 7, 3 + 3 * 5], [0, 0], [4 * 2, 6]]


def run(changes: dict[str, object], mode: RunMode = "skip", **sizes: int) -> PassResult:
    organisation = with_overrides(preset("cnv2-dispatch"), SIZES | changes)
    parameters = Parameters.of(organisation, **{"window_runs": 1, "nm_rows": 4, "fifo_depth": 4, "encoder_depth": 0} | sizes)
    ((work, given),) = stimuli(Workload(LAYER, organisation, mode, PlainEngine()), parameters)
    (found,) = Bench(Node(parameters)).run([PassJob(work, given, 1000)])
    return found


@pytest.mark.parametrize("nm_rows", [0, 4])
@pytest.mark.parametrize(
    ("changes", "mode", "ends", "fill_and_drain"),
    [
        # Both lanes have two values, then none, then one each: 2, 1 and 1 cycles.
        ({}, "skip", [2, 3, 4], 7),
        ({"format": "zfnaf", "detect": "output"}, "skip", [2, 3, 4], 7),
        # All values: two cycles each.
        ({}, "dense", [2, 4, 6], 7),
        ({"skip_activations": False}, "skip", [2, 4, 6], 7),
        ({"layer_mode": "dense"}, "dense", [2, 4, 6], 7),
        # Every value is wanted by one of the filters. Each filter alone wants one of a lane's two.
        ({"skip_weights": "shared"}, "skip", [2, 3, 4], 7),
        ({"skip_weights": "per_filter"}, "skip", [1, 2, 3], 7),
        ({"skip_weights": "shared", "tiles": 2, "filters_per_tile": 1}, "skip", [1, 2, 3], 9),  # a FIFO takes two cycles
        ({"skip_weights": "shared", "tiles": 2, "filters_per_tile": 1, "tile_sync": "brick"}, "skip", [1, 2, 3], 7),
        ({"skip_weights": "per_filter", "filter_sync": 1}, "skip", [1, 2, 3], 7),
        ({"skip_weights": "per_filter", "filter_sync": "window"}, "skip", [1, 2, 3], 9),
        # One run a window, so the overheads of a run and of a window come to the same.
        ({"run_overhead": 3}, "skip", [5, 9, 13], 7),
        ({"window_overhead": 3}, "skip", [5, 9, 13], 7),
        ({"run_overhead": 3}, "dense", [2, 4, 6], 7),  # in dense mode there are no runs
        ({"window_overhead": 3}, "dense", [5, 10, 15], 7),
    ],
)
def test_windows_end_when_worked_out_by_hand(
    changes: dict[str, object], mode: RunMode, ends: list[int], fill_and_drain: int, nm_rows: int
) -> None:
    found = run(changes, mode, nm_rows=nm_rows)
    assert found.window_ends.tolist() == ends
    assert found.outputs.reshape(3, 2).tolist() == OUTPUTS
    assert found.outputs_came.tolist() == [1, 1, 1]
    assert (found.cycles, found.starved, found.elapsed) == (ends[-1], 0, ends[-1] + fill_and_drain)


def test_accumulators_hold_whatever_a_window_adds_up_to() -> None:
    largest = Layer("largest", np.full((1, 4, 1, 1), -128, np.int16), np.full((2, 4, 1, 1), -128, np.int16))
    organisation = with_overrides(preset("cnv"), SIZES)
    parameters = Parameters.of(organisation, window_runs=1, nm_rows=0)
    assert parameters.accumulator_bits == 2 * 8 + 2
    ((work, given),) = stimuli(Workload(largest, organisation, "skip", PlainEngine()), parameters)
    (found,) = Bench(Node(parameters)).run([PassJob(work, given, 1000)])
    assert found.outputs.ravel().tolist() == [4 * 128 * 128] * 2


def test_parts_that_amaranth_cannot_describe_are_refused_in_a_line() -> None:
    with pytest.raises(ConfigError, match=r"^Node would have inputs of \d+ bits, .* choose fewer lanes.* at lanes$"):
        emit(with_overrides(preset("cnv"), {"lanes": 400, "filters_per_tile": 1, "tiles": 1}))


def test_without_amaranth_the_extra_is_named() -> None:
    code = """
import sys
sys.modules["amaranth"] = None
import cnvlutin2
from cnvlutin2 import hardware
from cnvlutin2.errors import ToolMissing
try:
    hardware.emit(cnvlutin2.preset("cnv"))
except ToolMissing as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cnvlutin2[hardware]" in done.stdout
    assert len(done.stdout.splitlines()) == 1
