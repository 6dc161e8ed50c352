"""PyTorch modules for tests. Imported only where PyTorch is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch  # type: ignore[import-not-found,unused-ignore]


class Written(torch.nn.Module):  # type: ignore[misc,unused-ignore]
    """A module of a function of itself and its inputs, with what the function uses."""

    def __init__(self, function: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(self, *args, **kwargs)
