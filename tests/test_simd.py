"""Vector primitives: what is compiled is what their bodies say; loads and stores are checked; and who chooses compiled code."""

# Numba leaves decorated functions untyped.
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError
from simd_cases import BOUNDED, CASES, OUT_BYTES

from cnvlutin2 import simd
from cnvlutin2.errors import ConfigError
from cnvlutin2.simd import VECTOR, llvm, lookups, uses_numba
from cnvlutin2.simd.primitive import OUT_OF_BOUNDS, PRIMITIVES
from cnvlutin2.simd.vectors import load, total

compiler = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"), reason="needs Numba's compiler, which is switched off"
)
MODULES = [importlib.import_module(f"{simd.__name__}.{found.name}") for found in pkgutil.iter_modules(simd.__path__)]
NO_PRIMITIVES = {"uses_numba", "instructions", "view_at"}
RUNS = 40


def found_by(run: Callable[..., Any], arguments: tuple[Any, ...]) -> list[int]:
    out = np.zeros(OUT_BYTES, np.uint8)
    run(*arguments, out)
    found: list[int] = out.tolist()
    return found


def test_every_primitive_has_cases_that_call_it() -> None:
    assert set(PRIMITIVES) == set(CASES)
    for name, cases in CASES.items():
        for case, _ in cases:
            seen = inspect.getclosurevars(case)
            called = [*seen.globals.values(), *seen.nonlocals.values()]
            assert PRIMITIVES[name] in called, f"a case of {name} does not call it"


def test_every_public_function_of_a_module_of_primitives_is_one() -> None:
    for module in MODULES:
        if module.__name__.rpartition(".")[2] in ("llvm", "jit"):
            continue  # what instructions are built of, and what decorates
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_") and name not in NO_PRIMITIVES:
                assert PRIMITIVES.get(f"{module.__name__.rpartition('.')[2]}.{name}") is function, name
                assert function.__doc__, name


@compiler
@pytest.mark.parametrize("name", CASES)
def test_what_is_compiled_is_what_the_body_says(name: str) -> None:
    rng = np.random.default_rng(7)
    for case, draw in CASES[name]:
        compiled = njit(nogil=True)(case)
        for _ in range(RUNS):
            arguments = draw(rng)
            assert found_by(compiled, arguments) == found_by(case, arguments), arguments


@compiler
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("lookups.")])
def test_both_sizes_of_digits(name: str, bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are compiled for processors with other instructions than the one at hand."""
    if bits == 4 and "+avx2" not in llvm.processor_features():
        pytest.skip("the processor cannot look up the bytes of a register")
    monkeypatch.setattr(lookups, "DIGIT_BITS", bits)
    test_what_is_compiled_is_what_the_body_says(name)


@compiler
@pytest.mark.parametrize("features", [[], ["+avx2"], ["+avx512bw"]])
def test_sums_of_eight_on_other_processors(features: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if set(features) - set(llvm.processor_features()):
        pytest.skip("the processor has no such instruction")
    monkeypatch.setattr(llvm, "processor_features", lambda: features)
    test_what_is_compiled_is_what_the_body_says("vectors.add_up")


class TestBounds:
    def test_everything_with_a_place_is_tried(self) -> None:
        assert {name for name, body in PRIMITIVES.items() if "at" in inspect.signature(body).parameters} == set(BOUNDED)

    @compiler
    @pytest.mark.parametrize("name", BOUNDED)
    def test_what_lies_beyond_an_array_is_refused(self, name: str) -> None:
        """Compiled and as Python alike, both at the front and at the end; the outermost that lie within are taken."""
        for touch, dtype, size in BOUNDED[name]:
            needed = size // np.dtype(dtype).itemsize
            for run in (njit(boundscheck=True)(touch), touch):
                array = np.zeros(2 * (needed + 3), dtype).reshape(2, -1)
                for place in (0, array.size - needed):
                    run(array, place)
                for place in (-1, -(1 << 40), array.size - needed + 1, array.size, 1 << 40):
                    with pytest.raises(IndexError, match=OUT_OF_BOUNDS):
                        run(array, place)
                with pytest.raises(IndexError, match=OUT_OF_BOUNDS):
                    run(array.reshape(-1)[: needed - 1], 0)

    def test_only_contiguous_arrays_are_taken(self) -> None:
        every_other = np.zeros(4 * VECTOR, np.uint8)[::2]
        with pytest.raises(ValueError, match="contiguous"):
            load(every_other, 0)
        if njit(load) is not load:
            with pytest.raises(TypingError):
                njit(lambda array: total(load(array, 0)))(every_other)

    @pytest.mark.parametrize("checked", [True, False])
    def test_the_environment_has_kernels_checked(self, checked: bool, tmp_path: Path) -> None:
        """Those that were kept without checks are not taken for them: both runs share a cache."""
        script = tmp_path / "touch.py"
        script.write_text(TOUCH)
        plain = {"NUMBA_CACHE_DIR": str(tmp_path / "kept"), "NUMBA_DISABLE_JIT": "0"}
        assert output_of(script, plain) == "taken taken taken taken"
        if checked:
            assert output_of(script, {**plain, "NUMBA_BOUNDSCHECK": "1"}) == "refused refused taken taken"


TOUCH = """
import sys
import numpy as np
from cnvlutin2.simd.jit import helper, kernel
from cnvlutin2.simd.vectors import load, splat, store, total

@helper
def put(array, at):
    store(array, at, splat(np.uint8(1)))

@kernel
def stores(array, at):
    put(array, at)

@kernel
def loads(array, at):
    return total(load(array, at))

room = np.zeros(4096, np.uint8)  # what lies behind the part of it is there, so that nothing breaks where it is not checked
for place in (2048 - 63, 2048 - 64):
    for touch in (loads, stores):
        try:
            touch(room[:2048], place)
        except IndexError:
            print("refused", end=" ")
        else:
            print("taken", end=" ")
"""


def output_of(script: Path, environment: dict[str, str]) -> str:
    cleared = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, str(script)], env={**cleared, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


MEANING = """
import numpy as np
from cnvlutin2.simd.jit import helper, kernel
from cnvlutin2.simd.narrow import plus
from cnvlutin2.simd.scans import last_of, running_sums
from cnvlutin2.simd.vectors import load, splat, store, total

@helper
def doubled(values):
    return plus(values, values)

@kernel
def run(array, out):
    sums = running_sums(load(array, 0), np.uint8(100))
    store(out, 0, doubled(sums))
    return total(load(out, 0)) + last_of(sums)

out = np.empty(64, np.uint8)
array = np.arange(64, dtype=np.uint8)
print(hasattr(run, "py_func"), int(run(array, out)), int(out.astype(np.int64) @ array.astype(np.int64)))
"""


def test_kernels_run_as_python_with_the_compiler_off(tmp_path: Path) -> None:
    script = tmp_path / "meaning.py"
    script.write_text(MEANING)
    sums = [sum(range(i + 1)) % 100 for i in range(64)]
    expected = f"{sum(2 * s % 256 for s in sums) + sums[-1]} {sum(2 * s % 256 * i for i, s in enumerate(sums))}"
    assert output_of(script, {"NUMBA_DISABLE_JIT": "1"}) == f"False {expected}"
    assert output_of(script, {"NUMBA_CACHE_DIR": str(tmp_path)}) == f"True {expected}"


class TestChoice:
    @pytest.mark.parametrize(
        ("kernels", "jit_off", "compiled"),
        [
            (None, None, True),
            (None, "0", True),
            (None, "", True),
            (None, "1", False),
            ("", "1", False),
            ("", None, True),
            ("numpy", None, False),
            ("numpy", "0", False),
            ("numba", "1", True),
        ],
    )
    def test_the_environment_chooses(
        self, kernels: str | None, jit_off: str | None, compiled: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in (("CNVLUTIN2_KERNELS", kernels), ("NUMBA_DISABLE_JIT", jit_off)):
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        assert uses_numba() is compiled
        assert uses_numba("numba")
        assert not uses_numba("numpy")

    def test_what_is_neither_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CNVLUTIN2_KERNELS", "fortran")
        with pytest.raises(ConfigError, match="CNVLUTIN2_KERNELS='fortran' is not known; use numba or numpy"):
            uses_numba()
        with pytest.raises(ConfigError, match="use numba or numpy"):
            uses_numba("cobol")

    def test_choosing_and_planning_do_not_import_numba(self, tmp_path: Path) -> None:
        script = tmp_path / "start.py"
        script.write_text(
            "import sys, cnvlutin2.simd as simd\nfor name in ('numpy', None):\n    simd.uses_numba(name)\n"
            "print(simd.VECTOR, sorted(name for name in sys.modules if name.split('.')[0] in ('numba', 'llvmlite')))"
        )
        assert output_of(script, {}) == "64 []"
