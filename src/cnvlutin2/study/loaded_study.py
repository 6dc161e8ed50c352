"""`Study`: the points of a folder, as frames."""

from __future__ import annotations

import html
import math
import warnings
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnvlutin2.errors import Cnvlutin2Warning, ConfigError
from cnvlutin2.study.compaction import FOLDER, read_compact, write_compact
from cnvlutin2.study.point_table import organisation_columns
from cnvlutin2.study.result_store import ResultStore, record_of
from cnvlutin2.study.study_figures import write_study_figures
from cnvlutin2.study.study_page import study_data, write_study_page

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_ROWS_SHOWN = 60
_IDENTITY = ("point", "network", "arch")
_SETTINGS = (
    *("threshold", "weight_threshold", "quantised", "energy", "seed", "topology_activation_density"),
    *("topology_weight_density", "profile"),
)


class Study:
    """The finished points of a folder; `load_study` opens one.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._store = ResultStore(folder)
        self.about: Mapping[str, Any] = self._store.about()
        """What ``study.json`` says: versions, files that went in, what was asked for last."""

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._store.folder

    def __repr__(self) -> str:
        """Say on one line what there is."""
        return f"<Study {self.folder}: {len(self.records)} points, {len(self.failures())} failed>"

    def _repr_html_(self) -> str:
        """Return the points as a table for notebooks: what was swept, and what it came to."""
        points = self.points()
        if not len(points):
            return f"<p>{html.escape(repr(self))}</p>"
        keys = [key for key in dict.fromkeys(key.partition(".")[0] for key in self.swept) if key in points]
        columns = ["network", "arch", *keys, "speedup", "speedup_with_waiting", "energy_pj", "area_mm2"]
        return f"<p>{html.escape(repr(self))}</p>{points[columns].to_html(max_rows=_ROWS_SHOWN, index=False)}"

    @cached_property
    def _loaded(self) -> tuple[list[dict[str, Any]], list[pa.Table]]:
        """The records of all points, and tables that have their layers: compacted ones first, then files of their own."""
        records, layers = read_compact(self.folder)
        tables = [] if layers is None else [layers]
        known = {record["point"] for record in records}
        for point in self._store.finished():
            if point in known:
                continue
            table = self._store.read(point)
            if table is None:
                message = f"{self._store.path(point)}: is damaged and left out; sweep again, and it is computed again"
                warnings.warn(message, Cnvlutin2Warning, stacklevel=3)
            else:
                records.append(record_of(table))
                tables.append(table.replace_schema_metadata())
        order = self._order()
        records.sort(key=lambda record: (order.get(record["point"], len(order)), record["point"]))
        return records, tables

    def _order(self) -> dict[str, int]:
        """Return the place of each point in what was asked for last."""
        return {point: place for place, point in enumerate(dict.fromkeys(row["point"] for row in self.about.get("asked", [])))}

    @property
    def records(self) -> list[dict[str, Any]]:
        """Each point's record: parameters, organisation, totals, area, gains, accuracy, versions."""
        return self._loaded[0]

    @property
    def swept(self) -> list[str]:
        """The parameters that were asked to differ in the last sweep."""
        return [str(key) for key in self.about.get("swept", [])]

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with a row a point and layer.

        Counts, bits and energies are means over the images (``images`` says how many). Parameters of the organisation have the
        names of its fields; one that mixes words and numbers, as ``filter_sync``, is text.
        """
        import pandas as pd

        layers = self._layers()
        if layers is None:
            return pd.DataFrame()
        frame: pd.DataFrame = layers.to_pandas()
        place = {record["point"]: place for place, record in enumerate(self.records)}
        return frame.iloc[frame["point"].map(place).argsort(kind="stable")].reset_index(drop=True)

    def _layers(self) -> pa.Table | None:
        import pyarrow as pa

        tables = self._loaded[1]
        return pa.concat_tables(tables, promote_options="default") if tables else None

    def compact(self) -> Path:
        """Write all points to two Parquet files, which are read quickly; the points' own files stay.

        Returns
        -------
        Path
            The folder of ``points.parquet``, a row a point as `points` with its record as JSON, and ``layers.parquet``, a row a
            point and layer as `to_frame`.

        Raises
        ------
        ConfigError
            If no point is finished.
        OutputError
        """
        layers = self._layers()
        if layers is None:
            raise ConfigError("no point is finished; there is nothing to compact", source=str(self.folder))
        write_compact(self.folder, layers, [_row(record) for record in self.records], self.records)
        return self.folder / FOLDER

    def points(self) -> pd.DataFrame:
        """Return a pandas frame with a row a point: parameters, cycles, both speed-ups, energy, area, gains, accuracy.

        ``cycles``, ``total_cycles`` and energies are means over the images; ``all_images_cycles`` is the exact sum.
        """
        import pandas as pd

        frame = pd.DataFrame([_row(record) for record in self.records])
        return frame.astype({"seed": "Int64"}) if len(frame) else frame  # only topologies have one

    def asked(self) -> pd.DataFrame:
        """Return a frame with a row a combination that was asked for, and the results of its point.

        Combinations that are the same machine, options without effect apart, have the same point.
        """
        import pandas as pd

        points = {record["point"]: _row(record) for record in self.records}
        return pd.DataFrame([{**points.get(row["point"], {}), **row} for row in self.about.get("asked", [])])

    def write_report(self, path: str | Path, *, command: str = "") -> None:
        """Write the study's page: one HTML file that opens from disk and loads nothing.

        Parameters
        ----------
        path : str or Path
            The file; it appears whole or not at all.
        command : str
            What repeats the sweep, shown as it is.

        Raises
        ------
        ConfigError
            If no point is finished.
        OutputError
            If the file cannot be written.
        """
        if not self.records:
            raise ConfigError("no point is finished; there is nothing to show", source=str(self.folder))
        write_study_page(study_data(self, command), Path(path))

    def write_figures(self, directory: str | Path) -> list[Path]:
        """Write figures for papers, each as PDF, SVG and PNG: time against area, and against energy, with their fronts.

        Raises
        ------
        ToolMissing
            Without the extra ``[report]``.
        OutputError
            If a file cannot be written.
        """
        return write_study_figures(self.records, Path(directory))

    def failures(self) -> list[dict[str, Any]]:
        """Return the points that failed: their parameters, and ``error``."""
        return self._store.failures()


def load_study(folder: str | Path) -> Study:
    """Open the folder of a study, finished or not.

    Parameters
    ----------
    folder : str or Path
        What `cnvlutin2.sweep`, or ``cnvlutin2 sweep -o``, wrote to.

    Returns
    -------
    Study

    Raises
    ------
    ConfigError
        If it is no study's folder, or one of another layout.
    """
    return Study(Path(folder))


def _row(record: Mapping[str, Any]) -> dict[str, object]:
    images, sums = record["images"], record["all_images"]
    accuracy = record["accuracy"] or {}
    slots = sum(sums["slots"].values())
    known = (*_IDENTITY, *organisation_columns(), *_SETTINGS)
    return {
        **{key: record.get(key) for key in known},
        "images": images,
        "cycles": sums["cycles"] / images,
        "dense_cycles": record["dense_cycles"],
        "speedup": record["speedup"],
        "total_cycles": sums["total_cycles"] / images,
        "speedup_with_waiting": record["speedup_with_waiting"],
        "energy_pj": record["total_energy_pj"],
        "area_mm2": record["total_area_mm2"],
        **{key: value for key, value in record["relative"].items() if key != "speedup"},
        **{f"energy_{name}_pj": energy for name, energy in record["energy_pj"].items()},
        **{f"slots_{name}": count / slots for name, count in sums["slots"].items()},
        **{key: accuracy.get(key) for key in ("agree", "correct", "float_correct")},
        "synthetic": record["synthetic"],
        "left_out_share": math.nan if record["left_out_share"] is None else record["left_out_share"],
        "all_images_cycles": sums["cycles"],
        "all_images_total_cycles": sums["total_cycles"],
    }
