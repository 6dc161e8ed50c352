"""Running an ONNX network: image by image, its layers' inputs captured, ranged, quantised and gathered.

Images run one at a time (or as many as the model's fixed batch), so that what is captured of an image depends on nothing
but the image, and memory is bounded whatever the number of images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError, UnsupportedLayer
from cnvlutin2.network.base import Inputs, LeftOut
from cnvlutin2.network.onnx_geometry import arrange, layout
from cnvlutin2.network.onnx_graph import LayerNode
from cnvlutin2.network.onnx_model import OnnxModel
from cnvlutin2.network.onnx_quantised import Added
from cnvlutin2.network.onnx_session import ORT_ERRORS, Session, open_session
from cnvlutin2.network.onnx_tensors import FLOATS, first_line
from cnvlutin2.numeric import largest_magnitude, quantise

HOLD_BYTES = 256 << 20
"""The most captured values that are held at a time: images beyond run twice, the second time in batches."""

LARGE_BYTES = 4 << 20
"""From this size on arrays lie in large pages, where the system has them: what a run captures is worth one array."""

TOGETHER_BYTES = 1 << 20
"""Runs that capture less than this are looked at together."""
_ALIGNMENT = 64

Feed = tuple[str, str]
"""A tensor and how layers see it (`onnx_geometry.layout`): layers with the same feed share their activations."""
Captured = dict[Feed, NDArray[Any]]
Tensors = dict[str, NDArray[Any]]


def feed_of(node: LayerNode) -> Feed:
    """Return what feeds a layer."""
    return node.activation, layout(node)


@dataclass
class Ranges:
    """What a pass in floating point found: the largest magnitude of every tensor, and its dtype and rank."""

    max_abs: dict[str, float] = field(default_factory=dict)
    dtypes: dict[str, np.dtype[np.generic]] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)


def answer_output(graph: onnx.GraphProto) -> str:
    """Return the output that holds the scores: the first that is declared as ``[N, K]`` or ``[N, K, 1, 1]``, else the first."""
    for value in graph.output:
        tensor = value.type.tensor_type
        rest = [dim.dim_value for dim in tensor.shape.dim][1:]  # 0: left open
        if tensor.elem_type in FLOATS and rest and rest[0] != 1 and all(size == 1 for size in rest[1:]):
            return str(value.name)
    return str(graph.output[0].name)


class Execution:
    """A session on a model with its layers' inputs as added outputs.

    Parameters
    ----------
    model : OnnxModel
        Its graph is given the outputs; it can be dropped afterwards.
    nodes : sequence of LayerNode
    added : Added, optional
        Of a rewritten graph: what to capture of a layer's input instead of itself.
    threads : int
        Of onnxruntime; 0 leaves it to onnxruntime.
    """

    def __init__(self, model: OnnxModel, nodes: Sequence[LayerNode], added: Added | None = None, threads: int = 0) -> None:
        graph = model.proto.graph
        self._source = model.path
        self._input = graph.input[0].name
        self._output = answer_output(graph)
        tensors = dict.fromkeys(node.activation for node in nodes)  # in order, each once
        self._captured = {t: added.integers[t] if added else t for t in tensors}
        self._checks = {t: added.checks[t] for t in tensors} if added else {}
        self._wanted = list(dict.fromkeys([self._output, *self._captured.values(), *self._checks.values()]))
        self._wanted = [name for name in self._wanted if name != self._input]
        present = {value.name for value in graph.output}
        for name in self._wanted:
            if name not in present:
                graph.output.add(name=name)
        self._session: Session = open_session(model, threads)

    def run(self, values: NDArray[np.generic], names: Sequence[str], room: Tensors | None = None) -> tuple[NDArray[Any], Tensors]:
        """Run a batch; return the model's scores and the captured tensors, in `room` if it is given (see `room_like`).

        Raises
        ------
        NetworkError
            If onnxruntime cannot, or a check says that a value is not finite; names the batch's first input.
        """
        try:
            if room is None:
                outputs = self._session.run(self._wanted, {self._input: values})
            else:
                places = {self._captured[tensor]: array for tensor, array in room.items()}
                outputs = self._session.run_into({name: places.get(name) for name in self._wanted}, {self._input: values})
        except ORT_ERRORS as error:
            raise NetworkError(f"{self._source}: onnxruntime cannot run {names[0]}: {first_line(error)}") from None
        found = dict(zip(self._wanted, outputs, strict=True)) | {self._input: values}
        for tensor, check in self._checks.items():
            if not np.isfinite(found[check]).all():
                what = f"quantised and pruned, {tensor!r} is infinite or not a number for {names[0]}"
                raise NetworkError(f"{self._source}: {what}; lower the thresholds")
        return found[self._output], {tensor: found[name] for tensor, name in self._captured.items()}


def room_like(tensors: Tensors) -> Tensors | None:
    """Return room for the tensors of another run like one, in one piece; None if it would be too small for large pages.

    Fresh memory is mapped page by page, which for the usual small ones takes a quarter of the time of some networks' runs.
    """
    if sum(values.nbytes for values in tensors.values()) < LARGE_BYTES:
        return None
    ends = np.cumsum([0, *(-(-values.nbytes // _ALIGNMENT) * _ALIGNMENT for values in tensors.values())]).tolist()
    room = np.empty(ends[-1], np.uint8)
    pieces = zip(tensors.items(), ends, strict=False)
    return {name: room[at : at + like.nbytes].view(like.dtype).reshape(like.shape) for (name, like), at in pieces}


@dataclass(frozen=True, eq=False)
class Batch:
    """One run's inputs: `values` may repeat the last image up to the model's fixed batch; `count` are real."""

    start: int
    count: int
    values: NDArray[np.generic]
    names: Sequence[str]


def batches(inputs: Inputs, size: int, first: int = 0) -> Iterator[Batch]:
    """Cut inputs into runs of `size` images, from the image `first` on.

    Raises
    ------
    NetworkError
        If a value is infinite or not a number; names the input.
    """
    total = len(inputs.values)
    for start in range(first, total, size):
        rows = np.minimum(np.arange(start, start + size), total - 1)
        values = np.ascontiguousarray(inputs.values[rows] if size > 1 else inputs.values[start : start + 1])
        names = inputs.names[start : start + size]
        if values.dtype.kind == "f":
            bad = ~np.isfinite(values).reshape(size, -1).all(axis=1)
            if bad.any():
                name = names[min(int(bad.argmax()), len(names) - 1)]
                raise NetworkError(f"{name}: holds values that are infinite or not numbers; give finite values")
        yield Batch(start, min(size, total - start), values, names)


def fitting(nodes: Sequence[LayerNode], tensors: Mapping[str, NDArray[Any]], size: int) -> tuple[list[LayerNode], list[LeftOut]]:
    """Part the layers by whether what they see can be told apart by image, which shows only when they run."""
    fit: list[LayerNode] = []
    left_out: list[LeftOut] = []
    for node in nodes:
        try:
            arrange(node, tensors[node.activation], size)
            fit.append(node)
        except UnsupportedLayer as reason:
            left_out.append(LeftOut(node.name, node.op, str(reason)))
    return fit, left_out


def arranged(nodes: Sequence[LayerNode], tensors: Mapping[str, NDArray[Any]], batch: Batch) -> Captured:
    """Return the layers' activations in a run, without the images that fill up a batch."""
    feeds = {feed_of(node): node for node in nodes}
    return {feed: arrange(node, tensors[feed[0]], len(batch.values))[: batch.count] for feed, node in feeds.items()}


def size_bytes(captured: Captured) -> int:
    """Return the bytes of what was captured."""
    return sum(values.nbytes for values in captured.values())


def joined(runs: Sequence[Captured]) -> Captured:
    """Return what some runs captured as if it were one run's."""
    if len(runs) == 1:
        return runs[0]
    for captured in runs:
        for feed, values in captured.items():
            check_shape(feed, values, runs[0][feed])
    return {feed: np.concatenate([captured[feed] for captured in runs]) for feed in runs[0]}


def check_shape(feed: Feed, values: NDArray[Any], like: NDArray[Any]) -> None:
    """Refuse a tensor whose shape depends on the image.

    Raises
    ------
    NetworkError
    """
    if values.shape[1:] != like.shape[1:]:
        what = f"is {list(values.shape[1:])} for one image and {list(like.shape[1:])} for another"
        raise NetworkError(f"tensor {feed[0]!r}: {what}; give images that the model sees alike")


def together(runs: Iterable[Captured]) -> Iterator[Captured]:
    """Join runs that capture little: looking at each tensor takes longer than what there is to do."""
    some: list[Captured] = []
    for captured in runs:
        some.append(captured)
        if is_enough(some):
            yield joined(some)
            some = []
    if some:
        yield joined(some)


def is_enough(runs: Sequence[Captured]) -> bool:
    """Whether runs, of which none captures more than the others, need not be joined with more."""
    return len(runs) * size_bytes(runs[0]) >= min(TOGETHER_BYTES, HOLD_BYTES // 16)


def update(ranges: Ranges, nodes: Sequence[LayerNode], captured: Captured, names: Sequence[str]) -> None:
    """Widen the ranges by what was captured of the images with these names.

    Raises
    ------
    NetworkError
        If a layer's input is infinite or not a number; names the layer and the input.
    """
    for feed, values in captured.items():
        largest = largest_magnitude(values)
        if not np.isfinite(largest):
            reader = next(node.name for node in nodes if feed_of(node) == feed)
            name = names[int(np.isfinite(values).reshape(len(values), -1).all(axis=1).argmin())]
            what = f"its input is infinite or not a number for {name}"
            raise NetworkError(f"layer {reader!r}: {what}; check the model and the scale of what it is given")
        ranges.max_abs[feed[0]] = max(ranges.max_abs.get(feed[0], 0.0), largest)


class Gathering:
    """Captured values of consecutive runs, quantised, until there is enough for a batch of layers.

    Parameters
    ----------
    images : int
        Of all runs together.
    bits : int
        Width of the integers.
    """

    def __init__(self, images: int, bits: int) -> None:
        self._left, self._bits = images, bits
        self._first_image = 0
        self.images = 0
        """How many are held."""
        self._integers: dict[Feed, NDArray[np.int16]] = {}  # with room for as many as shall be held

    @property
    def full(self) -> bool:
        """Whether another run may be too much, or there is none."""
        return bool(self._integers) and self.images == len(next(iter(self._integers.values())))

    def add(self, captured: Captured, fracs: Mapping[str, int]) -> None:
        """Add a run's values, where they are floats at the tensors' scales."""
        count = len(next(iter(captured.values())))
        if not self._integers:
            runs = max(1, HOLD_BYTES // 2 // sum(2 * values.size for values in captured.values()))
            room = min(runs * count, self._left)
            self._integers = {feed: np.empty((room, *values.shape[1:]), np.int16) for feed, values in captured.items()}
        for feed, values in captured.items():
            out = self._integers[feed][self.images : self.images + count]
            check_shape(feed, values, out)
            if values.dtype == np.int16:
                out[:] = values
            else:
                quantise(values.astype(np.float32) if values.dtype == np.float16 else values, fracs[feed[0]], self._bits, out)
        self.images += count

    def take(self) -> tuple[int, dict[Feed, NDArray[np.int16]]]:
        """Return the first image's index and the gathered activations ``[N, C, H, W]``, and start anew."""
        first, gathered = self._first_image, self._integers
        self._first_image, self._left = first + self.images, self._left - self.images
        self._integers, self.images = {}, 0
        return first, gathered
