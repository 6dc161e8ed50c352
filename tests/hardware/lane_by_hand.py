"""The lane written by hand (lane.sv) in the place of the emitted one."""

from __future__ import annotations

import re
from pathlib import Path

from cnvlutin2.hardware.design.lane import LaneShape

_EMITTED = re.compile(r"^module lane\(.*?^endmodule\n", re.MULTILINE | re.DOTALL)


def lane_by_hand(shape: LaneShape) -> str:
    """The module in the sizes of a lane."""
    run = shape.run
    sizes = {
        "BRICK": run.brick,
        "DATA": run.data_bits,
        "OFFSET": run.offset_bits,
        "STREAMS": shape.streams,
        "Q": shape.q_bits,
        "OVERHEAD": shape.run_overhead,
        "CARRIED": int(run.slot_offsets),
        "ROWS": run.rows_bits,
    }
    switches = {"MASKS": shape.weight_masks, "HOLDS": run.rows_bits > 0}
    defined = [f"`define LANE_{name} {size}" for name, size in sizes.items()]
    defined += [f"`define LANE_{name}" for name, on in switches.items() if on]
    return "\n".join([*defined, Path(__file__).with_name("lane.sv").read_text("utf-8")])


def with_lane(verilog: str, lane: str) -> str:
    """An emitted design with another module in the lanes' place."""
    found = _EMITTED.findall(verilog)
    assert len(found) == 1, "a design has one module for its lanes"
    return verilog.replace(found[0], lane)
