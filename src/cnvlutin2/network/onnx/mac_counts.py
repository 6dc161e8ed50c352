"""How many multiply-accumulates a node does that is left out: counted from the shapes that it sees when it runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import onnx
from onnx import helper

from cnvlutin2.network.onnx.operators import domain_of

Shape = tuple[int, ...]
_NUMBERS = (onnx.AttributeProto.INT, onnx.AttributeProto.INTS, onnx.AttributeProto.STRING)


@dataclass(frozen=True, eq=False)
class CountedNode:
    """A node whose multiply-accumulates follow from shapes, apart from its model.

    Parameters
    ----------
    operator : (str, str)
        Domain and name.
    inputs, outputs : tuple of str
        Names of tensors; an empty one is an optional input that is left out.
    attributes : mapping
        Whole numbers, lists of them, and texts.
    """

    operator: tuple[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, object]

    @property
    def tensors(self) -> tuple[str, ...]:
        """The tensors whose shapes have to be known: what it takes in, and its first output."""
        return (*(name for name in self.inputs if name), self.outputs[0])

    def macs(self, shapes: Mapping[str, Shape]) -> int | None:
        """Return the multiply-accumulates of one execution; None if they do not follow from shapes."""
        try:
            return _FORMULAS[self.operator](_Seen(self, shapes))
        except (LookupError, TypeError, ValueError, ArithmeticError):  # as a node whose inputs are others than usual
            return None


def counted_node(node: onnx.NodeProto) -> CountedNode | None:
    """Return a node whose multiply-accumulates can be counted; None for others."""
    operator = (domain_of(node), node.op_type)
    if operator not in _FORMULAS or not node.output or not node.output[0]:
        return None
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute if a.type in _NUMBERS}
    return CountedNode(operator, tuple(node.input), tuple(node.output), attributes)


class _Seen:
    """A node with the shapes that it sees."""

    def __init__(self, node: CountedNode, shapes: Mapping[str, Shape]) -> None:
        self._node, self._shapes = node, shapes

    def shape(self, index: int) -> Shape:
        """Of an input."""
        return self._shapes[self._node.inputs[index]]

    def has(self, index: int) -> bool:
        """Whether there is such an input."""
        return index < len(self._node.inputs) and bool(self._node.inputs[index])

    @property
    def inputs(self) -> list[Shape]:
        """Of all inputs."""
        return [self._shapes[name] for name in self._node.inputs]

    @property
    def values(self) -> int:
        """How many the first output has."""
        return math.prod(self._shapes[self._node.outputs[0]])

    def number(self, key: str) -> int:
        """A number among the attributes; 0 without one."""
        return cast(int, self._node.attributes.get(key, 0))

    def numbers(self, key: str) -> list[int]:
        """A list among the attributes; empty without one."""
        return cast(list[int], self._node.attributes.get(key, []))

    @property
    def equation(self) -> str:
        """Of an Einsum."""
        return cast(bytes, self._node.attributes["equation"]).decode()


_Formula = Callable[[_Seen], int | None]


def _convolution(weights: int) -> _Formula:
    """Every output value is the sum of as many products as a filter has weights."""
    return lambda seen: seen.values * math.prod(seen.shape(weights)[1:])


def _transposed_convolution(seen: _Seen) -> int:
    """Every input value meets all weights of its channel; what falls outside of the output counts, as padding does."""
    return math.prod(seen.shape(0)) * math.prod(seen.shape(1)[1:])


def _product(seen: _Seen) -> int | None:
    """Every output value is the sum of as many products as the left factor's rows are long."""
    left = seen.shape(0)
    if seen.number("transBatchA") or seen.number("transBatchB"):
        return None
    return seen.values * (left[-2] if seen.number("transA") and len(left) > 1 else left[-1])


def _packed_product(seen: _Seen) -> int:
    return seen.values * seen.number("K")


def _recurrent(seen: _Seen) -> int | None:
    """Every step of every sequence meets all weights, of the input's and of the state's, in all directions."""
    if seen.has(4):  # lengths of sequences: values, not shapes
        return None
    inputs = seen.shape(0)
    return math.prod(inputs[:-1]) * (math.prod(seen.shape(1)) + math.prod(seen.shape(2)))


def _attention(past: int, lengths: int) -> _Formula:
    """Queries by keys, and the result by values: of every query's and every output's value as many as there are keys.

    `past` is the input of earlier keys, `lengths` the first of two that are numbers of keys: values, not shapes.
    """

    def count(seen: _Seen) -> int | None:
        if seen.has(past) or seen.has(lengths) or seen.has(lengths + 1):
            return None
        query, key = seen.shape(0), seen.shape(1)
        if len(key) not in (3, 4):
            return None
        return (math.prod(query) + seen.values) * key[-2]

    return count


def _projecting_attention(seen: _Seen) -> int | None:
    """The projections, and the attention of what they make."""
    (images, tokens, channels), weights = seen.shape(0), seen.shape(1)
    if seen.has(4) or weights[0] != channels:  # a past
        return None
    sizes = seen.numbers("qkv_hidden_sizes")
    queries = images * tokens * (sizes[0] if sizes else weights[1] // 3)
    return images * tokens * math.prod(weights) + (queries + seen.values) * tokens


def _contraction(seen: _Seen) -> int | None:
    """Of two operands, a product for every combination of all subscripts; of more it depends on their order."""
    equation = seen.equation.replace(" ", "")
    operands = equation.partition("->")[0].split(",")
    shapes = seen.inputs
    if len(operands) != 2 or len(shapes) != 2:
        return None
    sizes: dict[str, int] = {}
    for subscripts, shape in zip(operands, shapes, strict=True):
        before, dots, after = subscripts.partition("...")
        free = len(shape) - len(before) - len(after)
        if free < 0 or (free and not dots):
            return None
        # Dimensions of an ellipsis are counted from the right, as in broadcasting.
        names = [*before, *(f"...{free - i}" for i in range(free)), *after]
        for name, size in zip(names, shape, strict=True):
            sizes[name] = max(size, sizes.get(name, 1))
    return math.prod(sizes.values())


_MICROSOFT = "com.microsoft"
_FORMULAS: dict[tuple[str, str], _Formula] = {
    ("", "Conv"): _convolution(1),
    ("", "CausalConvWithState"): _convolution(1),
    ("", "DeformConv"): _convolution(1),
    ("", "ConvInteger"): _convolution(1),
    ("", "QLinearConv"): _convolution(3),
    ("", "ConvTranspose"): _transposed_convolution,
    ("", "Gemm"): _product,
    ("", "MatMul"): _product,
    ("", "MatMulInteger"): _product,
    ("", "QLinearMatMul"): _product,
    ("", "RNN"): _recurrent,
    ("", "GRU"): _recurrent,
    ("", "LSTM"): _recurrent,
    ("", "Attention"): _attention(4, 6),
    ("", "Einsum"): _contraction,
    ("ai.onnx.preview", "FlexAttention"): _attention(3, 3),
    (_MICROSOFT, "CausalConvWithState"): _convolution(1),
    (_MICROSOFT, "FusedConv"): _convolution(1),
    (_MICROSOFT, "NhwcFusedConv"): _convolution(1),
    (_MICROSOFT, "QLinearConv"): _convolution(3),
    (_MICROSOFT, "FusedGemm"): _product,
    (_MICROSOFT, "FusedMatMul"): _product,
    (_MICROSOFT, "TransposeMatMul"): _product,
    (_MICROSOFT, "GemmFastGelu"): _product,
    (_MICROSOFT, "QGemm"): _product,
    (_MICROSOFT, "DynamicQuantizeMatMul"): _product,
    (_MICROSOFT, "MatMulIntegerToFloat"): _product,
    (_MICROSOFT, "MatMulNBits"): _packed_product,
    (_MICROSOFT, "MatMulBnb4"): _packed_product,
    (_MICROSOFT, "DynamicQuantizeLSTM"): _recurrent,
    (_MICROSOFT, "Attention"): _projecting_attention,
    (_MICROSOFT, "MultiHeadAttention"): _attention(6, 8),
    (_MICROSOFT, "GroupQueryAttention"): _attention(3, 7),
}
