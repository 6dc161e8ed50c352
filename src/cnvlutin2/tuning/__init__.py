"""Thresholds of a network: those that gain most for what they cost in accuracy (`tune`)."""

from cnvlutin2.tuning.limits import Limit
from cnvlutin2.tuning.tuner import tune
from cnvlutin2.tuning.tuning_result import Measured, PathPoint, TunedPoint, TuningResult

__all__ = ["Limit", "Measured", "PathPoint", "TunedPoint", "TuningResult", "tune"]
