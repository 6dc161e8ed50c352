"""What a model takes: the name, shape and dtype of its input, and what its metadata say about images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError

Layout = Literal["NCHW", "NHWC"]
IMAGE_CHANNELS = (1, 3)


@dataclass(frozen=True, eq=False)
class InputSpec:
    """A model's input.

    Parameters
    ----------
    name : str
    shape : tuple of int or None
        The first dimension is the batch; None where the model leaves it open.
    dtype : numpy.dtype
    metadata : mapping of str to str
        The model's own, as ``Image.BitmapPixelFormat``.
    source : str
        The model's file, for messages.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[np.generic]
    metadata: Mapping[str, str] = field(default_factory=dict)
    source: str = "the model"

    @property
    def batch(self) -> int | None:
        """Images that the model takes at a time, if that is fixed."""
        return self.shape[0]

    def wanted(self) -> str:
        """Return the shape and dtype as a text: ``float32 [N, 3, 224, 224]``."""
        return f"{self.dtype} [{', '.join(['N', *('?' if size is None else str(size) for size in self.shape[1:])])}]"

    def check(self, shape: tuple[int, ...], dtype: np.dtype[np.generic], name: str) -> None:
        """Refuse values of another shape or dtype, or none at all.

        Raises
        ------
        NetworkError
            Names the file, and the shape that is wanted.
        """
        fits = len(shape) == len(self.shape) and all(
            size in {None, own} for size, own in zip(self.shape[1:], shape[1:], strict=True)
        )
        if not fits or dtype != self.dtype:
            raise NetworkError(f"{name}: is {dtype} {list(shape)}, but {self.source} takes {self.wanted()}")
        if 0 in shape:
            raise NetworkError(f"{name}: holds no values: {list(shape)}; give at least one image")

    def check_fits(self, shape: tuple[int, ...], dtype: np.dtype[np.generic], name: str) -> None:
        """Refuse values that cannot be made the model's (`fitted`), or none at all.

        Raises
        ------
        NetworkError
            As `check`.
        """
        floats = dtype.kind == "f" and self.dtype.kind == "f"
        self.check(shape, self.dtype if floats or dtype.newbyteorder("=") == self.dtype else dtype, name)

    def fitted(self, values: NDArray[np.generic], name: str) -> NDArray[np.generic]:
        """Return values in the model's dtype: floating point of another width, and another byte order, are converted.

        Raises
        ------
        NetworkError
            As `check`.
        """
        self.check_fits(values.shape, values.dtype, name)  # before anything is converted: they may be mapped from a large file
        if values.dtype == self.dtype:
            return values
        with np.errstate(over="ignore"):  # what overflows is infinite, and refused as such when it runs
            return values.astype(self.dtype)

    def layout(self, asked: Layout | None = None) -> Layout:
        """Return the order of an image input's dimensions: as asked, or told by where the 1 or 3 channels are.

        Raises
        ------
        NetworkError
            If the input is not an image's.
        """
        if len(self.shape) == 4:
            if asked:
                return asked
            if self.shape[1] in IMAGE_CHANNELS:
                return "NCHW"
            if self.shape[3] in IMAGE_CHANNELS:
                return "NHWC"
        raise NetworkError(
            f"{self.source}: takes {self.wanted()}, which does not look like an image; give an .npy batch, or --layout for photos"
        )

    def image_shape(self, layout: Layout) -> tuple[int | None, int | None, int | None]:
        """Return channels, height and width."""
        channels, height, width = self.shape[1:] if layout == "NCHW" else (self.shape[3], *self.shape[1:3])
        return channels, height, width
