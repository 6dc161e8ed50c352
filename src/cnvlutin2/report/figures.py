"""Static figures: each specification as PDF, SVG and PNG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnvlutin2.errors import OutputError, ToolMissing
from cnvlutin2.files import check_folder, write_whole
from cnvlutin2.report.figure_specs import Spec, all_specs
from cnvlutin2.results import Results

PNG_PPI = 300


def check_all(directory: Path) -> None:
    """Refuse figures that `write_all` could not draw or write, before there are results.

    Raises
    ------
    ToolMissing
        Without the extra ``[report]``.
    OutputError
        If the folder cannot be made or written to.
    """
    _converter()
    check_folder(directory)


def write_all(results: Results, directory: Path) -> list[Path]:
    """Write every figure; see `cnvlutin2.report.write_figures`."""
    return write_specs(all_specs(results), directory)


def write_specs(specs: Mapping[str, Spec], directory: Path) -> list[Path]:
    """Write figures by file name, each as PDF, SVG and PNG; return what was written.

    Raises
    ------
    ToolMissing
        Without the extra ``[report]``.
    OutputError
        If the folder cannot be made, or a file not written.
    """
    convert = _converter()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {directory}: {error.strerror or error}") from None
    written = []
    for name, spec in specs.items():
        for ending, content in _drawn(convert, spec).items():
            target = directory / f"{name}.{ending}"
            write_whole(target, lambda part, content=content: part.write_bytes(content))  # type: ignore[misc]
            written.append(target)
    return written


def _drawn(convert: Any, spec: Spec) -> dict[str, bytes]:
    """Return a figure in each format, laid out once; nothing is fetched to draw it."""
    svg: str = convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return {"pdf": convert.svg_to_pdf(svg), "svg": svg.encode(), "png": convert.svg_to_png(svg, ppi=PNG_PPI)}


def _converter() -> Any:
    try:
        import vl_convert
    except ImportError:
        message = "figures need vl-convert; install it with: python -m pip install 'cnvlutin2[report]'"
        raise ToolMissing(message) from None
    return vl_convert
