"""From the tensors that an ONNX node multiplies to a layer's arrays, and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import UnsupportedLayer
from cnvlutin2.layer import Geometry, Kind
from cnvlutin2.network.onnx.graph import LayerNode


def rows_of(node: LayerNode, tensor: NDArray[Any]) -> NDArray[Any]:
    """Return what a node multiplies as rows (a view where possible).

    Parameters
    ----------
    node : LayerNode
    tensor : array
        As it is in the graph.

    Returns
    -------
    array
        Of a convolution, the maps ``[R, C, H, W]``; of a matrix product the vectors that are multiplied, however many dimensions
        they lie in, ``[R, C]``.
    """
    if node.op == "Conv":
        return tensor[:, :, None, :] if node.one_dimensional else tensor
    rows = tensor.swapaxes(-1, -2) if node.columns and tensor.ndim > 1 else tensor
    return rows.reshape(-1, rows.shape[-1])


def as_activations(node: LayerNode, rows: NDArray[Any]) -> NDArray[Any]:
    """Return the rows of one image as a layer's activations ``[1, C, H, W]``, those of a matrix product along `W` (a view).

    Raises
    ------
    UnsupportedLayer
        If they are none, or several maps.
    """
    if node.op != "Conv":
        if not rows.size:
            raise UnsupportedLayer("it sees no values")
        return rows.T[None, :, None, :]
    if len(rows) != 1:
        raise UnsupportedLayer(f"it sees {len(rows)} maps for 1 image: they are not the network's batch")
    return rows


def node_macs(node: LayerNode, tensor: NDArray[Any]) -> int:
    """Return the multiply-accumulates of a node on a tensor, padding included."""
    rows = rows_of(node, tensor)
    if node.op != "Conv":
        return len(rows) * math.prod(node.shape)
    channels, height, width = rows.shape[1:]
    pads = resolved_pads(node, height, width)
    shape = Geometry(channels, height, width, node.shape[0], node.kernel, node.strides, pads, node.dilations, node.groups)
    return len(rows) * shape.macs


def view_of(node: LayerNode) -> str:
    """Return what `rows_of` does to a tensor, as a key: nodes with the same tensor and key see the same activations."""
    if node.op == "Conv":
        return "line" if node.one_dimensional else "map"
    return "columns" if node.columns else "rows"


def layer_kind(node: LayerNode, rank: int, windows: int) -> Kind:
    """Return what kind of layer a node is, by its input's rank and its windows an image."""
    if node.op == "Conv":
        return "conv"
    return "fc" if rank <= 2 and windows == 1 else "matmul"


def resolved_pads(node: LayerNode, height: int, width: int) -> tuple[int, int, int, int]:
    """Return top, left, bottom and right padding on a map of a size, as ONNX's `auto_pad` defines it."""
    if node.auto_pad == "NOTSET":
        return node.pads
    if node.auto_pad == "VALID":
        return (0, 0, 0, 0)
    before, after = [], []
    for size, kernel, stride, dilation in zip((height, width), node.kernel, node.strides, node.dilations, strict=True):
        outputs = -(-size // stride)
        total = max((outputs - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
        less, more = total // 2, total - total // 2
        before.append(less if node.auto_pad == "SAME_UPPER" else more)
        after.append(more if node.auto_pad == "SAME_UPPER" else less)
    return (before[0], before[1], after[0], after[1])


def as_stored(node: LayerNode, filters: NDArray[Any]) -> NDArray[Any]:
    """Return weights ``[Co, Cg, Kh, Kw]`` in the shape that the node takes them in (a Gemm's with its `alpha` folded in)."""
    if node.op == "Conv":
        return filters.reshape(node.shape)
    matrix = filters[:, :, 0, 0]
    return np.ascontiguousarray(matrix if node.filters_first else matrix.T).reshape(node.shape)
