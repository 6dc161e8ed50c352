"""The JSON Schema of the results."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of what `Results.to_dict` returns and `--json` writes.

    It knows every key and allows no others, but in maps from names: of formats, events, components, files.
    """
    text = resources.files(__package__).joinpath("results.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
