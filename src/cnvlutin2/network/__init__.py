"""Networks: from ONNX, traces, topologies or arrays to `Layer` objects."""

from cnvlutin2.network.base import (
    Accuracy,
    ArrayNetwork,
    Inputs,
    LeftOut,
    Network,
    Numeric,
    Threshold,
    Thresholds,
)
from cnvlutin2.network.layer import Layer

__all__ = [
    "Accuracy",
    "ArrayNetwork",
    "Inputs",
    "Layer",
    "LeftOut",
    "Network",
    "Numeric",
    "Threshold",
    "Thresholds",
]
