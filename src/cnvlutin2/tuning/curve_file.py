"""`CurveFile`: all that was executed and counted, so that a search that was cut off goes on; and at the end the curve."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from cnvlutin2.errors import ConfigError, encodable, short
from cnvlutin2.files import check_writable, write_whole
from cnvlutin2.tuning.answers import Verdict
from cnvlutin2.tuning.moves import State
from cnvlutin2.tuning.tuning_result import SCHEMA, Measured, TuningResult

EVERY_SECONDS = 2.0
"""How often what is new is written: what a killed search loses."""


class _Judged(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    state: list[int]
    images: str
    verdict: Verdict


class _Counted(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    state: list[int]
    measured: Measured


class _Content(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    layout: str
    made_of: dict[str, Any]
    groups: list[dict[str, Any]]
    judged: list[_Judged]
    counted: list[_Counted]
    result: dict[str, Any] | None


class CurveFile:
    """What is known of states; kept in a file, if there is to be one.

    Parameters
    ----------
    path : Path or None
    made_of : mapping
        What everything in the file depends on.
    groups : list of mapping
        What a state tells of.

    Raises
    ------
    ConfigError
        If the file is there and is of something else; names what differs.
    OutputError
        If it could not be written.
    """

    def __init__(self, path: Path | None, made_of: Mapping[str, Any], groups: list[dict[str, Any]]) -> None:
        self._path, self._made_of, self._groups = path, json.loads(json.dumps(made_of)), json.loads(json.dumps(groups))
        self.judged: dict[tuple[State, str], Verdict] = {}
        self.counted: dict[State, Measured] = {}
        self._written = time.monotonic()
        if path is not None:
            check_writable(path)
            if path.exists():
                self._read(path)

    def judge(self, state: State, images: str, verdict: Verdict) -> Verdict:
        """Note what was executed."""
        self.judged[state, images] = verdict
        self._tick()
        return verdict

    def count(self, state: State, measured: Measured) -> Measured:
        """Note what was counted."""
        self.counted[state] = measured
        self._tick()
        return measured

    def write(self, result: TuningResult | None = None) -> None:
        """Write what is known, and the result when there is one."""
        if self._path is None:
            return
        content = {
            "layout": SCHEMA,
            "made_of": self._made_of,
            "groups": self._groups,
            "judged": [{"state": state, "images": im, "verdict": asdict(v)} for (state, im), v in self.judged.items()],
            "counted": [{"state": state, "measured": asdict(measured)} for state, measured in self.counted.items()],
            "result": result.to_dict() if result else None,
        }
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        write_whole(self._path, lambda part: part.write_text(text, "utf-8"))
        self._written = time.monotonic()

    def _tick(self) -> None:
        if time.monotonic() - self._written > EVERY_SECONDS:
            self.write()

    def _read(self, path: Path) -> None:
        name = encodable(str(path))
        try:
            found = _Content.model_validate_json(path.read_bytes())
        except OSError as error:
            raise ConfigError(f"cannot read the curve {name}: {error.strerror or error}; name another file") from None
        except ValidationError:
            raise ConfigError(f"{name}: is there, and is no curve of 'tune' that can be read; name another file") from None
        if found.layout != SCHEMA:
            raise ConfigError(f"{name}: its layout is {short(found.layout)}, and {SCHEMA} is read; name another file")
        differs = [key for key in {**self._made_of, **found.made_of} if self._made_of.get(key) != found.made_of.get(key)]
        if not differs and found.groups != self._groups:
            differs = ["groups"]
        if differs:
            raise ConfigError(f"{name}: is the curve of a search with other {', '.join(sorted(differs))}; name another file")
        self.judged = {(tuple(each.state), each.images): each.verdict for each in found.judged}
        self.counted = {tuple(each.state): each.measured for each in found.counted}
