"""Which files are images: photos and ``.npy`` batches, in folders, and in folders by class."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnvlutin2.errors import Cnvlutin2Warning, NetworkError
from cnvlutin2.network.photos import SUFFIXES


@dataclass(frozen=True)
class ImageFile:
    """A photo or an ``.npy`` batch.

    Parameters
    ----------
    path : Path
    label : int or None
        The class of the folder that it was found in, where folders are classes.
    """

    path: Path
    label: int | None = None


def check_is_there(path: str | Path) -> None:
    """Refuse what is neither a file nor a folder: a pipe could be read once only, and might never end.

    Raises
    ------
    NetworkError
        Names the path.
    """
    path = Path(path)
    if not path.is_file() and not path.is_dir():
        what = "is neither a file nor a folder" if path.exists() else "there is no such file or folder"
        raise NetworkError(f"{path}: {what}; give a photo, an .npy batch or a folder with --input")


def find_image_files(paths: Iterable[str | Path]) -> list[ImageFile]:
    """Return the files that paths name, folders unfolded.

    A folder that holds folders of images and no image itself is a data set: its folders are classes.

    Raises
    ------
    NetworkError
        If a folder holds no image.

    Warns
    -----
    Cnvlutin2Warning
        If files of a folder are passed over.
    """
    files: list[ImageFile] = []
    for path in map(Path, paths):
        if path.is_file():
            files.append(ImageFile(path))
            continue
        check_is_there(path)
        found = _images_in(path)
        classes = [] if found else _classes_in(path)
        if not found and not classes:
            raise NetworkError(f"{path}: holds no photo and no .npy batch; give a folder of them")
        files += [ImageFile(file) for file in found]
        files += [ImageFile(file, label) for folder, label in _labelled(classes) for file in _images_in(folder)]
    return files


def _images_in(folder: Path) -> list[Path]:
    inside = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    taken = [file for file in inside if file.suffix.lower() in SUFFIXES | {".npy"}]
    if taken and len(taken) < len(inside):
        other = next(file.name for file in inside if file not in taken)
        count = len(inside) - len(taken)
        warnings.warn(
            f"{folder}: passed over {count} file(s) that are neither photos nor .npy, as {other}", Cnvlutin2Warning, stacklevel=4
        )
    return taken


def _classes_in(folder: Path) -> list[Path]:
    inside = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    return [each for each in inside if _images_in(each)]


def _labelled(classes: Sequence[Path]) -> list[tuple[Path, int]]:
    """Return folders with their classes: the number that a folder is called, or its place among the sorted names."""
    if all(folder.name.isdecimal() and folder.name.isascii() for folder in classes):
        return [(folder, int(folder.name)) for folder in classes]
    return [(folder, place) for place, folder in enumerate(classes)]
