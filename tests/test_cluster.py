"""Sweeps on a real Dask scheduler with worker processes, and on a real Slurm; a worker is killed in the middle."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_sweep import PATIENCE_SECONDS, POINTS, STUDY, begun, call, contents, count, needs_proc, until_there_are

from cnvlutin2.errors import ConfigError
from cnvlutin2.study import DaskExecutor, read_cluster, sweep

needs_dask = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", "import dask_jobqueue"], capture_output=True, check=False).returncode != 0,
    reason="needs Dask: pip install '.[cluster]'",
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sweep(STUDY, tmp_path_factory.mktemp("sweep") / "study", jobs=2).folder


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler's address, and two worker processes."""
    file, log = tmp_path / "scheduler.json", (tmp_path / "dask.log").open("wb")
    python = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    started = [subprocess.Popen([*python, "--scheduler-file", str(file), "--no-dashboard"], stdout=log, stderr=log)]
    try:
        limit = time.monotonic() + PATIENCE_SECONDS
        while not file.exists() or not file.read_text().strip().endswith("}"):
            assert time.monotonic() < limit, (tmp_path / "dask.log").read_text()
            assert started[0].poll() is None, (tmp_path / "dask.log").read_text()
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        one = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1", "--local-directory", str(tmp_path)]
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, *one]
        started += [subprocess.Popen(worker, stdout=log, stderr=log) for _ in range(2)]
        yield address, started[1:]
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()
        log.close()


@needs_dask
def test_a_worker_of_a_scheduler_is_killed(
    scheduler: tuple[str, list[subprocess.Popen[bytes]]], undisturbed: Path, tmp_path: Path
) -> None:
    address, workers = scheduler
    folder = tmp_path / "study"
    process = begun(folder, "--dask", address, jobs=None)
    until_there_are(folder, 8, process)
    workers[0].send_signal(signal.SIGKILL)
    assert count(folder) < POINTS, "the sweep had ended before the worker could be killed"
    _, said = process.communicate()
    assert process.returncode == 0, said.decode()
    assert contents(folder) == contents(undisturbed)


@needs_dask
def test_points_that_fail_on_a_scheduler_say_why(scheduler: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path) -> None:
    values = {"networks": "digits", "limit": 1, "grid": {"tiles": [1, 2]}}
    study = sweep(values, tmp_path / "study", executor=DaskExecutor(scheduler[0]), store_bytes=1000)
    assert ["--store-size" in failure["error"] for failure in study.failures()] == [True, True]


@needs_dask
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense", "tcp://", "tcp://host"])
def test_a_scheduler_that_cannot_be_reached_is_refused(tmp_path: Path, address: str) -> None:
    result = call("sweep", "digits", "--limit", 1, "-o", tmp_path / "s", "--dask", address)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"no Dask scheduler can be reached at {address!r}" in result.stderr.splitlines()[-1]
    assert not (tmp_path / "s").exists()


def test_without_dask_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = call("sweep", "digits", "--limit", 1, "-o", tmp_path / "s", "--dask", "tcp://127.0.0.1:1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "pip install 'cnvlutin2[cluster]'" in result.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("system: cray\njobs: 1", "'cray' is no queue; one of slurm"),
        ("system: slurm\njobs: 0", "0 jobs are not possible"),
        ("system: slurm", "None jobs are not possible"),
        ("system: slurm\njobs: 1\nworkers: 3", "unknown key 'workers'"),
        ("system: slurm\njobs: 1\noptions: 3", "no mapping"),
        ("- slurm", "must be a YAML mapping"),
    ],
)
def test_a_cluster_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "cluster.yaml").write_text(text)
    with pytest.raises(ConfigError, match=what) as caught:
        read_cluster(tmp_path / "cluster.yaml")
    assert "cluster.yaml" in str(caught.value)


@needs_dask
def test_options_that_the_queue_does_not_know_are_refused(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("system: slurm\njobs: 1\noptions: {memory: much}")
    result = call("sweep", "digits", "--limit", 1, "-o", tmp_path / "s", "--cluster", tmp_path / "c.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "dask-jobqueue cannot use the options" in result.stderr.splitlines()[-1]
    assert not (tmp_path / "s").exists()


def test_one_place_at_a_time(tmp_path: Path) -> None:
    result = call("sweep", "digits", "-o", tmp_path / "s", "-j", 2, "--dask", "tcp://127.0.0.1:1")
    assert "does not go with --jobs" in result.stderr


@pytest.fixture
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which a Slurm of this machine is reached."""
    missing = [name for name in ("slurmctld", "slurmd", "munge", "setpriv") if shutil.which(name) is None]
    if missing or os.getuid():
        pytest.skip("needs Slurm and root: apt-get install slurm-wlm munge")
    folder = tmp_path_factory.mktemp("slurm")
    script = Path(__file__).with_name("slurm.sh")
    started = subprocess.run([script, "start", folder], capture_output=True, text=True, check=False)
    if started.returncode:
        subprocess.run([script, "stop", folder], capture_output=True, check=False)
        pytest.skip(f"Slurm does not start here: {started.stderr.strip()}")
    try:
        yield {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    finally:
        subprocess.run([script, "stop", folder], capture_output=True, check=False)


@needs_dask
@needs_proc
def test_a_job_of_slurm_is_cancelled(slurm: dict[str, str], undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    prologue = [f"export {key}={os.environ[key]}" for key in ("PYTHONPATH", "NUMBA_CACHE_DIR") if key in os.environ]
    options = {
        "memory": "500MB",
        "python": sys.executable,
        "local_directory": str(tmp_path),
        "log_directory": str(tmp_path),
        "walltime": "00:30:00",
        "job_script_prologue": prologue,
        "worker_extra_args": ["--host", "127.0.0.1", "--no-dashboard"],
        "scheduler_options": {"host": "127.0.0.1", "dashboard_address": None},
    }
    (tmp_path / "slurm.yaml").write_text(json.dumps({"system": "slurm", "jobs": 2, "options": options}))
    process = begun(folder, "--cluster", str(tmp_path / "slurm.yaml"), jobs=None, environment=slurm)
    until_there_are(folder, 4, process)
    listed = subprocess.run(
        ["squeue", "--noheader", "--format=%i", "--states=R"], env=slurm, capture_output=True, text=True, check=True
    )
    running = listed.stdout.split()
    assert running, "no job runs"
    subprocess.run(["scancel", running[0]], env=slurm, check=True)
    assert count(folder) < POINTS, "the sweep had ended before a job could be cancelled"
    _, said = process.communicate()
    assert process.returncode == 0, said.decode()
    assert contents(folder) == contents(undisturbed)
