"""Writing files: whole or not at all, through links, to devices and pipes, and what is refused."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from cnvlutin2.errors import OutputError
from cnvlutin2.files import check_writable, write_whole


def write(target: Path, text: str = "new") -> None:
    write_whole(target, lambda path: path.write_text(text, "utf-8"))


def test_a_file_is_made_or_replaced(tmp_path: Path) -> None:
    for text in ("first", "second"):
        write(tmp_path / "f", text)
        assert (tmp_path / "f").read_text() == text
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
    plain = tmp_path / "plain"
    plain.touch()
    assert (tmp_path / "f").stat().st_mode == plain.stat().st_mode  # what the umask says, not a temporary file's


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=r"cannot write .*f: No space left on device; choose another place"):
        write_whole(tmp_path / "f", fail)

    def interrupt(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "f", interrupt)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("f", "old")]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name in ("old", "none yet"):
        link, file = tmp_path / f"link to {name}", tmp_path / "there" / name
        link.symlink_to(file)
        if name == "old":
            file.write_text("old")
        write(link)
        assert link.is_symlink()
        assert file.read_text() == "new"
    assert sorted(p.name for p in (tmp_path / "there").iterdir()) == ["none yet", "old"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_written_to_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()), daemon=True)
    reader.start()
    write(pipe)
    reader.join(timeout=60)
    assert found == ["new"]
    assert pipe.is_fifo()


def test_what_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").touch()
    cases = {
        tmp_path: "is a folder",
        tmp_path / "none" / "f": "make it first",
        tmp_path / "file" / "f": "make it first|Not a directory",
        tmp_path / ("x" * 300): "too long",
        tmp_path / "loop": "[Ll]oop|symbolic links",
    }
    for target, words in cases.items():
        for refuse in (check_writable, write):
            with pytest.raises(OutputError, match=words):
                refuse(target)
    # The superuser may write what is read-only, so the answer is given here.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "file")
    with pytest.raises(OutputError, match="is read-only"):
        check_writable(tmp_path / "file")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(OutputError, match="may not be written"):
        check_writable(tmp_path / "f")
