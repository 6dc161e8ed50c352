"""Reads PyTorch modules. Does not import PyTorch: whoever has a module has."""

from __future__ import annotations

import sys
from typing import cast

from cnvlutin2.network.network import Network
from cnvlutin2.network.readers import Reader


class TorchReader(Reader):
    """Opens pairs of a module, or an exported program, and its example inputs, as `from_torch` does."""

    def can_read(self, source: object) -> bool:
        """Whether it is a module and something else."""
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(source, tuple) or len(source) != 2:
            return False
        return isinstance(source[0], (torch.nn.Module, torch.export.ExportedProgram))

    def read(self, source: object) -> Network:
        """Run a module on its inputs."""
        from cnvlutin2.network.torch.executed_module import from_torch

        module, inputs = cast(tuple[object, object], source)
        return from_torch(module, inputs)
