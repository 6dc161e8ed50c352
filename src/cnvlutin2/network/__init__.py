"""Networks: from ONNX, traces, topologies or arrays to `Layer` objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from cnvlutin2.network.inputs import InputSpec, default_inputs, load_inputs
from cnvlutin2.network.layer import Layer
from cnvlutin2.network.open import open_network
from cnvlutin2.network.torch_capture import from_torch

if TYPE_CHECKING:
    from cnvlutin2.network.onnx_network import OnnxNetwork

__all__ = [
    "Accuracy",
    "ArrayNetwork",
    "InputSpec",
    "Inputs",
    "Layer",
    "LeftOut",
    "Network",
    "Numeric",
    "OnnxNetwork",
    "Threshold",
    "Thresholds",
    "default_inputs",
    "from_torch",
    "load_inputs",
    "open_network",
]


def __getattr__(name: str) -> object:
    """Import what needs onnx and onnxruntime when it is first asked for: they take longer than all the rest."""
    if name == "OnnxNetwork":
        from cnvlutin2.network.onnx_network import OnnxNetwork

        return OnnxNetwork
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
