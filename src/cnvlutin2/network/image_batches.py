"""Cutting a network's inputs into the batches that it is executed on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError
from cnvlutin2.network.inputs import Inputs


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """What a network is executed on at once.

    Parameters
    ----------
    start, count : int
        The index of the first image, and how many there are.
    values : array
        May repeat the last image, up to the batch that a model wants: only the first `count` are real.
    names : sequence of str
        Of the real ones.
    """

    start: int
    count: int
    values: NDArray[np.generic]
    names: Sequence[str]


def image_batches(inputs: Inputs, size: int, first: int = 0) -> Iterator[ImageBatch]:
    """Cut inputs into batches of `size` images, from the image `first` on.

    Raises
    ------
    NetworkError
        If a value is infinite or not a number; names the input.
    """
    total = len(inputs.values)
    for start in range(first, total, size):
        rows = np.minimum(np.arange(start, start + size), total - 1)
        values = np.ascontiguousarray(inputs.values[rows] if size > 1 else inputs.values[start : start + 1])
        names = inputs.names[start : start + size]
        if values.dtype.kind == "f":
            bad = ~np.isfinite(values).reshape(size, -1).all(axis=1)
            if bad.any():
                name = names[min(int(bad.argmax()), len(names) - 1)]
                raise NetworkError(f"{name}: holds values that are infinite or not numbers; give finite values")
        yield ImageBatch(start, min(size, total - start), values, names)
