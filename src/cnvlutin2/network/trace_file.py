"""One layer trace: a `.npz` of quantised activations, weights and geometry.

Keys: ``activations`` int16 ``[N, C, H, W]`` (not thresholded) and ``weights`` int16 ``[Co, Cg, Kh, Kw]``; optionally
``strides`` (2), ``pads`` (top, left, bottom, right), ``dilations`` (2), ``groups``, ``threshold``, ``weight_threshold``,
``synthetic`` and ``name``. What is missing is 1, 0, 1, 1, 1, 1, 0 and the file's stem. A file has no other keys and no pickles.
All but ``weight_threshold`` and ``synthetic`` (1 where the values were made up) are the common trace format; these are written
only where they differ from what is taken without them.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError, OutputError, encodable
from cnvlutin2.files import write_whole
from cnvlutin2.layer import Layer
from cnvlutin2.network.npz import MAX_ARRAY_BYTES, CheckedArchive, is_bomb

_ARRAYS = ("activations", "weights")
_INTEGERS: dict[str, tuple[int, ...]] = {
    "strides": (2,),
    "pads": (4,),
    "dilations": (2,),
    "groups": (),
    "threshold": (),
    "weight_threshold": (),
    "synthetic": (),
}
_OURS = {"weight_threshold": 1, "synthetic": 0}
"""Keys that the common trace format does not have, and what they are where they are missing."""
_NAME_CHARACTERS = 1024


def read_plan(file: Path) -> tuple[Layer, int]:
    """Read and check all of a trace but its values.

    Returns
    -------
    layer : Layer
        Without values: its arrays are views of a single zero.
    odd_filters : int
        How many filters at the end the groups do not divide. They see no channel, and the layer is without them.

    Raises
    ------
    NetworkError
        Names the file, the key, what is wrong and the remedy.
    """
    with _open(file) as archive:
        shapes = {key: _int16_shape(archive, key) for key in _ARRAYS}
        options = {key: _integers(archive, key, shape) for key, shape in _INTEGERS.items() if key in archive}
        name = _name(archive) if "name" in archive else encodable(file.stem)
        synthetic = options.pop("synthetic", 0)
        if synthetic not in (0, 1):
            archive.refuse(f"synthetic must be 0 or 1, not {synthetic}")
    filters, groups = shapes["weights"][0], options.get("groups", 1)
    odd = filters % groups if 1 <= groups <= filters else 0  # `Layer` refuses other groups
    zero = np.zeros((), np.int16)
    try:
        layer = Layer(
            name,
            np.broadcast_to(zero, shapes["activations"]),
            np.broadcast_to(zero, (filters - odd, *shapes["weights"][1:])),
            kind="fc" if shapes["activations"][2:] == shapes["weights"][2:] == (1, 1) else "conv",
            synthetic=synthetic == 1,
            **options,
        )
    except NetworkError as error:
        raise NetworkError(f"{file}: {error}") from None
    return layer, odd


def read_values(file: Path, plan: Layer) -> Layer:
    """Read the arrays of a trace, whose plan was read before.

    Raises
    ------
    NetworkError
        If the file is damaged, or is not the one that it was.
    """
    with _open(file) as archive:
        arrays = {key: _int16(archive, key) for key in _ARRAYS}
        activations, weights = arrays["activations"], arrays["weights"][: plan.filters]
        if activations.shape != plan.activations.shape or weights.shape != plan.weights.shape:
            archive.refuse("changed while it was in use; run again")
    return replace(plan, activations=activations, weights=weights)


def save_trace(layer: Layer, path: str | Path) -> Path:
    """Write a layer's trace, compressed, in one step (a file that stood there is replaced, never half-written).

    Parameters
    ----------
    layer : Layer
    path : str or Path
        Ends with ``.npz``.

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        If the file cannot be written, or could not be read back: the layer's name is long or not printable (see `trace_name`), or
        an array is larger than is read.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise OutputError(f"{path}: a layer trace is called something.npz")
    if not _is_name(layer.name):
        raise OutputError(f"{path}: {layer.name[:80]!r} cannot be a trace's name; give the layer a short printable one")
    check_size(layer.name, max(layer.activations.nbytes, layer.weights.nbytes))
    values: dict[str, Any] = {key: getattr(layer, key) for key in (*_ARRAYS, *_INTEGERS, "name")}
    values["synthetic"] = int(layer.synthetic)
    values = {key: value for key, value in values.items() if key not in _OURS or value != _OURS[key]}
    write_whole(path, lambda part: _write(part, values))
    return path


def check_size(name: str, array_bytes: int) -> None:
    """Refuse to write an array that is larger than is read.

    Raises
    ------
    OutputError
        Names the layer.
    """
    if array_bytes > MAX_ARRAY_BYTES:
        what = f"the trace of layer {name!r} would have {array_bytes:,} bytes, more than the {MAX_ARRAY_BYTES:,} that are read"
        raise OutputError(f"{what}; use fewer images (--limit)")


def trace_name(name: str) -> str:
    """Return a layer's name as a trace can hold it: what is not printable is written out, and what is too long is cut.

    Two names that differ stay different: a name that was changed ends with a digest of what it was.
    """
    if _is_name(name):
        return name
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in encodable(name))
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{shown[: _NAME_CHARACTERS - 9]}~{digest}"


def _write(path: Path, values: dict[str, Any]) -> None:
    with path.open("xb") as out:  # as a stream, for numpy adds .npz to a path
        np.savez_compressed(out, **values)
    with zipfile.ZipFile(path) as written:
        if not any(is_bomb(info.file_size, info.compress_size) for info in written.infolist()):
            return
    with path.open("wb") as out:
        np.savez(out, **values)


def _open(file: Path) -> CheckedArchive:
    return CheckedArchive(file, _ARRAYS, (*_INTEGERS, "name"))


def _int16_shape(archive: CheckedArchive, key: str) -> tuple[int, ...]:
    header = archive.header(key)
    if header.dtype.newbyteorder("=") != np.int16 or len(header.shape) != 4:
        found = f"{header.dtype} of {len(header.shape)} dimensions"
        archive.refuse(f"{key} must be int16 of 4 dimensions, not {found}; quantise and reshape them first")
    return header.shape


def _int16(archive: CheckedArchive, key: str) -> NDArray[np.int16]:
    _int16_shape(archive, key)
    return np.ascontiguousarray(archive.array(key), dtype=np.int16)


def _integers(archive: CheckedArchive, key: str, shape: tuple[int, ...]) -> Any:
    header = archive.header(key)
    if header.dtype.kind not in "iu" or header.shape not in (shape, shape or (1,)):
        wanted = f"{shape[0]} integers" if shape else "an integer"
        archive.refuse(f"{key} must be {wanted}, not {header.dtype} {list(header.shape)}")
    values = tuple(int(v) for v in archive.array(key).reshape(-1))
    return values if shape else values[0]


def _name(archive: CheckedArchive) -> str:
    header = archive.header("name")
    if header.dtype.kind != "U" or header.shape not in ((), (1,)):
        archive.refuse(f"name must be a text, not {header.dtype} {list(header.shape)}")
    name = str(archive.array("name").reshape(-1)[0])
    if not _is_name(name):
        archive.refuse(f"name must be printable text of at most {_NAME_CHARACTERS} characters, not {name[:80]!r}")
    return name


def _is_name(name: str) -> bool:
    return 0 < len(name) <= _NAME_CHARACTERS and name.isprintable()
