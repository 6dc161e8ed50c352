"""Networks: from ONNX, traces, topologies or arrays to `Layer` objects."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from cnvlutin2.layer import Layer
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
from cnvlutin2.network.open import open_network
from cnvlutin2.network.torch_capture import from_torch

if TYPE_CHECKING:
    from cnvlutin2.network.onnx_network import OnnxNetwork
    from cnvlutin2.network.topologies import Topology
    from cnvlutin2.network.trace_file import save_trace
    from cnvlutin2.network.traces import TraceNetwork, save_traces

_HOMES = {
    "OnnxNetwork": "onnx_network",
    "Topology": "topologies",
    "TraceNetwork": "traces",
    "save_trace": "trace_file",
    "save_traces": "traces",
}
"""What is imported when it is first asked for: onnx and onnxruntime take longer than all the rest."""

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
    "Topology",
    "TraceNetwork",
    "default_inputs",
    "from_torch",
    "load_inputs",
    "open_network",
    "save_trace",
    "save_traces",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
