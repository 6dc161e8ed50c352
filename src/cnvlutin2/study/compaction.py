"""A study's points in two files: what reads thousands of small files slowly reads these quickly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnvlutin2.files import write_whole
from cnvlutin2.study.planning import LAYOUT
from cnvlutin2.study.point_table import SHA256, digest_of_table

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER, LAYERS, POINTS = "compact", "layers.parquet", "points.parquet"
_LAYOUT = b"layout"
_RECORD = "record"


def write_compact(
    folder: Path, layers: pa.Table, rows: Sequence[Mapping[str, object]], records: Sequence[Mapping[str, Any]]
) -> None:
    """Write all points of a study to ``compact/points.parquet`` (a row a point) and ``compact/layers.parquet`` (a row a layer).

    The points' own files stay: these are what a sweep goes on from.

    Parameters
    ----------
    folder : Path
        The study's.
    layers : pa.Table
        The layers of all points.
    rows : sequence of mapping
        Columns of each point.
    records : sequence of mapping
        Each point's record, in the same order.

    Raises
    ------
    OutputError
    """
    import pyarrow as pa

    (folder / FOLDER).mkdir(exist_ok=True)
    texts = [json.dumps(record, allow_nan=False) for record in records]
    points = pa.Table.from_pylist([{**row, _RECORD: text} for row, text in zip(rows, texts, strict=True)])
    for name, table in ((LAYERS, layers), (POINTS, points)):
        plain = table.replace_schema_metadata()
        marked = plain.replace_schema_metadata({_LAYOUT: LAYOUT.encode(), SHA256: digest_of_table(plain)})
        _write(folder / FOLDER / name, marked)


def _write(path: Path, table: pa.Table) -> None:
    import pyarrow.parquet as pq

    write_whole(path, lambda part: pq.write_table(table, part, compression="zstd", write_page_checksum=True))


def read_compact(folder: Path) -> tuple[list[dict[str, Any]], pa.Table | None]:
    """Return the records and layers that were compacted; nothing if there are none, or they are damaged or of another layout."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found = []
    try:
        for name in (LAYERS, POINTS):
            table = pq.read_table(folder / FOLDER / name, page_checksum_verification=True, partitioning=None)
            marks, plain = table.schema.metadata or {}, table.replace_schema_metadata()
            if marks.get(_LAYOUT) != LAYOUT.encode() or marks.get(SHA256) != digest_of_table(plain):
                return [], None
            found.append(plain)
    except (OSError, ValueError, pa.ArrowException):
        return [], None
    layers, points = found
    records = [json.loads(text) for text in points.column(_RECORD).to_pylist()]
    known = pa.array([record["point"] for record in records])
    kept = layers.filter(pc.is_in(layers.column("point"), value_set=known))
    whole = set(kept.column("point").to_pylist())  # the two files were written one after the other
    return [record for record in records if record["point"] in whole], kept
