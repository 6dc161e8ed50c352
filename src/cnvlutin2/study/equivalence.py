"""Which organisations are the same machine: options that have no effect are set to one value."""

from __future__ import annotations

from typing import Any

from cnvlutin2.encodings.registry import get_format
from cnvlutin2.organisation import LayerModes, Organisation

_DEFAULT = {name: field.default for name, field in Organisation.model_fields.items()}


def without_idle_options(organisation: Organisation) -> Organisation:
    """Return the organisation with every option that has no effect at its default; name and description stay.

    Two organisations of which the same is returned take the same cycles, move the same and cost the same on every network. That
    two of which different ones are returned differ is not said: only options that other options switch off are looked at.
    """
    o = organisation
    idle: dict[str, Any] = {}
    if o.skip_weights != "per_filter" or o.tile_sync == "brick":  # filters of a tile have nowhere to part to
        idle["filter_sync"] = _DEFAULT["filter_sync"]
    if o.skip_weights == "none":  # all tiles do the same at the same time
        idle["tile_sync"] = _DEFAULT["tile_sync"]
    if not get_format(o.format).marks:  # nothing is encoded
        idle |= {key: _DEFAULT[key] for key in ("encoder_values_per_cycle", "encoder_buffer_entries")}
    if o.dram == "unlimited":
        idle["prefetch_weights"] = _DEFAULT["prefetch_weights"]
    if isinstance(o.layer_mode, LayerModes):
        idle["layer_mode"] = _plainest(o.layer_mode)
    changed = {key: value for key, value in idle.items() if getattr(o, key) != value}
    return o if not changed else Organisation.parse({**o.model_dump(), **changed})


def _plainest(modes: LayerModes) -> object:
    """Return a map of modes without the entries that say what holds without them; one word where nothing else is said."""
    default = modes.get("default", "skip")
    first = modes.get("first", default)
    named = {key: mode for key, mode in modes.items() if key not in ("default", "first") and (mode != default or mode != first)}
    if not named and first == default and default != "dense":  # the word stands for a machine that has nothing to skip with
        return default
    return {"default": default} | ({"first": first} if first != default else {}) | named
