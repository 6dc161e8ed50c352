"""`Geometry`: the shape of a layer without any value (docs/model.md, "Windows, steps and runs")."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from cnvlutin2.errors import NetworkError

MOST = (1 << 31) - 1
"""The largest size, stride or pad: places are numbered in 32 bits."""


@dataclass(frozen=True)
class Geometry:
    """The shape of a convolution: frozen and hashable, so that what follows from it is worked out once for all equal layers.

    A fully-connected layer is a 1x1 convolution on a 1x1 map; a matrix product's rows are the windows of a 1x1 convolution.

    Parameters
    ----------
    channels, height, width : int
        Of the input, all groups together: ``C``, ``H``, ``W``.
    filters : int
        Over all groups, ``Co``.
    kernel : (int, int)
        Height and width, ``Kh``, ``Kw``.
    strides, dilations : (int, int)
        Vertical, horizontal.
    pads : (int, int, int, int)
        Top, left, bottom, right.
    groups : int

    Raises
    ------
    NetworkError
        If a number is out of range, the groups divide neither channels nor filters, or the kernel does not fit the padded map.
    """

    channels: int
    height: int
    width: int
    filters: int
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        lengths = {"kernel": 2, "strides": 2, "pads": 4, "dilations": 2}
        for key, length in lengths.items():
            _check(key, getattr(self, key), length, 0 if key == "pads" else 1)
        for key in ("channels", "height", "width", "filters", "groups"):
            _check(key, (getattr(self, key),), 1, 1)
        if self.channels % self.groups:
            raise NetworkError(f"{self.channels} channels cannot be divided into {self.groups} groups")
        if self.filters % self.groups:
            raise NetworkError(f"{self.filters} filters cannot be divided into {self.groups} groups")
        if min(self.outputs) < 1:
            raise NetworkError(f"a {self.kernel} kernel does not fit the padded {(self.height, self.width)} map")

    @property
    def group_channels(self) -> int:
        """Channels of a group, `Cg`."""
        return self.channels // self.groups

    @property
    def group_filters(self) -> int:
        """Filters of a group, `Cog`."""
        return self.filters // self.groups

    @cached_property
    def outputs(self) -> tuple[int, int]:
        """Height and width of the output map: windows down and across."""
        top, left, bottom, right = self.pads
        padded = self.height + top + bottom, self.width + left + right
        down, across = (
            (size - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, dilation in zip(padded, self.kernel, self.strides, self.dilations, strict=True)
        )
        return down, across

    @property
    def windows(self) -> int:
        """Windows of an image."""
        down, across = self.outputs
        return down * across

    @property
    def filter_weights(self) -> int:
        """Weights of one filter."""
        return self.group_channels * self.kernel[0] * self.kernel[1]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an image, padding included."""
        return self.windows * self.filters * self.filter_weights

    def is_row_packed(self, brick: int, packing: str) -> bool:
        """Whether it is stored by rows: fewer channels than a brick, no horizontal dilation (docs/model.md, "Storage")."""
        return packing == "row" and self.group_channels < brick and self.dilations[1] == 1

    def side_by_side(self, together: int) -> Geometry:
        """Return the shape of a layer whose groups are set side by side, so many to a group (docs/model.md, "Groups")."""
        return replace(self, groups=self.groups // together)


def _check(key: str, values: tuple[int, ...], length: int, least: int) -> None:
    if len(values) != length or any(not isinstance(v, int) or not least <= v <= MOST for v in values):
        raise NetworkError(f"{key} must be {length} integer(s) of at least {least}, got {values!r}")
