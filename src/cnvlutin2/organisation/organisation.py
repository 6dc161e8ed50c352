"""`Organisation`: the validated parameters of one accelerator (docs/model.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from cnvlutin2.encodings.parameters import MAX_POINTER_GROUP
from cnvlutin2.encodings.registry import format_names, get_format
from cnvlutin2.errors import ConfigError, did_you_mean, short
from cnvlutin2.numeric import MAX_BITS, MIN_BITS
from cnvlutin2.organisation.layer_modes import LayerModes, Mode

LayerMode = Mode | LayerModes
"""One mode for all layers, or a map from layer name to mode."""

Concern = Literal["record", "timing", "storage", "memory"]
"""What a parameter concerns: the record alone; cycles; how values are stored; memories, clock, loads and their prices.

Engines must know every value of what concerns cycles (`cnvlutin2.timing.options`).
"""

WeightFormat = Literal["dense", "bit_vector", "packed"]
DramName = Literal["unlimited", "lpddr4", "ddr4-3200", "hbm2"]

Count = Annotated[int, Field(ge=1, le=4096)]
Cycles = Annotated[int, Field(ge=0, le=1_000_000)]
Bytes = Annotated[int, Field(ge=1, le=1 << 50)]
MIN_GB_PER_S, MAX_GB_PER_S = 0.001, 1_000_000
MAX_DRIFT = 4096


def parameter(default: Any, concerns: Concern, description: str) -> Any:
    """Declare a parameter of an organisation.

    Parameters
    ----------
    default : value
        One that leaves everything as it is without the parameter: an engine that has never heard of it accepts this alone.
    concerns : Concern
    description : str
    """
    return Field(default=default, description=description, json_schema_extra={"concerns": concerns})


class Organisation(BaseModel):
    """An accelerator: DaDianNao, Cnvlutin or a Cnvlutin2 variant.

    The defaults are the published machine (256 filters x 16 lanes) with detection while fetching from a dense activation
    memory; the presets are made of the same fields. Instances are frozen; `model_copy(update=...)` does not validate, so use
    `cnvlutin2.organisation.with_overrides`.

    Raises
    ------
    pydantic.ValidationError
        From the constructor, for an unknown key or a value out of range. `parse` raises `ConfigError` in its place.

    Notes
    -----
    Field names are those of the papers and of `docs/model.md`, where each is explained.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = parameter("custom", "record", "what it is called")
    description: str = parameter("", "record", "what it is")

    tiles: Count = parameter(16, "timing", "tiles, each computing its own filters")
    filters_per_tile: Count = parameter(16, "timing", "filters a tile computes at a time")
    lanes: Count = parameter(16, "timing", "neuron lanes of a tile")
    brick: Annotated[int, Field(ge=2, le=64)] = parameter(16, "timing", "activations in a storage unit")
    data_bits: Annotated[int, Field(ge=MIN_BITS, le=MAX_BITS)] = parameter(16, "timing", "bits of an activation or weight")

    skip_activations: bool = parameter(True, "timing", "skip ineffectual activations")
    skip_weights: Literal["none", "shared", "per_filter"] = parameter("none", "timing", "which ineffectual weights are skipped")
    filter_sync: Literal["brick", "window"] | int = parameter(
        "brick", "timing", "when the filters of a tile wait for each other: at every run, at the window's end, or N runs ahead"
    )
    filter_map: Literal["blocked", "spread"] = parameter("blocked", "timing", "which tile computes which filters of a pass")
    group_map: Literal["serial", "parallel"] = parameter("serial", "timing", "groups one after another, or side by side")
    tile_sync: Literal["brick", "window", "layer"] = parameter("window", "timing", "when tiles wait for each other")
    lane_map: Literal["sliced", "interleaved"] = parameter("sliced", "timing", "which values a lane owns")
    layer_mode: LayerMode = parameter("skip", "timing", "skip, dense or auto; or a map: default, first, layer names")
    run_overhead: Cycles = parameter(0, "timing", "cycles added to every run")
    window_overhead: Cycles = parameter(0, "timing", "cycles added to every window of every pass")

    format: str = parameter("dense", "timing", "how activations are stored in NM")
    detect: Literal["output", "dispatch"] = parameter("dispatch", "timing", "where ineffectual activations are found")
    packing: Literal["row", "brick"] = parameter("row", "timing", "how shallow layers are stored")
    pointer_group: Annotated[int, Field(ge=1, le=MAX_POINTER_GROUP)] = parameter(1, "storage", "bricks to an indirection pointer")

    nm_bytes: Bytes = parameter(4 << 20, "memory", "central activation memory")
    sb_bytes_per_tile: Bytes = parameter(2 << 20, "memory", "weight memory of a tile")
    nbin_entries: Count = parameter(64, "memory", "input buffer entries")
    nbout_entries: Count = parameter(64, "memory", "partial-sum buffer entries")
    clock_ghz: Annotated[float, Field(gt=0, le=100)] = parameter(1.0, "memory", "clock frequency")
    encoder_values_per_cycle: Annotated[int, Field(ge=0, le=4096)] = parameter(
        1, "memory", "values that a tile's encoder passes in a cycle; 0: it never limits"
    )
    encoder_buffer_entries: Count = parameter(64, "memory", "entries of a tile's encoder buffer (area and energy)")
    weight_format: WeightFormat = parameter("dense", "memory", "how weights are stored, off chip and in SB")
    dram: DramName | float = parameter("unlimited", "memory", "off-chip memory: a preset's name or GB/s")
    prefetch_weights: bool = parameter(False, "memory", "load the next layer's weights while a layer runs")
    batch: Count = parameter(1, "memory", "images that go through a layer together and share its weights' load")

    @field_validator("name")
    @classmethod
    def _name_fits_a_line(cls, name: str) -> str:
        if not name or not name.isprintable():
            raise ValueError(f"{short(name)} is no name; give printable text on one line")
        return name

    @field_validator("format", mode="before")
    @classmethod
    def _format_is_known(cls, value: object) -> object:
        known = format_names()
        if isinstance(value, str) and value in known:
            return value
        raise ValueError(f"{short(value)} is not allowed: should be {_one_of(known)}")

    @field_validator("dram", mode="before")
    @classmethod
    def _dram_is_known(cls, value: object) -> object:
        known = get_args(DramName)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and MIN_GB_PER_S <= value <= MAX_GB_PER_S:
            return float(value)
        if isinstance(value, str) and value in known:
            return value
        allowed = f"{', '.join(known)}, or GB/s from {MIN_GB_PER_S} to {MAX_GB_PER_S}"
        raise ValueError(f"{short(value)} is not allowed: should be {allowed}")

    @field_validator("filter_sync", mode="before")
    @classmethod
    def _filter_sync_is_known(cls, value: object) -> object:
        if isinstance(value, str) and value in ("brick", "window"):
            return value
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_DRIFT:
            return value
        allowed = f"'brick', 'window' or a whole number of runs from 1 to {MAX_DRIFT}"
        hint = "; for 0 runs say 'brick'" if value == 0 and not isinstance(value, bool) else ""
        raise ValueError(f"{short(value)} is not allowed: should be {allowed}{hint}")

    @model_validator(mode="after")
    def _runs_wait_in_nbin(self) -> Self:
        drift = self.drift
        if drift is not None and self.nbin_entries < (drift + 1) * self.brick:
            raise ValueError(
                f"filter_sync={drift} keeps {drift + 1} runs of up to {self.brick} values in NBin, which has "
                f"nbin_entries={self.nbin_entries}; give at least {(drift + 1) * self.brick}"
            )
        return self

    @model_validator(mode="after")
    def _stored_bits_reach_the_lanes(self) -> Self:
        if self.detect == "output" and self.skips and self.skip_activations and not get_format(self.format).marks:
            able = ", ".join(name for name in format_names() if get_format(name).marks)
            raise ValueError(
                f"detect=output needs a format that stores which activations are effectual ({able}); "
                f"use detect=dispatch with format={self.format}"
            )
        return self

    @property
    def offset_bits(self) -> int:
        """Bits of an offset within a brick."""
        return max(1, math.ceil(math.log2(self.brick)))

    @property
    def row_bits(self) -> int:
        """Bits of an NM row: one raw brick and its vector."""
        return self.brick * self.data_bits + self.brick

    @property
    def filters(self) -> int:
        """Filters computed at a time, over all tiles."""
        return self.tiles * self.filters_per_tile

    @property
    def slots_per_cycle(self) -> int:
        """Multipliers of the whole machine."""
        return self.filters * self.lanes

    @property
    def skips(self) -> bool:
        """Whether any layer may run in skip mode."""
        return self.layer_mode != "dense"

    @property
    def drift(self) -> int | None:
        """How many runs a filter may be ahead of the slowest one of its tile, where that is bounded and matters, else None."""
        return self.filter_sync if isinstance(self.filter_sync, int) and self.filters_part else None

    @property
    def filters_part(self) -> bool:
        """Whether the filters of a tile may be at different runs; a barrier over all tiles at every run leaves none to go to."""
        return self.skip_weights == "per_filter" and self.filter_sync != "brick" and self.tile_sync != "brick"

    def mode_for(self, layer: str, *, first: bool) -> Mode:
        """Return the mode in which a layer runs.

        Parameters
        ----------
        layer : str
            Its name.
        first : bool
            Whether it sees the network's own input.
        """
        return self.layer_mode if isinstance(self.layer_mode, str) else self.layer_mode.of(layer, first=first)

    @classmethod
    @cache
    def concerning(cls, concern: Concern) -> tuple[str, ...]:
        """Return the names of the parameters that concern something."""
        extras = ((name, field.json_schema_extra) for name, field in cls.model_fields.items())
        return tuple(name for name, extra in extras if isinstance(extra, dict) and extra.get("concerns") == concern)

    @classmethod
    def parse(cls, values: Mapping[str, object], source: str = "") -> Organisation:
        """Validate a mapping, as read from YAML.

        Raises
        ------
        ConfigError
            Names the key, what is wrong and what is allowed.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise _as_config_error(error, source) from None


def _one_of(names: Sequence[str]) -> str:
    """Return the words for a choice, as pydantic has them for a literal."""
    *others, last = map(repr, names)
    return f"{', '.join(others)} or {last}" if others else last


def _as_config_error(error: ValidationError, source: str) -> ConfigError:
    """Join pydantic's findings into one line; the first one gives the place."""
    # Of the two branches of `LayerMode`, only what the one that was meant says.
    found = [e for e in error.errors() if e["type"] != "dict_type" and not _is_other_branch(e)]
    parts = [f"{_message(e)}" + (f" (at {_place(e)})" if len(found) > 1 and e["loc"] else "") for e in found]
    return ConfigError("; ".join(dict.fromkeys(parts)), where=_place(found[0]) if len(found) == 1 else "", source=source)


def _is_other_branch(error: ErrorDetails) -> bool:
    return error["loc"][:1] == ("layer_mode",) and error["type"] == "literal_error" and isinstance(error["input"], Mapping)


def _place(error: ErrorDetails) -> str:
    # A union adds the branch it tried to the path; a reader wants the key alone.
    parts = [str(part) for part in error["loc"] if not str(part).startswith(("literal[", "dict[", "function-"))]
    return ".".join(part if part.isprintable() else short(part) for part in parts)


def _message(error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        key, known = error["loc"][-1], Organisation.model_fields
        return f"unknown key {short(key)}; the keys are {', '.join(known)}{did_you_mean(key, known)}"
    text = error["msg"].removeprefix("Value error, ").replace("Input should", "should")
    return text if error["type"] == "value_error" else f"{short(error['input'])} is not allowed: {text}"
