"""Parts that need Amaranth, loaded when they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cnvlutin2.errors import ToolMissing


def load(module: str) -> Any:
    """Return a module of `cnvlutin2.hardware` that needs Amaranth.

    Raises
    ------
    ToolMissing
        If Amaranth is not installed.
    """
    try:
        return import_module(f"cnvlutin2.hardware.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "amaranth":
            raise
        raise ToolMissing("hardware needs the package amaranth; install cnvlutin2[hardware]") from None
