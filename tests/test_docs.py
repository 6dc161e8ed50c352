"""The documentation does what it says: every command and Python block of every page runs, in the order of the page.

A page's blocks run in one temporary folder, its Python blocks in one namespace. An HTML comment before a block says more:

- ``<!-- file: NAME -->``: the block is that file's content;
- ``<!-- prints -->``: the block is what the Python block before it prints;
- ``<!-- exit: N -->``: the block's last command ends with that code;
- ``<!-- needs: MODULE -->``: the block is left out where an optional package is not installed;
- ``<!-- not run: REASON -->``: the block cannot run in a test.

What is shown is compared by `shown.check_shown`. A block of language ``diff`` begins with ``--- FILE``, which is as before the
change, or as after it: a reader who follows the page has made it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt
from onnx_models import integers, model, node, saved
from shown import check_shown

import cnvlutin2
from cnvlutin2.cli.main import group
from cnvlutin2.encodings import formats
from cnvlutin2.encodings.registry import all_formats
from cnvlutin2.machine import EVENTS
from cnvlutin2.network import Layer
from cnvlutin2.network.traces import save_traces
from cnvlutin2.organisation import Organisation, preset_names
from cnvlutin2.timing import SLOT_KINDS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts)]
SHELL_WORDS = {"|", "&&", ";", "<", "||", "2>"}
COMMENT = re.compile(r"<!--\s*(file|prints|exit|needs|not run)(?::\s*(.*?))?\s*-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block, where it is, and what the comment before it says."""

    place: str
    language: str
    text: str
    says: dict[str, str]


def blocks(page: Path) -> Iterator[Block]:
    says: dict[str, str] = {}
    for token in MarkdownIt("commonmark").parse(page.read_text("utf-8")):
        if token.type == "html_block":
            says |= dict(COMMENT.findall(token.content))
        elif token.type == "fence":
            line = (token.map or [0])[0] + 1
            yield Block(f"{page.relative_to(ROOT)}:{line}", token.info.strip(), token.content, says)
            says = {}
        elif token.type == "paragraph_open":
            says = {}


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block and what is shown of its output."""
    command, shown = "", ""
    lines = iter(text.splitlines())
    for line in lines:
        if not line.startswith("$ "):
            assert command, f"a console block starts with '$ ', not with {line!r}"
            shown += line + "\n"
            continue
        if command:
            yield command, shown
        command, shown = line[2:], ""
        while command.endswith("\\"):
            command = command[:-1] + next(lines)
    yield command, shown


FIRST_RUN = "cnvlutin2: note: compiling kernels (first run only)\n"
"""Whether a command is the first one here is chance."""


def run(command: str) -> tuple[int, str]:
    """Run a command, one of this package in this process if it can be; return its exit code and output."""
    words = shlex.split(command, comments=True)
    target = None
    if len(words) > 2 and words[-2] == ">":
        words, target = words[:-2], words[-1]
    if words[0] != "cnvlutin2" or SHELL_WORDS & set(words):
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(["bash", "-c", command], text=True, capture_output=True, env=os.environ | {"PATH": path})
        return done.returncode, done.stdout + done.stderr.replace(FIRST_RUN, "")
    result = CliRunner().invoke(group, words[1:])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    if target is None:
        return result.exit_code, result.output.replace(FIRST_RUN, "")
    Path(target).write_text(result.stdout, "utf-8")
    return result.exit_code, result.stderr


@pytest.fixture
def visitor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the files that a page may take for granted: a reader's model, photo, batch and traces."""
    from PIL import Image

    all_formats()
    known = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    nodes = [node("Conv", "x w1", "a", "conv1"), node("Relu", "a", "b"), node("Conv", "b w2", "y", "conv2", pads=[1, 1, 1, 1])]
    constants = {"w1": integers(24, 3, 3, 3), "w2": integers(32, 24, 3, 3)}
    saved(tmp_path, model(nodes, {"x": ("n", 3, 32, 32)}, ["y"], constants))
    pixels = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.jpg")
    np.save(tmp_path / "batch.npy", rng.standard_normal((2, 3, 32, 32)).astype(np.float32))
    maps = np.maximum(rng.integers(-9, 9, (2, 32, 6, 6)), 0).astype(np.int16)
    weights = rng.integers(-1, 2, (2, 32, 32, 3, 3)).astype(np.int16)
    save_traces([Layer(f"conv{i + 1}", maps, weights[i], first=i == 0) for i in range(2)], tmp_path / "traces")
    (tmp_path / "examples").mkdir()
    for example in (ROOT / "examples").glob("*.py"):
        shutil.copy(example, tmp_path / "examples")
    yield tmp_path
    # A page may have added a format.
    formats.__path__[:] = [path for path in formats.__path__ if Path(path).is_absolute()]
    for name in [n for n in sys.modules if n.startswith(f"{formats.__name__}.") and n not in known]:
        del sys.modules[name]
    all_formats.cache_clear()


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
def test_every_block_runs(page: Path, visitor: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed = ""
    for block in blocks(page):
        if "not run" in block.says:
            assert len(block.says["not run"]) > 10, f"{block.place}: say why it is not run"
        elif "file" in block.says:
            target = visitor / block.says["file"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, "utf-8")
        elif "needs" in block.says and importlib.util.find_spec(block.says["needs"]) is None:
            printed = ""
        elif "prints" in block.says:
            check_shown(block.text, printed, block.place)
        elif block.language == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(block.text, block.place, "exec"), namespace)  # noqa: S102 - the page's own code
            printed = out.getvalue()
        elif block.language in ("console", "bash", "sh", "shell"):
            check_commands(block)


def check_commands(block: Block) -> None:
    found = list(commands(block.text))
    for i, (command, shown) in enumerate(found):
        code, output = run(command)
        wanted = int(block.says.get("exit", 0)) if i == len(found) - 1 else 0
        assert code == wanted, f"{block.place}: {command}\nended with {code}:\n{output}"
        if shown.strip():
            check_shown(shown, output, f"{block.place}: {command}")


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    """A reader on a code host follows relative links to files of the repository."""
    for token in MarkdownIt("commonmark").parse(page.read_text("utf-8")):
        for child in token.children or ():
            target = str(child.attrs.get("href", child.attrs.get("src", ""))).partition("#")[0]
            if target and "://" not in target and not target.startswith("mailto:"):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}, which is not there"


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
def test_changes_that_are_shown_fit_the_files(page: Path) -> None:
    for block in blocks(page):
        if block.language == "diff":
            head, *lines = block.text.splitlines()
            before, after = ("\n".join(x[1:].rstrip() for x in lines if x[0] != sign) for sign in "+-")
            name = head.removeprefix("--- ")
            text = (ROOT / name).read_text("utf-8")
            assert before in text or after in text, f"{block.place}: {name} has no such lines"


def test_what_is_shown_is_compared() -> None:
    found = "a\nb\nc\nd 1 2 3\ne 12,345  1.742x conv1\n"
    check_shown("a\n...\nd 1 ... 3\n...", found, "here")
    check_shown("...\ne 12,346 1.741x conv1", found, "here")
    wrong = (
        "a\nd",
        "a\n...\nf",
        "a",
        "...\ne 12,345 1.742x conv2",
        "...\ne 12,500 1.742x conv1",
        "...\nd 1 2 4\n...",
        "...\ne 12,345 1.760x conv1",
    )
    for shown in wrong:
        with pytest.raises(AssertionError, match="here shows"):
            check_shown(shown, found, "here")


def test_builds_without_warnings(tmp_path: Path) -> None:
    """The pages build, and nothing in them is fetched from elsewhere; the notebooks' own test executes them."""
    pytest.importorskip("myst_nb", reason="the extra [docs] is not installed")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-D", "nb_execution_mode=off", "-b", "html"]
    done = subprocess.run([*command, str(ROOT / "docs"), str(tmp_path / "html")], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    fetched = re.compile(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"https?:|<link[^>]*rel=\"stylesheet\"[^>]*href=\"https?:")
    for page in (tmp_path / "html").rglob("*.html"):
        assert not fetched.search(page.read_text("utf-8")), f"{page.name} fetches something"


def test_figures_are_what_their_script_draws(tmp_path: Path) -> None:
    script = ROOT / "docs" / "_scripts" / "figures.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True)
    figures = sorted((ROOT / "docs" / "figures").iterdir())
    assert [path.name for path in figures] == sorted(path.name for path in tmp_path.iterdir())
    for path in figures:
        check_shown(path.read_text("utf-8"), (tmp_path / path.name).read_text("utf-8"), path.name)


def test_every_parameter_is_explained() -> None:
    page = (ROOT / "docs" / "tutorials" / "own-hardware.md").read_text("utf-8")
    described = page.partition("## Every parameter")[2]
    assert [name for name in Organisation.model_fields if f"`{name}`" not in described] == []


def test_every_slot_class_and_preset_is_explained() -> None:
    model_page = (ROOT / "docs" / "model.md").read_text("utf-8")
    assert [name for name in (*SLOT_KINDS, *preset_names()) if f"| `{name}` |" not in model_page] == []


def test_every_event_has_an_equation() -> None:
    rows = [line.split(" | ") for line in (ROOT / "docs" / "cost.md").read_text("utf-8").splitlines() if line.startswith("| `")]
    equations = {name: cells[1] for cells in rows if len(cells) == 4 for name in re.findall(r"`(\w+)`", cells[0])}
    assert [name for name in EVENTS if name not in equations] == []
    assert all("`" in equation or "](#" in equation for equation in equations.values())


def test_every_public_name_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "api.md").read_text("utf-8")
    listed = [getattr(cnvlutin2, name) for name in cnvlutin2.__all__]
    by_module = {thing.__name__ for thing in listed if f"automodule:: {thing.__module__}\n" in page}
    assert [name for name in cnvlutin2.__all__ if f"cnvlutin2.{name}\n" not in page and name not in by_module] == []
