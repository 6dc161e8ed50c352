"""`TensorStore`: the layers of captured runs on disk, to be mapped by many processes; content-addressed, of bounded size."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import ConfigError, NetworkError, OutputError
from cnvlutin2.files import write_whole
from cnvlutin2.layer import Layer
from cnvlutin2.network import Accuracy, Findings, LeftOut
from cnvlutin2.study.captured_network import CapturedNetwork
from cnvlutin2.study.cases import Capture

DEFAULT_BYTES = 8 << 30
"""How large a store may become."""
_LAYER_KEYS = (
    *("name", "strides", "pads", "dilations", "groups", "threshold", "weight_threshold", "first", "kind"),
    *("activation_frac", "weight_frac", "synthetic"),
)
_ITEM = 2  # bytes of an int16


class TensorStore:
    """Captured runs in a folder: ``captures/DIGEST.json`` says what their layers are, ``blobs/SHA256`` hold the values.

    Several processes may use it at once, on several machines too. A blob that somebody maps may be removed by another: on POSIX
    it stays until the last one has let go of it.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    most_bytes : int
        What has been used the longest ago is removed beyond that; a single run that takes more is refused.
    """

    def __init__(self, folder: Path, most_bytes: int = DEFAULT_BYTES) -> None:
        self._folder, self._most_bytes = folder, most_bytes
        self._blobs, self._captures = folder / "blobs", folder / "captures"

    def find(self, capture: Capture) -> CapturedNetwork | None:
        """Return a captured run, or None if it, or a part of it, is not there."""
        try:
            manifest = json.loads((self._captures / f"{capture.digest}.json").read_text("utf-8"))
            layers = [self._layer(entry) for entry in manifest["layers"]]
        except (OSError, ValueError, KeyError):  # not there, or cut short by a machine that failed
            return None
        return CapturedNetwork(manifest["network"], capture.data_bits, layers, _findings(manifest["findings"]))

    def get(self, capture: Capture) -> CapturedNetwork:
        """Return a captured run; execute the network if it is not there. Of several processes that ask, one executes it.

        Raises
        ------
        ConfigError, NetworkError
            If the network cannot be run, or its files are not those that the study was planned with.
        OutputError
            If the store cannot be written to.
        """
        found = self.find(capture)
        if found is not None:
            return found
        try:
            for folder in (self._blobs, self._captures):
                folder.mkdir(parents=True, exist_ok=True)
            with _locked(self._folder / f".{capture.digest}.lock"):
                found = self.find(capture)
                if found is None:
                    self._execute(capture)
                    found = self.find(capture)
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"{self._folder}: the tensor store cannot be written: {error.strerror or error}") from None
        if found is None:
            raise OutputError(
                f"{self._folder}: what was written to the tensor store is not there; use a store that is not shared"
            )
        return found

    def _execute(self, capture: Capture) -> None:
        network, inputs = capture.case.open()
        for left in self._folder.glob(f".{capture.digest}-*.part"):  # of a process that was killed; nobody else is at it
            shutil.rmtree(left, ignore_errors=True)
        stream = network.with_threads(1).run(inputs, capture.numeric)
        with _Writer(self._folder / f".{capture.digest}-{secrets.token_hex(4)}.part", self._most_bytes) as writer:
            for layer in stream:
                writer.add(layer)
            entries = writer.finish(self._blobs)
        found = stream.findings
        findings = {
            "accuracy": asdict(found.accuracy) if found.accuracy else None,
            "quantised": found.quantised,
            "hashes": dict(found.hashes),
            "settings": dict(found.settings),
            "left_out": [asdict(part) for part in found.left_out],
        }
        text = json.dumps({"network": network.name, "findings": findings, "layers": entries})
        write_whole(self._captures / f"{capture.digest}.json", lambda path: path.write_text(text, "utf-8"))
        self._shrink({entry[key] for entry in entries for key in ("activations", "weights")})

    def _layer(self, entry: Mapping[str, Any]) -> Layer:
        said: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry["layer"].items()}
        said |= {key: self._mapped(entry[key], tuple(entry[f"{key}_shape"])) for key in ("activations", "weights")}
        return Layer(**said, tensor=("captured", entry["tensor"]))

    def _mapped(self, digest: str, shape: tuple[int, ...]) -> NDArray[np.int16]:
        path = self._blobs / digest
        if path.stat().st_size != math.prod(shape) * _ITEM:
            raise ValueError(f"{path} is not whole")
        with contextlib.suppress(OSError):
            os.utime(path)  # it was used now
        # Copied where it is written to, which it never is: kernels are compiled for arrays that can be written to.
        return np.asarray(np.memmap(path, np.int16, "c", shape=shape)).view(np.ndarray)

    def _shrink(self, needed: set[str]) -> None:
        """Remove what was used the longest ago until the blobs fit."""
        blobs = []
        for path in self._blobs.iterdir():
            with contextlib.suppress(OSError):
                found = path.stat()
                blobs.append((found.st_mtime_ns, found.st_size, path))
        excess = sum(size for _, size, _ in blobs) - self._most_bytes
        for _, size, path in sorted(blobs):
            if excess <= 0:
                break
            if path.name not in needed:
                with contextlib.suppress(OSError):  # another has removed it, or uses it where that keeps it there
                    path.unlink()
                    excess -= size


@dataclass
class _Tensor:
    """A file that is being written, batch by batch."""

    path: Path
    shape: tuple[int, ...]
    images: int

    def append(self, values: NDArray[np.int16]) -> None:
        with self.path.open("ab") as file:
            file.write(np.ascontiguousarray(values, dtype="<i2").data)


class _Writer:
    """Writes the layers of a run as they come into a folder of its own, which is gone at the end."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder, self._most_bytes, self._bytes = folder, most_bytes, 0
        self._layers: dict[str, tuple[Layer, _Tensor, Path]] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, layer: Layer) -> None:
        """Write a layer, or a further batch of it."""
        known = self._layers.get(layer.name)
        self._bytes += layer.activations.nbytes + (0 if known else layer.weights.nbytes)
        if self._bytes > self._most_bytes:
            raise ConfigError(
                f"the layers of one run take more than {self._most_bytes / (1 << 30):.3g} GiB, the size of the tensor store; "
                "use fewer images (limit) or a larger store (--store-size)"
            )
        if known is None:
            number = len(self._layers)
            weights = self._folder / f"{number}.w"
            _Tensor(weights, layer.weights.shape, 0).append(layer.weights)
            known = layer, _Tensor(self._folder / f"{number}.a", layer.activations.shape, layer.first_image), weights
            self._layers[layer.name] = known
        _, tensor, _ = known
        if layer.first_image != tensor.images or layer.activations.shape[1:] != tensor.shape[1:]:
            raise NetworkError(f"two layers are called {layer.name!r}; give one another name")
        tensor.append(layer.activations)
        tensor.images += layer.images

    def finish(self, blobs: Path) -> list[dict[str, Any]]:
        """Move the files to their place, under the names of their contents; return what there is of each layer."""
        tensors: dict[object, int] = {}
        entries = []
        for name, (layer, tensor, weights) in self._layers.items():
            own = ("layer", name) if layer.tensor is None else ("tensor", layer.tensor)
            entries.append(
                {
                    "layer": {key: getattr(layer, key) for key in _LAYER_KEYS},
                    "tensor": tensors.setdefault(own, len(tensors)),
                    "activations": _moved(tensor.path, blobs),
                    "activations_shape": [tensor.images, *tensor.shape[1:]],
                    "weights": _moved(weights, blobs),
                    "weights_shape": list(layer.weights.shape),
                }
            )
        return entries


def _moved(path: Path, blobs: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    path.replace(blobs / digest)  # a blob of this name has the same content
    return digest


def _findings(given: Mapping[str, Any]) -> Findings:
    accuracy = Accuracy(**given["accuracy"]) if given["accuracy"] else None
    left_out = tuple(LeftOut(**part) for part in given["left_out"])
    return Findings(accuracy, bool(given["quantised"]), given["hashes"], given["settings"], left_out)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time do something; where a file system has no locks, all of them, which is slower but right."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with path.open("ab") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # the lock ends with the file, and with the process that holds it
