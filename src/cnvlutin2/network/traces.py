"""Networks of layer traces: a directory of `.npz` files, or a single one (`cnvlutin2.network.trace_file` has the format)."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from cnvlutin2.errors import NetworkError, OutputError, encodable
from cnvlutin2.layer import Layer
from cnvlutin2.network.file_hash import sha256
from cnvlutin2.network.inputs import Inputs
from cnvlutin2.network.layer_stream import Findings
from cnvlutin2.network.left_out import LeftOut
from cnvlutin2.network.network import Network
from cnvlutin2.network.quantisation import Numeric, rethreshold
from cnvlutin2.network.readers import Reader
from cnvlutin2.network.trace_file import check_size, read_plan, read_values, save_trace, trace_name

__all__ = ["TraceNetwork", "TraceReader", "TraceWriter", "save_trace", "save_traces"]


class TraceNetwork(Network):
    """A network read from traces; `open` makes one.

    Files are checked when they are opened; their arrays are read one layer at a time, when the layer's turn comes.
    """

    def __init__(self, name: str, plans: Sequence[tuple[Path, Layer]], left_out: Sequence[LeftOut] = ()) -> None:
        self.name = name
        self.left_out = tuple(left_out)
        self._plans = tuple(plans)

    @classmethod
    def open(cls, path: str | Path) -> TraceNetwork:
        """Open a directory of traces, or a single trace.

        A directory's ``.npz`` files are the network's layers in the order of their names (other files are ignored), its
        first file the network's first layer. A single trace is not a network's first layer.

        Filters at the end that a trace's groups do not divide belong to no group: they are listed in `left_out`.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        NetworkError
            If there is no trace, or one is damaged, does not fit together, or has the name of another. Names the file.
        """
        path = Path(path)
        plans: list[tuple[Path, Layer]] = []
        left_out = []
        seen: dict[str, Path] = {}
        for file in _files(path):
            plan, odd_filters = read_plan(file)
            if plan.name in seen:
                raise NetworkError(f"{file}: its layer is called {plan.name!r} like that of {seen[plan.name].name}; rename one")
            seen[plan.name] = file
            if plans and plan.images != plans[0][1].images:
                what = f"its layer saw {plan.images} images, that of {plans[0][0].name} {plans[0][1].images}"
                raise NetworkError(f"{file}: {what}; give all layers of a network the same images")
            plans.append((file, replace(plan, first=file != path and not plans)))
            if odd_filters:
                reason = f"{odd_filters} of {plan.filters + odd_filters} filters are in none of the {plan.groups} equal groups"
                macs = plan.windows * plan.geometry.filter_weights * odd_filters
                left_out.append(LeftOut(plan.name, "filters", reason, macs))
        return cls(encodable(path.resolve().name.removesuffix(".npz")), plans, left_out)

    def layer_names(self) -> Sequence[str]:
        """Return the names of the layers in order, without reading their arrays."""
        return [plan.name for _, plan in self._plans]

    def generate(self, inputs: Inputs | None, numeric: Numeric) -> Generator[Layer, None, Findings]:
        """Read the layers one after another.

        Raises
        ------
        NetworkError
            If a file is damaged or has changed since it was opened, or if inputs are given.
        """
        if inputs is not None:
            raise NetworkError(f"trace {self.name!r} holds its activations and takes no inputs")
        hashes: dict[str, str] = {}
        for file, plan in self._plans:
            layer = read_values(file, plan)
            hashes[encodable(file.name)] = sha256(file)
            try:
                layer = rethreshold(layer, numeric)
            except NetworkError as error:
                raise NetworkError(f"{file}: {error}") from None
            yield layer
        return Findings(hashes=hashes, left_out=self.left_out)


class TraceReader(Reader):
    """Opens layer traces: a folder of them, or one."""

    reads = "an .npz trace, a folder of traces"

    def can_read(self, source: object) -> bool:
        """Whether it is a folder, or is called like a trace."""
        return isinstance(source, (str, Path)) and (Path(source).is_dir() or Path(source).suffix.lower() == ".npz")

    def read(self, source: object) -> Network:
        """Open a folder or a trace."""
        return TraceNetwork.open(Path(str(source)))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    try:
        files = sorted((file for file in path.iterdir() if file.suffix == ".npz"), key=lambda file: file.name)
    except OSError as error:
        raise NetworkError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not files:
        raise NetworkError(f"{path}: this directory has no layer traces (.npz)")
    return files


@dataclass
class _Written:
    """A layer that was added: its first batch, without values, its file, and the later batches."""

    plan: Layer
    file: Path
    stem: str
    more: list[Path] = field(default_factory=list)
    images: int = 0


class TraceWriter:
    """Writes layers as a directory of traces, as they come; a context manager.

    The traces appear in the directory when the ``with`` block ends well; if it raises, the directory is as it was. A
    layer may come in batches of consecutive images. File names carry the order of the layers.

    Parameters
    ----------
    directory : str or Path
        Made if it is not there; it must have no traces in it.

    Raises
    ------
    OutputError
        If it cannot be written to or has traces already.
    NetworkError
        From `add`, for two different layers of one name.

    Examples
    --------
    >>> with TraceWriter("traces") as writer:
    ...     for layer in network.run(None, Numeric()):
    ...         writer.add(layer)
    """

    def __init__(self, directory: str | Path) -> None:
        self._directory = Path(directory)
        self._layers: dict[str, _Written] = {}
        self._temporary = self._directory / f".writing-{secrets.token_hex(8)}"
        self._made: list[Path] = []

    def __enter__(self) -> Self:
        if self._directory.is_dir() and any(self._directory.glob("*.npz")):
            raise OutputError(f"{self._directory}: has layer traces already; remove them or give another directory")
        try:
            absent = [folder for folder in (self._directory, *self._directory.parents) if not folder.exists()]
            self._made = absent
            self._temporary.mkdir(parents=True)
        except OSError as error:
            self.discard()
            raise OutputError(f"{self._directory}: cannot be written: {error.strerror or error}") from None
        except BaseException:
            self.discard()
            raise
        return self

    def discard(self) -> None:
        """Remove all that was written, and the folders that were made for it."""
        self._layers = {}
        shutil.rmtree(self._temporary, ignore_errors=True)
        for folder in self._made:
            with contextlib.suppress(OSError):  # somebody else has put something into it, or removed it
                folder.rmdir()

    def add(self, layer: Layer) -> None:
        """Write a layer, or a further batch of it."""
        known = self._layers.get(layer.name)
        images = layer.images + (known.images if known else 0)
        check_size(layer.name, layer.activations.nbytes // layer.images * images)
        if known is None:
            stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", layer.name)[:80]
            file = self._temporary / f"{len(self._layers)}.npz"
            save_trace(replace(layer, name=trace_name(layer.name)), file)
            zero = np.zeros((), np.int16)
            plan = replace(
                layer,
                activations=np.broadcast_to(zero, layer.activations.shape),
                weights=np.broadcast_to(zero, layer.weights.shape),
            )
            self._layers[layer.name] = _Written(plan, file, stem, images=layer.images)
            return
        same = layer.activations.shape[1:] == known.plan.activations.shape[1:] and layer.weights.shape == known.plan.weights.shape
        if layer.first_image != known.plan.first_image + known.images or not same:
            raise NetworkError(f"two layers are called {layer.name!r}; their traces need different names")
        batch = known.file.with_suffix(f".{len(known.more)}.npy")
        try:
            np.save(batch, layer.activations, allow_pickle=False)
        except OSError as error:
            raise OutputError(f"{self._directory}: cannot be written: {error.strerror or error}") from None
        known.more.append(batch)
        known.images += layer.images

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._finish()
        except OSError as failure:
            if isinstance(failure, OutputError):
                raise
            raise OutputError(f"{self._directory}: cannot be written: {failure.strerror or failure}") from None
        finally:
            self.discard()

    def _finish(self) -> None:
        """Join the batches of each layer, then move all files to their place."""
        for written in self._layers.values():
            if written.more:
                first = read_values(written.file, written.plan)
                batches = [np.load(batch, allow_pickle=False) for batch in written.more]
                joined = replace(first, name=trace_name(first.name), activations=np.concatenate([first.activations, *batches]))
                save_trace(joined, written.file)
        digits = max(4, len(str(len(self._layers) - 1)))  # the order of the names is that of the layers
        moves = {
            written.file: self._directory / f"{number:0{digits}}-{written.stem}.npz"
            for number, written in enumerate(self._layers.values())
        }
        try:
            for file, target in moves.items():
                file.replace(target)
        except BaseException:  # all or none
            for file, target in moves.items():
                if not file.exists():
                    target.unlink(missing_ok=True)
            raise


def save_traces(layers: Iterable[Layer], directory: str | Path) -> list[Path]:
    """Write layers as a directory of traces, all or none.

    Parameters
    ----------
    layers : iterable of Layer
        In the network's order; taken one at a time.
    directory : str or Path
        Made if it is not there; it must have no traces in it.

    Returns
    -------
    list of Path
        The traces, in order.
    """
    with TraceWriter(directory) as writer:
        for layer in layers:
            writer.add(layer)
    return _files(Path(directory))
