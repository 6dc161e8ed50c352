"""Reading the inputs of a network: photos, ``.npy`` batches, folders of them, or the bundled test images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import ConfigError, NetworkError, short
from cnvlutin2.network.bundled import FOLDER, bundled_inputs
from cnvlutin2.network.file_hash import sha256
from cnvlutin2.network.image_files import ImageFile, find_image_files
from cnvlutin2.network.input_spec import InputSpec, Layout
from cnvlutin2.network.inputs import Inputs
from cnvlutin2.network.label_files import labels_of
from cnvlutin2.network.network import Network
from cnvlutin2.network.npz import map_npy
from cnvlutin2.network.photos import Recipe, choose_recipe, crop_size, read_photo
from cnvlutin2.network.stored_images import HELD_BYTES, StoredImages, StoredPart


def default_inputs(network: Network, limit: int | None = None) -> Inputs:
    """Return the inputs that a network brings along: the bundled ones' held-out images.

    Raises
    ------
    NetworkError
        If the network brings none.
    """
    path = getattr(network, "path", None)
    if path is None or Path(path).parent != FOLDER:
        raise NetworkError(
            f"network {network.name!r} has no inputs of its own; give photos, an .npy batch or a folder with --input"
        )
    return bundled_inputs(limit)


def load_inputs(
    network: Network,
    paths: Sequence[str | Path] = (),
    *,
    preprocess: str | None = None,
    mean: float | Sequence[float] | None = None,
    scale: float | None = None,
    std: float | Sequence[float] | None = None,
    layout: Layout | None = None,
    channels: str | None = None,
    resize: int | None = None,
    limit: int | None = None,
    labels: Sequence[int] | str | Path | None = None,
    draw: int | None = None,
) -> Inputs:
    """Read the inputs of a network.

    An ``.npy`` batch is taken as it is, in the model's own layout (floating point is converted to the model's). A photo's short
    side is resized (see `resize`), its centre cut to the model's input size, and its pixels become
    ``(pixel * scale - mean) / std``. Of a folder all photos and ``.npy`` files are taken, sorted by name. A folder of folders is
    a data set by class: folders whose names are numbers are these classes, others are numbered in the order of their names.

    Parameters
    ----------
    network : Network
        One with an `InputSpec`.
    paths : sequence of path
        Files and folders; with none, the network's own (`default_inputs`).
    preprocess : str, optional
        A recipe: ``imagenet-torch``, ``imagenet-caffe``, ``cifar10``, ``unit`` (pixels 0 to 1), ``none`` (pixels 0 to 255).
    mean, std : float or sequence of float, optional
        One, or one a channel in the order of `channels`.
    scale : float, optional
        Multiplies pixels (0..255) first.
    layout : {"NCHW", "NHWC"}, optional
        Told by where the model has 1 or 3 channels.
    channels : {"RGB", "BGR", "L"}, optional
    resize : int, optional
        Short side before the crop: by default 256 for a crop of 224 or 227, in proportion above 64, the crop's size below.
    limit : int, optional
        Read the first so many images only.
    labels : sequence of int, or path, optional
        The classes, one an image: numbers, an ``.npy`` of integers or a text file of one a line; or a text file of an image's
        name (its path, or the end of it) and its class a line. By default those of the folders, where folders are classes.
    draw : int, optional
        A seed: take the images in an order that it draws, so that the first `limit` are a random sample. Only those are read.

    Returns
    -------
    Inputs
        All values, if they are no more than `stored_images.HELD_BYTES`; of more, those of further files are read as they are
        asked for, so that memory does not grow with their number (a damaged photo shows only then).

    Raises
    ------
    NetworkError
        If a file is missing, damaged, or does not fit the model: names it and the shape wanted.
    ConfigError
        For options that do not fit one another.

    Warns
    -----
    Cnvlutin2Warning
        If photos are normalised by a default, the model giving no hint, or files of a folder are passed over.
    """
    if not isinstance(network, Network):
        raise ConfigError(f"{short(network)} is no network; open it first, with cnvlutin2.open_network", where="network")
    if isinstance(paths, (str, Path)):
        paths = [paths]
    spec = network.input
    if spec is None:
        raise NetworkError(f"network {network.name!r} holds its own values and takes no inputs; leave --input out")
    if limit is not None and limit < 1:
        raise NetworkError(f"limit is {limit}; at least one input is needed")
    recipe = {"preprocess": preprocess, "mean": mean, "scale": scale, "std": std, "channels": channels}
    photos = _PhotoReader(spec, layout, resize, recipe)
    found, order = _read(find_image_files(paths), spec, photos, limit, draw) if paths else _own(network, limit, draw)
    unused = [key for key, value in {**recipe, "layout": layout, "resize": resize}.items() if value is not None]
    if unused and not photos.settings:
        raise ConfigError("is for photos, and the inputs are none", where=unused[0])
    if labels is None:
        return found
    classes = labels_of(labels, found.names, order, cut=limit is not None)
    hashed = {str(labels): sha256(Path(labels))} if isinstance(labels, (str, Path)) else {}
    return found.with_labels(classes, hashed)


Drawn = tuple[Inputs, Sequence[int] | None]
"""Images, and which of all they are if they were drawn from them."""


def _own(network: Network, limit: int | None, draw: int | None) -> Drawn:
    """Return the network's own inputs."""
    if draw is None:
        return default_inputs(network, limit), None
    found = default_inputs(network)
    order = _order(len(found.names), limit, draw)
    labels = None if found.labels is None else found.labels[order]
    settings = {**found.settings, **_drawn(draw, len(found.names))}
    return Inputs(found.values[order], [found.names[i] for i in order], found.hashes, labels, settings), order


def _order(count: int, limit: int | None, draw: int) -> list[int]:
    order: list[int] = np.random.default_rng(draw).permutation(count)[:limit].tolist()
    return order


def _drawn(draw: int, count: int) -> dict[str, Any]:
    return {"drawn": {"seed": draw, "from": count}}


def _read(files: Sequence[ImageFile], spec: InputSpec, photos: _PhotoReader, limit: int | None, draw: int | None) -> Drawn:
    parts: list[StoredPart] = []
    names: list[str] = []
    labels: list[int | None] = []
    hashes: dict[str, str] = {}
    held: list[NDArray[np.generic]] = []  # of the first files, until they are too much
    held_bytes = 0
    every = None if draw is None else _each_image(files)
    order = None if every is None or draw is None else _order(len(every), limit, draw)
    places = ((file, None) for file in files) if every is None or order is None else (every[i] for i in order)
    for file, row in places:
        path = file.path
        room = None if limit is None else limit - len(names)
        if room == 0:
            break
        few = held_bytes <= HELD_BYTES
        if path.suffix.lower() == ".npy":
            first, end = (0, room) if row is None else (row, row + 1)
            mapped = map_npy(path)
            mapped = mapped[first:end] if mapped.ndim else mapped
            part = _stored_batch(path, spec, mapped, first)
            batch = spec.fitted(mapped, str(path)) if few and _bytes(part, spec) <= HELD_BYTES else None
            names += [f"{path}[{first + i}]" for i in range(part.shape[0])]
        else:
            batch = photos.read(path) if few or not photos.settings else None  # the first one tells how all are read
            part = _stored_photo(path, photos, (1, *(parts[0].shape[1:] if batch is None else batch.shape[1:])))
            names.append(str(path))
        if parts and part.shape[1:] != parts[0].shape[1:]:
            raise NetworkError(
                f"{path}: is {list(part.shape[1:])} an input, others are {list(parts[0].shape[1:])}; give equal ones"
            )
        held_bytes += _bytes(part, spec)
        if batch is not None and len(held) == len(parts):
            held.append(batch)
            part = _in_memory(batch)
        parts.append(part)
        labels += [file.label] * part.shape[0]
        if str(path) not in hashes:
            hashes[str(path)] = sha256(path)
    known = None if None in labels else np.array(labels, np.int64)
    settings = photos.settings if draw is None or every is None else {**photos.settings, **_drawn(draw, len(every))}
    if held_bytes > HELD_BYTES:
        return Inputs(StoredImages(parts, spec.dtype), names, hashes, known, settings), order
    together = held[0] if len(held) == 1 else np.concatenate(held)
    return Inputs(together, names, hashes, known, settings), order


def _each_image(files: Sequence[ImageFile]) -> list[tuple[ImageFile, int | None]]:
    """Return every image of some files: the file, and of a batch the row."""
    found: list[tuple[ImageFile, int | None]] = []
    for file in files:
        batch = file.path.suffix.lower() == ".npy"
        values = map_npy(file.path) if batch else None
        found += [(file, None)] if values is None or not values.ndim else [(file, row) for row in range(len(values))]
    return found


def _bytes(part: StoredPart, spec: InputSpec) -> int:
    return math.prod(part.shape) * spec.dtype.itemsize


def _stored_batch(path: Path, spec: InputSpec, mapped: NDArray[np.generic], first: int) -> StoredPart:
    """Return images of an `.npy`, from the first one on; its header says whether they fit."""
    spec.check_fits(mapped.shape, mapped.dtype, str(path))
    # Mapped anew for each image: what was read of a file counts as the process's own memory as long as it is mapped.
    return StoredPart(
        mapped.shape, lambda begin, end: spec.fitted(np.array(map_npy(path)[first + begin : first + end]), str(path))
    )


def _stored_photo(path: Path, photos: _PhotoReader, shape: tuple[int, ...]) -> StoredPart:
    return StoredPart(shape, lambda _begin, _end: photos.read(path))


def _in_memory(batch: NDArray[np.generic]) -> StoredPart:
    return StoredPart(batch.shape, lambda begin, end: batch[begin:end])


class _PhotoReader:
    """Reads photos for a model; decides how at the first one, once for all."""

    def __init__(self, spec: InputSpec, layout: Layout | None, resize: int | None, recipe: Mapping[str, object]) -> None:
        self._spec, self._layout, self._resize, self._asked = spec, layout, resize, recipe
        self._decided: tuple[Layout, tuple[int, int], Recipe] | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """How photos were made into inputs, for the record; nothing if there were none."""
        if self._decided is None:
            return {}
        layout, (height, width), recipe = self._decided
        return {"photos": {**asdict(recipe), "layout": layout, "height": height, "width": width, "resize": self._resize}}

    def read(self, path: Path) -> NDArray[np.generic]:
        """Return one image as a batch in the model's layout and dtype."""
        self._decided = self._decided or self._decide()
        layout, size, recipe = self._decided
        values = read_photo(path, size, self._resize, recipe)
        ordered = values if layout == "NCHW" else values.transpose(1, 2, 0)
        batch = np.ascontiguousarray(ordered[None].astype(self._spec.dtype))
        self._spec.check(batch.shape, batch.dtype, str(path))
        return batch

    def _decide(self) -> tuple[Layout, tuple[int, int], Recipe]:
        layout = self._spec.layout(self._layout)
        image_channels = self._spec.image_shape(layout)[0] or len(str(self._asked["channels"] or "RGB"))
        size = crop_size(self._spec, layout, self._resize)
        return layout, size, choose_recipe(self._spec, image_channels, **self._asked)  # type: ignore[arg-type]
