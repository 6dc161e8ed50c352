"""The command line as a user meets it: what it prints, writes, refuses, and with which exit code."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from onnx_models import integers, model, node, saved

from cnvlutin2.cli.main import COMMANDS, group
from cnvlutin2.network import Layer
from cnvlutin2.network.trace_file import save_trace
from cnvlutin2.network.traces import save_traces
from cnvlutin2.organisation import preset_names

REQUIRED = {
    *("layer", "arch", "image", "cycles", "dense_cycles", "macs", "effectual_macs"),
    *("activation_density", "weight_density", "footprint_bits"),
}
ALIASES = [f"&a{i} [{', '.join([f'*a{i - 1}' if i else 'x'] * 9)}]" for i in range(12)]
"""Of YAML: written out, the last one has 9 to the 12 entries."""


def call(*arguments: object) -> Result:
    return CliRunner().invoke(group, [str(a) for a in arguments], prog_name="cnvlutin2")


def refused(*arguments: object) -> str:
    """Run a command that must fail as bad input does; return its one line."""
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize("document", [(), ("--json", "-"), ("--csv", "-")])
def test_files_are_there_whoever_stops_reading(tmp_path: Path, document: tuple[str, ...]) -> None:
    """Standard output that nobody reads, as behind ``| head``: the files come first, and there is no traceback."""
    call("run", "digits", "--limit", 2, "--arch", "cnv")  # a first run says so on stderr
    read, write = os.pipe()
    os.close(read)
    files = [tmp_path / name for name in ("r.parquet", "r.html")]
    command = [sys.executable, "-m", "cnvlutin2", "run", "digits", "--limit", "2", "--arch", "cnv", *document]
    done = subprocess.run(
        [*command, "--parquet", files[0], "--report", files[1]], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")
    assert all(file.stat().st_size for file in files)


def _never(*_arguments: object, **_options: object) -> None:
    pytest.fail("a network was run before what is wrong was noticed")


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    layers = [
        Layer(f"conv{i}", np.maximum(rng.integers(-9, 9, (2, 16, 5, 5)), 0).astype(np.int16), _weights(rng), first=i == 0)
        for i in range(2)
    ]
    save_traces(layers, tmp_path / "traces")
    return tmp_path / "traces"


def _weights(rng: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    return rng.integers(-1, 2, (8, 16, 3, 3)).astype(np.int16)


class TestRun:
    def test_the_bundled_networks(self) -> None:
        result = call("run", "--limit", 4, "--verify")
        assert result.exit_code == 0, result.output
        for text in ("digits: 4 images", "digits-pruned: 4 images", "conv3_1", "total", "effectual", "geometric mean"):
            assert text in result.stdout

    def test_json_on_stdout_is_all_there_is(self) -> None:
        result = call("run", "digits", "--limit", 2, "--arch", "all", "--json", "-")
        found = json.loads(result.stdout)
        assert found["schema"] == "cnvlutin2/results/3"
        assert len(found["runs"]) == 7 * len(preset_names()) * 2
        for run in found["runs"]:
            assert run.keys() >= REQUIRED
            organisation = found["organisations"][run["arch"]]
            slots = run["cycles"] * organisation["tiles"] * organisation["filters_per_tile"] * organisation["lanes"]
            assert sum(run["slots"].values()) == slots
            assert run["slots"]["effectual"] == run["effectual_macs"] <= run["macs"]
        cnv = {run["layer"]: run["mode"] for run in found["runs"] if run["arch"] == "cnv"}
        assert cnv["conv1_1"] == "dense"
        assert set(cnv.values()) == {"dense", "skip"}

    def test_files_agree(self, traces: Path, tmp_path: Path) -> None:
        files = {kind: tmp_path / f"results.{kind}" for kind in ("json", "csv", "parquet")}
        options = [part for kind, file in files.items() for part in (f"--{kind}", file)]
        assert call("run", traces, *options).exit_code == 0
        runs = json.loads(files["json"].read_text())["runs"]
        for frame in (pd.read_csv(files["csv"]), pd.read_parquet(files["parquet"])):
            assert frame["cycles"].tolist() == [run["cycles"] for run in runs]
            assert frame["slots_lane_sync"].tolist() == [run["slots"]["lane_sync"] for run in runs]
            assert frame["footprint_viai_bits"].tolist() == [run["footprint_bits"]["viai"] for run in runs]
        assert sorted(p.name for p in tmp_path.iterdir()) == ["results.csv", "results.json", "results.parquet", "traces"]

    def test_overrides_keep_the_preset_s_name(self, traces: Path) -> None:
        result = call("run", traces, "-a", "cnv2-dispatch", "-s", "tiles=2", "-s", "skip_weights=per_filter", "--json", "-")
        found = json.loads(result.stdout)
        assert {run["arch"] for run in found["runs"]} == {"cnv2-dispatch"}
        assert found["organisations"]["cnv2-dispatch"]["tiles"] == 2

    def test_traces_of_a_run_give_the_same_cycles(self, tmp_path: Path) -> None:
        options = ("--arch", "all", "--json", "-")
        first = json.loads(call("run", "digits-pruned", "--limit", 3, "--save-traces", tmp_path / "t", *options).stdout)
        second = json.loads(call("run", tmp_path / "t", *options).stdout)
        strip = ("network", "image_name")
        assert [{k: v for k, v in run.items() if k not in strip} for run in first["runs"]] == [
            {k: v for k, v in run.items() if k not in strip} for run in second["runs"]
        ]

    def test_a_single_trace_is_not_a_first_layer(self, traces: Path) -> None:
        (first, _) = sorted(traces.iterdir())
        alone = json.loads(call("run", first, "--arch", "cnv", "--json", "-").stdout)
        assert {run["mode"] for run in alone["runs"]} == {"skip"}

    def test_thresholds_reach_the_layers(self, traces: Path, tmp_path: Path) -> None:
        limits = tmp_path / "limits.yaml"
        limits.write_text("default: 2\nconv1: 5\n")
        result = json.loads(call("run", traces, "--threshold", limits, "--json", "-").stdout)
        assert {entry["name"]: entry["threshold"] for entry in result["networks"][0]["layers"]} == {"conv0": 2, "conv1": 5}

    def test_pruned_activations_change_what_follows(self) -> None:
        plain = json.loads(call("run", "digits", "--limit", 8, "--json", "-").stdout)
        pruned = json.loads(call("run", "digits", "--limit", 8, "--threshold", "real:0.5", "--json", "-").stdout)
        assert pruned["networks"][0]["accuracy"]["agree"] is not None
        assert [found["provenance"]["quantised"] for found in (plain, pruned)] == [False, True]
        density = [sum(run["activation_density"] for run in found["runs"]) for found in (plain, pruned)]
        assert density[1] < density[0]

    def test_topologies(self) -> None:
        result = call("run", "alexnet", "--conv-only", "--weight-density", 0.35, "--arch", "cnv", "--json", "-")
        found = json.loads(result.stdout)
        assert [run["layer"] for run in found["runs"]] == [f"conv{i}" for i in range(1, 6)]
        assert [entry["name"] for entry in found["networks"][0]["left_out"]] == ["fc6", "fc7", "fc8"]

    def test_inputs_and_densities_go_to_those_that_take_them(self, traces: Path) -> None:
        options = ("--limit", 2, "--conv-only", "--arch", "cnv2-dispatch", "--json", "-")
        found = json.loads(call("run", "digits", traces, "nin", *options).stdout)
        assert [(n["network"], len(n["images"])) for n in found["networks"]] == [("digits", 2), ("traces", 2), ("nin", 1)]

    def test_one_network_that_was_executed_quantised_is_enough_for_the_record(self, traces: Path) -> None:
        options = ("--limit", 2, "--threshold", 2, "--arch", "cnv", "--json", "-")
        assert json.loads(call("run", traces, "digits", *options).stdout)["provenance"]["quantised"] is True
        assert json.loads(call("run", traces, "nin", "--conv-only", *options[2:]).stdout)["provenance"]["quantised"] is False

    def test_networks_have_names_of_their_own(self, traces: Path) -> None:
        found = json.loads(call("run", traces, traces, "--json", "-").stdout)
        assert [n["network"] for n in found["networks"]] == ["traces", "traces#2"]
        assert {run["network"] for run in found["runs"]} == {"traces", "traces#2"}

    def test_the_hash_of_every_file_is_recorded(self, traces: Path) -> None:
        (network,) = json.loads(call("run", traces, "--json", "-").stdout)["networks"]
        assert network["hashes"] == {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in traces.iterdir()}

    def test_names_cannot_steer_the_terminal(self, tmp_path: Path) -> None:
        hostile = "\x1b]0;title\x07\x1b[31mred\u202e"
        nodes = [node("Conv", "x w", "a", hostile), node("ConvTranspose", "a v", "y", hostile + "2")]
        path = saved(tmp_path, model(nodes, {"x": ["N", 3, 5, 5]}, ["y"], {"w": integers(4, 3, 3, 3), "v": integers(4, 3, 2, 2)}))
        batch = tmp_path / "\x1b[2Jbatch.npy"
        np.save(batch, integers(2, 3, 5, 5))
        for arguments in (("run", path, "--slots"), ("formats", path), ("run", path, "--threshold", "x\x1b[2J")):
            result = call(*arguments, "--input", batch)
            assert result.exit_code == (2 if "--threshold" in arguments else 0), result.output
            assert "\x1b" not in result.output
            assert "\u202e" not in result.output

    def test_jobs_do_not_matter(self, traces: Path) -> None:
        one, many = (call("run", traces, "--arch", "all", "--jobs", jobs, "--json", "-").stdout for jobs in (1, 5))
        assert json.loads(one)["runs"] == json.loads(many)["runs"]


class TestArchs:
    def test_all_are_listed(self) -> None:
        result = call("archs")
        assert [line.split()[0] for line in result.stdout.splitlines()] == list(preset_names())

    @pytest.mark.parametrize("name", preset_names())
    def test_what_is_printed_can_be_given_back(self, name: str, traces: Path, tmp_path: Path) -> None:
        file = tmp_path / "mine.yaml"
        file.write_text(call("archs", name).stdout)
        mine, theirs = (json.loads(call("run", traces, "--arch", arch, "--json", "-").stdout) for arch in (file, name))
        assert mine["runs"] == theirs["runs"]


class TestBadInput:
    def test_unknown_names(self, traces: Path) -> None:
        assert "unknown organisation 'cvn'" in refused("run", traces, "--arch", "cvn")
        assert "unknown key 'tile'" in refused("run", traces, "--set", "tile=2")
        assert "greater than or equal to 1 at tiles" in refused("run", traces, "--set", "tiles=0")
        assert "no network 'nowhere'" in refused("run", "nowhere")
        assert "no layer is called 'conv9'" in refused("run", traces, "--set", "layer_mode.conv9=dense")

    @pytest.mark.parametrize("missing", ["nowhere", "none.onnx", "none.npz"])
    def test_all_networks_are_looked_for_before_the_first_runs(
        self, missing: str, traces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cnvlutin2.cli.run_command.simulate", _never)
        monkeypatch.chdir(tmp_path)
        assert f"there is no network '{missing}'" in refused("run", traces, "digits", missing)

    def test_inputs_are_looked_for_before_the_first_network_runs(self, traces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cnvlutin2.cli.run_command.simulate", _never)
        assert "none.jpg: there is no such file or folder" in refused("run", traces, "digits", "--input", "none.jpg")

    def test_thresholds(self, traces: Path, tmp_path: Path) -> None:
        assert "cannot read the threshold 'much'" in refused("run", traces, "--threshold", "much")
        assert "out of range" in refused("run", traces, "--threshold", "0")
        limits = tmp_path / "limits.yaml"
        limits.write_text("conv7: 3\n")
        assert "no layer is called 'conv7'" in refused("run", traces, "--threshold", limits)
        assert "no known scale" in refused("run", traces, "--threshold", "real:0.5")

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("conv0: true\n", "cannot read the threshold True: .* at conv0"),
            ("conv0: 2.5\n", "cannot read the threshold 2.5: .* at conv0"),
            ("conv0: 2\nconv0: 3\n", 'duplicate key "conv0"'),
            ("conv0: real:1e400\n", "the threshold inf is out of range: in real units it is finite and above 0 at conv0"),
            ("conv0: !!python/object:os.system x\n", "not valid YAML: could not determine a constructor"),
            ("[" * 5000, "nested too deeply"),
            (
                "conv0: [" + ", ".join(f"&a{i} [{', '.join([f'*a{i - 1}' if i else 'x'] * 9)}]" for i in range(12)) + "]\n",
                "at conv0",
            ),
            ("conv0: {real: 0.5}\n", r"cannot read the threshold \{'real': 0.5\}: .* at conv0"),
            ("default: [3, 4]\n", r"cannot read the threshold \[3, 4\]: .* at default"),
            ("default:\n", "cannot read the threshold None: .* at default"),
            ("- 3\n", "the map of thresholds must be a YAML mapping"),
            ("{}\n", "holds no thresholds"),
        ],
    )
    def test_threshold_files(self, text: str, words: str, traces: Path, tmp_path: Path) -> None:
        limits = tmp_path / "limits.yaml"
        limits.write_text(text)
        line = refused("run", traces, "--threshold", limits)
        assert re.search(words, line)
        assert str(limits) in line
        assert len(line) < 1000

    @pytest.mark.parametrize("option", ["--json", "--csv", "--parquet", "--report"])
    def test_what_cannot_be_written_is_refused_first(
        self, option: str, traces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cnvlutin2.cli.run_command.simulate", _never)
        assert "make it first" in refused("run", traces, option, tmp_path / "none" / "r")
        assert "is a folder" in refused("run", traces, option, tmp_path)

    def test_figures_that_cannot_be_made_are_refused_first(
        self, traces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cnvlutin2.cli.run_command.simulate", _never)
        monkeypatch.setitem(sys.modules, "vl_convert", ModuleType("vl_convert"))
        file = tmp_path / "file"
        file.write_text("kept")
        assert f"{file} is not a folder" in refused("run", traces, "--figures", file)
        assert f"{file} is not a folder" in refused("run", traces, "--figures", file / "in" / "it")
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        assert "link is not a folder" in refused("run", traces, "--figures", tmp_path / "link")
        assert "too long" in refused("run", traces, "--figures", tmp_path / ("x" * 300))
        monkeypatch.setitem(sys.modules, "vl_convert", None)
        assert "pip install 'cnvlutin2[report]'" in refused("run", traces, "--figures", tmp_path / "figures")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "traces"]
        assert file.read_text() == "kept"

    def test_names_that_are_too_long(self, traces: Path) -> None:
        name = "x" * 300
        for arguments in (("run", name), ("run", traces, "--json", name), ("run", "digits", "--input", name)):
            line = refused(*arguments)
            assert name in line
            assert "too long" in line

    def test_a_pickle_is_not_opened(self, tmp_path: Path) -> None:
        class Trap:
            def __reduce__(self) -> tuple[object, tuple[str, ...]]:
                return os.mkdir, (str(tmp_path / "sprung"),)

        file = tmp_path / "bad.npz"
        np.savez(file, activations=np.array([Trap()], object), weights=np.ones((1, 1, 1, 1), np.int16))
        assert str(file) in refused("run", file)
        file.write_bytes(pickle.dumps(Trap()))
        assert str(file) in refused("run", file)
        assert not (tmp_path / "sprung").exists()

    def test_traces_of_different_images(self, traces: Path) -> None:
        layer = Layer("more", np.zeros((5, 16, 4, 4), np.int16), np.zeros((8, 16, 3, 3), np.int16))
        save_trace(layer, traces / "9.npz")
        line = refused("run", traces)
        assert "9.npz: its layer saw 5 images, that of 0000-conv0.npz 2" in line

    @pytest.mark.parametrize("name", ["pipe.npz", "pipe.onnx"])
    def test_a_pipe_is_not_waited_for(self, name: str, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / name)
        assert "is not a file" in refused("run", tmp_path / name, *(("--input", tmp_path) if "onnx" in name else ()))

    def test_damaged_files(self, tmp_path: Path, traces: Path) -> None:
        trace = min(traces.iterdir())
        trace.write_bytes(trace.read_bytes()[:-90])
        assert str(trace) in refused("run", trace)
        model = tmp_path / "model.onnx"
        model.write_bytes(b"\x08\x07nonsense")
        assert str(model) in refused("run", model, "--input", trace)

    def test_options_that_do_not_fit(self, traces: Path) -> None:
        for option in (("--input", traces), ("--limit", 2), ("--mean", "1,2")):
            line = refused("run", traces, "alexnet", *option)
            assert "takes no inputs" in line
            assert option[0] in line
        assert "for topologies" in refused("run", "digits", "--seed", 3)
        assert "name a file" in refused("run", traces, "--parquet", "-")

    def test_usage(self) -> None:
        assert refused("run", "--jobs", 0).endswith("; see 'cnvlutin2 run --help'")
        assert "No such command" in refused("frobnicate")
        assert "'1,much' is not a number" in refused("run", "digits", "--mean", "1,much")

    def test_debug_shows_where(self, traces: Path) -> None:
        result = call("--debug", "run", traces, "--arch", "cvn")
        assert result.exit_code == 1
        assert result.exception is not None
        assert "unknown organisation" in str(result.exception)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_a_terminal(command: str) -> None:
    lines = CliRunner().invoke(group, [*filter(None, [command]), "--help"], terminal_width=80).stdout.splitlines()
    assert any(line.startswith("    cnvlutin2 ") for line in lines), "no examples"
    assert [line for line in lines if len(line) > 80 or "\b" in line or "\\b" in line] == []


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['cnvlutin2', '--help']\n"
        "from cnvlutin2.cli import main\n"
        "try: main()\n"
        "finally: print(sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("numpy", "numba", "onnx", "pandas", "pydantic"):
        assert f"'{heavy}'" not in done.stdout
    assert "run" in done.stdout


def test_module_runs_too() -> None:
    done = subprocess.run([sys.executable, "-m", "cnvlutin2", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cnvlutin2, version")


def command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cnvlutin2", *arguments], stderr=subprocess.PIPE, text=True, check=False, **options
    )


class TestStandardOutput:
    def test_a_reader_that_has_enough_is_no_error_to_speak_of(self) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "w") as out:
            done = command("archs", stdout=out)
        assert (done.returncode, done.stderr) == (1, "")

    @pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no device that is always full")
    @pytest.mark.parametrize("arguments", ["--help", "archs", "archs cnv --json"])
    def test_a_full_disk_is_told(self, arguments: str) -> None:
        with Path("/dev/full").open("w") as out:
            done = command(*arguments.split(), stdout=out)
        assert done.returncode == 2
        assert done.stderr.splitlines() == ["cnvlutin2: error: cannot write the output: No space left on device"]

    def test_none_at_all(self) -> None:
        code = "import sys; sys.stdout = None; from cnvlutin2.cli import main; sys.argv = ['cnvlutin2', 'archs', 'cnv']; main()"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
