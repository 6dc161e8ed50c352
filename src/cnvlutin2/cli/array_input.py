"""Reading the array that `cnvlutin2 encode` is given: `.npy`, `.npz`, a layer trace."""

from __future__ import annotations

import tokenize
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError
from cnvlutin2.network.npz import CheckedArchive
from cnvlutin2.network.trace_file import read_plan, read_values


@dataclass(frozen=True)
class ArrayInput:
    """One image's array ``[C, H, W]``, and what a layer trace says of it."""

    values: NDArray[Any]
    threshold: int = 1
    groups: int = 1


def read_array(path: Path, image: int | None) -> ArrayInput:
    """Read one image of an array file.

    Parameters
    ----------
    path : Path
        An `.npy` of ``[C, H, W]`` or ``[N, C, H, W]``, an `.npz` with one such array or one called ``activations``, or a trace.
    image : int or None
        Which image; may be left out if there is only one.

    Raises
    ------
    NetworkError
        If the file is missing or damaged, or the image is not told or not there. Names the file.
    """
    if path.exists() and not path.is_file():  # a pipe would wait for somebody to write to it
        raise NetworkError(f"{path}: cannot be read (not a file)")
    found = _read_npz(path) if path.suffix.lower() == ".npz" else ArrayInput(_read_npy(path))
    values = found.values
    if values.ndim != 4:
        if image is not None:
            raise NetworkError(f"{path}: holds {list(values.shape)}, which is not a batch [N, C, H, W]; leave --image out")
        return found
    if image is None and len(values) != 1:
        raise NetworkError(f"{path}: holds {len(values)} images; choose one with --image")
    if not 0 <= (image or 0) < len(values):
        raise NetworkError(f"{path}: there is no image {image} among {len(values)}")
    return ArrayInput(values[image or 0], found.threshold, found.groups)


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        # Mapped, so that nothing is allocated by what the header claims.
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise NetworkError(f"{path}: cannot be read ({error.strerror or 'not an .npy file'})") from None
    except (ValueError, TypeError, EOFError, SyntaxError, tokenize.TokenError):
        raise NetworkError(f"{path}: not a whole .npy file of plain numbers; write it with numpy.save") from None
    if not isinstance(values, np.ndarray):
        raise NetworkError(f"{path}: is an archive; call it something.npz")
    return values


def _read_npz(path: Path) -> ArrayInput:
    try:
        with zipfile.ZipFile(path) as archive:
            keys = [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or "not an .npz file, or a truncated one"
        raise NetworkError(f"{path}: cannot be read ({reason})") from None
    if {"activations", "weights"} <= set(keys):
        plan, _ = read_plan(path)
        layer = read_values(path, plan)
        return ArrayInput(layer.activations, layer.threshold, layer.groups)
    if "activations" not in keys and len(keys) != 1:
        raise NetworkError(f"{path}: holds {', '.join(keys)[:100] or 'nothing'}; it needs one array, or one called 'activations'")
    key = "activations" if "activations" in keys else keys[0]
    with CheckedArchive(path, [key], [other for other in keys if other != key]) as checked:
        return ArrayInput(checked.array(key))
