"""`Layer`: quantised activations, weights and geometry, from whatever source (docs/model.md, "Windows, steps and runs")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError
from cnvlutin2.numeric import effectual, limits

Kind = Literal["conv", "fc", "matmul"]


@dataclass(frozen=True, eq=False)
class Layer:
    """One convolutional or fully-connected layer with the values that it sees.

    Parameters
    ----------
    name : str
    activations : int16 array, ``[N, C, H, W]``
        Quantised input, not thresholded; `N` images.
    weights : int16 array, ``[Co, Cg, Kh, Kw]``
        Quantised; `Cg` is `C` divided by `groups`.
    strides : (int, int)
        Vertical, horizontal.
    pads : (int, int, int, int)
        Top, left, bottom, right.
    dilations : (int, int)
        Vertical, horizontal.
    groups : int
    threshold : int
        An activation is effectual if its magnitude is at least this many LSBs.
    weight_threshold : int
        The same for weights.
    first : bool
        Whether it is its network's first layer (presets ``cnv*`` run that one dense).
    kind : {"conv", "fc", "matmul"}
        What it was; a fully-connected layer has ``H = W = Kh = Kw = 1``, a MatMul one window (along `W`) a row.
    activation_frac, weight_frac : int or None
        Fraction bits, where the source was real-valued.
    first_image : int
        Index in the run of the batch's first image.

    Raises
    ------
    NetworkError
        If an array has a wrong rank or dtype, or the shapes do not fit one another.
    """

    name: str
    activations: NDArray[np.int16]
    weights: NDArray[np.int16]
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1
    threshold: int = 1
    weight_threshold: int = 1
    first: bool = False
    kind: Kind = "conv"
    activation_frac: int | None = None
    weight_frac: int | None = None
    first_image: int = 0

    def __post_init__(self) -> None:
        for key, value in (("activations", self.activations), ("weights", self.weights)):
            if not isinstance(value, np.ndarray) or value.ndim != 4 or value.dtype != np.int16:
                found = f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else type(value).__name__
                self._refuse(f"{key} must be a 4-dimensional int16 array, got {found}")
            if 0 in value.shape:
                self._refuse(f"{key} are empty: {list(value.shape)}")
        for key, length, least in (("strides", 2, 1), ("pads", 4, 0), ("dilations", 2, 1)):
            object.__setattr__(self, key, self._integers(key, getattr(self, key), length, least))
        for key in ("groups", "threshold", "weight_threshold"):
            object.__setattr__(self, key, self._integers(key, (getattr(self, key),), 1, 1)[0])
        channels, filters, group_channels = self.activations.shape[1], *self.weights.shape[:2]
        if channels != group_channels * self.groups:
            self._refuse(f"{channels} channels are not {self.groups} groups of the weights' {group_channels}")
        if filters % self.groups:
            self._refuse(f"{filters} filters cannot be divided into {self.groups} groups")
        if min(self.output_size) < 1:
            self._refuse(f"a {self.kernel_size} kernel does not fit the padded {self.input_size} map")

    def _integers(self, key: str, values: Sequence[int], length: int, least: int) -> tuple[int, ...]:
        try:
            found = tuple(int(v) for v in values)
        except (TypeError, ValueError):
            found = ()
        if len(found) != length or any(v < least or v >= 1 << 31 for v in found):
            self._refuse(f"{key} must be {length} integer(s) of at least {least}, got {values!r}")
        return found

    def _refuse(self, what: str) -> None:
        raise NetworkError(f"layer {self.name!r}: {what}")

    @property
    def images(self) -> int:
        """Images in the batch, `N`."""
        return int(self.activations.shape[0])

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the input map."""
        return cast(tuple[int, int], self.activations.shape[2:])

    @property
    def kernel_size(self) -> tuple[int, int]:
        """Height and width of the kernel."""
        return cast(tuple[int, int], self.weights.shape[2:])

    @property
    def filters(self) -> int:
        """Filters over all groups, `Co`."""
        return int(self.weights.shape[0])

    @property
    def group_channels(self) -> int:
        """Channels of a group, `Cg`."""
        return int(self.weights.shape[1])

    @property
    def group_filters(self) -> int:
        """Filters of a group, `Cog`."""
        return self.filters // self.groups

    @cached_property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the output map: windows down and across."""
        top, left, bottom, right = self.pads
        sizes = zip(self.input_size, (top + bottom, left + right), self.kernel_size, self.strides, self.dilations, strict=True)
        height, width = ((size + pad - dil * (k - 1) - 1) // stride + 1 for size, pad, k, stride, dil in sizes)
        return height, width

    @property
    def windows(self) -> int:
        """Windows of an image."""
        return self.output_size[0] * self.output_size[1]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an image, padding included."""
        return self.windows * self.weights.size

    def is_row_packed(self, brick: int, packing: str) -> bool:
        """Whether it is stored by rows: fewer channels than a brick, no horizontal dilation (docs/model.md, "Storage")."""
        return packing == "row" and self.group_channels < brick and self.dilations[1] == 1

    def effectual_activations(self) -> NDArray[np.bool_]:
        """Return which activations are effectual, ``[N, C, H, W]``."""
        return effectual(self.activations, self.threshold)

    def effectual_weights(self) -> NDArray[np.bool_]:
        """Return which weights are effectual, ``[Co, Cg, Kh, Kw]``."""
        return effectual(self.weights, self.weight_threshold)

    def check_fits(self, data_bits: int) -> None:
        """Refuse values that do not fit `data_bits` bits.

        Raises
        ------
        NetworkError
            Names the array and the value.
        """
        low, high = limits(data_bits)
        if data_bits == 16:
            return
        for key, values in (("activations", self.activations), ("weights", self.weights)):
            least, most = int(values.min()), int(values.max())
            if least < low or most > high:
                self._refuse(
                    f"{key} reach {most if most > high else least}, which does not fit data_bits={data_bits}; "
                    f"quantise them to {low}..{high}"
                )

    def image(self, index: int) -> Layer:
        """Return the layer with one image of its batch (a view, no copy)."""
        return replace(self, activations=self.activations[index : index + 1], first_image=self.first_image + index)
