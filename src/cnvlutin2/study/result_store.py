"""`ResultStore`: a study's folder, in which every point is a file of its own that is whole or not there."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cnvlutin2.errors import ConfigError
from cnvlutin2.files import check_folder, write_whole
from cnvlutin2.study.planning import LAYOUT, Plan, Point
from cnvlutin2.study.point_table import RECORD, SHA256, digest_of_table, parameter_columns

if TYPE_CHECKING:
    import pyarrow as pa

_OWN = ("points", "failed", "tensors", "compact")
_ORPHANED_SECONDS = 600
"""Age from which a half-written file is nobody's: a point is written in milliseconds."""


class ResultStore:
    """The results of a study in a folder.

    ::

        study.json          the layout, versions, and what was asked for last
        points/ID.parquet   a finished point: a row a layer, and a record of the network in the metadata
        failed/ID.json      a point that failed, and why
        compact/            the same points in two files (`cnvlutin2.study.compaction`)

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.points, self.failed = folder / "points", folder / "failed"

    def begin(self, plan: Plan, versions: Mapping[str, str], definition: Mapping[str, object]) -> None:
        """Make the folder, or take up the one that is there; write down what is asked for.

        Raises
        ------
        ConfigError
            If it holds a study of another version, or something else.
        OutputError
            If it cannot be written to.
        """
        self.check(versions)
        self.points.mkdir(parents=True, exist_ok=True)
        self.failed.mkdir(exist_ok=True)
        for part in (*self.folder.glob(".*.part"), *self.points.glob(".*.part"), *self.failed.glob(".*.part")):
            with contextlib.suppress(OSError):
                if time.time() - part.stat().st_mtime > _ORPHANED_SECONDS:
                    part.unlink()
        asked = [{"point": point, **parameters} for point, parameters in plan.asked]
        about = {"layout": LAYOUT, "versions": dict(versions), **definition, "sources": plan.sources, "asked": asked}
        text = json.dumps(about, indent=1) + "\n"
        write_whole(self.folder / "study.json", lambda path: path.write_text(text, "utf-8"))

    def check(self, versions: Mapping[str, str] | None = None) -> None:
        """Refuse a folder that is no study's, or one of other versions; nothing is made."""
        if not self.folder.exists():
            check_folder(self.folder)
            return
        if not self.folder.is_dir():
            raise ConfigError(f"{self.folder}: is no folder; name another place for the study")
        if not (self.folder / "study.json").exists():
            # One that was killed as it began has some of these already.
            if any(path.name not in _OWN and path.suffix != ".part" for path in self.folder.iterdir()):
                raise ConfigError(f"{self.folder}: holds other things than a study; name a new or empty folder")
            check_folder(self.folder)
            return
        about = self.about()
        if versions is None:
            return
        check_folder(self.folder)
        made_with = about.get("versions")
        for name, version in versions.items():
            found = made_with.get(name) if isinstance(made_with, dict) else None
            if found != version:
                raise ConfigError(
                    f"{self.folder}: the study was made with {name} {found}, and here is {version}, by which numbers may differ; "
                    "use another folder"
                )

    def about(self) -> dict[str, Any]:
        """Return what `study.json` says.

        Raises
        ------
        ConfigError
            If the folder is no study's, or one of another layout.
        """
        path = self.folder / "study.json"
        try:
            found = json.loads(path.read_text("utf-8"))
        except OSError:
            raise ConfigError(f"{self.folder}: is no study's folder; it has no study.json") from None
        except ValueError:
            raise ConfigError(f"{path}: is damaged; remove it, and sweep again into this folder: points are kept") from None
        if not isinstance(found, dict) or found.get("layout") != LAYOUT:
            layout = found.get("layout") if isinstance(found, dict) else None
            raise ConfigError(
                f"{self.folder}: is a store of layout {layout!r}, and this version reads {LAYOUT!r}; use another folder"
            )
        return found

    def path(self, point: str) -> Path:
        """Return the file of a finished point."""
        return self.points / f"{point}.parquet"

    def is_finished(self, point: str) -> bool:
        """Whether a point's file is there."""
        return self.path(point).exists()

    def write(self, point: Point, table: pa.Table) -> None:
        """Write a finished point, and forget that it failed.

        Raises
        ------
        OutputError
        """
        import pyarrow.parquet as pq

        def write(path: Path) -> None:
            # Without the copy of the schema that only pyarrow reads, which is as large as the values.
            plain = {"compression": "none", "use_dictionary": False, "write_statistics": False, "store_schema": False}
            with pq.ParquetWriter(path, table.schema.remove_metadata(), write_page_checksum=True, **plain) as writer:
                writer.write_table(table.replace_schema_metadata())
                writer.add_key_value_metadata({RECORD: table.schema.metadata[RECORD], SHA256: digest_of_table(table)})

        write_whole(self.path(point.id), write)
        (self.failed / f"{point.id}.json").unlink(missing_ok=True)

    def note_failure(self, point: Point, error: str) -> None:
        """Write down that a point failed, and why, unless it was written down before, or another sweep has finished it."""
        path = self.failed / f"{point.id}.json"
        if path.exists() or self.is_finished(point.id):
            return
        text = json.dumps({"layout": LAYOUT, **parameter_columns(point), "error": error}, indent=1) + "\n"
        write_whole(path, lambda part: part.write_text(text, "utf-8"))

    def read(self, point: str) -> pa.Table | None:
        """Return a point's table, or None if it is not there or damaged: what a machine that failed did not write to the end."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.path(point), page_checksum_verification=True) as file:
                found = file.metadata.metadata or {}
                table = file.read(use_threads=False).replace_schema_metadata({RECORD: found.get(RECORD, b"{}")})
            if found.get(SHA256) != digest_of_table(table):  # sums of pages do not cover their headers
                return None
            record = record_of(table)
        except (OSError, ValueError, pa.ArrowException):
            return None
        return table if record.get("point") == point and record.get("layout") == LAYOUT else None

    def finished(self) -> Iterator[str]:
        """Yield the points whose files are there, whole or not, in the order of their names."""
        if self.points.is_dir():
            yield from sorted(path.stem for path in self.points.glob("*.parquet"))

    def failures(self) -> list[dict[str, Any]]:
        """Return the failed points: parameters, and ``error``."""
        found = []
        for path in sorted(self.failed.glob("*.json")):
            with contextlib.suppress(OSError, ValueError):  # another sweep has just finished it
                found.append(cast("dict[str, Any]", json.loads(path.read_text("utf-8"))))
        return found

    def forget_failures(self, points: Iterable[str]) -> None:
        """Forget that points failed, so that they are computed again."""
        for point in points:
            (self.failed / f"{point}.json").unlink(missing_ok=True)

    def forget_damaged(self, points: Iterable[str]) -> list[str]:
        """Remove the files of points that are damaged, so that they are computed again; return those that are whole."""
        whole = []
        for point in points:
            if not self.is_finished(point):
                continue
            if self.read(point) is None:
                self.path(point).unlink(missing_ok=True)
            else:
                whole.append(point)
        return whole


def record_of(table: pa.Table) -> dict[str, Any]:
    """Return the record that a point's table carries; an empty one if there is none."""
    found = json.loads((table.schema.metadata or {}).get(RECORD, b"{}"))
    return found if isinstance(found, dict) else {}
