"""Encoders as emitted, in Icarus Verilog: another simulator than the one in which they are tested else."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import cnvlutin2
from cnvlutin2.encodings import to_bricks
from cnvlutin2.organisation import with_overrides

pytest.importorskip("amaranth", reason="the hardware is written in Amaranth: install cnvlutin2[hardware]")

from cnvlutin2.hardware import emit

BRICK, DATA_BITS, THRESHOLD = 4, 8, 3
BENCH = """\
module bench;
  parameter BRICKS = 1;
  reg [{brick_bits}-1:0] bricks [0:BRICKS-1];
  reg clk = 0, rst = 1;
  integer given = 0, came = 0, cycle = 0;
  wire brick_ready, record_valid, busy;
  wire [{record_bits}-1:0] record;
  wire brick_valid = !rst && given < BRICKS && cycle % 5 != 0;
  wire record_ready = cycle % 3 != 0;
  encoder dut (
    .clk(clk), .rst(rst), .threshold({threshold}), .busy(busy),
    .bricks__valid(brick_valid), .bricks__ready(brick_ready), .bricks__payload(bricks[given % BRICKS]),
    .records__valid(record_valid), .records__ready(record_ready), .records__payload(record)
  );
  always #1 clk = ~clk;
  initial $readmemh("bricks.hex", bricks);
  always @(posedge clk) begin
    cycle <= cycle + 1;
    if (cycle == 2) rst <= 0;
    if (brick_valid && brick_ready) given <= given + 1;
    if (!rst && record_valid && record_ready) begin
      $display("%h", record);
      came <= came + 1;
      if (came == BRICKS - 1) $finish;
    end
    if (cycle == 2000) $finish;
  end
endmodule
"""


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed: install the package iverilog")
@pytest.mark.parametrize(("format_name", "values_per_cycle"), [("roe", 3), ("packed_viai", 1), ("zfnaf", 0)])
def test_emitted_encoders_write_the_streams_of_encode(format_name: str, values_per_cycle: int, tmp_path: Path) -> None:
    sizes = {"tiles": 1, "filters_per_tile": 2, "lanes": 2, "brick": BRICK, "data_bits": DATA_BITS}
    stored = {"format": format_name, "encoder_values_per_cycle": values_per_cycle}
    verilog = emit(with_overrides(cnvlutin2.preset("cnv2-dispatch"), {**sizes, **stored}), window_runs=4, nm_rows=0)
    width = re.search(r"^module encoder\b.*?^\s*output (?:reg )?\[(\d+):0\] records__payload", verilog, re.MULTILINE | re.DOTALL)
    assert width is not None

    rng = np.random.default_rng(values_per_cycle)
    maps = (rng.integers(-128, 128, (6, 3, 5)) * (rng.random((6, 3, 5)) < 0.6)).astype(np.int16)
    expected = cnvlutin2.encode(maps, format_name, BRICK, DATA_BITS, THRESHOLD)
    counts = to_bricks(np.ones(maps.shape, np.int64), BRICK).sum(axis=1)
    words = [
        sum((int(value) & 0xFF) << 8 * i for i, value in enumerate(brick)) | int(count) << BRICK * DATA_BITS
        for brick, count in zip(to_bricks(maps, BRICK), counts, strict=True)
    ]
    (tmp_path / "bricks.hex").write_text("\n".join(f"{word:x}" for word in words), "utf-8")
    brick_bits, record_bits = BRICK * DATA_BITS + BRICK.bit_length(), int(width[1]) + 1
    bench = BENCH.format(brick_bits=brick_bits, record_bits=record_bits, threshold=f"{DATA_BITS}'d{THRESHOLD}")
    (tmp_path / "design.v").write_text(verilog + bench, "utf-8")
    build = ["iverilog", "-g2005", f"-Pbench.BRICKS={len(words)}", "-s", "bench", "-o", "bench.vvp", "design.v"]
    subprocess.run(build, cwd=tmp_path, check=True)
    printed = subprocess.run(["vvp", "-n", "bench.vvp"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    most = expected.scheme.most_bits(BRICK, DATA_BITS)
    records = [int(line, 16) for line in printed.split()]
    bits = "".join(f"{record & ((1 << most) - 1):0{most}b}"[::-1][: record >> most] for record in records)
    assert bits == "".join(f"{byte:08b}"[::-1] for byte in expected.stream)[: expected.stream_bits]
