"""A module's example inputs: checked, and cut into images. Imports PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch  # type: ignore[import-not-found,unused-ignore]
from torch.utils._pytree import tree_leaves, tree_map  # type: ignore[import-not-found,unused-ignore]

from cnvlutin2.errors import NetworkError


@dataclass(frozen=True, eq=False)
class Call:
    """What a module is called with.

    Parameters
    ----------
    args : tuple
    kwargs : dict
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @property
    def tensors(self) -> list[Any]:
        """All tensors, however deep they lie in tuples, lists and dictionaries."""
        return [leaf for leaf in tree_leaves((self.args, self.kwargs)) if isinstance(leaf, torch.Tensor)]


class ExampleInputs:
    """The example inputs of several images.

    Parameters
    ----------
    given : torch.Tensor, tuple, list or mapping
        See `from_torch`.

    Attributes
    ----------
    images : int

    Raises
    ------
    NetworkError
        If they cannot be cut into images.
    """

    def __init__(self, given: Any) -> None:
        if isinstance(given, Mapping):
            self._all = Call((), dict(given))
        else:
            self._all = Call(tuple(given) if isinstance(given, (tuple, list)) else (given,), {})
        tensors = self._all.tensors
        for tensor in tensors:
            if tensor.layout != torch.strided or tensor.is_nested or tensor.is_meta:
                kind = "on the meta device" if tensor.is_meta else "nested" if tensor.is_nested else "sparse"
                raise NetworkError(f"example_inputs: a tensor is {kind}; give plain dense tensors")
        batch = next((tensor for tensor in tensors if tensor.ndim > 0), None)
        if batch is None or len(batch) < 1:
            raise NetworkError(
                "example_inputs must be a tensor, or a tuple of arguments or a dict of keyword arguments with one, whose first"
                " dimension is the images"
            )
        self.images = len(batch)
        square = (self.images, self.images)
        if self.images > 1 and batch.shape != square and any(tensor.shape == square for tensor in tensors):
            raise NetworkError(
                f"example_inputs: whether a tensor {list(square)} beside {list(batch.shape)} holds a row an image cannot be told;"
                " give another number of images"
            )

    def of(self, start: int, count: int = 1) -> Call:
        """Return a copy of what the module is called with for some images: tensors with as many rows as images are cut."""

        def cut(leaf: Any) -> Any:
            if not isinstance(leaf, torch.Tensor):
                return leaf
            return (leaf[start : start + count] if leaf.ndim and len(leaf) == self.images else leaf).detach().clone()

        with torch.inference_mode(False):
            args, kwargs = tree_map(cut, (self._all.args, self._all.kwargs))
        return Call(args, kwargs)
