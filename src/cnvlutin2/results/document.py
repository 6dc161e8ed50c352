"""The JSON results as types: what a file must hold before anything is made of it (`cnvlutin2.results.json_schema`)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from cnvlutin2.network import Accuracy, LeftOut, Predictions
from cnvlutin2.results.layer_result import LayerInfo

Count = Annotated[int, Field(ge=0, lt=1 << 63)]
Amount = Annotated[FiniteFloat, Field(ge=0)]
EnergiesByImage = dict[str, list[Amount]]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Run(_Part):
    """A layer under an organisation on an image."""

    network: str
    image_name: str
    layer: str
    arch: str
    image: Count
    mode: Literal["skip", "dense"]
    cycles: Count
    dense_cycles: Count
    macs: Count
    effectual_macs: Count
    activation_density: Amount
    weight_density: Amount
    footprint_bits: dict[str, Count]
    slots: dict[str, Count]
    encoder_stall_cycles: Count | None = None
    dram_cycles: Count | None = None
    total_cycles: Count | None = None
    dense_total_cycles: Count | None = None
    events: dict[str, Count] | None = None
    energy_pj: dict[str, Amount] | None = None


class MachineFigures(_Part):
    """What a machine takes, by image."""

    total_cycles: list[Count]
    energy_pj: EnergiesByImage
    total_energy_pj: list[Amount]
    area_mm2: dict[str, Amount]
    total_area_mm2: Amount


class Costs(MachineFigures):
    """What an organisation takes, beside its baseline."""

    cautions: list[str]
    baseline: MachineFigures
    relative: dict[str, FiniteFloat]


class Total(_Part):
    """A network under an organisation."""

    arch: str
    cycles: list[Count]
    dense_cycles: Count
    speedup: FiniteFloat
    speedup_interval: list[Amount] | None
    speedup_with_waiting: FiniteFloat | None
    speedup_with_waiting_interval: list[Amount] | None
    slots: dict[str, Count]
    cost: Costs | None


class NetworkPart(_Part):
    """What is known of a network beside its runs."""

    network: str
    images: list[str]
    synthetic: bool
    macs: Count
    left_out: list[LeftOut]
    left_out_macs: Count
    left_out_uncounted: Count
    left_out_share: FiniteFloat | None
    hashes: dict[str, str]
    settings: dict[str, Any]
    accuracy: Accuracy | None
    predictions: Predictions | None
    layers: list[LayerInfo]
    totals: list[Total]


class Document(_Part):
    """A whole file."""

    layout: str = Field(alias="schema")
    provenance: dict[str, Any]
    organisations: dict[str, dict[str, Any]]
    networks: list[NetworkPart]
    runs: list[Run]
