"""`Inputs`: what a network is executed on, ready for it (`cnvlutin2.network.input_files` makes them of files)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Inputs:
    """Prepared inputs of a network.

    Parameters
    ----------
    values : array, ``[N, ...]``
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

    values: NDArray[np.generic]
    names: Sequence[str]
    hashes: Mapping[str, str] = field(default_factory=dict)
    labels: NDArray[np.int64] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
