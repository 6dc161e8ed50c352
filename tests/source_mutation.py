"""Changes a place in a module's source for the time of a test."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest


def mutate(
    module: ModuleType, old: str, new: str, folder: Path, monkeypatch: pytest.MonkeyPatch, users: Sequence[ModuleType] = ()
) -> None:
    """Let the methods and functions of a module do what those of the changed source do.

    Parameters
    ----------
    module : module
    old, new : str
        A text that occurs once in its source, and what it becomes; not in an ``__init__``.
    folder : Path
        Where the changed source goes.
    users : sequence of module
        Modules that have imported functions by name, the module itself among them.
    """
    source = inspect.getsource(module)
    assert source.count(old) == 1, "the place is gone, or not the only one"
    name = f"mutated_{module.__name__.rpartition('.')[2]}"
    path = folder / f"{name}.py"
    path.write_text(source.replace(old, new))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    mutated = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, mutated)
    spec.loader.exec_module(mutated)
    for called, thing in vars(module).items():
        if getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(thing):
            for method, function in inspect.getmembers(getattr(mutated, called), inspect.isfunction):
                if method in vars(thing) and method != "__init__":
                    monkeypatch.setattr(thing, method, function)
        elif inspect.isfunction(thing):
            for user in users:
                if getattr(user, called, None) is thing:
                    monkeypatch.setattr(user, called, getattr(mutated, called))
