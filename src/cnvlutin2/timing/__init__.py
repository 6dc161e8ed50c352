"""Organisations to cycles: the timing model and the accounting of multiplier slots."""

from cnvlutin2.timing.layer import LayerTiming, Timing, Timings, time_layer, time_layers
from cnvlutin2.timing.prepared import PreparedLayer
from cnvlutin2.timing.slots import SLOT_KINDS

__all__ = ["SLOT_KINDS", "LayerTiming", "PreparedLayer", "Timing", "Timings", "time_layer", "time_layers"]
