"""`Organisation`: the validated parameters of one accelerator (docs/model.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from cnvlutin2.encodings.parameters import MAX_POINTER_GROUP
from cnvlutin2.encodings.registry import format_names, get_format
from cnvlutin2.errors import ConfigError, short
from cnvlutin2.numeric import MAX_BITS, MIN_BITS

Mode = Literal["skip", "dense", "auto"]
LayerMode = Mode | dict[str, Mode]
"""One mode for all layers, or a map from layer name to mode.

Two keys of the map are not layer names: ``default`` (every layer not named) and ``first`` (the network's first layer).
"""

WeightFormat = Literal["dense", "bit_vector", "packed"]
DramName = Literal["unlimited", "lpddr4", "ddr4-3200", "hbm2"]

Count = Annotated[int, Field(ge=1, le=4096)]
Cycles = Annotated[int, Field(ge=0, le=1_000_000)]
Bytes = Annotated[int, Field(ge=1, le=1 << 50)]
MIN_GB_PER_S, MAX_GB_PER_S = 0.001, 1_000_000


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

    name: str = "custom"
    description: str = ""

    tiles: Count = Field(default=16, description="tiles, each computing its own filters")
    filters_per_tile: Count = Field(default=16, description="filters a tile computes at a time")
    lanes: Count = Field(default=16, description="neuron lanes of a tile")
    brick: Annotated[int, Field(ge=2, le=64)] = Field(default=16, description="activations in a storage unit")
    data_bits: Annotated[int, Field(ge=MIN_BITS, le=MAX_BITS)] = Field(default=16, description="bits of an activation or weight")

    skip_activations: bool = Field(default=True, description="skip ineffectual activations")
    skip_weights: Literal["none", "shared", "per_filter"] = Field(
        default="none", description="which ineffectual weights are skipped"
    )
    filter_sync: Literal["brick", "window"] = Field(default="brick", description="when the filters of a tile wait for each other")
    tile_sync: Literal["brick", "window", "layer"] = Field(default="window", description="when tiles wait for each other")
    lane_map: Literal["sliced", "interleaved"] = Field(default="sliced", description="which values a lane owns")
    layer_mode: LayerMode = Field(default="skip", description="skip, dense or auto; or a map: default, first, layer names")
    run_overhead: Cycles = Field(default=0, description="cycles added to every run")
    window_overhead: Cycles = Field(default=0, description="cycles added to every window of every pass")

    format: str = Field(default="dense", description="how activations are stored in NM")
    detect: Literal["output", "dispatch"] = Field(default="dispatch", description="where ineffectual activations are found")
    packing: Literal["row", "brick"] = Field(default="row", description="how shallow layers are stored")
    pointer_group: Annotated[int, Field(ge=1, le=MAX_POINTER_GROUP)] = Field(
        default=1, description="bricks to an indirection pointer"
    )

    nm_bytes: Bytes = Field(default=4 << 20, description="central activation memory")
    sb_bytes_per_tile: Bytes = Field(default=2 << 20, description="weight memory of a tile")
    nbin_entries: Count = Field(default=64, description="input buffer entries")
    nbout_entries: Count = Field(default=64, description="partial-sum buffer entries")
    clock_ghz: Annotated[float, Field(gt=0, le=100)] = Field(default=1.0, description="clock frequency")
    encoder_buffer_entries: Count = Field(default=64, description="values that a tile's encoder may lag behind")
    weight_format: WeightFormat = Field(default="dense", description="how weights are stored, off chip and in SB")
    dram: DramName | float = Field(default="unlimited", description="off-chip memory: a preset's name or GB/s")
    prefetch_weights: bool = Field(default=False, description="load the next layer's weights while a layer runs")
    batch: Count = Field(default=1, description="images that go through a layer together and share its weights' load")

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

    def mode_for(self, layer: str, *, first: bool) -> Mode:
        """Return the mode in which a layer runs.

        Parameters
        ----------
        layer : str
            Its name.
        first : bool
            Whether it is its network's first layer (whose input is an image).
        """
        if isinstance(self.layer_mode, str):
            return self.layer_mode
        default = self.layer_mode.get("default", "skip")
        return self.layer_mode.get(layer, self.layer_mode.get("first", default) if first else default)

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
    parts = [str(part) for part in error["loc"] if not str(part).startswith(("literal[", "dict["))]
    return ".".join(part if part.isprintable() else short(part) for part in parts)


def _message(error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        return f"unknown key {short(error['loc'][-1])}; the keys are {', '.join(Organisation.model_fields)}"
    text = error["msg"].removeprefix("Value error, ").replace("Input should", "should")
    return text if error["type"] == "value_error" else f"{short(error['input'])} is not allowed: {text}"
