"""`tune` as a whole: what it reports is what a run finds, on images that had no say too; it goes on where it was cut off."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from onnx_models import integers, model, node, saved

import cnvlutin2
from cnvlutin2.cli.main import group
from cnvlutin2.errors import Cnvlutin2Warning, ConfigError, NetworkError, VerificationError
from cnvlutin2.network import Inputs, Threshold, Thresholds
from cnvlutin2.network.onnx.calibrated_network import CalibratedNetwork
from cnvlutin2.network.threshold_text import read_thresholds
from cnvlutin2.tuning import TuningResult, tune
from cnvlutin2.tuning.image_split import as_share, split_images
from cnvlutin2.tuning.measuring import Prepared
from cnvlutin2.tuning.search import CANDIDATES
from cnvlutin2.tuning.threshold_files import threshold_text, write_thresholds
from cnvlutin2.tuning.tuner import _spread

IMAGES = 60


def call(*arguments: object) -> Result:
    return CliRunner().invoke(group, list(map(str, arguments)))


def images() -> Inputs:
    return cnvlutin2.load_inputs(cnvlutin2.open_network("digits-pruned"), limit=IMAGES)


@pytest.fixture(scope="module")
def tuned() -> TuningResult:
    return tune("digits-pruned", images(), max_drop=(0, 10), path_images=8)


def plain(result: TuningResult) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(result.to_dict()))
    return found


class TestFound:
    def test_it_gains(self, tuned: TuningResult) -> None:
        points = [tuned.baseline, *tuned.tuned]
        assert [point.name for point in points] == ["nothing pruned", "drop-0", "drop-10"]
        gains = [point.tuning.speedup for point in points]
        assert gains == sorted(gains)
        assert gains[1] > 1.1 * gains[0]
        assert tuned.ceiling > gains[-1]
        assert points[1].tuning.lost == points[1].tuning.won
        assert tuned.frozen == {
            "conv1_1": "runs dense",
            "conv1_2": "takes as many cycles whatever the values are",
            "fc5": "has less than 0.1% of the network's cycles to gain",
        }
        assert not set(tuned.frozen) & set(points[-1].thresholds.layers)
        assert all(threshold.real for threshold in points[-1].thresholds.layers.values())

    def test_every_number_is_that_of_a_run(self, tuned: TuningResult) -> None:
        """Counted here from the answers and cycles of `simulate` itself, on both halves."""
        network = cnvlutin2.open_network("digits-pruned")
        halves = split_images(images(), as_share("1/3"), 0)
        assert [len(half.values) for half in halves] == [20, 40]
        for point in (tuned.baseline, *tuned.tuned):
            for half, measured in zip(halves, (point.tuning, point.validation), strict=True):
                assert measured is not None
                (found,) = cnvlutin2.simulate(network, half, "cnv", thresholds=point.thresholds, quantised=True).networks
                answers = found.predictions
                assert answers is not None
                assert answers.float_classes is not None
                assert half.labels is not None
                triples = list(zip(answers.classes, answers.float_classes, half.labels.tolist(), strict=True))
                assert measured.images == len(triples)
                assert measured.cycles == found.image_cycles("cnv").sum()
                assert (measured.speedup, measured.speedup_with_waiting) == (found.speedup("cnv"), found.costs["cnv"].speedup)
                assert measured.agree == sum(now == floating for now, floating, _ in triples)
                assert measured.correct == sum(now == label for now, _, label in triples)
                assert measured.float_correct == sum(floating == label for _, floating, label in triples)
                assert measured.lost == sum(floating == label != now for now, floating, label in triples)
                assert measured.won == sum(now == label != floating for now, floating, label in triples)

    def test_counted_points_of_the_path_are_those_of_runs(self, tuned: TuningResult) -> None:
        network = cnvlutin2.open_network("digits-pruned")
        tuning, _ = split_images(images(), as_share("1/3"), 0)
        counted = [point for point in tuned.path if point.speedup is not None]
        assert len(counted) >= 5
        assert [point.step for point in tuned.path] == sorted({point.step for point in tuned.path})
        for point in counted[1::2]:
            limits = Thresholds(None, {name: Threshold(lsbs) for name, lsbs in point.lsbs.items()})
            (found,) = cnvlutin2.simulate(network, tuning, "cnv", thresholds=limits, quantised=True, cost=False).networks
            assert point.speedup == found.speedup("cnv")
            assert found.accuracy is not None
            assert (point.agree, point.correct) == (found.accuracy.agree, found.accuracy.correct)

    def test_each_limit_chooses_the_fastest_of_the_last_points_within_it(self, tuned: TuningResult) -> None:
        for point, most in zip(tuned.tuned, (0.0, 10.0), strict=True):
            drops = {p.step: 100 * (p.lost - p.won) / 20 for p in tuned.path if p.lost is not None and p.won is not None}
            within = [p for p in tuned.path if drops[p.step] <= most][-CANDIDATES:]
            assert all(p.speedup is not None for p in within)
            assert point.tuning.speedup == max(p.speedup or 0 for p in within)
            assert point.step in {p.step for p in within if p.speedup == point.tuning.speedup}

    def test_validation_has_no_say(self, tuned: TuningResult) -> None:
        tuning, validation = split_images(images(), as_share("1/3"), 0)
        assert validation.labels is not None
        wrong = Inputs(validation.values, validation.names, labels=(validation.labels + 1) % 10)
        other = tune("digits-pruned", tuning, validation=wrong, max_drop=(0, 10), path_images=8)
        assert [p.thresholds for p in other.tuned] == [p.thresholds for p in tuned.tuned]
        assert plain(other)["path"] == plain(tuned)["path"]
        assert other.baseline.validation is not None
        assert other.baseline.validation.correct == 0

    def test_what_it_shows(self, tuned: TuningResult) -> None:
        assert "drop-0" in tuned._repr_html_()
        assert [text.partition(":")[0] for text in tuned.cautions()] == ["drop-0, validation", "drop-10, validation"]
        assert re.fullmatch(
            r"<TuningResult: digits-pruned under cnv \(nothing pruned: .*x; drop-0: .*; drop-10: .*\)>", repr(tuned)
        )
        frame = tuned.to_frame()
        assert len(frame) == len(tuned.path)
        assert frame["speedup"].notna().sum() >= 5

    def test_weights_have_thresholds_too(self, tmp_path: Path) -> None:
        network = cnvlutin2.open_network("digits-pruned")
        given = cnvlutin2.load_inputs(network, limit=12)
        found = tune(network, given, "cnv2-weights", split="1/2", max_drop=90, weights=True, groups=["conv2_*"], path_images=4)
        (point,) = found.tuned
        assert point.weight_thresholds.layers
        assert "conv2_*" in {each.moved for each in found.path}
        assert any(each.lsbs for each in found.path)
        for each in found.path:
            for lsbs in (each.lsbs, each.weight_lsbs):
                assert lsbs.get("conv2_1") == lsbs.get("conv2_2")
        (run,) = cnvlutin2.simulate(
            network,
            split_images(given, as_share("1/2"), 0)[0],
            "cnv2-weights",
            thresholds=point.thresholds,
            weight_thresholds=point.weight_thresholds,
        ).networks
        assert run.speedup("cnv2-weights") == point.tuning.speedup
        activations, of_weights = write_thresholds(found, tmp_path / "t.yaml")
        assert (activations.name, of_weights.name) == ("t.yaml", "t-weights.yaml")
        assert read_thresholds(str(activations), "--threshold") == point.thresholds
        assert read_thresholds(str(of_weights), "--weight-threshold") == point.weight_thresholds


class TestNetworks:
    def test_without_labels_floating_point_is_right(self) -> None:
        given = images()
        found = tune("digits-pruned", Inputs(given.values, given.names), "cnv", max_loss=0.01, path_images=8)
        (point,) = found.tuned
        assert point.name == "kl-0.01"
        assert point.tuning.loss <= 0.01
        assert (point.tuning.correct, point.tuning.won) == (None, 0)
        assert point.tuning.lost == 20 - (point.tuning.agree or 0)
        assert point.tuning.speedup == max(p.speedup or 0 for p in found.path if p.loss <= 0.01)

    def test_an_output_that_is_no_scores_has_an_error(self, tmp_path: Path) -> None:
        nodes = [node("Conv", "x w0", "a", "one"), node("Relu", "a", "b"), node("Conv", "b w1", "y", "two")]
        weights = {"w0": integers(32, 32, 1, 1), "w1": integers(32, 32, 1, 1)}
        path = saved(tmp_path, model(nodes, {"x": ("n", 32, 6, 6)}, ["y"], weights))
        values = np.random.default_rng(0).standard_normal((6, 32, 6, 6)).astype(np.float32)
        assert tune(path, values, "cnv2-dispatch", split="1/2").tuned[0].name == "error-0.01"
        found = tune(path, values, "cnv2-dispatch", split="1/2", max_loss=0.9)
        (point,) = found.tuned
        assert (found.loss_kind, point.name) == ("error", "error-0.9")
        assert 0 < point.tuning.loss <= 0.9
        assert point.tuning.lost is None
        assert found.cautions() == []
        assert point.tuning.speedup > found.baseline.tuning.speedup
        with pytest.raises(ConfigError, match="no scores of classes"):
            tune(path, values, max_drop=1)

    def test_where_nothing_can_gain_nothing_moves(self) -> None:
        network = cnvlutin2.open_network("digits")
        found = tune(network, cnvlutin2.load_inputs(network, limit=4), "dadiannao", split="1/2")
        assert [point.step for point in found.path] == [0]
        assert found.tuned[0].tuning == found.baseline.tuning
        assert threshold_text(found, found.tuned[0]).splitlines()[-1] == "default: 1"

    @pytest.mark.parametrize("source", ["alexnet", "traces"])
    def test_what_cannot_be_executed_again_is_refused(self, source: str, tmp_path: Path) -> None:
        if source == "traces":
            assert call("run", "digits", "--limit", 1, "-q", "--save-traces", tmp_path / "traces").exit_code == 0
            source = str(tmp_path / "traces")
        with pytest.raises(NetworkError, match=r"cannot be tuned.*export it"):
            tune(source)

    def test_images_that_order_moves_are_of_all_classes(self) -> None:
        assert _spread(120, 24)[:3] + _spread(120, 24)[-1:] == [0, 5, 10, 119]
        assert _spread(3, 24) == [0, 1, 2]
        assert _spread(7, 1) == [0]

    def test_labels_that_are_no_classes_are_refused(self) -> None:
        given = images()
        with pytest.raises(NetworkError, match="labels hold 10, but the network has 10 classes"):
            tune("digits", Inputs(given.values, given.names, labels=np.full(IMAGES, 10)))

    def test_other_arguments_that_cannot_be(self) -> None:
        with pytest.raises(ConfigError, match="one organisation"):
            tune("digits", organisation="cnv,cnv-roe")
        with pytest.raises(ConfigError, match="at least 1"):
            tune("digits", path_images=0)
        given = images()
        with pytest.raises(ConfigError, match="one has labels, the other none"):
            tune("digits", given, validation=given.values)


class TestChecked:
    def test_a_search_that_counts_otherwise_than_a_run_is_found_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = Prepared.count

        def one_off(self: Prepared, *arguments: Any) -> Any:
            found = real(self, *arguments)
            return type(found)(**{**vars(found), "cycles": found.cycles + 1})

        monkeypatch.setattr(Prepared, "count", one_off)
        with pytest.raises(VerificationError, match="the search found cycles"):
            tune("digits", cnvlutin2.load_inputs(cnvlutin2.open_network("digits"), limit=6), path_images=2)

    def test_and_so_is_one_that_executes_otherwise(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = CalibratedNetwork.scores
        monkeypatch.setattr(CalibratedNetwork, "scores", lambda *a: -real(*a))
        with pytest.raises(VerificationError, match="answers otherwise in a run than in the search"):
            tune("digits", cnvlutin2.load_inputs(cnvlutin2.open_network("digits"), limit=6), path_images=2)


class TestFiles:
    def test_a_run_reads_them(self, tuned: TuningResult, tmp_path: Path) -> None:
        written = write_thresholds(tuned, tmp_path / "t.yaml")
        assert [path.name for path in written] == ["t-drop-0.yaml", "t-drop-10.yaml"]
        for path, point in zip(written, tuned.tuned, strict=True):
            assert read_thresholds(str(path), "--threshold") == point.thresholds
            for line in path.read_text().splitlines():
                if not line.startswith("#"):
                    name, lsbs, bits = re.fullmatch(r"(\w+): real:.*  # (\d+) LSBs of 2\^(-?\d+)", line).groups()  # type: ignore[union-attr]
                    assert point.thresholds.layers[name].value == int(lsbs) * 2.0 ** int(bits)

    def test_names_that_yaml_would_read_otherwise(self, tuned: TuningResult, tmp_path: Path) -> None:
        names = ["on", "a: b", "#c", "1", "é\n", "null", "plain"]
        limits = Thresholds(None, {name: Threshold(0.5 + i, real=True) for i, name in enumerate(names)})
        point = type(tuned.tuned[0])(**{**vars(tuned.tuned[0]), "thresholds": limits})
        odd = TuningResult(**{**vars(tuned), "tuned": [point], "scales": dict.fromkeys(names, (3, 3))})
        (path,) = write_thresholds(odd, tmp_path / "t.yaml")
        assert read_thresholds(str(path), "--threshold") == limits


@pytest.fixture(scope="module")
def small_curve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("curve") / "curve.json"
    assert call("tune", "digits", "--limit", 6, "--path-images", 2, "--curve", path).exit_code == 0
    return path


@pytest.fixture
def curve(tmp_path: Path) -> Path:
    return tmp_path / "curve.json"


def command(curve: Path, folder: Path) -> list[str]:
    options = ["--limit", str(IMAGES), "--max-drop", "0,10", "--path-images", "8", "--curve", str(curve)]
    return [sys.executable, "-m", "cnvlutin2", "tune", "digits-pruned", *options, "--json", str(folder / "result.json")]


class TestGoingOn:
    def test_from_its_own_curve_nothing_is_executed_again(
        self, tuned: TuningResult, curve: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = tune("digits-pruned", images(), max_drop=(0, 10), path_images=8, curve=curve)
        assert plain(first) == plain(tuned)
        assert json.loads(curve.read_text())["result"] == plain(first)
        counts = {"scores": 0, "count": 0}
        real_scores, real_count = CalibratedNetwork.scores, Prepared.count

        def scores(*arguments: Any) -> Any:
            counts["scores"] += 1
            return real_scores(*arguments)

        def count(*arguments: Any) -> Any:
            counts["count"] += 1
            return real_count(*arguments)

        monkeypatch.setattr(CalibratedNetwork, "scores", scores)
        monkeypatch.setattr(Prepared, "count", count)
        again = tune("digits-pruned", images(), max_drop=(0, 10), path_images=8, curve=curve)
        assert plain(again) == plain(first)
        assert counts == {"scores": 6, "count": 0}  # of the three points that are run once more, on both halves
        more = tune("digits-pruned", images(), max_drop=(0, 30), path_images=8, curve=curve)
        assert more.tuned[0].thresholds == first.tuned[0].thresholds

    @pytest.mark.parametrize("after", [0.05, 0.4, 1.0])
    def test_killed_it_goes_on_and_finds_the_same(self, tuned: TuningResult, curve: Path, after: float, tmp_path: Path) -> None:
        """Killed so long after the first evaluations are on disk, which is as soon as there are some."""
        code = "import cnvlutin2.tuning.curve_file as f; f.EVERY_SECONDS = 0.02; from cnvlutin2.cli import main; main()"
        arguments = command(curve, tmp_path)[3:]
        child = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 300
        while not curve.exists() and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(after)
        child.send_signal(signal.SIGKILL)
        child.wait()
        known = json.loads(curve.read_text())  # whole, whenever it was
        assert known["judged"]
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        assert "drop-10" in done.stdout
        found = json.loads((tmp_path / "result.json").read_text())
        assert {key: found[key] for key in plain(tuned)} == plain(tuned)

    def test_what_was_found_before_an_interruption_is_kept(self, curve: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real, left = CalibratedNetwork.scores, iter(range(5))

        def some(*arguments: Any) -> Any:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return real(*arguments)

        monkeypatch.setattr(CalibratedNetwork, "scores", some)
        with pytest.raises(KeyboardInterrupt):
            tune("digits-pruned", images(), path_images=8, curve=curve)
        assert len(json.loads(curve.read_text())["judged"]) == 5

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--limit", 9), "other tuning images"),
            (("--seed", 1), "other tuning images"),
            (("--arch", "cnv2-dispatch"), "other organisation"),
            (("--set", "lanes=8"), "other organisation"),
            (("--path-images", 1), "other path images"),
            (("--group", "conv2_*"), "other patterns"),
            (("--weights",), "other weights"),
        ],
    )
    def test_the_curve_of_another_search_is_refused(self, options: tuple[object, ...], said: str, small_curve: Path) -> None:
        before = small_curve.read_bytes()
        found = call("tune", "digits", *("--limit", 6, "--path-images", 2), *options, "--curve", small_curve)
        assert found.exit_code == 2
        assert said in found.stderr
        assert found.stderr.count("error:") == 1
        assert small_curve.read_bytes() == before

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"layout": "cnvlutin2/tuning/0"}', b"\xff"])
    def test_what_is_no_curve_is_refused_and_kept(self, content: bytes, curve: Path) -> None:
        curve.write_bytes(content)
        found = call("tune", "digits", "--limit", 6, "--curve", curve)
        assert found.exit_code == 2
        assert "name another file" in found.stderr
        assert curve.read_bytes() == content

    @pytest.mark.skipif(sys.platform == "win32", reason="this system has no limits of file sizes")
    def test_where_there_is_no_room_the_curve_stays_as_it_was(self, small_curve: Path) -> None:
        before = small_curve.read_bytes()
        code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\nfrom cnvlutin2.cli import main; main()"
        options = ["--limit", "6", "--path-images", "2", "--max-drop", "0,60", "--curve", str(small_curve)]
        done = subprocess.run(
            [sys.executable, "-c", code, "tune", "digits", *options], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].startswith(f"cnvlutin2: error: cannot write {small_curve}: File too large")
        assert small_curve.read_bytes() == before
        assert [path.name for path in small_curve.parent.iterdir()] == [small_curve.name]

    def test_a_torn_curve_is_refused(self, small_curve: Path, curve: Path) -> None:
        curve.write_bytes(small_curve.read_bytes()[:-200])
        found = call("tune", "digits", "--limit", 6, "--path-images", 2, "--curve", curve)
        assert (found.exit_code, "no curve of 'tune' that can be read" in found.stderr) == (2, True)


class TestCommand:
    def test_its_thresholds_are_what_a_run_takes(self, tmp_path: Path) -> None:
        """The numbers of the JSON beside those of `run --threshold` on the same images, as files."""
        given = images()
        assert given.labels is not None
        tuning, validation = split_images(given, as_share("1/2"), 3)
        options = []
        for name, half in (("a", tuning), ("b", validation)):
            np.save(tmp_path / f"{name}.npy", half.values)
            assert half.labels is not None
            (tmp_path / f"{name}.txt").write_text("\n".join(map(str, half.labels)))
        a, b, out, found = (tmp_path / name for name in ("a.npy", "b.npy", "t.yaml", "found.json"))
        options = ["-i", a, "--labels", tmp_path / "a.txt", "--validation", b, "--validation-labels", tmp_path / "b.txt"]
        done = call("tune", "digits-pruned", *options, "--max-drop", 5, "-o", out, "--json", found)
        assert done.exit_code == 0, done.output
        assert "validation: 30 images" in done.stdout
        points = json.loads(found.read_text())["points"]
        for name, key in (("a", "tuning"), ("b", "validation")):
            run = ["run", "digits-pruned", "-i", tmp_path / f"{name}.npy", "--labels", tmp_path / f"{name}.txt", "-a", "cnv"]
            result = json.loads(call(*run, "--threshold", out, "--json", "-").stdout)
            (network,) = result["networks"]
            assert network["totals"][0]["speedup"] == points[1][key]["speedup"]
            assert sum(network["totals"][0]["cycles"]) == points[1][key]["cycles"]
            assert network["accuracy"]["correct"] == points[1][key]["correct"]
            assert network["totals"][0]["speedup_with_waiting"] == points[1][key]["speedup_with_waiting"]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("alexnet",), "cannot be tuned"),
            (("digits9",), "digits9"),
            (("digits", "--arch", "cnv,cnv-roe"), "one organisation"),
            (("digits", "--max-drop", "much"), "is not a number"),
            (("digits", "--max-drop", "-1"), "at least 0"),
            (("digits", "--max-drop", "1", "--max-kl", "1"), "not both"),
            (("digits", "--split", "3/2"), "no part of the images"),
            (("digits", "--group", "conv9*"), "matches no layer"),
            (("digits", "--validation-labels", "x"), "--validation"),
            (("digits", "--validation", "gone"), "there is no such file"),
            (("digits", "-o", "-"), "name one"),
            (("digits", "-o", "no/where.yaml"), "no folder"),
            (("digits", "-o", "x.yaml", "--curve", "x.yaml"), "name another file"),
            (("digits", "--limit", "1"), "cannot be split"),
        ],
    )
    def test_what_cannot_be_is_one_line(
        self, arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        found = call("tune", *arguments)
        assert found.exit_code == 2, found.output
        assert found.stderr.splitlines()[-1].startswith("cnvlutin2: error: ")
        assert said in found.stderr.splitlines()[-1]
        assert list(tmp_path.iterdir()) == []

    def test_a_warning_of_a_limit_that_is_too_fine(self) -> None:
        with pytest.warns(Cnvlutin2Warning, match="finer than one of 2 tuning images"):
            tune("digits", cnvlutin2.load_inputs(cnvlutin2.open_network("digits"), limit=6), max_drop=1, path_images=2)
