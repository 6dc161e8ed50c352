"""A little SVG: boxes and text on a white card, readable in light and dark pages."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

FONT = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"
INK, FAINT, PAPER = "#1b1f24", "#6a737d", "#ffffff"
BLUE, ORANGE, GREEN, GREY, SKY, RED = "#0072b2", "#e69f00", "#009e73", "#d0d4d9", "#cfe6f5", "#d55e00"


class Drawing:
    """A picture of a given size in pixels; `title` is what a screen reader says."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._size = width, height
        self._title = title
        self._parts: list[str] = []

    def box(self, x: float, y: float, width: float, height: float, fill: str = PAPER, stroke: str = INK) -> None:
        """Draw a rectangle."""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}" stroke="{stroke}" stroke-width="1"/>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str = INK, width: float = 1.5, dash: str = "") -> None:
        """Draw a line."""
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}" stroke-width="{width:g}"{dashes}/>'
        )

    def arrow(self, *points: tuple[float, float], colour: str = INK, dash: str = "") -> None:
        """Draw lines from point to point, with a head at the last one; the last line is level or upright."""
        for (x1, y1), (x2, y2) in pairwise(points):
            self.line(x1, y1, x2, y2, colour, dash=dash)
        (x1, y1), (x2, y2) = points[-2:]
        dx, dy = ((x2 > x1) - (x2 < x1)) * 7, ((y2 > y1) - (y2 < y1)) * 7
        corners = ((x2, y2), (x2 - dx - dy / 2, y2 - dy - dx / 2), (x2 - dx + dy / 2, y2 - dy + dx / 2))
        self._parts.append(f'<polygon points="{" ".join(f"{x:g},{y:g}" for x, y in corners)}" fill="{colour}"/>')

    def text(
        self, x: float, y: float, words: str, size: int = 13, anchor: str = "start", colour: str = INK, bold: bool = False
    ) -> None:
        """Write words with their baseline at `y`."""
        weight = ' font-weight="600"' if bold else ""
        self._parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"{weight}>{escape(words)}</text>'
        )

    def cell(self, x: float, y: float, size: float, words: str = "", fill: str = PAPER, colour: str = INK) -> None:
        """Draw a square with centred words."""
        self.box(x, y, size, size, fill)
        if words:
            self.text(x + size / 2, y + size / 2 + 4.5, words, 12, "middle", colour)

    def save(self, path: Path) -> None:
        """Write the file."""
        width, height = self._size
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" aria-label="{escape(self._title, {chr(34): "&quot;"})}" font-family="{FONT}">'
        )
        card = f'<rect width="{width}" height="{height}" rx="6" fill="{PAPER}"/>'
        path.write_text("\n".join([head, card, *self._parts, "</svg>"]) + "\n", "utf-8")
