"""`Inputs`: what a network is executed on, ready for it (`cnvlutin2.network.input_files` makes them of files)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import encodable
from cnvlutin2.network.stored_images import StoredImages


class Inputs:
    """Prepared inputs of a network; they do not change.

    Parameters
    ----------
    values : array, ``[N, ...]``, or StoredImages
        In the network's own layout and dtype.
    names : sequence of str
        One an image: its file, or ``file[index]``.
    hashes : mapping of str to str
        File to SHA-256, for the record.
    labels : int array ``[N]`` or None
        Where they are known.
    settings : mapping
        How they were made of the files, for the record.
    """

    def __init__(
        self,
        values: NDArray[np.generic] | StoredImages,
        names: Sequence[str],
        hashes: Mapping[str, str] = MappingProxyType({}),
        labels: NDArray[np.int64] | None = None,
        settings: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._values = values
        self._seen: Callable[[int, int], None] | None = None
        # Names that every file can hold: those of files may be in any encoding.
        self.names: Sequence[str] = [encodable(name) for name in names]
        self.hashes: Mapping[str, str] = {encodable(name): digest for name, digest in hashes.items()}
        self.labels = labels
        self.settings = settings

    @property
    def values(self) -> NDArray[np.generic]:
        """All values, ``[N, ...]``; of images that are in files they are read at each time."""
        return self._values[:] if isinstance(self._values, StoredImages) else self._values

    @property
    def shape(self) -> tuple[int, ...]:
        """``[N, ...]``."""
        return self._values.shape

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """That of the values."""
        return self._values.dtype

    def __len__(self) -> int:
        return len(self._values)

    def image(self, index: int) -> NDArray[np.generic]:
        """Return the values of one image, ``[1, ...]``."""
        if self._seen is not None:
            self._seen(index, len(self))
        return self._values[index : index + 1]

    def watched(self, seen: Callable[[int, int], None]) -> Inputs:
        """Return the same inputs; `seen` is called with an image's index, and how many there are, when one is asked for."""
        found = copy(self)
        found._seen = seen
        return found

    def with_labels(self, labels: NDArray[np.int64], hashes: Mapping[str, str]) -> Inputs:
        """Return the same inputs with labels ``[N]``, and the hashes of the files that these are from."""
        return Inputs(self._values, self.names, {**self.hashes, **hashes}, labels, self.settings)
