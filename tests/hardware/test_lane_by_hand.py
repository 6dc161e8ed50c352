"""A second lane, written by hand in SystemVerilog, does in every cycle what the emitted one does, alone and in a node."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("amaranth", reason="the hardware needs Amaranth: the extra [hardware]")

from amaranth.back import verilog
from lane_by_hand import lane_by_hand, with_lane

from cnvlutin2.hardware.cosimulation import Equipment, cosimulate
from cnvlutin2.hardware.design.lane import Lane, LaneShape
from cnvlutin2.hardware.design.neuron_lanes import lane_shape
from cnvlutin2.hardware.design.run_layout import RunLayout
from cnvlutin2.hardware.emission import emit_design
from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.hardware.simulators import icarus
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import load_organisations, with_overrides

SHAPES = {
    "none": LaneShape(RunLayout(16, 16), q_bits=5),
    "none, rows and overhead": LaneShape(RunLayout(8, 16, rows_bits=2), q_bits=5, run_overhead=2),
    "shared, offsets": LaneShape(RunLayout(8, 8, slot_offsets=True), weight_masks=True, q_bits=5),
    "per filter": LaneShape(RunLayout(16, 8), streams=5, weight_masks=True, q_bits=5),
    "per filter, all": LaneShape(RunLayout(4, 8, slot_offsets=True, rows_bits=2), 3, True, q_bits=5, run_overhead=1),
}


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
@pytest.mark.parametrize("name", SHAPES)
def test_both_lanes_do_the_same_in_every_cycle(name: str, tmp_path: Path) -> None:
    shape = SHAPES[name]
    emitted = verilog.convert(Lane(shape), name="emitted", strip_internal_attrs=True, emit_src=False)
    bench = Path(__file__).with_name("lanes_side_by_side.sv").read_text("utf-8")
    (tmp_path / "lanes.sv").write_text("\n".join([lane_by_hand(shape), emitted, bench]))
    subprocess.run(["iverilog", "-g2012", "-s", "bench", "-o", "lanes", "lanes.sv"], cwd=tmp_path, check=True)
    printed = subprocess.run(["vvp", "lanes"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    counts = re.fullmatch(r"PASS (\d+) windows, (\d+) issues\n", printed)
    assert counts, printed
    assert int(counts[1]) > 100
    assert int(counts[2]) > 1000


def layer(seed: int, *, channels: int = 18, first: bool = False) -> Layer:
    rng = np.random.default_rng(seed)
    activations = rng.integers(-90, 90, (1, channels, 5, 4)) * (rng.random((1, channels, 5, 4)) < 0.5)
    weights = rng.integers(-90, 90, (7, channels, 3, 2)) * (rng.random((7, channels, 3, 2)) < 0.5)
    return Layer(
        f"layer_{seed}", activations.astype(np.int16), weights.astype(np.int16), pads=(1, 0, 1, 1), first=first, threshold=2
    )


NODES = {
    "dadiannao": {},
    "cnv": {},
    "cnv-packed": {"run_overhead": 1},
    "cnv2-dispatch": {"window_overhead": 2},
    "cnv2-weights-shared": {},
    "cnv2-weights": {"run_overhead": 1},
}


def check(name: str, simulator: str) -> None:
    """Run layers on a node with the lane written by hand."""
    sizes = {"tiles": 2, "filters_per_tile": 2, "lanes": 3, "brick": 4}
    organisation = with_overrides(load_organisations(name)[0], sizes | NODES[name])

    def emit(parameters: Parameters) -> str:
        return with_lane(emit_design(parameters), lane_by_hand(lane_shape(parameters)))

    layers = [layer(1, first=True), layer(2)]  # a network's first layer runs dense in some of these
    found = cosimulate(layers, organisation, equipment=Equipment(simulator=simulator, emit=emit))
    assert [run.first_difference for run in found.runs] == ["", ""]
    assert all(run.cycles == run.rtl_cycles and run.outputs > 0 and run.starved == 0 for run in found.runs)


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
@pytest.mark.parametrize("name", NODES)
def test_a_node_takes_as_long_with_either(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icarus, "LANGUAGE", "-g2012")
    check(name, "iverilog")


@pytest.mark.skipif(shutil.which("verilator") is None, reason="Verilator is not installed")
def test_a_node_takes_as_long_with_either_in_another_simulator() -> None:
    check("cnv2-weights", "verilator")
