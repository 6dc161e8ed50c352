"""Images one after another, each as often as a network wants it at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError
from cnvlutin2.network.inputs import Inputs


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """What a network is executed on at once: copies of one image, so that no other image can be in what its layers see.

    Parameters
    ----------
    index : int
        Of the image.
    name : str
    values : array
        The copies, ``[copies, ...]``.
    """

    index: int
    name: str
    values: NDArray[np.generic]


def image_batches(inputs: Inputs, copies: int, first: int = 0) -> Iterator[ImageBatch]:
    """Yield the images, from the image `first` on, each in as many copies.

    Raises
    ------
    NetworkError
        If a value is infinite or not a number; names the input.
    """
    for index in range(first, len(inputs)):
        image = np.ascontiguousarray(inputs.image(index))
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            raise NetworkError(f"{inputs.names[index]}: holds values that are infinite or not numbers; give finite values")
        yield ImageBatch(index, inputs.names[index], np.repeat(image, copies, axis=0) if copies > 1 else image)
