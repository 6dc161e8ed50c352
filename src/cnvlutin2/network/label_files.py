"""Labels of images: numbers in the order of the images, or by the images' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError
from cnvlutin2.network.npz import map_npy


def labels_of(
    labels: Sequence[int] | str | Path, names: Sequence[str], order: Sequence[int] | None, *, cut: bool
) -> NDArray[np.int64]:
    """Return the labels of images.

    Parameters
    ----------
    labels : sequence of int, or path
        One an image in the order of the files; or a file of an image's name and its label a line.
    names : sequence of str
        Of the images.
    order : sequence of int or None
        Which of all images these are, where they were drawn from them; None: the first.
    cut : bool
        Whether there may be labels for more images.

    Raises
    ------
    NetworkError
        If they do not fit the images; names the file.
    """
    source = str(labels) if isinstance(labels, (str, Path)) else "labels"
    try:
        found = _read(Path(labels)) if isinstance(labels, (str, Path)) else np.asarray(labels)
    except (OSError, ValueError, OverflowError):
        message = "cannot be read as labels; give integers, one a line, a name and an integer a line, or an .npy of integers"
        raise NetworkError(f"{source}: {message}") from None
    chosen = _by_name(found, names, source) if isinstance(found, dict) else _in_order(found, names, order, source, cut=cut)
    if (chosen < 0).any():
        raise NetworkError(f"{source}: holds negative labels; classes count from 0")
    return chosen.astype(np.int64)


def _in_order(found: NDArray[Any], names: Sequence[str], order: Sequence[int] | None, source: str, *, cut: bool) -> NDArray[Any]:
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise NetworkError(f"{source}: must be one integer an image")
    chosen = range(len(names)) if order is None else order
    if max(chosen) >= len(found) or (order is None and not cut and len(found) > len(names)):
        what = f"{len(names)} images" if order is None else "more images, of which some are drawn"
        raise NetworkError(f"{source}: holds {len(found)} labels for {what}")
    picked: NDArray[Any] = found[list(chosen)]
    return picked


def _by_name(found: Mapping[str, int], names: Sequence[str], source: str) -> NDArray[np.int64]:
    """Return the labels of names: that of the longest end of an image's path that has one."""
    labels = []
    for name in names:
        parts = PurePath(name).parts
        ends = ["/".join(parts[first:]).replace("//", "/") for first in range(len(parts))]
        label = next((found[end] for end in ends if end in found), None)
        if label is None:
            raise NetworkError(f"{source}: holds no label for {name}; give one for every image")
        labels.append(label)
    return np.array(labels, np.int64)


def _read(path: Path) -> NDArray[Any] | dict[str, int]:
    if not path.is_file():  # a pipe could be read once only
        raise FileNotFoundError(path)
    if path.suffix.lower() == ".npy":
        return map_npy(path)
    text = path.read_text("utf-8")
    try:
        return np.array(text.split(), np.int64)
    except (ValueError, OverflowError):
        return _named(text)


def _named(text: str) -> dict[str, int]:
    """Read a name and a label a line, separated by a comma or space; the first line may be a heading."""
    found: dict[str, int] = {}
    for place, line in enumerate(filter(str.strip, text.splitlines())):
        name, label = line.rsplit("," if "," in line else None, 1)
        if place == 0 and not label.strip().isdecimal():
            continue
        key = name.strip().strip('"').replace("\\", "/").removeprefix("./")
        if found.setdefault(key, int(label)) != int(label):
            raise ValueError(f"{key} has two labels")
    if not found:
        raise ValueError("there is none")
    return found
