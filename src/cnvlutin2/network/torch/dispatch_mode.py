"""The dispatch mode that catches a PyTorch module's products. Imports PyTorch: `executed_module` imports it late."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch  # type: ignore[import-not-found,unused-ignore]
from numpy.typing import NDArray
from torch.utils._python_dispatch import TorchDispatchMode  # type: ignore[import-not-found,unused-ignore]
from torch.utils._pytree import tree_leaves  # type: ignore[import-not-found,unused-ignore]

from cnvlutin2.errors import UnsupportedLayer
from cnvlutin2.layer import Kind
from cnvlutin2.network.calibration import Scales
from cnvlutin2.network.left_out import LeftOut
from cnvlutin2.numeric import effectual, quantise

CONVOLUTION = "aten::convolution"
MATRIX_PRODUCTS = {"aten::mm": 0, "aten::addmm": 1, "aten::linear": 0}
"""Name to the place of the left factor among the arguments."""
PRODUCTS = re.compile(r"mm($|_)|mv$|dot$|^_trilinear$|^linear$|conv|lstm|gru|rnn|attention|quantized")
"""In the names, after ``aten::``, of all operations that multiply by weights or multiply two activations."""


@dataclass(eq=False)
class Product:
    """One operation that is a layer: real-valued, as it ran.

    Parameters
    ----------
    name : str
    activations : array, ``[N, C, H, W]``
    weights : array, ``[Co, Cg, Kh, Kw]``
    kind : {"conv", "fc", "matmul"}
    first : bool
    geometry : dict
        `Layer`'s strides, pads, dilations and groups.
    """

    name: str
    activations: NDArray[np.floating]
    weights: NDArray[np.floating]
    kind: Kind
    first: bool = False
    geometry: dict[str, Any] = field(default_factory=dict)


class Catcher(TorchDispatchMode):  # type: ignore[misc,unused-ignore]
    """Sees every operation; notes those that are layers, and runs them on quantised values if it is given scales.

    Parameters
    ----------
    path : list of str
        The names of the modules that are running, outermost first.
    images : int
    constants : sequence of torch.Tensor
        The module's parameters and buffers. What is computed from them alone is constant too, as a pruned weight is.
    scales : sequence of Scales or None
        One a layer, in order.
    bits : int
    """

    def __init__(
        self, path: Sequence[str], images: int, constants: Sequence[Any], scales: Sequence[Scales] | None, bits: int
    ) -> None:
        super().__init__()
        self.products: list[Product] = []
        self.left_out: list[LeftOut] = []
        self._path, self._images, self._scales, self._bits = path, images, scales, bits
        self._names: dict[str, int] = {}
        # By their memory, of which views share one; the tensors are held, so that no other gets the same.
        self._constants = {_memory(tensor): tensor for tensor in constants}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Run one operation."""
        kwargs = dict(kwargs or {})
        name = func._schema.name
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        constant = bool(tensors) and all(map(self._is_constant, tensors))
        if not constant and tensors and PRODUCTS.search(name.removeprefix("aten::")):
            args, kwargs = self._note(func, name, args, kwargs)
        result = func(*args, **kwargs)
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and constant:
                self._constants[_memory(tensor)] = tensor
            elif isinstance(tensor, torch.Tensor):
                self._constants.pop(_memory(tensor), None)  # written to
        return result

    def _is_constant(self, tensor: Any) -> bool:
        return tensor.numel() == 0 or _memory(tensor) in self._constants

    def _note(self, func: Any, op: str, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Note a product as a layer or as left out; return the arguments that it is to run with."""
        given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
        name = self._name(op)
        try:
            place = self._place(op, given, args)
            product = (
                _convolution(name, given, self._images) if op == CONVOLUTION else _matrix(name, op, given, args, self._images)
            )
        except UnsupportedLayer as reason:
            self.left_out.append(LeftOut(name, op.removeprefix("aten::"), str(reason)))
            return args, kwargs
        product.first = not self.products and not self.left_out
        index = len(self.products)
        self.products.append(product)
        if self._scales is None or index >= len(self._scales):
            return args, kwargs
        scales = self._scales[index]
        left = _fake_quantised(args[place], scales.frac, scales.threshold, self._bits)
        # With alpha folded into the weights, whose integers are what the layer has.
        alpha = float(kwargs.get("alpha", 1))
        right = _fake_quantised(args[place + 1] * alpha, scales.weight_frac, scales.weight_threshold, self._bits)
        return (*args[:place], left, right, *args[place + 2 :]), {k: v for k, v in kwargs.items() if k != "alpha"}

    def _place(self, op: str, given: Mapping[str, Any], args: Any) -> int:
        """Return the place of the left factor among the arguments.

        Raises
        ------
        UnsupportedLayer
            If the operation multiplies otherwise, or has no constant right factor.
        """
        if op != CONVOLUTION and op not in MATRIX_PRODUCTS:
            raise UnsupportedLayer("multiplies two activations, a stack of matrices, or in a way that is not known here")
        place = MATRIX_PRODUCTS.get(op, 0)
        left, right = (self._is_constant(tensor) for tensor in args[place : place + 2])
        if not right:
            raise UnsupportedLayer(
                "the constant is its left factor" if left else "multiplies two activations: it has no constant weights"
            )
        if given.get("transposed"):
            raise UnsupportedLayer("transposed convolution")
        return place

    def _name(self, op: str) -> str:
        """Return a name of its own: the innermost module's, else the operation's."""
        base = next((name for name in reversed(self._path) if name), op.removeprefix("aten::"))
        self._names[base] = self._names.get(base, 0) + 1
        return base if self._names[base] == 1 else f"{base}#{self._names[base]}"


def _memory(tensor: Any) -> int:
    return int(tensor.untyped_storage().data_ptr())


def _convolution(name: str, given: Mapping[str, Any], images: int) -> Product:
    values, weights = given["input"], given["weight"]
    dimensions = weights.ndim - 2
    if dimensions not in (1, 2):
        raise UnsupportedLayer(f"{dimensions}-dimensional convolution")
    if values.shape[0] != images:
        raise UnsupportedLayer(f"it sees {values.shape[0]} maps for {images} image(s): they are not the network's batch")
    flat = dimensions == 1

    def pair(key: str, other: int) -> tuple[int, int]:
        first, *rest = [int(v) for v in given[key]] * (1 if len(given[key]) == dimensions else dimensions)
        return (other, first) if flat else (first, rest[0])

    vertical, horizontal = pair("padding", 0)
    return Product(
        name,
        _array(values[:, :, None] if flat else values),
        _array(weights[:, :, None] if flat else weights),
        "conv",
        geometry={
            "strides": pair("stride", 1),
            "pads": (vertical, horizontal, vertical, horizontal),
            "dilations": pair("dilation", 1),
            "groups": int(given["groups"]),
        },
    )


def _matrix(name: str, op: str, given: Mapping[str, Any], args: Any, images: int) -> Product:
    place = MATRIX_PRODUCTS[op]
    left, right = args[place : place + 2]
    filters = right if op == "aten::linear" else right.t()
    rows = left.numel() // left.shape[-1] if left.shape[-1] else 0
    if left.ndim < 2 or rows % images:
        raise UnsupportedLayer(f"its input {list(left.shape)} is not a whole number of rows for each of {images} image(s)")
    windows = rows // images
    activations = _array(left.reshape(images, windows, left.shape[-1])).transpose(0, 2, 1)[:, :, None, :]
    weights = _array(filters * float(given.get("alpha", 1)))[:, :, None, None]
    return Product(name, activations, weights, "fc" if windows == 1 and left.ndim == 2 else "matmul")


def _array(tensor: Any) -> NDArray[np.floating]:
    """Copy a tensor: later operations may work in place."""
    wide = tensor.detach().to(torch.float64 if tensor.dtype == torch.float64 else torch.float32)
    values: NDArray[np.floating] = np.array(wide.cpu().numpy())
    return values


def _fake_quantised(tensor: Any, frac: int, threshold: int, bits: int) -> Any:
    """Return the real values that the quantised, thresholded integers stand for, as a tensor of the same type."""
    values = _array(tensor)
    integers = quantise(values, frac, bits)
    kept = np.where(effectual(integers, threshold), integers, 0).astype(values.dtype)
    return torch.from_numpy(np.ldexp(kept, -frac)).to(tensor.dtype)
