"""Sweeps as they happen: killed, two at once, workers lost, files torn, disks full; their numbers are those of single runs."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import cnvlutin2
from cnvlutin2.cli.main import group
from cnvlutin2.cost.float_sums import mean
from cnvlutin2.errors import Cnvlutin2Warning, ConfigError
from cnvlutin2.study import LocalExecutor, SweepState, load_study, sweep, worker
from cnvlutin2.study.definition import definition_of
from cnvlutin2.study.planning import plan_study
from cnvlutin2.study.result_store import ResultStore
from cnvlutin2.study.tensor_store import TensorStore
from cnvlutin2.study.worker import Outcome, Task, run_task

GRID = {"lanes": [2, 4, 8, 16], "tiles": [1, 2, 4], "brick": [8, 16]}
STUDY: Mapping[str, object] = {"networks": "digits-pruned", "limit": 3, "arch": ["cnv", "cnv2-weights"], "grid": GRID}
FILE = """
networks: digits-pruned
limit: 3
arch: [cnv, cnv2-weights]
grid: {lanes: [2, 4, 8, 16], tiles: [1, 2, 4], brick: [8, 16]}
"""
POINTS = 48
PATIENCE_SECONDS = 240


def call(*arguments: object) -> Result:
    return CliRunner().invoke(group, [str(a) for a in arguments], prog_name="cnvlutin2")


def begun(
    folder: Path, *options: str, jobs: int | None = 2, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """A sweep in a session of its own, so that it is killed with its workers."""
    (folder.parent / "study.yaml").write_text(FILE)
    command = [sys.executable, "-m", "cnvlutin2", "sweep", str(folder.parent / "study.yaml"), "-o", str(folder)]
    command += [*options, *(["-j", str(jobs)] if jobs else [])]
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        command, stdin=nothing, stdout=nothing, stderr=subprocess.PIPE, start_new_session=True, env=environment
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "points").glob("*.parquet")}


def count(folder: Path) -> int:
    return len(list((folder / "points").glob("*.parquet"))) if (folder / "points").exists() else 0


def until_there_are(folder: Path, points: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a sweep has written so many points, or has ended."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while count(folder) < points and process.poll() is None:
        assert time.monotonic() < limit, "the sweep does not go on"
        time.sleep(0.005)


def children(process: int) -> list[int]:
    """The processes that one has started."""
    found = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        found += [int(child) for child in task.read_text().split()]
    return found


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc to find worker processes by")


class Here:
    """Computes points in this process."""

    def check(self) -> None:
        """Nothing can be missing."""

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        worker._kept.networks.clear()
        yield from map(run_task, tasks)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep") / "study"
    states: list[int] = []
    sweep(STUDY, folder, jobs=2, progress=lambda state: states.append(state.left))
    assert states[0] == POINTS
    assert states[-1] == 0
    assert count(folder) == POINTS
    return folder


def test_points_equal_single_runs(undisturbed: Path) -> None:
    study = load_study(undisturbed)
    network = cnvlutin2.open_network("digits-pruned")
    inputs = cnvlutin2.load_inputs(network, limit=3)
    layers = study.to_frame()
    for record in random.Random(5).sample(study.records, 8):  # noqa: S311 - not for secrets
        organisation = cnvlutin2.Organisation.parse(record["organisation"])
        found = cnvlutin2.simulate(network, inputs, organisation).networks[0]
        arch = organisation.name
        assert record["all_images"]["cycles"] == int(found.image_cycles(arch).sum())
        assert record["all_images"]["total_cycles"] == int(found.costs[arch].machine.total_cycles.sum())
        assert record["all_images"]["slots"] == found.slots(arch)
        summary = found.costs[arch].summary()
        assert {key: record[key] for key in ("area_mm2", "relative")} == {key: summary[key] for key in ("area_mm2", "relative")}
        assert record["energy_pj"] == {name: mean(energy) for name, energy in found.costs[arch].machine.energy_pj.items()}
        own = layers[layers["point"] == record["point"]]
        single = cnvlutin2.simulate(network, inputs, organisation).to_frame().groupby("layer", sort=False).mean(numeric_only=True)
        assert list(own["layer"]) == list(single.index)
        for column in (
            own.select_dtypes("number").columns.intersection(single.columns).difference(["speedup", "speedup_with_waiting"])
        ):
            assert own[column].to_numpy() == pytest.approx(single[column].to_numpy(), rel=1e-12, abs=0), column
        assert (own["cycles"] * own["images"]).round().astype(int).sum() == record["all_images"]["cycles"]


def test_killed_ten_times_it_ends_as_an_undisturbed_one(undisturbed: Path, tmp_path: Path) -> None:
    folder, chance = tmp_path / "study", random.Random(7)  # noqa: S311 - not for secrets
    kept: dict[str, bytes] = {}
    for kill in range(10):
        process = begun(folder)
        until_there_are(folder, len(kept) + chance.randint(1, 3), process)
        time.sleep(chance.random() * 0.02)
        assert process.poll() is None, f"the sweep had ended before it could be killed for the {kill + 1}th time"
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        now = contents(folder)
        assert kept.items() <= now.items(), "what was finished has changed"
        assert now.items() <= contents(undisturbed).items(), "a file is torn"
        kept = now
    process = begun(folder)
    process.communicate()
    assert process.returncode == 0
    assert contents(folder) == contents(undisturbed)


def test_two_at_once_on_one_folder_do_the_same(undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    both = [begun(folder), begun(folder)]
    for process in both:
        process.communicate()
    assert [process.returncode for process in both] == [0, 0]
    assert contents(folder) == contents(undisturbed)


@needs_proc
def test_a_worker_that_is_killed_costs_nothing_but_time(undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    process = begun(folder)
    for points in (1, 8, 16):
        until_there_are(folder, points, process)
        workers = children(process.pid)
        assert workers, "the sweep had ended before a worker could be killed"
        os.kill(min(workers), signal.SIGKILL)  # the one that has been there the longest
    process.communicate()
    assert process.returncode == 0
    assert contents(folder) == contents(undisturbed)


@needs_proc
def test_a_point_whose_workers_are_always_lost_fails_alone(tmp_path: Path) -> None:
    """Each worker is killed as soon as it has started, but for the last points."""
    folder, begun_by, killed = tmp_path / "study", os.getpid(), 0
    before = set(children(begun_by))

    def kill(state: SweepState) -> None:
        nonlocal killed
        if state.failed < 1 and not state.outcomes:
            for _ in range(3):
                limit = time.monotonic() + PATIENCE_SECONDS
                while not (started := set(children(begun_by)) - before):
                    assert time.monotonic() < limit
                    time.sleep(0.001)
                (worker,) = started
                os.kill(worker, signal.SIGKILL)
                killed += 1
                while worker in set(children(begun_by)):
                    time.sleep(0.001)

    thread: list[threading.Thread] = []

    def progress(state: SweepState) -> None:
        if not state.outcomes:
            thread.append(threading.Thread(target=kill, args=(state,)))
            thread[0].start()

    values = {"networks": "digits", "limit": 1, "grid": {"tiles": [1, 2, 4]}}
    study = sweep(values, folder, jobs=1, progress=progress)
    thread[0].join()
    assert killed == 3
    (failure,) = study.failures()
    assert "its process ended 3 times, the last by SIGKILL" in failure["error"]
    assert len(study.records) == 2
    assert sweep(values, folder, jobs=1).failures() == [failure]
    again = sweep(values, folder, jobs=1, retry_failed=True)
    assert (len(again.records), again.failures()) == (3, [])


@needs_proc
def test_ctrl_c_stops_it_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    ours = signal.signal(signal.SIGINT, signal.SIG_DFL)  # for what is begun: in the background of a shell it would be ignored
    try:
        process = begun(folder)
    finally:
        signal.signal(signal.SIGINT, ours)
    until_there_are(folder, 2, process)
    workers = children(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: workers hear it, too
    _, said = process.communicate()
    assert process.returncode == 130
    assert said.decode().splitlines()[-1] == "cnvlutin2: error: interrupted"
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]
    assert count(folder) < POINTS


@pytest.mark.parametrize("damage", ["cut", "empty", "another"])
def test_a_damaged_point_is_computed_again(undisturbed: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "study"
    values = {**STUDY, "arch": "cnv", "grid": {"tiles": [1, 2]}}
    whole = contents(sweep(values, folder, executor=Here()).folder)
    name, other = sorted(whole)
    harm = {"cut": whole[name][: len(whole[name]) // 2], "empty": b"", "another": whole[other]}
    (folder / "points" / name).write_bytes(harm[damage])
    with pytest.warns(Cnvlutin2Warning, match="is damaged and left out"):
        assert len(load_study(folder).records) == 1
    states: list[tuple[int, int]] = []
    sweep(values, folder, executor=Here(), progress=lambda state: states.append((state.kept, state.done)))
    assert states == [(1, 0), (1, 1)]
    assert contents(folder) == whole


def test_a_flipped_bit_is_found_or_changes_nothing(undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    (folder / "points").mkdir(parents=True)
    file = min((undisturbed / "points").iterdir())
    store, data = ResultStore(folder), file.read_bytes()
    whole = ResultStore(undisturbed).read(file.stem)
    assert whole is not None
    chance, found = random.Random(3), 0  # noqa: S311 - not for secrets
    for _ in range(300):
        harmed = bytearray(data)
        harmed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        (folder / "points" / file.name).write_bytes(harmed)
        table = store.read(file.stem)
        found += table is None
        assert table is None or table.equals(whole, check_metadata=True)
    assert found > 200


def test_tensors_that_are_cut_or_gone_are_captured_again(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    values = {**STUDY, "arch": "cnv", "grid": {"tiles": [1]}}
    sweep(values, folder, executor=Here())
    blobs = sorted((folder / "tensors" / "blobs").iterdir())
    blobs[0].write_bytes(blobs[0].read_bytes()[:-2])
    blobs[1].unlink()
    study = sweep({**values, "grid": {"tiles": [1, 2]}}, folder, executor=Here())
    assert (len(study.records), study.failures()) == (2, [])
    fresh = sweep({**values, "grid": {"tiles": [1, 2]}}, tmp_path / "fresh", executor=Here())
    assert contents(study.folder) == contents(fresh.folder)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """A real one: a small file system where one may be mounted, else the size that a file may have."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "none", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        result = call("sweep", "digits", "--limit", 1, "-g", "lanes=2,4,8,16", "-g", "tiles=1,2,4", "-o", disk / "study", "-j", 1)
        assert result.exit_code == 2
        assert "No space left on device" in result.stderr
        assert "sweeping again goes on from there" in result.stderr
        finished = contents(disk / "study")
        assert 0 < len(finished) < 12
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        result = call("sweep", "digits", "--limit", 1, "-g", "lanes=2,4,8,16", "-g", "tiles=1,2,4", "-o", disk / "study", "-j", 1)
        assert result.exit_code == 0, result.output
        assert len(contents(disk / "study")) == 12
        assert finished.items() <= contents(disk / "study").items()
    finally:
        subprocess.run(["umount", disk], check=False)


class TestTensorStore:
    def test_a_network_is_executed_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        executed: list[str] = []
        execute = TensorStore._execute

        def counted(self: TensorStore, capture: object) -> None:
            executed.append("once")
            execute(self, capture)  # type: ignore[arg-type]

        monkeypatch.setattr(TensorStore, "_execute", counted)
        values = {**STUDY, "arch": "cnv", "grid": {"tiles": [1, 2], "data_bits": [8, 16], "threshold": [1, 4]}}
        states: list[Outcome] = []
        sweep(values, tmp_path / "study", executor=Here(), progress=lambda state: states.extend(state.outcomes[-1:]))
        assert len(executed) == 4  # two widths, two thresholds
        assert len(states) == 8
        shared = tmp_path / "study" / "tensors"
        sweep({**values, "energy": "45nm"}, tmp_path / "other", executor=Here(), store=shared)
        assert len(executed) == 4

    def test_it_stays_within_its_bound(self, tmp_path: Path) -> None:
        values = {**STUDY, "arch": "cnv", "grid": {"data_bits": list(range(4, 12))}}
        folder = tmp_path / "study"
        study = sweep(values, folder, executor=Here(), store_bytes=1 << 20)
        assert (len(study.records), study.failures()) == (8, [])
        kept = sum(path.stat().st_size for path in (folder / "tensors" / "blobs").iterdir())
        assert 0 < kept <= 1 << 20

    def test_a_run_that_is_larger_is_refused_alone(self, tmp_path: Path) -> None:
        values = {**STUDY, "arch": "cnv", "grid": {}}
        study = sweep(values, tmp_path / "study", executor=Here(), store_bytes=1000)
        (failure,) = study.failures()
        assert "use fewer images (limit) or a larger store (--store-size)" in failure["error"]
        assert not list((tmp_path / "study" / "tensors").glob("*.part"))
        assert sweep(values, tmp_path / "study", executor=Here(), retry_failed=True).failures() == []


def test_inputs_that_change_meanwhile_are_found_out(tmp_path: Path) -> None:
    model = Path(cnvlutin2.open_network("digits").path)  # type: ignore[attr-defined]
    (tmp_path / "net.onnx").write_bytes(model.read_bytes())
    np.save(tmp_path / "in.npy", np.ones((1, 1, 8, 8), np.float32))
    values = {"networks": str(tmp_path / "net.onnx"), "input": str(tmp_path / "in.npy")}

    def change(state: SweepState) -> None:
        np.save(tmp_path / "in.npy", np.full((1, 1, 8, 8), 2, np.float32))

    (failure,) = sweep(values, tmp_path / "study", jobs=1, progress=change).failures()
    assert "not what they were when the study began" in failure["error"]


class TestFolder:
    def test_another_version_is_refused(self, undisturbed: Path, tmp_path: Path) -> None:
        folder = tmp_path / "study"
        folder.mkdir()
        about = json.loads((undisturbed / "study.json").read_text())
        about["versions"]["numpy"] = "1.0"
        (folder / "study.json").write_text(json.dumps(about))
        with pytest.raises(ConfigError, match=r"made with numpy 1\.0"):
            sweep(STUDY, folder)
        about["layout"] = "cnvlutin2/study/0"
        (folder / "study.json").write_text(json.dumps(about))
        with pytest.raises(ConfigError, match="store of layout 'cnvlutin2/study/0'"):
            load_study(folder)

    def test_other_things_are_not_written_among(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").write_text("all of it")
        with pytest.raises(ConfigError, match="holds other things than a study"):
            sweep(STUDY, tmp_path)
        with pytest.raises(ConfigError, match="no study's folder"):
            load_study(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]

    def test_one_that_was_killed_as_it_began_is_taken_up(self, tmp_path: Path) -> None:
        for name in ("points", "failed"):
            (tmp_path / "study" / name).mkdir(parents=True)
        (tmp_path / "study" / ".0123456789abcdef.part").write_text("{")
        values = {"networks": "digits", "limit": 1}
        assert len(sweep(values, tmp_path / "study", executor=Here()).records) == 1

    def test_frames_have_a_row_a_point_and_a_row_a_layer(self, undisturbed: Path) -> None:
        study = load_study(undisturbed)
        points, frame = study.points(), study.to_frame()
        assert len(points) == POINTS
        assert len(frame) == POINTS * 7
        assert set(points["point"]) == set(frame["point"])
        assert all(isinstance(value, str) for value in points["filter_sync"])
        assert points["lanes"].isin(GRID["lanes"]).all()
        cycles = frame.groupby("point")["cycles"].sum()
        assert points.set_index("point")["cycles"].sort_index().to_numpy() == pytest.approx(cycles.sort_index().to_numpy())

    def test_notebooks_show_the_points(self, undisturbed: Path) -> None:
        shown = load_study(undisturbed)._repr_html_()
        assert shown.count("<tr") == POINTS + 1
        for word in ("lanes", "tiles", "brick", "speedup_with_waiting", "digits-pruned"):
            assert word in shown

    def test_every_combination_that_was_asked_for_has_its_point(self, tmp_path: Path) -> None:
        values = {"networks": "digits", "limit": 1, "grid": {"filter_sync": ["brick", 1, "window"], "tiles": [2, 4]}}
        asked = sweep(values, tmp_path / "study", executor=Here()).asked()
        assert len(asked) == 6
        assert asked["point"].nunique() == 2
        assert list(asked["filter_sync"]) == ["brick", "brick", 1, 1, "window", "window"]

    def test_pandas_reads_it_directly(self, undisturbed: Path) -> None:
        frame = pd.read_parquet(undisturbed / "points")
        own = load_study(undisturbed).to_frame()
        keys = ["point", "layer"]
        pd.testing.assert_frame_equal(
            frame.sort_values(keys, ignore_index=True), own.sort_values(keys, ignore_index=True), check_exact=True
        )

    def test_duckdb_reads_it_directly(self, undisturbed: Path) -> None:
        duckdb = pytest.importorskip("duckdb")
        query = f"select point, sum(cycles) as cycles from '{undisturbed}/points/*.parquet' group by point order by point"  # noqa: S608
        found = duckdb.sql(query).fetchall()
        own = load_study(undisturbed).points().sort_values("point")
        assert [point for point, _ in found] == list(own["point"])
        assert [cycles for _, cycles in found] == pytest.approx(own["cycles"].to_numpy())


class TestCompaction:
    def test_it_holds_what_the_files_hold(self, undisturbed: Path, tmp_path: Path) -> None:
        folder = tmp_path / "study"
        shutil.copytree(undisturbed, folder)
        points, frame = load_study(folder).points(), load_study(folder).to_frame()
        load_study(folder).compact()
        shutil.rmtree(folder / "points")
        pd.testing.assert_frame_equal(load_study(folder).points(), points, check_exact=True)
        pd.testing.assert_frame_equal(load_study(folder).to_frame(), frame, check_exact=True)
        assert len(pd.read_parquet(folder / "compact" / "layers.parquet")) == len(frame)
        assert list(pd.read_parquet(folder / "compact" / "points.parquet")["cycles"]) == list(points["cycles"])

    def test_no_point_is_there_twice_or_missing(self, undisturbed: Path, tmp_path: Path) -> None:
        folder = tmp_path / "study"
        shutil.copytree(undisturbed, folder)
        files = sorted((folder / "points").iterdir())
        taken = {file: file.read_bytes() for file in files[::2]}
        for file in taken:
            file.unlink()
        load_study(folder).compact()
        for file, data in taken.items():
            file.write_bytes(data)
        found = load_study(folder)
        assert sorted(record["point"] for record in found.records) == [file.stem for file in files]
        assert len(found.to_frame()) == POINTS * 7
        compacted = folder / "compact" / "layers.parquet"
        compacted.write_bytes(compacted.read_bytes()[:-20])
        assert len(load_study(folder).to_frame()) == POINTS * 7


def test_figures_are_drawn(undisturbed: Path, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    written = load_study(undisturbed).write_figures(tmp_path / "figures")
    assert sorted(path.name for path in written) == [f"time-{m}.{e}" for m in ("area", "energy") for e in ("pdf", "png", "svg")]
    svg = (tmp_path / "figures" / "time-area.svg").read_text()
    assert svg.count('aria-roledescription="point"') == POINTS
    assert "area, mm²" in svg


class TestCommand:
    def test_it_says_the_best_and_goes_on(self, tmp_path: Path) -> None:
        arguments = (
            "sweep",
            "digits",
            "--limit",
            1,
            "-g",
            "lanes=4,8",
            "-g",
            "filter_sync=brick,1",
            "-o",
            tmp_path / "s",
            "-j",
            1,
        )
        first = call(*arguments)
        assert first.exit_code == 0, first.output
        assert first.stdout.startswith("s: 2 points (2 computed)\n")
        again = call(*arguments, "--json", "-")
        assert len(json.loads(again.stdout)) == 2
        assert call(*arguments).stdout.startswith("s: 2 points (2 kept from before)\n")

    def test_it_says_what_is_synthetic_or_left_out(self, tmp_path: Path) -> None:
        values = {"networks": "alexnet", "conv_only": True, "grid": {"seed": [0, 3]}}
        study = sweep(values, tmp_path / "s", executor=Here())
        assert study.points()["seed"].tolist() == [0, 3]
        result = call("sweep", "alexnet", "--conv-only", "-g", "seed=0,3", "-o", tmp_path / "s")
        assert "alexnet: synthetic values, 3 parts left out, 8.1% of the multiply-accumulates\n" in result.stdout

    def test_a_dry_run_writes_nothing(self, tmp_path: Path) -> None:
        result = call(
            "sweep", "digits", "--limit", 1, "-g", "lanes=4,8", "-g", "filter_sync=brick,1", "--dry-run", "-o", tmp_path / "s"
        )
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith("2 points\nof 4 combinations: 0 excluded by constraints, 2 the same as others\n")
        assert not (tmp_path / "s").exists()

    @pytest.mark.parametrize(
        ("arguments", "what"),
        [
            ((), "name a study's file or networks"),
            (("digits",), "name the study's folder (--output)"),
            (("digits", "-o", "s", "-g", "lanes"), "write KEY=V,V"),
            (("digits", "-o", "s", "-g", "lanes=[4"), "cannot read the value"),
            (("digits", "-o", "s", "-g", "lanes="), "has no values"),
            (("digits", "-o", "s", "--where", "lanes <"), "cannot use the constraint"),
            (("nothing.yaml",), "cannot read the study nothing.yaml"),
            (("digits", "-o", "s", "--report", "-"), "a page is not for a terminal"),
            (("digits", "-o", "s", "--report", "no/where.html"), "no folder no"),
            (("digits", "-o", "s", "--csv", "x", "--json", "x"), "writes to x like"),
            (("a.yaml", "digits"), "one study's file at a time"),
            (("a.yaml", "--grid", "lanes=4"), "is for studies without a file"),
        ],
    )
    def test_bad_input_is_one_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: object, what: str) -> None:
        monkeypatch.chdir(tmp_path)
        result = call("sweep", *arguments)  # type: ignore[misc]
        assert (result.exit_code, result.stdout) == (2, "")
        (line,) = result.stderr.splitlines()
        assert what in line
        assert not list(tmp_path.iterdir())

    def test_failed_points_end_with_code_2(self, tmp_path: Path) -> None:
        arguments = ("sweep", "digits", "--limit", 1, "-o", tmp_path / "s", "-j", 1)
        failed = call(*arguments, "--store-size", "0.000001")
        assert failed.exit_code == 2
        assert "a point failed" in failed.stderr
        assert "--retry-failed" in call(*arguments).stderr
        assert call(*arguments, "--retry-failed").exit_code == 0


def test_workers_do_not_load_what_they_do_not_need() -> None:
    heavy = "onnx", "onnxruntime", "pandas", "torch"
    code = f"import sys, cnvlutin2.study.local_worker; print(*(name for name in {heavy} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_as_many_workers_as_processors() -> None:
    assert LocalExecutor().workers == len(os.sched_getaffinity(0))
    with pytest.raises(ConfigError, match="0 workers"):
        LocalExecutor(0)


def test_the_plan_of_these_tests() -> None:
    assert len(plan_study(definition_of(STUDY)).points) == POINTS
