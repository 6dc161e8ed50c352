"""What imports what: networks lie above layers and machines, heavy packages load late, and no modules import one another."""

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
HEAVY = ("PIL", "torch", "onnx", "onnxruntime", "sklearn", "altair")
ABOVE_NETWORK = {"__main__", "cli", "first_run", "report", "reproduction", "results", "simulation", "testing"}


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


def test_nothing_below_imports_networks() -> None:
    for module in modules():
        place = [*module.split("."), ""][1]
        if place and place not in ABOVE_NETWORK | {"network"}:
            assert not [name for name in imports(module) if name.startswith("cnvlutin2.network")], module


def test_networks_import_only_what_lies_below() -> None:
    allowed = {"layer", "numeric", "errors", "files", "yaml_text", "network"}
    for module in (name for name in modules() if name.startswith("cnvlutin2.network")):
        assert {name.split(".")[1] for name in imports(module)} <= allowed, module


def test_modules_of_networks_do_not_import_one_another() -> None:
    for module in (name for name in modules() if name.startswith("cnvlutin2.network")):
        assert module not in reached(module), module


def test_modules_of_networks_have_names_of_their_own() -> None:
    counts = Counter(module.rpartition(".")[2] for module in modules())
    for module in (name for name in modules() if name.startswith("cnvlutin2.network.")):
        name = module.rpartition(".")[2]
        # The package and its main class's module are the one word for one thing.
        assert counts[name] == (2 if name == "network" else 1), module


def test_what_is_read_here_is_there() -> None:
    """The checks above would all pass on a package of which they see nothing."""
    assert "cnvlutin2.network.onnx.model_run" in reached("cnvlutin2.network.opening")
    assert "cnvlutin2.network.torch.dispatch_mode" in imports("cnvlutin2.network.torch.executed_module")  # for types, and late
    assert "cnvlutin2.layer.layer" in reached("cnvlutin2.timing")
