"""The readers, in the order in which they are asked; the first that can read a source reads it.

1. Names that the package gives: the bundled networks, the topologies. A name comes before a file of that name.
2. Readers that were registered in this process (`register_reader`), in that order.
3. Readers of other packages, by the name of their entry point in the group ``cnvlutin2.readers``. They are loaded at the first
   source that nothing before can read.
4. Objects: PyTorch modules, layers.
5. Files: traces, and whatever other file there is as an ONNX model.

A new reader of this package is a module beside the others and a line in one of the tuples here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from cnvlutin2.errors import ConfigError, NetworkError, did_you_mean, short
from cnvlutin2.network.arrays import ArrayReader
from cnvlutin2.network.bundled import BundledReader
from cnvlutin2.network.onnx.onnx_reader import OnnxReader
from cnvlutin2.network.readers import Reader
from cnvlutin2.network.topologies import TopologyReader
from cnvlutin2.network.torch.torch_reader import TorchReader
from cnvlutin2.network.traces import TraceReader

GROUP = "cnvlutin2.readers"
"""Of entry points: each names a class of readers, which is called without arguments."""
NAMED: tuple[Reader, ...] = (BundledReader(), TopologyReader())
OBJECTS: tuple[Reader, ...] = (TorchReader(), ArrayReader())
FILES: tuple[Reader, ...] = (TraceReader(), OnnxReader())

_registered: list[Reader] = []


def register_reader(reader: Reader) -> None:
    """Add a reader for this process.

    Raises
    ------
    ConfigError
        If it is no reader.
    """
    _check(reader, short(reader))
    _registered.append(reader)


def unregister_reader(reader: Reader) -> None:
    """Take a reader out that `register_reader` added.

    Raises
    ------
    ConfigError
        If it was not added.
    """
    if reader not in _registered:
        raise ConfigError(f"{short(reader)} is not registered", where="reader")
    _registered.remove(reader)


@cache
def plugged_in_readers() -> tuple[Reader, ...]:
    """Return the readers of other packages, by the names of their entry points.

    Raises
    ------
    ConfigError
        If one cannot be loaded, or is no reader; names the entry point.
    """
    found = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        where = f"{point.name} = {point.value}"
        try:
            reader = point.load()()
        except Exception as error:  # noqa: BLE001 - whatever another package does when it is imported
            what = " ".join(str(error).split()) or type(error).__name__
            raise ConfigError(f"the reader {where} cannot be loaded: {what}; repair or remove its package", where=GROUP) from None
        _check(reader, where)
        found.append(reader)
    return tuple(found)


def all_readers() -> Iterator[Reader]:
    """Yield the readers in the order in which they are asked."""
    yield from NAMED
    yield from tuple(_registered)
    yield from plugged_in_readers()
    yield from OBJECTS
    yield from FILES


def find_reader(source: object) -> Reader:
    """Return the reader of a source.

    Raises
    ------
    NetworkError
        If there is none; lists what can be given.
    """
    for reader in all_readers():
        if reader in FILES and _is_of_another_tool(source):
            break
        if reader.can_read(source):
            return reader
    raise unknown_source(source)


def unknown_source(source: object) -> NetworkError:
    """Return the error for a source that nothing reads: it lists what can be given."""
    readers = list(all_readers())
    kinds = [reader.reads for reader in reversed(readers) if reader.reads]
    names = [name for reader in readers for name in reader.names()]
    shown = repr(str(source)) if isinstance(source, (str, Path)) else short(source)
    if isinstance(source, (str, Path)) and (remedy := _REMEDIES.get(Path(source).suffix.lower())):
        return NetworkError(f"{source}: is not read: {remedy}")
    near = did_you_mean(source, names)
    return NetworkError(f"there is no network {shown}: give {', '.join(kinds)}, or one of {', '.join(names)}{near}")


_TORCH = (
    "it holds weights, and perhaps a program; load it in Python and give the module to cnvlutin2.from_torch, or export it to ONNX"
)
_TENSORFLOW = "convert it with: python -m tf2onnx.convert"
_BUILT = "it was built for one device; give the ONNX model that it was made of"
_REMEDIES = {
    **dict.fromkeys((".pth", ".pt", ".pt2", ".ckpt", ".bin", ".safetensors", ".pkl", ".torchscript"), _TORCH),
    ".tflite": f"{_TENSORFLOW} --tflite model.tflite --output model.onnx",
    ".pb": f"{_TENSORFLOW} --graphdef model.pb --inputs NAME:0 --outputs NAME:0 --output model.onnx",
    **dict.fromkeys((".h5", ".hdf5", ".keras"), "load it in Keras and export it to ONNX (model.export, or tf2onnx)"),
    **dict.fromkeys((".prototxt", ".caffemodel"), "Caffe's networks are converted to ONNX first, as by caffe2onnx or MMdnn"),
    **dict.fromkeys((".engine", ".plan", ".trt", ".ort"), _BUILT),
    **dict.fromkeys((".mlmodel", ".mlpackage", ".xml", ".param", ".weights", ".cfg", ".msgpack"), "convert it to ONNX first"),
    **dict.fromkeys((".json", ".yaml", ".yml"), "it has no network's values; give an ONNX file, a trace or a topology's name"),
}
"""What to do with files of other tools, by their ending."""
_FIRST_OF_ONNX = b"\x08"  # its first field is a number


def _is_of_another_tool(source: object) -> bool:
    """Whether a file's ending says that it is another tool's, and it does not begin like an ONNX model all the same."""
    if not isinstance(source, (str, Path)) or Path(source).suffix.lower() not in _REMEDIES:
        return False
    try:
        with Path(source).open("rb") as file:
            return file.read(1) != _FIRST_OF_ONNX
    except OSError:
        return not Path(source).is_dir()


def _check(reader: object, what: str) -> None:
    if isinstance(reader, type) or not isinstance(reader, Reader):
        raise ConfigError(f"{what} is no reader: it wants can_read, read, takes_inputs, reads and names", where="reader")
