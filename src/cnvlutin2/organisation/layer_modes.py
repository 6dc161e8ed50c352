"""`LayerModes`: in which mode each layer runs, as an immutable map, so that organisations are hashable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

Mode = Literal["skip", "dense", "auto"]
"""How a layer runs: lanes apart, lanes together as in DaDianNao, or whichever is faster."""


class LayerModes(Mapping[str, Mode]):
    """A map from layer name to mode that cannot be changed.

    Two keys are not layer names: ``default`` (every layer not named) and ``first`` (layers that see the network's own input).

    Parameters
    ----------
    modes : mapping of str to Mode
    """

    __slots__ = ("_modes",)

    def __init__(self, modes: Mapping[str, Mode]) -> None:
        self._modes = dict(modes)

    def __getitem__(self, key: str) -> Mode:
        return self._modes[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modes)

    def __len__(self) -> int:
        return len(self._modes)

    def __hash__(self) -> int:
        return hash(frozenset(self._modes.items()))

    def __repr__(self) -> str:
        return f"LayerModes({self._modes!r})"

    def of(self, layer: str, *, first: bool) -> Mode:
        """Return the mode of a layer; `first` says whether it sees the network's own input."""
        default = self.get("default", "skip")
        return self.get(layer, self.get("first", default) if first else default)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate a dict (or an instance) strictly; dump a dict."""
        plain = core_schema.dict_schema(core_schema.str_schema(strict=True), handler.generate_schema(Mode), strict=True)
        frozen = core_schema.no_info_after_validator_function(cls, plain)
        return core_schema.no_info_before_validator_function(
            lambda value: dict(value) if isinstance(value, LayerModes) else value,
            frozen,
            serialization=core_schema.plain_serializer_function_ser_schema(dict),
        )
