"""What is kept of compiled kernels: used while it is whole and fits, made again if not, done without where there is no place."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from numba.core import config

import cnvlutin2
from cnvlutin2.simd import kernel_cache, uses_numba
from cnvlutin2.timing.compiled.sums import count_sums

PACKAGE = Path(cnvlutin2.__file__).parent

SCRIPT = """
import sys, warnings
sys.path.insert(0, sys.argv[1])
from cnvlutin2.simd.compilation import Listening
from cnvlutin2.simd.jit import helper, kernel
if "full" in sys.argv:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))

@helper
def plus(a):
    return a + 1

@kernel
def first(a):
    return plus(a) * 2

@kernel
def second(a):
    return plus(a) * 3

compiled = []
with Listening(compiled.append), warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    print(first(4), second(4), compiled, len(said), *(w.message for w in said), sep="|")
"""


def run(folder: Path, *arguments: str, **environment: str) -> list[str]:
    """Return the two results, what was compiled, how many warnings there were, and these."""
    script = folder / "kernels.py"
    if not script.exists():
        script.write_text(SCRIPT)
    cleared = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    command = [sys.executable, str(script), str(folder), *arguments]
    places = {"NUMBA_CACHE_DIR": str(folder / "kept")} | environment
    done = subprocess.run(command, env={**cleared, **places}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().split("|")


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "kept").rglob("*.nbc"))


BOTH, NOTHING = "['first', 'second']", "[]"
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda whole: whole[: len(whole) // 2],
    "its last byte lost": lambda whole: whole[:-1],
    "empty": lambda _: b"",
    "not even a digest": lambda whole: whole[:7],
    "zeros": lambda whole: bytes(len(whole)),
    "another's text": lambda _: b"cnvlutin2\n" * 100,
    "one bit of the machine code changed": lambda whole: (
        whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :]
    ),
    "longer": lambda whole: whole + b"\0",
}


def test_it_is_compiled_once_and_again_where_it_is_damaged(tmp_path: Path) -> None:
    assert run(tmp_path) == ["10", "15", BOTH, "0"]
    whole = {file: file.read_bytes() for file in kept(tmp_path)}
    assert len(whole) == 2
    assert run(tmp_path) == ["10", "15", NOTHING, "0"]
    file = next(file for file in whole if ".first." in file.name)
    for damage in DAMAGES.values():
        file.write_bytes(damage(whole[file]))
        assert run(tmp_path) == ["10", "15", "['first']", "0"]
        assert run(tmp_path) == ["10", "15", NOTHING, "0"]  # it is mended


def test_files_of_one_another_are_not_taken(tmp_path: Path) -> None:
    run(tmp_path)
    first, second = kept(tmp_path)
    first.write_bytes(second.read_bytes())
    assert run(tmp_path) == ["10", "15", "['first']", "0"]


def test_a_folder_in_the_place_of_a_file_is_lived_with(tmp_path: Path) -> None:
    run(tmp_path)
    first, _ = kept(tmp_path)
    first.unlink()
    first.mkdir()
    assert run(tmp_path)[:4] == ["10", "15", "['first']", "1"]


def test_an_edited_kernel_is_another(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "kernels.py").write_text(SCRIPT.replace("a + 1", "a + 2"))
    assert run(tmp_path) == ["12", "18", BOTH, "0"]


@pytest.mark.skipif(not uses_numba(), reason="about the compiled kernels only")
@pytest.mark.parametrize(
    ("edited", "matters"),
    [("timing/compiled/held.py", True), ("simd/words.py", True), ("timing/compiled/sums.py", True), ("timing/slots.py", False)],
)
def test_what_a_kernel_calls_is_part_of_it(edited: str, matters: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba's own cache is keyed by the file that holds a function, and takes what it has although a callee changed."""
    read, made = kernel_cache._text_of, kernel_cache._made_from.__wrapped__
    before = made(count_sums.py_func)  # type: ignore[attr-defined] # it is a dispatcher
    monkeypatch.setattr(kernel_cache, "_text_of", lambda file: read(file) + (b"#" if file == PACKAGE / edited else b""))
    assert (made(count_sums.py_func) != before) is matters  # type: ignore[attr-defined]


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on files")
def test_a_full_disk_costs_time_only(tmp_path: Path) -> None:
    (first, second, compiled, warned, said) = run(tmp_path, "full")
    assert (first, second, compiled, warned) == ("10", "15", BOTH, "1")  # one warning, of however many kernels
    assert "not kept" in said
    assert "NUMBA_CACHE_DIR" in said
    assert [file for file in (tmp_path / "kept").rglob("*") if file.is_file()] == []  # nothing half-written


def test_without_any_place_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").write_text("in the way")
    nowhere = {"NUMBA_CACHE_DIR": "/dev/null/kept", "XDG_CACHE_HOME": "/dev/null/cache", "HOME": "/dev/null"}
    (first, second, compiled, warned, said) = run(tmp_path, **nowhere)
    assert (first, second, compiled, warned) == ("10", "15", BOTH, "1")
    assert "not kept" in said


def test_without_a_home_no_folder_is_made_of_its_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Homeless:
        user_cache_dir = "~/.cache/numba"  # what Numba makes of a home that nobody knows

        def __init__(self, **_: object) -> None:
            pass

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kernel_cache, "AppDirs", Homeless)
    monkeypatch.setattr(config, "CACHE_DIR", "")
    (tmp_path / "__pycache__").write_text("in the way")
    kernel_cache._folder.__wrapped__(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["__pycache__"]
