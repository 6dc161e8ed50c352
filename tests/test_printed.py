"""What `run` and `formats` print: the answer first, within the terminal's width, names that stay different."""

from __future__ import annotations

import json
import re
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from test_results import Partial, layer

from cnvlutin2 import simulate
from cnvlutin2.cli.grid import Grid, console, show
from cnvlutin2.cli.main import group
from cnvlutin2.cli.printed_tables import print_results
from cnvlutin2.cli.shown_names import shown_names
from cnvlutin2.errors import Cnvlutin2Warning
from cnvlutin2.network import ArrayNetwork, Layer
from cnvlutin2.network.traces import save_traces
from cnvlutin2.organisation import preset_names
from cnvlutin2.results import WAITING


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def call(*arguments: object) -> Result:
    found = CliRunner().invoke(group, [str(a) for a in arguments], prog_name="cnvlutin2")
    assert found.exit_code == 0, found.output
    return found


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """A network whose layers' names differ at places where a cut would fall."""
    rng = np.random.default_rng(5)
    blocks = [f"/model/backbone/stage1/block{i}/attention/projection/Conv" for i in range(3)]
    layers = [
        Layer(name, rng.integers(0, 3, (2, 64, 9, 9)).astype(np.int16), rng.integers(-1, 2, (48, 64, 3, 3)).astype(np.int16))
        for name in ("conv1", *(name.replace("/", ".") for name in blocks))
    ]
    save_traces(layers, tmp_path / "traces")
    return tmp_path / "traces"


class TestNames:
    def test_short_ones_stay(self) -> None:
        assert shown_names(["conv1", "a name of twenty-eight chars"], 28) == ["conv1", "a name of twenty-eight chars"]

    def test_long_ones_are_cut_in_the_middle(self) -> None:
        assert shown_names(["abcdefghijklmnopqrstuvwxyz"], 10) == ["abcde~wxyz"]

    def test_what_they_differ_in_is_kept(self) -> None:
        names = [f"features.the.same.for.all.{i}.and.so.is.this.end" for i in ("conv1", "conv2")]
        assert shown_names(names, 20) == ["features.~1~this.end", "features.~2~this.end"]

    def test_those_that_look_the_same_are_numbered(self) -> None:
        assert shown_names(["a\nb", "a b", "a  b"], 28) == ["a b", "a b#2", "a b#3"]

    @given(st.lists(st.text(st.sampled_from("ab\n#2."), max_size=30), max_size=12), st.integers(8, 20))
    def test_they_are_different_and_have_room(self, names: list[str], longest: int) -> None:
        shown = shown_names(names, longest)
        assert len(set(shown)) == len(names)
        assert all(len(name) <= longest for name in shown)


class TestGrid:
    GRID = Grid("of", ["first-one", "second-one"], [("cycles", ["1,234,567", "8"]), ("  waiting", ["-", "9"])], "caption")

    def printed(self, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        show(console(), self.GRID)
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    def test_a_table_where_it_has_room(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        wide = [
            "of         first-one  second-one",
            "cycles     1,234,567           8",
            "  waiting          -           9",
            "caption",
            "",
        ]
        assert self.printed(32, capsys, monkeypatch) == wide
        assert max(map(len, self.printed(31, capsys, monkeypatch))) == 27  # 9 + 9 + 7 and two spaces

    def test_else_paragraphs(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        found = self.printed(26, capsys, monkeypatch)
        assert found == ["first-one", "  cycles 1,234,567", "second-one", "  cycles 8; waiting 9", "caption", ""]


class TestRun:
    @pytest.mark.parametrize("archs", ["cnv,cnv2-dispatch,cnv2-weights", "all"])
    def test_it_fits_and_neither_repeats_nor_hides(self, archs: str, traces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        found = call("run", traces, "--arch", archs, "--slots").stdout
        assert max(map(len, found.splitlines())) <= 80
        assert "…" not in found
        (title,) = (line for line in found.splitlines() if line.endswith("in full"))
        layers = found.partition(title)[2].partition("speed-up by image")[0]
        begins = Counter(line.split()[0] for line in layers.splitlines() if line.startswith(("conv1", ".model")))
        assert list(begins.values()) == [1, 1, 1, 1]
        assert all(arch in found for arch in (preset_names() if archs == "all" else archs.split(",")))

    def test_formats_shows_all_digits(self, traces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        found = call("formats", traces, "--json", traces.parent / "f.json").stdout
        assert max(map(len, found.splitlines())) <= 80
        assert "…" not in found
        assert "..." not in found
        (network,) = json.loads((traces.parent / "f.json").read_text())["networks"]
        assert network["synthetic"] is False
        assert f"{network['total']['bits']['dense']:,}" in found

    def test_a_pipe_has_no_width(self, traces: Path) -> None:
        lines = call("run", traces, "--arch", "all").stdout.splitlines()
        (heading,) = (line for line in lines if line.startswith("layer"))
        assert all(name in heading for name in preset_names())
        name = ".model.backbone.stage1.block1.attention.projection.Conv"
        assert sum(line.startswith(name) for line in lines) == 1

    def test_the_answer_comes_first(self) -> None:
        lines = call("run", "digits", "digits-pruned", "--limit", 2).stdout.splitlines()
        wanted = ("speed-up  ", "layer", "total")
        first = {text: next(i for i, line in enumerate(lines) if line.startswith(text)) for text in wanted}
        answers = [i for i, line in enumerate(lines) if line.startswith("% of multiplier slots")]
        assert first["speed-up  "] < answers[0] < answers[1] < first["layer"] < first["total"]
        assert lines.count(WAITING) == 1
        tables = [i for i, line in enumerate(lines) if line.startswith(("speed-up by", "% of", "layer", "memory, energy"))]
        assert len(tables) == 2 * 4
        assert all(not lines[i - 1] for i in tables)

    @pytest.mark.parametrize("kind", ["json", "csv", "parquet", "report"])
    def test_a_file_makes_a_summary_do(self, kind: str, traces: Path, tmp_path: Path) -> None:
        file = f"--{kind}", tmp_path / "file"
        short, full = (call("run", traces, *options).stdout for options in (file, (*file, "--tables")))
        assert short == call("run", traces, "--summary").stdout
        assert full == call("run", traces).stdout
        assert full.startswith(short)
        assert "with waiting" in short
        assert "memory, energy and area" not in short
        assert "memory, energy and area" in full

    def test_quiet_prints_nothing(self, traces: Path, tmp_path: Path) -> None:
        found = call("run", traces, "--quiet", "--json", tmp_path / "r.json")
        assert found.output == ""
        assert json.loads((tmp_path / "r.json").read_text())["runs"]


class TestWhatOneMustKnow:
    def test_synthetic_values(self) -> None:
        found = call("run", "nin", "--conv-only", "--arch", "cnv2-dispatch")
        assert found.stdout.startswith("nin: 1 image, synthetic values\n")
        assert "nin: 1 image, synthetic values, in full" in found.stdout
        assert call("formats", "nin").stdout.startswith("nin: bricks of 16 x 16 bits, synthetic values\n")
        both = call("run", "digits", "nin", "--limit", 1, "--arch", "cnv2-dispatch", "--summary").stdout
        assert re.search(r"^nin \(synthetic values\) ", both, re.MULTILINE)

    def test_traces_of_synthetic_values(self, tmp_path: Path) -> None:
        call("run", "nin", "--arch", "cnv2-dispatch", "--save-traces", tmp_path / "t")
        assert call("run", tmp_path / "t", "--arch", "cnv2-dispatch").stdout.startswith("t: 1 image, synthetic values\n")

    @pytest.mark.parametrize("command", ["run", "formats"])
    def test_what_is_left_out_is_warned_of(self, command: str) -> None:
        # fc6, fc7, fc8 of alexnet: 9216 x 4096 + 4096 x 4096 + 4096 x 1000 of 724,406,816 multiply-accumulates.
        share = 9216 * 4096 + 4096 * 4096 + 4096 * 1000
        found = call(command, "alexnet", "--conv-only")
        warning = f"3 parts left out, {share / 724_406_816:.1%} of the multiply-accumulates"
        assert found.stderr.startswith(f"cnvlutin2: warning: network 'alexnet': {warning}: 3 fc; ")
        if command == "run":
            assert f"\n{warning}\n" in found.stdout
            assert "left out: fc6 (fc): fully-connected, and only convolutions were asked for; 37.7M MACs" in found.stdout

    def test_an_unknown_share_is_unknown(self, capsys: pytest.CaptureFixture[str]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Cnvlutin2Warning)
            print_results(simulate(Partial(None), organisations="cnv"))
        assert "1 part left out, an unknown share of the multiply-accumulates" in capsys.readouterr().out

    def test_both_speedups(self, capsys: pytest.CaptureFixture[str]) -> None:
        chain = ArrayNetwork([layer(f"conv{i}", 1 + i) for i in range(11)], "chain")
        print_results(simulate(chain, organisations="cnv"))
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert ["speed-up", "1.00x"] in lines
        assert ["with", "waiting", "0.07x"] in lines
        assert ["with", "waiting", "41,216"] in lines

    def test_without_costs_there_is_one(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_results(simulate([layer("a"), layer("b", 2)], organisations="cnv", cost=False))
        found = capsys.readouterr().out
        assert re.search(r"^speed-up +1\.00x$", found, re.MULTILINE)
        assert "with waiting" not in found
