"""The hardware's parameters: one frozen object from which every model is built."""

from cnvlutin2.organisation.model import LayerMode, Mode, Organisation
from cnvlutin2.organisation.presets import (
    load_organisations,
    preset,
    preset_names,
    to_yaml,
    with_overrides,
)

__all__ = [
    "LayerMode",
    "Mode",
    "Organisation",
    "load_organisations",
    "preset",
    "preset_names",
    "to_yaml",
    "with_overrides",
]
