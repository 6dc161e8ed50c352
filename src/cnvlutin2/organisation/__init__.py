"""The hardware's parameters: one frozen object from which every model is built."""

from cnvlutin2.organisation.layer_modes import LayerModes, Mode
from cnvlutin2.organisation.organisation import LayerMode, Organisation, parameter
from cnvlutin2.organisation.presets import (
    load_organisations,
    preset,
    preset_names,
    to_yaml,
    with_overrides,
)

__all__ = [
    "LayerMode",
    "LayerModes",
    "Mode",
    "Organisation",
    "load_organisations",
    "parameter",
    "preset",
    "preset_names",
    "to_yaml",
    "with_overrides",
]
