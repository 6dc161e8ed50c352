"""The glossary tells of things that there are, each word once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[1] / "docs" / "glossary.md"


def rows() -> Iterator[list[str]]:
    """The cells of every word that is in use."""
    for line in PAGE.read_text("utf-8").partition("## Words that were given up")[0].splitlines():
        if line.startswith("| ") and not line.startswith("| word |"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


PLACES = sorted({name for cells in rows() for name in re.findall(r"`([\w.]+)`", cells[-1])})


def find(name: str) -> object:
    """Look a name up: of a class if it begins with one's, else below the package."""
    homes = ("cnvlutin2.organisation", "cnvlutin2.layer", "cnvlutin2.encodings")
    head, *rest = name.split(".")
    for home in homes if head[0].isupper() else ():
        module = import_module(home)
        if hasattr(module, head):
            thing = getattr(module, head)
            return (
                thing.model_fields[rest[0]] if rest and rest[0] in getattr(thing, "model_fields", ()) else getattr(thing, rest[0])
            )
    parts = name.split(".")
    cut = next((i for i, part in enumerate(parts) if not re.fullmatch(r"[a-z_]+", part)), len(parts) - 1)
    found: object = import_module(".".join(["cnvlutin2", *parts[:cut]]))
    for part in parts[cut:]:
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", PLACES)
def test_what_is_said_to_be_in_the_code_is_there(name: str) -> None:
    assert find(name) is not None


def test_every_word_stands_once() -> None:
    words = [word for cells in rows() for word in cells[0].split(", ")]
    assert len(words) > 50
    assert sorted(set(words)) == sorted(words)


def test_what_is_not_there_is_found_out() -> None:
    with pytest.raises(AttributeError):
        find("mapping.Chairs")
    with pytest.raises(AttributeError):
        find("Organisation.chairs")
