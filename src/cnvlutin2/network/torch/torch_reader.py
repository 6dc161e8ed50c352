"""Reads PyTorch modules. Does not import PyTorch: whoever has a module has."""

from __future__ import annotations

import sys
from typing import cast

from cnvlutin2.network.network import Network
from cnvlutin2.network.readers import Reader


class TorchReader(Reader):
    """Opens pairs of a ``torch.nn.Module`` and its example inputs, as `from_torch` does."""

    def can_read(self, source: object) -> bool:
        """Whether it is a module and something else."""
        torch = sys.modules.get("torch")
        return torch is not None and isinstance(source, tuple) and len(source) == 2 and isinstance(source[0], torch.nn.Module)

    def read(self, source: object) -> Network:
        """Run a module on its inputs."""
        from cnvlutin2.network.torch.executed_module import from_torch

        module, inputs = cast(tuple[object, object], source)
        return from_torch(module, inputs)
