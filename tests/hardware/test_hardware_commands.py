"""`cnvlutin2 cosim` and `cnvlutin2 rtl` as a user meets them: what they print, write and refuse, and with which exit code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

pytest.importorskip("amaranth", reason="the hardware needs Amaranth: the extra [hardware]")

from cnvlutin2 import simulate
from cnvlutin2.cli.main import group
from cnvlutin2.hardware import cosimulation
from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.layer import Layer
from cnvlutin2.network.trace_file import save_trace
from cnvlutin2.network.traces import save_traces
from cnvlutin2.organisation import preset, with_overrides
from cnvlutin2.results import json_schema

SMALL = ("--set", "tiles=1", "--set", "filters_per_tile=2", "--set", "lanes=2", "--set", "brick=4")
SIZES = {"tiles": 1, "filters_per_tile": 2, "lanes": 2, "brick": 4}
SCHEMA = json_schema("cosim")
needs_icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(group, [str(a) for a in arguments], prog_name="cnvlutin2")


def refused(*arguments: object) -> str:
    """Run a command that must fail as bad input does; return its last line."""
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    *notes, line = result.stderr.splitlines()
    assert all(note.startswith("cnvlutin2: note:") for note in notes)
    return line


def layer(name: str = "conv", images: int = 2) -> Layer:
    rng = np.random.default_rng(len(name))
    activations = rng.integers(1, 9, (images, 5, 3, 3)) * (rng.random((images, 5, 3, 3)) < 0.5)
    weights = rng.integers(-9, 9, (3, 5, 2, 2)) * (rng.random((3, 5, 2, 2)) < 0.5)
    return Layer(name, activations.astype(np.int16), weights.astype(np.int16))


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    save_traces([layer("conv1"), layer("second")], tmp_path / "traces")
    return tmp_path / "traces"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    save_trace(layer(), tmp_path / "conv.npz")
    return tmp_path / "conv.npz"


def document(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    Draft202012Validator(SCHEMA).validate(found)
    return found


class TestCosim:
    def test_the_schema_is_one(self) -> None:
        Draft202012Validator.check_schema(SCHEMA)
        assert SCHEMA["$id"] == cosimulation.SCHEMA == "cnvlutin2/cosim/1"

    def test_json_of_a_folder_of_traces(self, traces: Path) -> None:
        """A run for every layer, organisation and image, whose cycles are those of the results."""
        archs = ("cnv2-weights", "cnv")
        found = document(
            call("cosim", traces, "--arch", ",".join(archs), *SMALL, "--simulator", "amaranth", "--image", "all", "--json", "-")
        )
        expected = {
            (each.name, each.arch, image): int(cycles)
            for arch in archs
            for each in simulate(str(traces), None, with_overrides(preset(arch), SIZES)).networks[0].layers
            for image, cycles in enumerate(each.cycles)
        }
        assert {(run["layer"], run["arch"], run["image"]): run["cycles"] for run in found["runs"]} == expected
        for run in found["runs"]:
            assert (run["rtl_cycles"], run["windows_differing"], run["differing_outputs"], run["starved"]) == (
                run["cycles"],
                0,
                0,
                0,
            )
            assert (run["outputs"], run["passes"]) == (3 * 4, 2)
        assert found["left_out"] == []

    def test_layers_run_in_the_mode_that_the_results_settle(self, traces: Path) -> None:
        """``auto`` is settled over all images and layers, whichever are run."""
        options = {**SIZES, "layer_mode": "auto", "run_overhead": 3}
        sets = [text for key, value in options.items() for text in ("--set", f"{key}={value}")]
        found = document(
            call(
                "cosim",
                traces,
                "--arch",
                "cnv",
                *sets,
                "--layers",
                "second",
                "--simulator",
                "amaranth",
                "--image",
                1,
                "--json",
                "-",
            )
        )
        (expected,) = (
            each
            for each in simulate(str(traces), None, with_overrides(preset("cnv"), options)).networks[0].layers
            if each.name == "second"
        )
        assert expected.mode == "dense"
        (run,) = found["runs"]
        assert run["cycles"] == run["rtl_cycles"] == int(expected.cycles[1])

    def test_the_first_image_and_some_layers(self, traces: Path, tmp_path: Path) -> None:
        file = tmp_path / "found.json"
        result = call(
            "cosim", traces, "--arch", "cnv2-dispatch", *SMALL, "--simulator", "amaranth", "--layers", "second", "--json", file
        )
        assert result.exit_code == 0
        assert "No difference in 12 outputs" in result.stdout
        assert [(run["layer"], run["image"]) for run in json.loads(file.read_text("utf-8"))["runs"]] == [("second", 0)]

    def test_a_bundled_network(self) -> None:
        found = document(
            call("cosim", "digits-pruned", "--arch", "cnv", *SMALL, "--simulator", "amaranth", "--layers", "fc5", "--json", "-")
        )
        assert [(run["layer"], run["outputs"]) for run in found["runs"]] == [("fc5", 10)]

    @needs_icarus
    def test_waves_and_another_simulator(self, trace: Path, tmp_path: Path) -> None:
        wave = tmp_path / "waves.fst"
        result = call("cosim", trace, "--arch", "cnv2-weights-drift", *SMALL, "--simulator", "iverilog", "--wave", wave)
        assert result.exit_code == 0, result.stderr
        assert wave.stat().st_size > 1000

    @needs_icarus
    def test_what_nobody_loads_is_no_difference(self, trace: Path) -> None:
        """Of a tile without filters the weights, and so the outputs, are unknown to Icarus."""
        sizes = ("--set", "tiles=4", "--set", "data_bits=5")  # sums that end within what %h prints as one digit
        found = document(call("cosim", trace, "--arch", "cnv", *SMALL, *sizes, "--simulator", "iverilog", "--json", "-"))
        (run,) = found["runs"]
        assert (run["outputs"], run["differing_outputs"]) == (12, 0)

    def test_waves_of_amaranth(self, trace: Path, tmp_path: Path) -> None:
        wave = tmp_path / "waves.vcd"
        result = call("cosim", trace, "--arch", "cnv", *SMALL, "--simulator", "amaranth", "--wave", wave)
        assert result.exit_code == 0, result.stderr
        assert "window_ended" in wave.read_text("utf-8")

    def test_shallow_fifos_that_were_asked_for_are_no_difference(self, trace: Path) -> None:
        deep, shallow = (
            document(call("cosim", trace, "--arch", "cnv2-weights", *SMALL, "--set", "tiles=2", *more, "--json", "-"))["runs"][0]
            for more in (("--simulator", "amaranth"), ("--simulator", "amaranth", "--fifo-depth", "1"))
        )
        assert (deep["starved"], deep["windows_differing"]) == (0, 0)
        assert shallow["starved"] > 0
        assert shallow["rtl_cycles"] > shallow["cycles"] == deep["cycles"]
        assert shallow["differing_outputs"] == 0

    @needs_icarus
    @pytest.mark.parametrize(
        ("right", "wrong", "said"),
        [
            ("assign product =", "assign product = 1 +", "the output is"),
            ("assign done =", "assign done = 0 &", "it was not done when it was given up"),
        ],
    )
    def test_a_difference_is_exit_code_3(
        self, right: str, wrong: str, said: str, trace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        def mutant(parameters: Parameters) -> str:
            text = whole(parameters)
            assert right in text
            return text.replace(right, wrong)

        whole = cosimulation.emitted
        monkeypatch.setattr(cosimulation.Equipment, "emit", staticmethod(mutant))
        monkeypatch.setattr(cosimulation.Equipment.__init__, "__defaults__", (None, None, None, mutant, None))
        file = tmp_path / "found.json"
        result = call("cosim", trace, "--arch", "cnv", *SMALL, "--simulator", "iverilog", "--json", file)
        assert result.exit_code == 3, result.output
        assert said in result.stderr.splitlines()[-1]
        (run,) = json.loads(file.read_text("utf-8"))["runs"]
        assert (run["differing_outputs"] > 0) == (said == "the output is")


class TestRefusals:
    def test_no_hardware_for_an_option(self, trace: Path) -> None:
        line = refused("cosim", trace, "--arch", "cnv2-weights", "--set", "tile_sync=layer")
        assert "tile_sync" in line
        assert "cnv2-weights" in line
        assert "choose tile_sync=window or brick" in line
        assert "tile_sync" in refused("rtl", "--arch", "cnv2-weights", "--set", "tile_sync=layer", "-o", trace.parent / "new")
        assert not (trace.parent / "new").exists()

    def test_layers_images_and_waves_that_are_not_there(self, traces: Path, tmp_path: Path) -> None:
        common = ("cosim", traces, "--arch", "cnv", *SMALL, "--simulator", "amaranth")
        assert "no layer is called 'first'; the layers are conv1, second" in refused(*common, "--layers", "first")
        assert "there is no image 7" in refused(*common, "--image", 7)
        assert "is not 'all' or a comma list" in refused(*common, "--image", "-1")
        assert "writes .vcd files" in refused(*common, "--wave", tmp_path / "waves.fst")
        assert "waves are of one organisation" in refused(*common, "--arch", "cnv2-dispatch", "--wave", tmp_path / "w.vcd")
        assert "like --json" in refused(*common, "--json", tmp_path / "w.vcd", "--wave", tmp_path / "w.vcd")
        assert not (tmp_path / "w.vcd").exists()

    @pytest.mark.parametrize("name", ["verilator", "iverilog"])
    def test_a_missing_tool(self, name: str, trace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert f"install the package {name}" in refused("cosim", trace, "--arch", "cnv", *SMALL, "--simulator", name)

    def test_without_tools_amaranth_runs_it(self, trace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert call("cosim", trace, "--arch", "cnv", *SMALL).exit_code == 0

    def test_a_build_that_fails(self, trace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """One line, the log's place in it, and nothing of the build is kept."""
        for name in ("verilator", "make", "g++"):
            _program(tmp_path / "bin" / name, "echo '%Error: no room'; exit 1")
        monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
        monkeypatch.setenv("CNVLUTIN2_BUILDS", str(tmp_path / "builds"))
        line = refused("cosim", trace, "--arch", "cnv", *SMALL, "--simulator", "verilator")
        assert "verilator failed: %Error: no room; its log is " in line
        log = Path(line.rpartition("its log is ")[2])
        assert "no room" in log.read_text("utf-8")
        assert list((tmp_path / "builds").iterdir()) == [log]

    def test_a_build_that_is_interrupted(self, trace: Path, tmp_path: Path) -> None:
        """Nothing of it stays, and nothing that it has started goes on."""
        late = f"(sleep 2; touch {tmp_path / 'went_on'}) &"
        _program(tmp_path / "bin" / "verilator", f"[ $1 = --version ] || {{ {late} touch begun; wait; }}")
        for name in ("make", "g++"):
            _program(tmp_path / "bin" / name, "exit 0")
        builds = tmp_path / "builds"
        own = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "CNVLUTIN2_BUILDS": str(builds)}
        arguments = ["cosim", str(trace), "--arch", "cnv", *SMALL, "--simulator", "verilator"]
        command = [sys.executable, "-m", "cnvlutin2", *arguments]
        with subprocess.Popen(command, env={**os.environ, **own}, stderr=subprocess.PIPE, text=True) as process:
            while not list(builds.glob("*/begun")) + list(builds.glob(".*/begun")):
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate()
        assert process.returncode == 143
        assert said.splitlines()[-1] == "cnvlutin2: error: ended by SIGTERM"
        assert list(builds.iterdir()) == []
        time.sleep(2.5)
        assert not (tmp_path / "went_on").exists()

    def test_a_simulator_that_dies(self, trace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        dying = r"printf '#!/bin/sh\necho gone >&2\nexit 9\n' > node && chmod +x node"
        _program(tmp_path / "bin" / "verilator", f"[ $1 = --version ] || {dying}")
        for name in ("make", "g++"):
            _program(tmp_path / "bin" / name, "exit 0")
        monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
        monkeypatch.setenv("CNVLUTIN2_BUILDS", str(tmp_path / "builds"))
        file = tmp_path / "found.json"
        line = refused("cosim", trace, "--arch", "cnv", *SMALL, "--simulator", "verilator", "--json", file)
        assert "the simulator died with code 9: gone" in line
        assert "its log is " in line
        assert not file.exists()

    def test_builds_that_cannot_be_kept(self, trace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in ("verilator", "make", "g++"):
            _program(tmp_path / "bin" / name, "exit 0")
        (tmp_path / "file").touch()
        monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
        monkeypatch.setenv("CNVLUTIN2_BUILDS", str(tmp_path / "file" / "builds"))
        assert "name a folder in CNVLUTIN2_BUILDS" in refused("cosim", trace, "--arch", "cnv", *SMALL, "--simulator", "verilator")


def _program(path: Path, script: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    path.chmod(0o755)


class TestRtl:
    @needs_icarus
    def test_a_layer_checks_itself(self, traces: Path, tmp_path: Path) -> None:
        folder = tmp_path / "hardware"
        result = call("rtl", "--arch", "cnv2-weights", *SMALL, "--layer", f"{traces}#second", "--image", 1, "-o", folder)
        assert (result.exit_code, result.stdout) == (0, ""), result.stderr
        printed = simulated(folder)
        cycles = int(simulate(str(traces), None, with_overrides(preset("cnv2-weights"), SIZES)).networks[0].layers[1].cycles[1])
        assert "layer second, cnv2-weights, image 1: 12 outputs compared, 0 differing" in printed
        assert f"{cycles} cycles in 2 passes, should be {cycles}; starved in 0" in printed
        assert printed.splitlines()[-1] == "PASS"

    @needs_icarus
    @pytest.mark.parametrize(
        ("right", "wrong", "said"),
        [
            ("assign product =", "assign product = 1 +", "the output is"),
            ("assign done = ", "assign done = 0 & ", "is not done after"),
            ("outputs_tuser;", "outputs_tuser_;", ""),
        ],
        ids=["a product", "no end", "not even Verilog"],
    )
    def test_a_defect_is_found(self, right: str, wrong: str, said: str, trace: Path, tmp_path: Path) -> None:
        folder = tmp_path / "hardware"
        assert call("rtl", "--arch", "cnv", *SMALL, "--layer", trace, "-o", folder).exit_code == 0
        text = (folder / "node.v").read_text("utf-8")
        assert right in text
        (folder / "node.v").write_text(text.replace(right, wrong), "utf-8")
        printed = simulated(folder)
        assert "PASS" not in printed
        assert said in printed

    def test_the_same_text_every_time(self, tmp_path: Path) -> None:
        for name in ("one", "other"):
            assert call("rtl", "--arch", "cnv2-weights-shared", *SMALL, "-o", tmp_path / name).exit_code == 0
        assert [path.name for path in (tmp_path / "one").iterdir()] == ["node.v"]
        assert (tmp_path / "one" / "node.v").read_bytes() == (tmp_path / "other" / "node.v").read_bytes()

    def test_a_folder_with_something_in_it(self, trace: Path, tmp_path: Path) -> None:
        folder = tmp_path / "hardware"
        folder.mkdir()
        assert call("rtl", "--arch", "cnv", *SMALL, "--layer", trace, "-o", folder).exit_code == 0
        (folder / "mine.txt").write_text("mine", "utf-8")
        assert "the folder is not empty" in refused("rtl", "--arch", "cnv", *SMALL, "-o", folder)
        assert call("rtl", "--arch", "cnv", *SMALL, "-o", folder, "--force").exit_code == 0
        assert sorted(path.name for path in folder.iterdir()) == ["mine.txt", "node.v"]  # no bench of another design

    def test_what_cannot_be(self, traces: Path, tmp_path: Path) -> None:
        new = tmp_path / "new"
        common = ("rtl", "--arch", "cnv", *SMALL, "-o", new)
        assert "has 2 layers; name one, as " in refused(*common, "--layer", traces)
        assert "no layer is called 'third'" in refused(*common, "--layer", f"{traces}#third")
        assert "is for a layer" in refused(*common, "--image", "0", "--threshold", "2")
        assert "is made to fit the layer" in refused(*common, "--layer", f"{traces}#second", "--window-runs", "8")
        assert "writes one organisation, not 2" in refused(*common, "--arch", "dadiannao")
        (tmp_path / "file").touch()
        assert "is not a folder" in refused("rtl", "--arch", "cnv", *SMALL, "-o", tmp_path / "file")
        assert not new.exists()


def simulated(folder: Path) -> str:
    """Run what stands in a folder as its bench says."""
    command = "iverilog -g2005 *.v && vvp a.out"
    return subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=False).stdout  # noqa: S602
