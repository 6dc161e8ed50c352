"""A lane or a barrier that does the right work but loses a cycle does not get through the comparison, however it is counted."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("amaranth", reason="the hardware needs Amaranth: the extra [hardware]")

from lane_by_hand import lane_by_hand, with_lane
from source_mutation import mutate

from cnvlutin2.hardware.cosimulation import CosimulatedLayer, Equipment, cosimulate
from cnvlutin2.hardware.design import barrier, walk, window_control
from cnvlutin2.hardware.design.neuron_lanes import lane_shape
from cnvlutin2.hardware.emission import emit_design
from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.hardware.simulators import icarus
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import load_organisations, with_overrides

LATE_GO = (barrier, "(self.wend | ~self.open)", "~self.open")
LATE_RUN = (walk, "((self.run_last & ~self.last) | self.starved | self.go)", "(self.starved | self.go)")
ORGANISATION = with_overrides(load_organisations("cnv2-dispatch")[0], {"tiles": 1, "filters_per_tile": 2, "lanes": 2, "brick": 4})


def run(equipment: Equipment) -> CosimulatedLayer:
    rng = np.random.default_rng(5)
    activations = rng.integers(1, 9, (1, 10, 4, 3)) * (rng.random((1, 10, 4, 3)) < 0.5)
    weights = rng.integers(-9, 9, (2, 10, 2, 2))
    layer = Layer("conv", activations.astype(np.int16), weights.astype(np.int16))
    (found,) = cosimulate(layer, ORGANISATION, equipment=equipment).runs
    return found


@pytest.fixture
def in_amaranth() -> Equipment:
    return Equipment(simulator="amaranth")


def test_there_is_no_bubble(in_amaranth: Equipment) -> None:
    assert run(in_amaranth).first_difference == ""


@pytest.mark.parametrize("bubble", [LATE_GO, LATE_RUN], ids=["between windows", "between runs"])
def test_a_bubble_shows_in_the_windows_ends(
    bubble: tuple[ModuleType, str, str], in_amaranth: Equipment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(*bubble, tmp_path, monkeypatch)
    found = run(in_amaranth)
    assert found.differing_outputs == 0  # all the work was done
    assert found.rtl_cycles > found.cycles
    assert found.windows_differing > 0
    assert "should be" in found.first_difference


def test_a_counter_of_busy_cycles_hides_no_bubble(
    in_amaranth: Equipment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(*LATE_GO, tmp_path, monkeypatch)
    mutate(window_control, "self.running & (self.open | opened)", "self.running & self.open", tmp_path, monkeypatch)
    found = run(in_amaranth)
    assert (found.differing_outputs, found.windows_differing, found.rtl_cycles) == (0, 0, found.cycles)
    assert "clock cycles passed from start to done" in found.first_difference


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_a_bubble_in_the_lane_written_by_hand_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icarus, "LANGUAGE", "-g2012")

    def emit(parameters: Parameters) -> str:
        lane = lane_by_hand(lane_shape(parameters))
        begins = "(go || starved || (ends && !now_last))"
        assert lane.count(begins) == 1
        return with_lane(emit_design(parameters), lane.replace(begins, "(go || starved)"))

    found = run(Equipment(simulator="iverilog", emit=emit))
    assert found.differing_outputs == 0
    assert found.rtl_cycles > found.cycles
    assert found.windows_differing > 0
