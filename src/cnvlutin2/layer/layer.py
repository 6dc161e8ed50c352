"""`Layer`: quantised activations, weights and geometry, from whatever source (docs/model.md, "Windows, steps and runs")."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError, encodable
from cnvlutin2.layer.geometry import MOST, Geometry
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
        Whether its input is the network's own, with no other layer between (presets ``cnv*`` run such layers dense).
    kind : {"conv", "fc", "matmul"}
        What it was; a fully-connected layer has ``H = W = Kh = Kw = 1``, a MatMul one window (along `W`) a row.
    activation_frac, weight_frac : int or None
        Fraction bits, where the source was real-valued.
    first_image : int
        Index in the run of the batch's first image.
    synthetic : bool
        Whether its values were made up, not those of a network on its input; results say so wherever they are shown.
    tensor : hashable or None
        Which tensor of its network it reads: layers with equal ones read the same values, whose array is the same, and these are
        written to memory once. None: one of its own.

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
    synthetic: bool = False
    tensor: Hashable | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", encodable(str(self.name)))
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
        channels, group_channels = self.activations.shape[1], self.weights.shape[1]
        if channels != group_channels * self.groups:
            self._refuse(f"{channels} channels are not {self.groups} groups of the weights' {group_channels}")
        try:
            _ = self.geometry
        except NetworkError as error:
            self._refuse(str(error))

    def _integers(self, key: str, values: Sequence[int], length: int, least: int) -> tuple[int, ...]:
        try:
            found = tuple(int(v) for v in values)
        except (TypeError, ValueError):
            found = ()
        if len(found) != length or any(v < least or v > MOST for v in found):
            self._refuse(f"{key} must be {length} integer(s) of at least {least}, got {values!r}")
        return found

    def _refuse(self, what: str) -> NoReturn:
        raise NetworkError(f"layer {self.name!r}: {what}")

    @cached_property
    def geometry(self) -> Geometry:
        """The shape, without the values."""
        _, channels, height, width = self.activations.shape
        filters, _, kernel_height, kernel_width = self.weights.shape
        kernel = kernel_height, kernel_width
        return Geometry(channels, height, width, filters, kernel, self.strides, self.pads, self.dilations, self.groups)

    @property
    def images(self) -> int:
        """Images in the batch, `N`."""
        return int(self.activations.shape[0])

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the input map."""
        return self.geometry.height, self.geometry.width

    @property
    def kernel_size(self) -> tuple[int, int]:
        """Height and width of the kernel."""
        return self.geometry.kernel

    @property
    def filters(self) -> int:
        """Filters over all groups, `Co`."""
        return self.geometry.filters

    @property
    def group_channels(self) -> int:
        """Channels of a group, `Cg`."""
        return self.geometry.group_channels

    @property
    def group_filters(self) -> int:
        """Filters of a group, `Cog`."""
        return self.geometry.group_filters

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the output map: windows down and across."""
        return self.geometry.outputs

    @property
    def windows(self) -> int:
        """Windows of an image."""
        return self.geometry.windows

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an image, padding included."""
        return self.geometry.macs

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

    def side_by_side(self, together: int) -> Layer:
        """Return the layer with its groups set side by side, so many to a group (docs/model.md, "Groups").

        Parameters
        ----------
        together : int
            Groups that become one; it divides them. The activations stay where they are; the weights of a filter are 0, so
            ineffectual, for the channels of the other groups.

        Returns
        -------
        Layer
            This one if `together` is 1.
        """
        if together == 1:
            return self
        filters, channels, *kernel = self.weights.shape
        blocks = np.zeros((filters, together, channels, *kernel), np.int16)
        each = np.arange(filters)
        blocks[each, each // self.group_filters % together] = self.weights
        weights = blocks.reshape(filters, together * channels, *kernel)
        return replace(self, weights=weights, groups=self.groups // together)
