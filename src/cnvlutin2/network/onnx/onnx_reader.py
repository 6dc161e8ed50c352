"""Reads ONNX files. Imports onnx and onnxruntime only to open one: they take longer than all the rest."""

from __future__ import annotations

from pathlib import Path

from cnvlutin2.network.network import Network
from cnvlutin2.network.readers import Reader


class OnnxReader(Reader):
    """Opens any file as an ONNX model; the last to be asked."""

    takes_inputs = True
    reads = "an .onnx file"

    def can_read(self, source: object) -> bool:
        """Whether it is a file, or is called like a model."""
        return isinstance(source, (str, Path)) and (Path(source).suffix.lower() == ".onnx" or Path(source).is_file())

    def read(self, source: object) -> Network:
        """Open a model."""
        from cnvlutin2.network.onnx.executed_model import OnnxNetwork

        return OnnxNetwork(Path(str(source)))
