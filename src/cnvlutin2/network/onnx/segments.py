"""A graph cut into segments, each with what it takes from those before and leaves to those after it.

A network whose layers' inputs are large together is executed segment by segment, so that such an input is in memory only as long
as it is looked at. What is cut is the graph as onnxruntime has optimised it, with the kernels that it has chosen: each segment
computes what it would compute as part of the whole, to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import onnx.shape_inference
from onnx import helper

from cnvlutin2.network.onnx.model_file import OnnxModel
from cnvlutin2.network.onnx.node_order import execution_order, node_reads
from cnvlutin2.network.onnx.ort_session import save_optimised
from cnvlutin2.network.onnx.tensors import external, tensor_bytes

SEGMENT_BYTES = 32 << 20
"""From this size on what a segment is asked for makes it end: each costs a call of onnxruntime."""
_FILE, _WEIGHTS = "model.onnx", "weights"


@dataclass(frozen=True, eq=False)
class Segment:
    """Consecutive nodes of a graph.

    Parameters
    ----------
    nodes : sequence of onnx.NodeProto
    takes, leaves : sequence of str
        Tensors that it reads of those before it; and of its own those that are asked for, or read after it.
    asked : sequence of str
        Those of its own that are asked for.
    frees : sequence of str
        Tensors that nobody reads after it.
    """

    nodes: Sequence[onnx.NodeProto]
    takes: Sequence[str]
    leaves: Sequence[str]
    asked: Sequence[str]
    frees: Sequence[str]


def tensor_sizes(proto: onnx.ModelProto, shape: Sequence[int], tensors: Sequence[str]) -> dict[str, int]:
    """Return the bytes of tensors for an input of a shape; those whose shape does not follow from the graph are left out."""
    given = onnx.ModelProto.FromString(proto.SerializeToString())
    value = given.graph.input[0]
    value.CopyFrom(helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, shape))
    try:
        graph = onnx.shape_inference.infer_shapes(given, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):  # it is no check: the model was checked
        return {}
    types = {found.name: found.type.tensor_type for found in (*graph.value_info, *graph.output, *graph.input)}
    found = {}
    for tensor in tensors:
        known = types.get(tensor)
        if known is not None and known.HasField("shape") and all(dim.HasField("dim_value") for dim in known.shape.dim):
            found[tensor] = tensor_bytes(onnx.TensorProto(data_type=known.elem_type, dims=[d.dim_value for d in known.shape.dim]))
    return found


def can_be_cut(proto: onnx.ModelProto) -> bool:
    """Whether all that nodes hand to one another are tensors."""
    return not any("Sequence" in node.op_type or "Optional" in node.op_type for node in proto.graph.node)


def optimised(model: OnnxModel) -> OnnxModel:
    """Return a model as onnxruntime would execute it, its kernels chosen for this processor."""
    with TemporaryDirectory(prefix="cnvlutin2-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / _FILE
        save_optimised(model, path, _WEIGHTS)
        proto = onnx.load(path, load_external_data=False)
        apart = [tensor for tensor in proto.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
        # Mapped, so the file may lose its name; it is no input whose hash counts.
        weights = {tensor.name: external(path, tensor, {_WEIGHTS: ""}) for tensor in apart}
    small = [tensor for tensor in proto.graph.initializer if tensor.name not in weights]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(small)
    found = OnnxModel(model.path, proto)
    for name, array in weights.items():
        found.set_weight(name, array)
    return found


def cut(graph: onnx.GraphProto, asked: Mapping[str, int], sizes: Mapping[str, int]) -> list[Segment]:
    """Cut a graph into segments, in an order in which what is asked for comes as early as can be, by rank.

    Parameters
    ----------
    graph : onnx.GraphProto
    asked : mapping of str to int
        Tensors that are asked for, and their ranks. What none of them needs is not executed.
    sizes : mapping of str to int
        Bytes of some of them. From `SEGMENT_BYTES` on one is made by a segment of its own, when what only earlier ones read is
        gone; smaller ones are made together.
    """
    nodes = list(graph.node)
    ranks = _ranks(nodes, asked)
    order = [
        index for index in execution_order(nodes, [0 if rank is None else rank for rank in ranks]) if ranks[index] is not None
    ]
    groups: list[list[onnx.NodeProto]] = [[]]
    held = 0
    for index in order:
        own = sum(sizes.get(name, 0) for name in nodes[index].output if name in asked)
        if groups[-1] and own >= SEGMENT_BYTES:
            groups.append([])
        groups[-1].append(nodes[index])
        held += own
        if held >= SEGMENT_BYTES:
            groups.append([])
            held = 0
    computed = {value.name for value in graph.input}.union(*(node.output for node in nodes))
    return _linked([group for group in groups if group], asked, computed - {""})


def _ranks(nodes: Sequence[onnx.NodeProto], asked: Mapping[str, int]) -> list[int | None]:
    """Return the lowest rank of what is asked for that needs each node; None where nothing does."""
    needed = dict(asked)
    ranks: list[int | None] = []
    for node in reversed(nodes):
        rank = min((needed[name] for name in node.output if name in needed), default=None)
        ranks.append(rank)
        if rank is not None:
            for name in node_reads(node):
                needed[name] = min(rank, needed.get(name, rank))
    return ranks[::-1]


def _linked(groups: Sequence[Sequence[onnx.NodeProto]], asked: Mapping[str, int], computed: set[str]) -> list[Segment]:
    """Return segments of groups of nodes, linked by what one leaves to others of the tensors that are no constants."""
    reads = [computed.intersection(chain.from_iterable(map(node_reads, group))) for group in groups]
    makes = [[name for node in group for name in node.output if name] for group in groups]
    last = {name: number for number, read in enumerate(reads) for name in read}
    segments = []
    for number, (group, read, made) in enumerate(zip(groups, reads, makes, strict=True)):
        takes = sorted(read.difference(made))
        wanted = [name for name in made if name in asked]
        leaves = [name for name in made if name in asked or last.get(name, number) > number]
        frees = [name for name in (*takes, *wanted) if last.get(name, number) <= number]
        segments.append(Segment(group, takes, leaves, wanted, frees))
    return segments
