"""Networks: from ONNX, PyTorch, traces, topologies or arrays to `Layer` objects."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from cnvlutin2.layer import Layer
from cnvlutin2.network.accuracy import Accuracy, Predictions
from cnvlutin2.network.arrays import ArrayNetwork
from cnvlutin2.network.input_files import default_inputs, load_inputs
from cnvlutin2.network.input_spec import InputSpec
from cnvlutin2.network.inputs import Inputs
from cnvlutin2.network.layer_stream import Findings, LayerStream
from cnvlutin2.network.left_out import LeftOut
from cnvlutin2.network.network import Network
from cnvlutin2.network.opening import open_network
from cnvlutin2.network.quantisation import Numeric
from cnvlutin2.network.reader_registry import register_reader, unregister_reader
from cnvlutin2.network.readers import Reader
from cnvlutin2.network.thresholds import Threshold, Thresholds
from cnvlutin2.network.topologies import Topology
from cnvlutin2.network.torch.executed_module import from_torch
from cnvlutin2.network.trace_file import save_trace
from cnvlutin2.network.traces import TraceNetwork, save_traces

if TYPE_CHECKING:
    from cnvlutin2.network.onnx.executed_model import OnnxNetwork

__all__ = [
    "Accuracy",
    "ArrayNetwork",
    "Findings",
    "InputSpec",
    "Inputs",
    "Layer",
    "LayerStream",
    "LeftOut",
    "Network",
    "Numeric",
    "OnnxNetwork",
    "Predictions",
    "Reader",
    "Threshold",
    "Thresholds",
    "Topology",
    "TraceNetwork",
    "default_inputs",
    "from_torch",
    "load_inputs",
    "open_network",
    "register_reader",
    "save_trace",
    "save_traces",
    "unregister_reader",
]


def __getattr__(name: str) -> object:
    if name == "OnnxNetwork":  # onnx and onnxruntime take longer to load than all the rest
        return getattr(import_module(f"{__name__}.onnx.executed_model"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
