"""The tensors of an ONNX file as arrays: embedded, sparse, or in another file beside it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from cnvlutin2.errors import NetworkError
from cnvlutin2.network.file_hash import sha256

SPARSE_LIMIT_BYTES = 1 << 31
"""The most that a sparse initialiser may unfold to: its header alone says how much, its data may be tiny."""
FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16)


def first_line(error: BaseException) -> str:
    """Return an exception's message as one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:400]


def tensor_bytes(tensor: onnx.TensorProto) -> int:
    """Return the bytes that a tensor takes by its header."""
    return int(math.prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def embedded(path: Path, tensor: onnx.TensorProto) -> NDArray[np.generic]:
    """Return a tensor that the model's file holds; read-only where it is a view.

    Raises
    ------
    NetworkError
        If its data do not fit its header.
    """
    try:
        array: NDArray[np.generic] = np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError) as error:
        raise NetworkError(
            f"{path}: tensor {tensor.name!r} does not fit its header: {first_line(error)}; export it again"
        ) from None
    return array


def unfolded(path: Path, sparse: onnx.SparseTensorProto, hashes: dict[str, str]) -> NDArray[np.generic]:
    """Return a sparse initialiser as a dense array."""
    name = sparse.values.name
    values, indices = (
        external(path, part, hashes) if part.data_location == onnx.TensorProto.EXTERNAL else embedded(path, part)
        for part in (sparse.values, sparse.indices)
    )
    shape = tuple(sparse.dims)
    if sparse.values.data_type not in FLOATS or any(d < 1 for d in shape):
        raise NetworkError(f"{path}: sparse tensor {name!r} is not of floating point, or is empty; store it densely")
    if math.prod(shape) * values.dtype.itemsize > SPARSE_LIMIT_BYTES:
        raise NetworkError(f"{path}: sparse tensor {name!r} unfolds to {list(shape)}, more than 2 GiB; store it densely")
    dense = np.zeros(shape, values.dtype)
    places = cast(NDArray[np.int64], indices if indices.ndim == 1 else indices.T)
    try:
        flat = places if places.ndim == 1 else np.ravel_multi_index(tuple(places), shape)  # refuses what lies outside
        np.put(dense, np.where(flat < 0, dense.size, flat), values, mode="raise")  # which takes negative ones from the end
    except (IndexError, ValueError, TypeError) as error:
        raise NetworkError(f"{path}: sparse tensor {name!r}: {first_line(error)}; export it again") from None
    return dense


def external(path: Path, tensor: onnx.TensorProto, hashes: dict[str, str]) -> NDArray[np.generic]:
    """Map a tensor that is kept in another file; that file must lie in the model's own folder or below it.

    If the model is a link, both the folder of the link and that of the real file are its own: a cache may hold files under
    other names, and links with the names that belong together. Its hash is added to `hashes`, by its path from the folder.
    """
    info = {entry.key: entry.value for entry in tensor.external_data}
    try:
        offset = int(info.get("offset") or 0)
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except (ValueError, KeyError) as error:
        raise NetworkError(f"{path}: external data of tensor {tensor.name!r}: {first_line(error)}; export it again") from None
    file = _external_file(path, tensor.name, info.get("location", ""))
    if dtype.kind not in "fiub":
        raise NetworkError(f"{path}: external data of tensor {tensor.name!r} is of type {dtype}; keep it in the model's file")
    shape = tuple(tensor.dims)
    needed_bytes = math.prod(shape) * dtype.itemsize
    length = file.stat().st_size
    if any(d < 0 for d in shape) or offset < 0 or offset + needed_bytes > length:
        raise NetworkError(
            f"{file}: is truncated: {tensor.name!r} of {path.name} ends at byte {offset + needed_bytes} of {length}"
        )
    name = Path(info["location"]).as_posix()
    if name not in hashes:
        hashes[name] = sha256(file)
    if needed_bytes == 0:
        return np.zeros(shape, dtype)
    array = np.memmap(file, dtype, "r", offset, shape)
    return array if array.flags.aligned else np.array(array)


def _external_file(path: Path, name: str, location: str) -> Path:
    folders = list(dict.fromkeys((path.parent.resolve(), path.resolve().parent)))
    place = Path(location)
    refused = f"{path}: tensor {name!r} keeps its data in {location!r}, outside the model's folder; move it beside the model"
    if not location or place.is_absolute() or place.drive or ".." in place.parts or "\\" in location or "\0" in location:
        raise NetworkError(refused)
    beside = next((folder / place for folder in folders if (folder / place).exists()), folders[0] / place)
    try:
        file = beside.resolve(strict=True)
    except (OSError, RuntimeError):
        raise NetworkError(f"{beside}: is missing: {path.name} keeps tensor {name!r} in it") from None
    if not any(file.is_relative_to(folder) for folder in folders):
        raise NetworkError(refused)
    if not file.is_file():
        raise NetworkError(f"{file}: is not a file: {path.name} keeps tensor {name!r} in it")
    return file


def empty(tensor: onnx.TensorProto) -> onnx.TensorProto:
    """Return a valid initialiser without data, for the checker."""
    return onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=[0])


def placeholder(name: str, array: NDArray[np.generic]) -> onnx.TensorProto:
    """Return an initialiser whose data onnxruntime is given apart."""
    tensor = onnx.TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(array.dtype), dims=array.shape)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "memory"), ("offset", "0"), ("length", str(array.nbytes))):
        tensor.external_data.add(key=key, value=value)
    return tensor
