"""The JSON Schemas of what the commands write."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, Literal


def json_schema(document: Literal["results", "cosim"] = "results") -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a document.

    It knows every key and allows no others, but in maps from names: of formats, events, components, files.

    Parameters
    ----------
    document : {"results", "cosim"}
        What `Results.to_dict` returns and ``cnvlutin2 run --json`` writes; or `cnvlutin2.hardware.Cosimulation.to_dict` and
        ``cnvlutin2 cosim --json``.
    """
    text = resources.files(__package__).joinpath(f"{document}.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
