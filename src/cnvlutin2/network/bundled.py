"""The networks that the package ships: a small digit classifier, dense and pruned, and the images that it never saw.

`training/train_digits.py` makes them; ``bundled/digits.json`` records how, with which versions, and what was measured.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from cnvlutin2.errors import NetworkError
from cnvlutin2.network.file_hash import sha256
from cnvlutin2.network.inputs import Inputs
from cnvlutin2.network.network import Network
from cnvlutin2.network.readers import Reader

FOLDER = Path(__file__).with_name("bundled")
DEFAULT = "digits"
"""What runs when no network is named."""


def bundled_names() -> list[str]:
    """Return the names of the bundled networks, the default first."""
    return [DEFAULT, f"{DEFAULT}-pruned"]


def bundled_path(name: str) -> Path:
    """Return the ONNX file of a bundled network.

    Raises
    ------
    NetworkError
        Lists the names.
    """
    if name not in bundled_names():
        raise NetworkError(f"no bundled network is called {name!r}; there are {', '.join(bundled_names())}")
    return FOLDER / f"{name}.onnx"


def bundled_record() -> dict[str, Any]:
    """Return how the bundled networks were made and what they measured: task, split, seed, versions, accuracy, density."""
    return cast(dict[str, Any], json.loads((FOLDER / "digits.json").read_text(encoding="utf-8")))


def bundled_inputs(limit: int | None = None) -> Inputs:
    """Return the first `limit` of the held-out test images, all by default, as the bundled networks take them.

    Returns
    -------
    Inputs
        Values float32 ``[N, 1, 8, 8]``, 0..16 as in scikit-learn's ``load_digits``, with their labels.
    """
    path = FOLDER / "digits-test.npz"
    with np.load(path, allow_pickle=False) as archive:
        images, labels = archive["images"][:limit], archive["labels"][:limit]
    return Inputs(
        values=images[:, None].astype(np.float32),
        names=[f"{path.name}[{i}]" for i in range(len(images))],
        hashes={path.name: sha256(path)},
        labels=labels.astype(np.int64),
    )


class BundledReader(Reader):
    """Opens the bundled networks by name."""

    takes_inputs = True

    def names(self) -> Sequence[str]:
        """Return the names of the bundled networks."""
        return bundled_names()

    def can_read(self, source: object) -> bool:
        """Whether it is such a name."""
        return isinstance(source, str) and source in bundled_names()

    def read(self, source: object) -> Network:
        """Open a bundled network."""
        from cnvlutin2.network.onnx.executed_model import OnnxNetwork

        return OnnxNetwork(bundled_path(str(source)), str(source))
