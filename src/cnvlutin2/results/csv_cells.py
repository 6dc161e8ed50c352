"""CSV cells that a spreadsheet shows, and neither computes nor obeys."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What spreadsheets take for the beginning of a formula; the last ones are the wide forms of the first."""


def defused(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose texts are safe to open: a model's names are whoever's made it.

    What begins like a formula begins with an apostrophe instead, and what a terminal would obey is written out. Numbers stay.
    """
    texts = frame.select_dtypes(exclude="number").columns
    return frame.assign(
        **{column: [_cell(value) if isinstance(value, str) else value for value in frame[column]] for column in texts}
    )


def _cell(text: str) -> str:
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return f"'{shown}" if text.lstrip(" ").startswith(_FORMULA) else shown
