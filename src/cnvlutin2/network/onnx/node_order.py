"""Nodes in an order in which they can be executed: some converters write them in another."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

import onnx


def names_read(graph: onnx.GraphProto) -> set[str]:
    """Return the tensors that a graph's nodes, nested ones too, and its outputs read."""
    names = {value.name for value in graph.output}
    for node in graph.node:
        names |= node_reads(node)
    return names


def node_reads(node: onnx.NodeProto) -> set[str]:
    """Return the tensors that a node reads, its nested ones too; an empty name is an input that is left out."""
    return set(node.input).union(*map(names_read, _bodies(node)))


def sort_nodes(proto: onnx.ModelProto) -> None:
    """Sort the nodes of a model's graph, of its bodies and of its functions, so that each follows those whose results it takes.

    Those that are sorted stay as they are. So do those of which none can be the first: the checker refuses them.
    """
    for part in (proto.graph, *proto.functions):
        _sort(part)


def _sort(part: onnx.GraphProto | onnx.FunctionProto) -> None:
    for node in part.node:
        for body in _bodies(node):
            _sort(body)
    order = execution_order(part.node)
    if order != sorted(order):
        nodes = [onnx.NodeProto.FromString(part.node[index].SerializeToString()) for index in order]
        del part.node[:]
        part.node.extend(nodes)


def execution_order(nodes: Sequence[onnx.NodeProto], ranks: Sequence[int] | None = None) -> list[int]:
    """Return the order of the nodes: of those that can be next always the first, or the first of those of the lowest rank."""
    makers = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    waits = [{makers[name] for name in node_reads(node) if name in makers} for node in nodes]
    readers: list[list[int]] = [[] for _ in nodes]
    for index, awaited in enumerate(waits):
        for maker in awaited:
            readers[maker].append(index)
    left = [len(awaited) for awaited in waits]
    ranks = [0] * len(nodes) if ranks is None else ranks
    ready = [(ranks[index], index) for index, count in enumerate(left) if count == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        _, index = heapq.heappop(ready)
        order.append(index)
        for reader in readers[index]:
            left[reader] -= 1
            if left[reader] == 0:
                heapq.heappush(ready, (ranks[reader], reader))
    return order if len(order) == len(left) else list(range(len(left)))


def _bodies(node: onnx.NodeProto) -> Iterable[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs
