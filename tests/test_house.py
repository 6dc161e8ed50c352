"""The house (docs/contributing.md): who may import whom, what loads late, and names that only one thing has.

Imports for types alone count, and so do those inside of functions.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

import cnvlutin2

ROOT = Path(cnvlutin2.__file__).parent
CONTRIBUTING = Path(__file__).resolve().parents[1] / "docs" / "contributing.md"
HEAVY = ("PIL", "torch", "onnx", "onnxruntime", "sklearn", "altair")

ROOMS = (
    "errors",
    "files",
    "yaml_text",
    "simd",
    "numeric_compiled",
    "numeric",
    "layer",
    "encodings",
    "organisation",
    "mapping",
    "machine",
    "network",
    "timing",
    "cost",
    "results",
    "simulation",
    "tuning",
    "reproduction",
    "report",
    "hardware",
    "study",
    "testing",
    "cli",
    "__main__",
)
"""From the ground up: a room imports from those before it."""

ALLOWED = {
    "layer": {"numeric", "errors"},
    "machine": {"organisation", "encodings"},
    "mapping": {"layer", "organisation", "encodings"},
    "network": {"layer", "numeric", "errors", "files", "yaml_text"},
    "testing": {"layer", "organisation", "encodings", "numeric", "errors"},
}
"""Rooms that may know less than all that lies below: layers no machine, machines no layer, networks no organisation."""

KNOW_THE_COMPILED_ENGINE = {"cnvlutin2.timing.engines", "cnvlutin2.simulation.first_run"}
"""Who makes it, and who compiles it."""

SHARED_NAMES = {
    "engine": "the seam, and each engine",
    "machine": "a package's main module",
    "layer": "a package's main module",
    "network": "a package's main module",
    "organisation": "a package's main module",
    "maps": "streams of whole maps, and the compiled engine's maps of lanes",
    "results": "the package, and the compiled engine's",
    "encoders": "waiting for them, and the hardware's",
    "parameters": "of an encoded array, and of a design",
    "tuning": "the package, which tunes thresholds, and the compiled engine's constants, which were",
}
"""Modules' names that two have, and who; a compiled twin in ``_kernels`` has the name of what it is the twin of."""


@cache
def modules() -> dict[str, Path]:
    """The package's modules by name; of packages, their ``__init__``."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = ("cnvlutin2", *path.relative_to(ROOT).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(module: str) -> frozenset[str]:
    """The package's modules that one imports: anywhere in it, for types alone too."""
    found: set[str] = set()
    for statement in ast.walk(ast.parse(modules()[module].read_text("utf-8"))):
        if isinstance(statement, ast.Import):
            found.update(name.name for name in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, f"{module} imports relatively"
            source = statement.module or ""
            within = {f"{source}.{name.name}" for name in statement.names}
            found |= {name if name in modules() else source for name in within}
    return frozenset(found & modules().keys())


def reached(module: str) -> set[str]:
    """All modules that one leads to."""
    found: set[str] = set()
    wanted = [module]
    while wanted:
        new = imports(wanted.pop()) - found
        found |= new
        wanted += new
    return found


@pytest.mark.parametrize("module", ["layer", "organisation", "encodings", "timing", "network"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    watched = {*HEAVY, "cnvlutin2.network"}
    code = f"import sys, cnvlutin2.{module}; print(*sorted({watched} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == (["cnvlutin2.network"] if module == "network" else [])


def test_opening_a_topology_or_a_trace_loads_nothing_heavy(tmp_path: Path) -> None:
    code = f"""
import sys
import numpy as np
from cnvlutin2.network import Layer, Numeric, open_network, save_traces
save_traces([Layer("fc", np.ones((1, 4, 1, 1), np.int16), np.ones((2, 4, 1, 1), np.int16))], {str(tmp_path)!r})
assert next(open_network({str(tmp_path)!r}).run(None, Numeric())).name == "fc"
open_network("alexnet")
print(*sorted({set(HEAVY)} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def room(module: str) -> str:
    """Where a module stands; the package's own file, which loads names on demand, stands above all."""
    return [*module.split("."), ""][1]


def test_every_module_stands_in_a_room() -> None:
    assert {room(module) for module in modules()} - {""} == set(ROOMS)


@pytest.mark.parametrize("own", ROOMS)
def test_rooms_import_from_below_alone(own: str) -> None:
    below = ALLOWED.get(own, set(ROOMS[: ROOMS.index(own)]))
    for module in (name for name in modules() if room(name) == own):
        upwards = [name for name in imports(module) if room(name) not in {own, *below}]
        assert not upwards, f"{module} imports {upwards}"


def test_no_module_leads_to_itself() -> None:
    for module in modules():
        assert module not in reached(module), module


def test_few_know_the_compiled_engine() -> None:
    inside = {name for name in modules() if f"{name}.".startswith("cnvlutin2.timing.compiled.")}
    assert {name for name in modules().keys() - inside if imports(name) & inside} == KNOW_THE_COMPILED_ENGINE


def test_one_module_imports_onnxruntime() -> None:
    """It has to switch the telemetry off first."""
    importing = {
        module
        for module, path in modules().items()
        for statement in ast.walk(ast.parse(path.read_text("utf-8")))
        for name in (
            [each.name for each in statement.names]
            if isinstance(statement, ast.Import)
            else [statement.module or ""]
            if isinstance(statement, ast.ImportFrom)
            else []
        )
        if name.partition(".")[0] == "onnxruntime"
    }
    assert importing == {"cnvlutin2.network.onnx.ort_session"}


def test_what_is_private_is_used_in_its_package_alone() -> None:
    for module in modules():
        for name in (name for name in imports(module) if "._" in name):
            assert module.startswith(name.partition("._")[0]), f"{module} imports {name}"


MAKES_ARRAYS = {"arange", "array", "astype", "copy", "empty", "empty_like", "full", "ones", "zeros", "zeros_like"}


def test_helpers_whose_owners_are_not_counted_make_no_arrays() -> None:
    """They do not compile, or lose what they were given; what Numba keeps of kernels hides it until it is made anew."""
    trees = [ast.parse(path.read_text("utf-8")) for path in modules().values()]
    made_by: dict[str, list[ast.FunctionDef]] = {
        "helper": [],
        "inlined_helper": [],
        "making_helper": [],
        "inlined_making_helper": [],
    }
    for function in (each for tree in trees for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)):
        for decorator in (each.id for each in function.decorator_list if isinstance(each, ast.Name)):
            made_by.get(decorator, []).append(function)
    assert all(made_by.values())
    making = {function.name for kind in ("making_helper", "inlined_making_helper") for function in made_by[kind]}
    for function in [*made_by["helper"], *made_by["inlined_helper"]]:
        called = {ast.unparse(each.func) for each in ast.walk(function) if isinstance(each, ast.Call)}
        names = {name.rpartition(".")[2] if name.startswith("np.") else name for name in called}
        assert not names & (making | MAKES_ARRAYS), f"{function.name} makes arrays: let it be a making helper"


def test_the_map_of_the_house_shows_every_room() -> None:
    page = CONTRIBUTING.read_text("utf-8")
    rooms = page.partition("```text\n")[2].partition("```")[0]
    shown = [name for line in rooms.splitlines() for name in line.partition("  ")[0].replace(",", " ").split()]
    assert [name for name in reversed(ROOMS) if name in shown] == shown
    assert set(ROOMS) - set(shown) == {"__main__", "numeric_compiled"}


def test_modules_have_names_of_their_own() -> None:
    counts = Counter(module.rpartition(".")[2] for module in modules() if "._kernels." not in module)
    assert {name for name, count in counts.items() if count > 1} == SHARED_NAMES.keys()


def test_what_is_read_here_is_there() -> None:
    """The checks above would all pass on a package of which they see nothing."""
    assert "cnvlutin2.network.onnx.model_run" in reached("cnvlutin2.network.opening")
    assert "cnvlutin2.network.torch.module_run" in imports("cnvlutin2.network.torch.executed_module")  # for types, and late
    assert "cnvlutin2.layer.layer" in reached("cnvlutin2.timing")
