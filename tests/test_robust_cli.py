"""The command line where things go wrong around it: signals, encodings of text, disks, and several outputs of one run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cnvlutin2.cli import run_command
from cnvlutin2.cli.main import group
from cnvlutin2.cli.outputs import Attempts
from cnvlutin2.errors import NetworkError, OutputError, VerificationError, encodable
from cnvlutin2.layer import Layer
from cnvlutin2.network.arrays import ArrayNetwork
from cnvlutin2.network.traces import save_trace
from cnvlutin2.results import Results, write_csv
from cnvlutin2.simulation import simulate

COMMAND = [sys.executable, "-m", "cnvlutin2"]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(group, [str(a) for a in arguments], prog_name="cnvlutin2")


def layer(name: str = "conv") -> Layer:
    rng = np.random.default_rng(1)
    weights = rng.integers(-1, 2, (8, 16, 3, 3)).astype(np.int16)
    return Layer(name, np.maximum(rng.integers(-9, 9, (2, 16, 5, 5)), 0).astype(np.int16), weights)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return save_trace(layer(), tmp_path / "conv.npz")


def broken(folder: Path) -> Path:
    (folder / "broken.onnx").write_bytes(b"no model")
    return folder / "broken.onnx"


def _heed_signals() -> None:
    """Undo what shells and nohup do for commands in the background, and what these would hand on: some signals are ignored."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)


class TestSignals:
    @pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
    @pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
    def test_nothing_half_written_stays(self, name: str, code: int, tmp_path: Path) -> None:
        command = [*COMMAND, "run", "vgg19", "--conv-only", "--arch", "cnv", "--save-traces", str(tmp_path / "a" / "traces")]
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_heed_signals,
        )
        while process.poll() is None and not list(tmp_path.rglob("*.part")) and not list(tmp_path.rglob("*.npz")):
            time.sleep(0.01)
        process.send_signal(getattr(signal, name))
        _, said = process.communicate(timeout=120)
        assert process.returncode == code
        assert said.splitlines()[-1] == f"cnvlutin2: error: {'interrupted' if code == 130 else f'ended by {name}'}"
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
    def test_what_is_ignored_stays_so(self) -> None:
        """As nohup has it."""
        script = (
            "import signal; from cnvlutin2.cli.main import _ended_in_order\n"
            "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
            "with _ended_in_order(): print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, signal.getsignal(signal.SIGTERM))\n"
        )
        found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        assert found.startswith("True <function")

    def test_an_end_of_file_is_no_interruption(self, monkeypatch: pytest.MonkeyPatch, trace: Path) -> None:
        def ends(*_: object, **__: object) -> None:
            raise EOFError("Ran out of input")

        monkeypatch.setattr(run_command, "load_organisations", ends)
        result = call("run", trace)
        assert isinstance(result.exception, EOFError)
        assert "interrupted" not in result.stderr


class TestText:
    @pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "cp1252"}, {"LC_ALL": "C"}])
    @pytest.mark.parametrize("document", [(), ("--csv", "-"), ("--json", "-")])
    def test_names_of_any_bytes_on_any_terminal(
        self, environment: dict[str, str], document: tuple[str, ...], tmp_path: Path
    ) -> None:
        trace = save_trace(layer("caf\u00e9 \u6f22 \U0001f600"), tmp_path / "a.npz")
        folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe9j\xe0"))
        folder.mkdir()
        trace.rename(folder / "0.npz")
        plain = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LC_", "LANG"))}
        variables = {**plain, "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        done = subprocess.run(
            [*COMMAND, "run", folder, "--arch", "cnv", *document],
            env={**variables, **environment},
            capture_output=True,
            check=False,
        )
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
        assert b"caf" in done.stdout

    def test_an_error_names_what_does_not_encode(self, tmp_path: Path) -> None:
        missing = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.onnx")
        done = subprocess.run(
            [*COMMAND, "run", missing], env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=False
        )
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert b"caf" in done.stderr

    def test_every_output_holds_a_photo_s_name(self, tmp_path: Path) -> None:
        photos = [os.fsdecode(os.fsencode(tmp_path) + name) for name in (b"/caf\xe9.png", b"/caf\xea.png")]
        for photo in photos:
            Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(photo)
        outputs = {kind: tmp_path / f"r.{kind}" for kind in ("csv", "json", "parquet", "report")}
        given = [part for photo in photos for part in ("-i", photo)]
        options = [part for kind, file in outputs.items() for part in (f"--{kind}", str(file))]
        done = subprocess.run([*COMMAND, "run", "digits", *given, "--arch", "cnv", *options], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        names = [f"{tmp_path}/caf\\x{code}.png" for code in ("e9", "ea")]
        assert json.loads(outputs["json"].read_text("utf-8"))["networks"][0]["images"] == names
        for frame in (pd.read_csv(outputs["csv"]), pd.read_parquet(outputs["parquet"])):
            assert frame["image_name"].unique().tolist() == names

    @pytest.mark.parametrize(("text", "held"), [("plain \u00e9", "plain \u00e9"), ("\udce9", "\\xe9"), ("\ud800x", "\\ud800x")])
    def test_encodable(self, text: str, held: str) -> None:
        assert encodable(text) == held
        assert held.encode("utf-8")


class TestSpreadsheets:
    def test_cells_are_defused_and_the_frame_is_true(self, tmp_path: Path) -> None:
        names = ["=1+1", "+1", "-1", "@sum", "\t=1", " =1", "\uff1d1", "con\x1b[31mv", "plain-1"]
        results = simulate(ArrayNetwork([layer(name) for name in names], "=net"), organisations="cnv", cost=False)
        assert results.to_frame()["layer"].unique().tolist() == names
        write_csv(results, str(tmp_path / "r.csv"))
        read = pd.read_csv(tmp_path / "r.csv")
        assert read["layer"].unique().tolist() == [
            *("'=1+1", "'+1", "'-1", "'@sum", "'\\t=1", "' =1", "'\uff1d1", "con\\x1b[31mv", "plain-1")
        ]
        assert read["network"].unique().tolist() == ["'=net"]
        assert read["cycles"].tolist() == results.to_frame()["cycles"].tolist()


class TestOutputs:
    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
    def test_one_that_fails_leaves_the_others(self, trace: Path, tmp_path: Path) -> None:
        result = call("run", trace, "--arch", "cnv", "--json", "/dev/full", "--csv", tmp_path / "r.csv")
        assert result.exit_code == 2
        assert (tmp_path / "r.csv").exists()
        assert "conv" in result.stdout
        assert "/dev/full" in result.stderr
        assert "Traceback" not in result.stderr

    def test_a_folder_that_vanished(self, trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "gone").mkdir()

        def slow(*arguments: Any, **options: Any) -> Results:
            (tmp_path / "gone").rmdir()
            return simulate(*arguments, **options)

        monkeypatch.setattr(run_command, "simulate", slow)
        for_gone = ["--json", tmp_path / "gone" / "r.json", "--report", tmp_path / "gone" / "r.html"]
        result = call("run", trace, "--arch", "cnv", *for_gone, "--csv", tmp_path / "r.csv")
        assert result.exit_code == 2
        assert [line for line in result.stderr.splitlines() if "error:" in line and "gone" in line] == [
            line for line in result.stderr.splitlines() if "error:" in line
        ]
        assert result.stderr.count("error:") == 2
        assert (tmp_path / "r.csv").exists()
        assert "conv" in result.stdout

    def test_traces_that_cannot_be_written_leave_the_results(
        self, trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OutputError("cannot write x: No space left on device; choose another place")

        monkeypatch.setattr("cnvlutin2.network.traces.save_trace", full)
        result = call("run", trace, "--arch", "cnv", "--save-traces", tmp_path / "t", "--json", tmp_path / "r.json")
        assert result.exit_code == 2
        assert "No space left" in result.stderr
        assert json.loads((tmp_path / "r.json").read_text())["runs"]
        assert not (tmp_path / "t").exists()

    def test_a_bad_network_among_good_ones(self, trace: Path, tmp_path: Path) -> None:
        result = call("run", trace, broken(tmp_path), "nin", "--conv-only", "--arch", "cnv", "--json", tmp_path / "r.json")
        assert result.exit_code == 2
        assert [n["network"] for n in json.loads((tmp_path / "r.json").read_text())["networks"]] == ["conv", "nin"]
        assert "nin" in result.stdout
        assert result.stderr.count("error:") == 1
        assert "broken.onnx" in result.stderr

    def test_a_bad_network_alone_leaves_nothing(self, tmp_path: Path) -> None:
        result = call("run", broken(tmp_path), "--json", tmp_path / "r.json")
        assert (result.exit_code, result.stdout) == (2, "")
        assert not (tmp_path / "r.json").exists()

    @pytest.mark.parametrize(
        ("raised", "code"), [(NetworkError("bad"), 2), (VerificationError("contradiction"), 3), (KeyboardInterrupt(), 130)]
    )
    def test_what_was_found_before_is_shown(
        self, raised: BaseException, code: int, trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls: list[Any] = []

        def second_fails(*arguments: Any, **options: Any) -> Results:
            calls.append(arguments)
            if len(calls) == 2:
                raise raised
            return simulate(*arguments, **options)

        monkeypatch.setattr(run_command, "simulate", second_fails)
        other = save_trace(layer("other"), tmp_path / "other.npz")
        result = call("run", trace, other, "--arch", "cnv", "--json", tmp_path / "r.json", "--csv", "/dev/full")
        assert result.exit_code == code  # although an output failed too
        assert [n["network"] for n in json.loads((tmp_path / "r.json").read_text())["networks"]] == ["conv"]
        assert "conv" in result.stdout

    def test_what_decides_the_exit_code(self) -> None:
        attempts = Attempts()
        for error in (OutputError("disk"), RuntimeError("a defect"), VerificationError("contradiction")):
            with attempts.attempt():
                raise error
        with pytest.raises(VerificationError):
            attempts.finish()

    def test_two_outputs_to_one_place_are_refused(self, trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(run_command, "simulate", lambda *_, **__: pytest.fail("it ran"))
        monkeypatch.chdir(tmp_path)
        (tmp_path / "there").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "there")
        (tmp_path / "dangling").symlink_to(tmp_path / "there" / "r")
        (tmp_path / "old").write_text("old")
        (tmp_path / "hard").hardlink_to(tmp_path / "old")
        twice = [("r", "r"), ("r", "./r"), ("there/r", "link/r"), ("there/r", "dangling"), ("old", "hard"), ("r", tmp_path / "r")]
        for one, other in twice:
            result = call("run", trace, "--json", one, "--csv", other)
            assert (result.exit_code, result.stdout) == (2, ""), (one, other)
            assert "--csv" in result.stderr
            assert "--json" in result.stderr
        for options in (
            ["--json", "-", "--csv", "-"],
            ["--report", "x", "--figures", "x"],
            ["--json", "x", "--save-traces", "x"],
        ):
            result = call("run", trace, *options)
            assert result.exit_code == 2, options
        result = call("run", trace, "--csv", trace)
        assert result.exit_code == 2
        assert "is read as NETWORK" in result.stderr
        assert call("run", trace, "--report", "-").exit_code == 2

    @pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="needs a device")
    def test_standard_output_by_any_name(self, trace: Path) -> None:
        for other in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
            command = [*COMMAND, "run", str(trace), "--arch", "cnv", "--json", "-", "--csv", other]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout) == (2, ""), other
            assert "standard output" in done.stderr

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
    def test_a_full_standard_output(self, trace: Path, tmp_path: Path) -> None:
        command = [*COMMAND, "run", str(trace), "--arch", "cnv", "--json", str(tmp_path / "r.json")]
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 2
        assert "No space left" in done.stderr
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr
        assert (tmp_path / "r.json").exists()
