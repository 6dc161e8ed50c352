"""What of an ONNX model is left out: all that is not known to multiply nothing, with a true reason and a count."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.defs
import pytest
from onnx import helper, numpy_helper
from onnx_models import inputs, integers, model, node, saved

from cnvlutin2.network import LeftOut, Numeric, OnnxNetwork
from cnvlutin2.network.onnx.operators import LAYERS, MULTIPLY_NOTHING, REASONS, multiplies_nothing

MICROSOFT = "com.microsoft"


def left_out(path: Path, *shape: int, names: tuple[str, ...] = ("kept",)) -> dict[str, LeftOut]:
    """Run a model and return what it lists; only the layers of these names may be simulated."""
    stream = OnnxNetwork(path).run(inputs(integers(*shape, seed=9)), Numeric())
    assert [layer.name for layer in stream] == list(names)
    return {out.name: out for out in stream.left_out}


CASES: dict[str, tuple[onnx.NodeProto, dict[str, Any], int | None, str]] = {
    # on a [N, 6, 8] of 6 tokens of 8 channels called a: a node, its constants, its multiply-accumulates, words of the reason
    "two activations": (node("MatMul", "a at", "y", "out"), {}, 6 * 6 * 8, "two activations: it has no constant weights"),
    "grouped": (node("MatMul", "a4 g", "y", "out"), {"g": integers(2, 4, 5)}, 6 * 2 * 4 * 5, "a stack of matrices"),
    "contraction": (node("Einsum", "a w", "y", "out", equation="btc,cd->btd"), {"w": integers(8, 5)}, 6 * 8 * 5, "contraction"),
    "ellipsis": (node("Einsum", "a w", "y", "out", equation="...c,cd"), {"w": integers(8, 5)}, 6 * 8 * 5, "weights: 'w'"),
    "sum of a contraction": (node("Einsum", "a w", "y", "out", equation="btc,cd->b"), {"w": integers(8, 5)}, 6 * 8 * 5, "contr"),
    "three factors": (
        node("Einsum", "a w v", "y", "out", equation="btc,cd,de->bte"),
        {"w": integers(8, 5), "v": integers(5, 2)},
        None,
        "contraction",
    ),
    # Four gates of 3, on a step's 8 and on the state's 3, both directions, 6 steps.
    "LSTM": (
        node("LSTM", "ta w r", "y", "out", hidden_size=3, direction="bidirectional"),
        {"w": integers(2, 12, 8), "r": integers(2, 12, 3)},
        2 * 6 * 12 * (8 + 3),
        "recurrent",
    ),
    "GRU": (
        node("GRU", "ta w r", "y", "out", hidden_size=3),
        {"w": integers(1, 9, 8), "r": integers(1, 9, 3)},
        6 * 99,
        "recurrent",
    ),
    "RNN": (
        node("RNN", "ta w r", "y", "out", hidden_size=3),
        {"w": integers(1, 3, 8), "r": integers(1, 3, 3)},
        6 * 33,
        "recurrent",
    ),
    "GRU of a length": (
        node("GRU", "ta w r _ length", "y", "out", hidden_size=3),
        {"w": integers(1, 9, 8), "r": integers(1, 9, 3), "length": np.array([4], np.int32)},
        None,
        "recurrent",
    ),
    # 6 positions of 6 channels on 8: every input value meets 4 filters of 3.
    "transposed": (node("ConvTranspose", "a w", "y", "out"), {"w": integers(6, 4, 3)}, 6 * 8 * 4 * 3, "transposed convolution"),
    "integers": (
        node("MatMulInteger", "q w", "y", "out"),
        {"w": integers(8, 5).astype(np.int8)},
        6 * 8 * 5,
        "integers that were quantised elsewhere",
    ),
    "determinant": (node("Det", "aa", "y", "out"), {}, None, "determinant"),
    "fused": (
        node("FusedMatMul", "a w", "y", "out", domain=MICROSOFT, transB=1, alpha=0.5),
        {"w": integers(5, 8)},
        6 * 8 * 5,
        "a fused operator .*; it holds constant weights: 'w'",
    ),
    "fused, two activations": (node("FusedMatMul", "a a", "y", "out", domain=MICROSOFT, transB=1), {}, 6 * 6 * 8, "fused"),
    "fused, transposed": (node("FusedMatMul", "a a", "y", "out", domain=MICROSOFT, transA=1), {}, 8 * 8 * 6, "fused"),
    "fused convolution": (
        node("FusedConv", "a4d w", "y", "out", domain=MICROSOFT, activation="Relu", pads=[0, 1, 0, 1]),
        {"w": integers(5, 6, 1, 3)},
        8 * 5 * 6 * 3,
        "fused operator .*constant weights: 'w'",
    ),
    # Scores of 6 queries with 6 keys of 8 channels, and as many products of scores and values.
    "attention": (node("MultiHeadAttention", "a a a", "y", "out", domain=MICROSOFT, num_heads=2), {}, 2 * 6 * 6 * 8, "attention"),
    "attention with projections": (
        node("Attention", "a w b", "y", "out", domain=MICROSOFT, num_heads=2),
        {"w": integers(8, 24), "b": integers(24)},
        6 * 8 * 24 + 2 * 6 * 6 * 8,
        "attention: .*constant weights: 'w'",
    ),
    "not known": (
        node("CDist", "t2 t2", "y", "out", domain=MICROSOFT),
        {},
        None,
        "domain 'com.microsoft' that is not known here",
    ),
}
BEFORE = [
    node("MatMul", "x k", "a", "kept"),
    node("Transpose", "a", "at", perm=[0, 2, 1]),
    node("Transpose", "a", "ta", perm=[1, 0, 2]),
    node("Reshape", "a heads", "a4", ""),
    node("Unsqueeze", "a two", "a4d"),
    node("Reshape", "a flat", "t2"),
    node("Slice", "a zero six two", "aa"),
    node("Cast", "a", "q", to=onnx.TensorProto.UINT8),
]
CONSTANTS = {
    "k": integers(8, 8),
    "heads": np.array([-1, 2, 6, 4]),
    "flat": np.array([-1, 8]),
    "two": np.array([2]),
    "zero": np.array([0]),
    "six": np.array([6]),
}


@pytest.mark.parametrize("batch", ["N", 3])
@pytest.mark.parametrize("case", CASES)
def test_what_is_left_out_is_counted(case: str, batch: str | int, tmp_path: Path) -> None:
    last, constants, macs, words = CASES[case]
    used = {name for name in last.input if name}
    before = [each for each in BEFORE if each.name or used.intersection(each.output)]
    outputs = ["a", *(["y"] if last.op_type != "MatMulInteger" else [])]  # which are floats
    proto = model([*before, last], {"x": [batch, 6, 8]}, outputs, {**CONSTANTS, **constants}, domains=[MICROSOFT])
    if macs is None and batch == 3:
        pytest.skip("not counted with one image either")
    (found,) = left_out(saved(tmp_path, proto), 2, 6, 8).values()
    assert (found.name, found.operator) == ("out", last.op_type)
    assert found.macs == macs
    assert re.search(words, found.reason), found.reason


@pytest.mark.skipif(onnx.defs.onnx_opset_version() < 23, reason="this onnx knows no Attention")
def test_attention_of_the_standard(tmp_path: Path) -> None:
    attention = node("Attention", "a a a", "y", "out", q_num_heads=2, kv_num_heads=2)
    proto = model([BEFORE[0], attention], {"x": ["N", 6, 8]}, ["y"], CONSTANTS, opset=23, ir_version=11)
    (found,) = left_out(saved(tmp_path, proto), 2, 6, 8).values()
    assert found.macs == 2 * 6 * 6 * 8
    assert "weights" not in found.reason


def test_layers_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    """Convolutions of a volume, of weights that are computed, and of maps that are not the batch."""
    nodes = [
        node("Conv", "x w", "a", "kept"),
        node("Reshape", "a five", "volume"),
        node("Conv", "volume cube", "u1", "volume"),
        node("ReduceMean", "x", "computed", axes=[0]),
        node("Conv", "x computed", "u3", "computed"),
        node("Reshape", "a parts", "maps"),
        node("Conv", "maps w2", "u4", "maps", pads=[1, 1, 1, 1]),
        node("MatMul", "k k", "u5", "constants"),
    ]
    constants = {
        "w": integers(4, 3, 1, 1),
        "five": np.array([0, 1, 4, 4, 4]),
        "cube": integers(5, 1, 2, 3, 3),
        "parts": np.array([-1, 2, 4, 4]),
        "w2": integers(7, 2, 3, 3),
        "k": integers(4, 4),
    }
    outputs = ["a", "u1", "u3", "u4", "u5"]
    found = left_out(saved(tmp_path, model(nodes, {"x": ["N", 3, 4, 4]}, outputs, constants)), 2, 3, 4, 4)
    assert {name: out.macs for name, out in found.items()} == {
        "volume": 3 * 2 * 2 * 5 * 2 * 3 * 3,
        "computed": 1 * 3 * 4 * 4,
        "constants": 0,  # once, and not for an image
        "maps": 2 * 4 * 4 * 7 * 2 * 3 * 3,
    }


def test_what_runs_in_a_body_is_listed_and_not_counted(tmp_path: Path) -> None:
    body = [
        node("FusedMatMul", "a k", "inner", "hidden", domain=MICROSOFT),
        node("Enigma", "inner", "last", "enigma", domain="example.org"),
        node("Relu", "inner", "harmless", "relu"),
    ]
    branch = helper.make_graph(body[:1], "body", [], [helper.make_tensor_value_info("inner", 1, None)])
    nodes = [node("MatMul", "x k", "a", "kept"), node("If", "true", "y", "choice", then_branch=branch, else_branch=branch)]
    constants = {"k": integers(8, 8), "true": np.array(True)}
    path = saved(tmp_path, model(nodes, {"x": ["N", 6, 8]}, ["y"], constants, domains=[MICROSOFT]))
    found = left_out(path, 2, 6, 8)
    assert {name: out.macs for name, out in found.items()} == {
        "choice/then_branch/hidden": None,
        "choice/else_branch/hidden": None,
    }
    whole = helper.make_graph(body, "body", [], [helper.make_tensor_value_info("last", 1, None)])
    nodes[1] = node("If", "true", "y", "choice", then_branch=whole, else_branch=branch)
    path = saved(tmp_path, model(nodes, {"x": ["N", 6, 8]}, ["y"], constants, domains=[MICROSOFT, "example.org"]), "whole")
    names = [out.name.removeprefix("choice/") for out in OnnxNetwork(path).left_out]
    assert sorted(names) == ["else_branch/hidden", "then_branch/enigma", "then_branch/hidden"]


@pytest.mark.parametrize("opset", [17, 16])  # the second is not the model's: onnx does not put the body in the function's place
def test_a_function_is_looked_into_or_listed(opset: int, tmp_path: Path) -> None:
    nodes = [node("MatMul", "x k", "a", "kept"), node("Block", "a k", "y", "block", domain="local")]
    proto = model(nodes, {"x": ["N", 6, 8]}, ["y"], {"k": integers(8, 8)}, domains=["local", MICROSOFT])
    body = [node("FusedMatMul", "in w", "mid", "product", domain=MICROSOFT), node("Relu", "mid", "out")]
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
    proto.functions.append(helper.make_function("local", "Block", ["in", "w"], ["out"], body, opsets))
    (found,) = left_out(saved(tmp_path, proto), 2, 6, 8).values()
    assert "constant weights: 'k'" in found.reason
    assert (found.operator, found.macs) == (("FusedMatMul", 6 * 8 * 8) if opset == 17 else ("Block", None))


def test_an_operator_of_another_domain_is_not_the_one_of_the_same_name(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x k", "a", "kept"), node("Relu", "a", "y", "mine", domain="example.org")]
    path = saved(tmp_path, model(nodes, {"x": ["N", 6, 8]}, ["y"], {"k": integers(8, 8)}, domains=["example.org"]))
    assert [(out.name, out.operator) for out in OnnxNetwork(path).left_out] == [("mine", "Relu")]


def test_a_contraction_of_one_operand_multiplies_nothing() -> None:
    assert multiplies_nothing(node("Einsum", "a", "y", equation="ij->ji"))
    assert not multiplies_nothing(node("Einsum", "a b", "y", equation="i,i"))


def test_the_lists_are_onnxs_operators() -> None:
    """Each stands in one list; what this onnx knows of its own domain and stands in none is newer than the lists."""
    for domain, reasons in REASONS.items():
        assert not reasons.keys() & MULTIPLY_NOTHING.get(domain, frozenset())
    known = {schema.name for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""}
    listed = MULTIPLY_NOTHING[""] | REASONS[""].keys() | LAYERS
    assert not LAYERS & (MULTIPLY_NOTHING[""] | REASONS[""].keys())
    if onnx.defs.onnx_opset_version() <= 28:
        assert known <= listed
    assert listed - known <= {
        "SimplifiedLayerNormalization",
        "BitCast",
        "CausalConvWithState",
        "LinearAttention",
        "SwiGLU",
        "CumProd",
    }


def test_constants_of_nodes_are_held_too(tmp_path: Path) -> None:
    weights = numpy_helper.from_array(integers(5, 8), "value")
    nodes = [
        node("MatMul", "x k", "a", "kept"),
        helper.make_node("Constant", [], ["w"], value=weights),
        node("FusedMatMul", "a w", "y", "out", domain=MICROSOFT, transB=1),
    ]
    path = saved(tmp_path, model(nodes, {"x": ["N", 6, 8]}, ["y"], {"k": integers(8, 8)}, domains=[MICROSOFT]))
    assert "constant weights: 'w'" in left_out(path, 1, 6, 8)["out"].reason
