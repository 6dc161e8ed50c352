"""From an operation's tensors to a layer's arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch  # type: ignore[import-not-found,unused-ignore]
from numpy.typing import NDArray

from cnvlutin2.errors import UnsupportedLayer
from cnvlutin2.layer import Kind
from cnvlutin2.numeric import effectual, quantise

CONVOLUTIONS = {"aten::convolution": 0, "aten::_convolution": 0}
MATRIX_PRODUCTS = {
    "aten::mm": 0,
    "aten::addmm": 1,
    "aten::_addmm_activation": 1,
    "aten::_sparse_addmm": 1,
    "aten::bmm": 0,
    "aten::baddbmm": 1,
    "aten::mv": 0,
    "aten::addmv": 1,
    "aten::dot": 0,
    "aten::vdot": 0,
}
"""Name to the place of the left factor among the arguments; the right one follows it."""


@dataclass(frozen=True)
class Factors:
    """The places of an operation's factors among its arguments.

    Parameters
    ----------
    activations, weights : int
        Of a matrix product the weights may come first: then its right factor's columns are the rows that they multiply.
    """

    activations: int
    weights: int


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
    tensor : int
        The same for those that read the same tensor: the index of the first one.
    """

    name: str
    activations: NDArray[np.floating]
    weights: NDArray[np.floating]
    kind: Kind
    first: bool = False
    geometry: dict[str, Any] = field(default_factory=dict)
    tensor: int = 0

    def differs_from(self, other: Product) -> bool:
        """Whether it is another layer, not the same one for another image."""
        return (
            (self.name, self.kind, self.first, self.tensor, self.geometry, self.activations.shape[1:])
            != (other.name, other.kind, other.first, other.tensor, other.geometry, other.activations.shape[1:])
        ) or not self.has_weights_of(other)

    def has_weights_of(self, other: Product) -> bool:
        """Whether the weights are the same."""
        return self.weights is other.weights or np.array_equal(self.weights, other.weights, equal_nan=True)


def product_of(name: str, op: str, given: Mapping[str, Any], args: Any, factors: Factors) -> Product:
    """Return the layer that an operation is, for the one image that runs.

    Raises
    ------
    UnsupportedLayer
        If it has no meaning as a layer.
    """
    return _convolution(name, given) if op in CONVOLUTIONS else _matrix(name, given, args, factors)


def _convolution(name: str, given: Mapping[str, Any]) -> Product:
    values, weights = given["input"], given["weight"]
    dimensions = weights.ndim - 2
    if given["transposed"]:
        raise UnsupportedLayer("transposed convolution")
    if dimensions not in (1, 2):
        raise UnsupportedLayer(f"{dimensions}-dimensional convolution")
    if values.shape[0] != 1:
        raise UnsupportedLayer(f"it sees {values.shape[0]} maps for one image: they are not the network's batch")
    flat = dimensions == 1

    def pair(key: str, other: int) -> tuple[int, int]:
        first, *rest = [int(v) for v in given[key]] * (1 if len(given[key]) == dimensions else dimensions)
        return (other, first) if flat else (first, rest[0])

    vertical, horizontal = pair("padding", 0)
    return Product(
        name,
        as_array(values[:, :, None] if flat else values),
        as_array(weights[:, :, None] if flat else weights),
        "conv",
        geometry={
            "strides": pair("stride", 1),
            "pads": (vertical, horizontal, vertical, horizontal),
            "dilations": pair("dilation", 1),
            "groups": int(given["groups"]),
        },
    )


def _matrix(name: str, given: Mapping[str, Any], args: Any, factors: Factors) -> Product:
    """Return a product of rows with a matrix; all rows are the image's."""
    values, matrix = args[factors.activations], args[factors.weights]
    if matrix.ndim == 3:
        if matrix.shape[0] != 1 and matrix.stride(0) != 0:
            raise UnsupportedLayer("a stack of products with different constant matrices")
        matrix = matrix[0]
    weights_first = factors.weights < factors.activations
    filters = matrix if weights_first or matrix.ndim == 1 else matrix.t()
    rows = as_array(values)
    rows = rows.swapaxes(-1, -2) if weights_first and rows.ndim > 1 else rows
    rows = rows.reshape(-1, rows.shape[-1])
    alpha = float(given.get("alpha", 1))
    weights = as_array(filters if alpha == 1 else filters * alpha)
    weights = weights.reshape(-1, weights.shape[-1])[:, :, None, None]
    return Product(name, rows.T[None, :, None, :], weights, "fc" if len(rows) == 1 and values.ndim <= 2 else "matmul")


def as_array(tensor: Any) -> NDArray[np.floating]:
    """Copy a tensor's values: later operations may work in place.

    Raises
    ------
    UnsupportedLayer
        If they are complex, or integers at a scale that only the tensor knows.
    """
    if tensor.is_complex():
        raise UnsupportedLayer("it multiplies complex numbers")
    if tensor.is_quantized:
        raise UnsupportedLayer("a quantised operator: it multiplies integers at scales of its own")
    dense = tensor.detach() if tensor.layout == torch.strided else tensor.detach().to_dense()
    wide = dense.to(torch.float64 if tensor.dtype in (torch.float64, torch.int32, torch.int64) else torch.float32)
    values: NDArray[np.floating] = np.array(wide.cpu().numpy())
    return values


def fake_quantised(tensor: Any, frac: int, threshold: int, bits: int) -> Any:
    """Return the real values that the quantised, thresholded integers stand for, as a tensor of the same type."""
    values = as_array(tensor)
    integers = quantise(values, frac, bits)
    kept = np.where(effectual(integers, threshold), integers, 0).astype(values.dtype)
    return torch.from_numpy(np.ldexp(kept, -frac)).to(tensor.device, tensor.dtype)
