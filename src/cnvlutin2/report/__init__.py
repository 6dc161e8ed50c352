"""The report: an interactive page in one file, and static figures for papers.

`cnvlutin2.report.viewer.TraceCollector` watches a simulation for the page's lane viewer.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnvlutin2.report.viewer import ViewerData
    from cnvlutin2.results import Results

__all__ = ["write_figures", "write_report"]


def write_report(results: Results, path: str | Path, *, trace: ViewerData | None = None, command: str = "") -> None:
    """Write the report: one HTML file that opens from disk and loads nothing.

    Parameters
    ----------
    results : Results
    path : str or Path
        The file; it appears whole or not at all.
    trace : ViewerData, optional
        What a `TraceCollector` collected of the same run; without it the page has no lane viewer, lane loads and brick densities.
    command : str
        What repeats the run, shown as it is.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    from cnvlutin2.report.html_page import write_page

    write_page(results, Path(path), trace, command)


def write_figures(results: Results, directory: str | Path) -> list[Path]:
    """Write the figures for papers, each as PDF, SVG and PNG.

    Parameters
    ----------
    results : Results
    directory : str or Path
        Made if it does not exist.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ToolMissing
        Without the extra ``[report]``.
    OutputError
        If a file cannot be written.
    """
    from cnvlutin2.report.figures import write_all

    return write_all(results, Path(directory))
