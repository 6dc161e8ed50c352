"""`Inputs`: what a network is executed on, ready for it (`cnvlutin2.network.input_files` makes them of files)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import encodable


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

    def __post_init__(self) -> None:
        """Have names that every file can hold: those of files may be in any encoding."""
        object.__setattr__(self, "names", [encodable(name) for name in self.names])
        object.__setattr__(self, "hashes", {encodable(name): digest for name, digest in self.hashes.items()})
