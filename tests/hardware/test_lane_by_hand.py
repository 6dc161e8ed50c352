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
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import load_organisations, with_overrides

SHAPES = {
    "none": LaneShape(RunLayout(16, 16), q_bits=5),
    "none, rows and overhead": LaneShape(RunLayout(8, 16, rows_bits=2), q_bits=5, run_overhead=2),
    "shared, offsets": LaneShape(RunLayout(8, 8, slot_offsets=True), weight_masks=True, q_bits=5),
    "per filter": LaneShape(RunLayout(16, 8), streams=5, weight_masks=True, q_bits=5),
    "per filter, all": LaneShape(RunLayout(4, 8, slot_offsets=True, rows_bits=2), 3, True, q_bits=5, run_overhead=1),
}

BENCH = """
`define PORTS .clk(clk), .rst(rst), .dense(dense), .valid(valid), .last(last), .go(go), .run(run)
module bench;
  reg clk = 0, rst = 0, dense = 0, valid = 0, last = 0, go = 0;
  reg [2047:0] wide;
  reg [{run}:0] run = 0;
  reg [{masks}:0] mask = 0, read = 0;
  wire ready, p_valid, fin, starved, ready_, p_valid_, fin_, starved_, en, en_;
  wire [{val}:0] val, val_;
  wire [{act}:0] act, act_, care_act;
  wire [{off}:0] off, off_, care_off;
  wire [{q}:0] q, q_, care_q;
  wire [{number}:0] number, number_;
  lane by_hand(`PORTS, .ready(ready), .p_valid(p_valid), .fin(fin), .starved(starved), .val(val), .act(act), .off(off), .q(q) {by_hand});
  emitted emitted(`PORTS, .ready(ready_), .p_valid(p_valid_), .fin(fin_), .starved(starved_), .val(val_), .act(act_), .off(off_),
                  .q(q_) {emitted});
  genvar s;
  generate for (s = 0; s < {streams}; s = s + 1) begin : each
    assign care_act[s*{data} +: {data}] = {{{data}{{val[s]}}}};
    assign care_off[s*{offset} +: {offset}] = {{{offset}{{val[s]}}}};
    assign care_q[s*{qbits} +: {qbits}] = {{{qbits}{{val[s]}}}};
  end endgenerate
  integer cycle, i, windows, issues;
  initial begin
    windows = 0; issues = 0;
    #1 rst = 1; #1 clk = 1; #1 clk = 0;
    for (cycle = 0; cycle < 4000; cycle = cycle + 1) begin
      rst = cycle == 3000; dense = cycle >= 3000;
      valid = $random; last = $random & $random;
      for (i = 0; i < 64; i = i + 1) wide[32*i +: 32] = $random;
      run = wide; read = wide >> 1024;
      if ($random & 1) run[{brick} - 1:0] = run[{brick} - 1:0] & $random;
      {no_masks}
      #1 go = fin & p_valid & $random;
      #1;
      if ({{ready, p_valid, fin, starved, val, act & care_act, off & care_off, q & care_q}}
          !== {{ready_, p_valid_, fin_, starved_, val_, act_ & care_act, off_ & care_off, q_ & care_q}}) begin
        $display("FAIL in cycle %0d: %b by hand, %b emitted", cycle, {{ready, p_valid, fin, starved, val}}, {{ready_, p_valid_, fin_, starved_, val_}});
        $finish;
      end
      if (en !== en_ || (en && number !== number_)) begin $display("FAIL in cycle %0d: masks", cycle); $finish; end
      windows = windows + go; issues = issues + |val;
      #1 clk = 1;
      if (en) mask = read;
      #1 clk = 0;
    end
    $display("PASS %0d windows, %0d issues", windows, issues);
    $finish;
  end
endmodule
"""


def bench(shape: LaneShape) -> str:
    run = shape.run
    masks = ", .mask(mask), .mask_en({0}), .mask_q({1})" if shape.weight_masks else ""
    return BENCH.format(
        run=run.shape.size - 1,
        masks=run.brick * shape.streams - 1,
        val=shape.streams - 1,
        act=run.data_bits * shape.streams - 1,
        off=run.offset_bits * shape.streams - 1,
        q=shape.q_bits * shape.streams - 1,
        number=shape.q_bits - 1,
        streams=shape.streams,
        data=run.data_bits,
        offset=run.offset_bits,
        qbits=shape.q_bits,
        brick=run.brick,
        by_hand=masks.format("en", "number"),
        emitted=masks.format("en_", "number_"),
        no_masks="" if shape.weight_masks else "force en = 0; force en_ = 0;",
    )


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
@pytest.mark.parametrize("name", SHAPES)
def test_both_lanes_do_the_same_in_every_cycle(name: str, tmp_path: Path) -> None:
    shape = SHAPES[name]
    emitted = verilog.convert(Lane(shape), name="emitted", strip_internal_attrs=True, emit_src=False)
    (tmp_path / "lanes.sv").write_text("\n".join([lane_by_hand(shape), emitted, bench(shape)]))
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
    "cnv": {},
    "cnv-packed": {"run_overhead": 1},
    "cnv2-dispatch": {"window_overhead": 2},
    "cnv2-weights-shared": {},
    "cnv2-weights": {"run_overhead": 1},
}


@pytest.mark.parametrize("simulator", ["verilator", "iverilog"])
@pytest.mark.parametrize("name", NODES)
def test_a_node_takes_as_long_with_either(name: str, simulator: str) -> None:
    if shutil.which(simulator) is None:
        pytest.skip(f"{simulator} is not installed")
    sizes = {"tiles": 2, "filters_per_tile": 2, "lanes": 3, "brick": 4}
    organisation = with_overrides(load_organisations(name)[0], sizes | NODES[name])

    def emit(parameters: Parameters) -> str:
        return with_lane(emit_design(parameters), lane_by_hand(lane_shape(parameters)))

    layers = [layer(1, first=True), layer(2)]  # a network's first layer runs dense in some of these
    found = cosimulate(layers, organisation, equipment=Equipment(simulator=simulator, emit=emit))
    assert [run.first_difference for run in found.runs] == ["", ""]
    assert all(run.cycles == run.rtl_cycles and run.outputs > 0 and run.starved == 0 for run in found.runs)
