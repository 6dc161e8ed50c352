"""The streams: against the published examples, a slow reference and themselves; lossless, randomly accessible, both kernels."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import encodings_reference as reference
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cnvlutin2.encodings import Encoded, Packing, codec, encode, faults, format_names, get_format, layout
from cnvlutin2.encodings._kernels.bits import REFUSED
from cnvlutin2.encodings.compiled_functions import callable_of, compiled_module, limits_of
from cnvlutin2.encodings.parameters import DTYPES
from cnvlutin2.errors import ConfigError, FormatError
from cnvlutin2.numeric import effectual, limits
from cnvlutin2.simd import Kernels

NO_COMPILER = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
KERNELS: tuple[Kernels, ...] = ("numba", "numpy")


@dataclass(frozen=True)
class Case:
    """An array and how to encode it."""

    array: NDArray[np.int16]
    brick: int
    data_bits: int
    threshold: int
    pointer_group: int
    packing: Packing
    groups: int

    def encoded(self, name: str, kernels: Kernels | None = None) -> Encoded:
        arguments = (self.brick, self.data_bits, self.threshold, self.pointer_group, self.packing, self.groups)
        return encode(self.array, name, *arguments, kernels=kernels)

    def thresholded(self) -> NDArray[np.int16]:
        return np.where(effectual(self.array, self.threshold), self.array, 0).astype(np.int16)

    def referred(self, name: str) -> tuple[bytes, int, list[int] | None, int, list[int]]:
        arguments = (self.brick, self.data_bits, self.threshold, self.pointer_group, self.packing, self.groups)
        return reference.encode(self.array.tolist(), name, *arguments)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw arrays of any density with the most extreme values, ragged in every way."""
    brick, data_bits = draw(st.sampled_from((2, 3, 4, 5, 7, 8, 11, 16, 16, 17, 24, 32, 33, 48, 63, 64))), draw(st.integers(2, 16))
    groups = draw(st.integers(1, 3))
    shape = (groups * draw(st.integers(1, 40)), draw(st.integers(1, 4)), draw(st.integers(1, 6)))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 20)))
    low, high = limits(data_bits)
    array = rng.integers(low, high + 1, shape)
    array[rng.random(shape) < 0.1] = low
    array[rng.random(shape) < 0.1] = high
    array[rng.random(shape) >= draw(st.sampled_from((0.0, 0.1, 0.5, 0.8, 1.0)))] = 0
    threshold = draw(st.sampled_from((1, 1, 2, 3, high, high + 1, high + 2, 50)))
    packing = cast(Packing, draw(st.sampled_from(("brick", "row"))))
    return Case(
        array.astype(np.int16),
        brick,
        data_bits,
        threshold,
        draw(st.sampled_from((1, 2, 3, 4, 7, 4097, (1 << 31) - 1))),
        packing,
        groups,
    )


EXTREME = Case(np.full((17, 2, 3), -0x8000, np.int16), 16, 16, 0x8000, 1, "brick", 1)
ODD_UNITS = Case(np.arange(96, dtype=np.int16).reshape(96, 1, 1), 48, 16, 1, 2, "brick", 2)


def unwanted(*_arguments: Any, **_more: Any) -> Any:
    raise AssertionError("the other kernels were asked")


@contextmanager
def only(kernels: Kernels) -> Iterator[None]:
    """Let the twins of some kernels fail, lest they answer in their place."""
    with pytest.MonkeyPatch.context() as patch:
        if kernels == "numba":
            patch.setattr(layout.Layout, "_parts", unwanted)
            for name in format_names():
                for method in ("to_records", "from_records"):
                    patch.setattr(type(get_format(name)), method, unwanted)
        else:
            for module in (codec, layout):
                patch.setattr(module, "compiled_module", unwanted)
        yield


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("name", format_names())
@example(EXTREME)
@example(ODD_UNITS)
@given(cases())
def test_stream_is_the_reference_bit_for_bit(name: str, kernels: Kernels, case: Case) -> None:
    with only(kernels):
        encoded = case.encoded(name, kernels)
    stream, bits, pointers, width, _ = case.referred(name)
    assert (encoded.stream, encoded.stream_bits, encoded.pointer_bits) == (stream, bits, width)
    assert (None if encoded.pointers is None else encoded.pointers.tolist()) == pointers
    assert encoded.total_bits == bits + width * len(pointers or [])


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("name", format_names())
@example(EXTREME)
@example(ODD_UNITS)
@given(cases())
def test_decoding_is_lossless(name: str, kernels: Kernels, case: Case) -> None:
    encoded = case.encoded(name)
    with only(kernels):
        decoded = encoded.decode(kernels=kernels)
        raw = encoded.decode(raw=True, kernels=kernels)
    np.testing.assert_array_equal(decoded, case.thresholded())
    if name in ("dense", "viai"):
        np.testing.assert_array_equal(raw, case.array)
    elif name == "roe":
        assert set(np.unique(raw[raw != case.array])) <= {0}
        np.testing.assert_array_equal(np.where(effectual(raw, case.threshold), raw, 0), case.thresholded())
    else:
        np.testing.assert_array_equal(raw, case.thresholded())


@pytest.mark.parametrize("name", format_names())
@pytest.mark.parametrize(("brick", "data_bits"), [(16, 16), (16, 8), (5, 3), (64, 16)])
def test_no_decoder_reads_beyond_the_end(name: str, brick: int, data_bits: int) -> None:
    """The compiled ones refuse whatever is cut off, though the bits are there, and the plain ones say which record it is."""
    array = np.zeros((brick, 1, 3), np.int16)
    array[:3, 0, :] = 1
    encoded = encode(array, name, brick, data_bits)
    words, bit = encoded.source.window(0, encoded.stream_bits)
    end, record = bit + encoded.stream_bits, encoded.stream_bits // 3
    module = compiled_module(name)
    general = getattr(module, "decode", None)
    for decode in (general, getattr(module, f"decode_{brick}x{data_bits}", general)):
        assert decode is not None
        for first in (0, 1):
            values, starts = np.empty((3 - first) * brick, np.int16), np.empty(3 - first, np.int64)
            for cut in (0, 1, record - 1, record, record + 1, (3 - first) * record):
                place = brick, data_bits, words, bit + first * record, end - cut
                after = callable_of(decode)(*place, *limits_of(1), False, values, starts)
                assert after == (REFUSED if cut else end), (first, cut)
    values, starts = np.empty(array.size, np.int16), np.empty(3, np.int64)
    for kernels in KERNELS:
        coder = codec.Codec(get_format(name), brick, data_bits, 1, kernels)
        assert coder.decode(words, bit, end, False, values, starts) == end
        assert values.reshape(3, brick).tolist() == array[:, 0].T.tolist()
        for cut, number in ((1, 2), (record, 2), (record + 1, 1), (3 * record, 0)):
            assert coder.decode(words, bit, end - cut, False, values, starts) == faults.result(number, faults.RAN_OUT)


@pytest.mark.parametrize("name", format_names())
@given(cases(), st.data())
def test_bricks_and_windows_are_read_on_their_own(name: str, case: Case, data: st.DataObject) -> None:
    encoded = case.encoded(name)
    expected = list(reference.bricks(case.thresholded().tolist(), case.brick, case.groups, case.packing))
    shape = encoded.storage.bricks_shape
    number = data.draw(st.integers(0, len(expected) - 1))
    group, *place = (int(i) for i in np.unravel_index(number, shape))
    assert encoded.brick(*place, group=group).tolist() == expected[number]

    height, width = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    y, x = data.draw(st.integers(-2, 5)), data.draw(st.integers(-2, 7))
    channels = encoded.storage.group_channels
    padded = np.pad(case.thresholded()[group * channels :][:channels], ((0, 0), (2, 10), (2, 12)))
    window = padded[:, y + 2 : y + 2 + height, x + 2 : x + 2 + width]
    np.testing.assert_array_equal(encoded.window(y, x, height, width, group=group), window)


@pytest.mark.parametrize("name", format_names())
def test_a_brick_needs_no_other_brick(name: str) -> None:
    """With all other records overwritten, it is still what it was."""
    rng = np.random.default_rng(1)
    array = np.where(rng.random((40, 3, 3)) < 0.5, rng.integers(-9, 9, (40, 3, 3)), 0).astype(np.int16)
    case = Case(array, 16, 16, 1, 1, "brick", 1)
    encoded = case.encoded(name)
    expected = encoded.brick(1, 2, 1)
    starts = [*case.referred(name)[4], encoded.stream_bits]
    number = encoded.storage.index(1, 2, 1)
    words, _ = encoded.source.window(0, encoded.stream_bits)
    stored = np.unpackbits(words.view(np.uint8), bitorder="little")
    stored[: starts[number]] ^= 1
    stored[starts[number + 1] :] ^= 1
    words.view(np.uint8)[:] = np.packbits(stored, bitorder="little")
    np.testing.assert_array_equal(encoded.brick(1, 2, 1), expected)
    with pytest.raises(FormatError):
        encoded.decode()


@pytest.mark.parametrize("kernels", KERNELS)
def test_published_examples(shared: Path, kernels: Kernels) -> None:
    examples: list[dict[str, Any]] = json.loads((shared / "vectors" / "formats.json").read_text(encoding="utf-8"))
    for case in examples:
        keys = ("brick", "data_bits", "threshold", "pointer_group")
        for name, expected in case["encoded"].items():
            encoded = encode(case["activations"], name, **{key: case[key] for key in keys}, kernels=kernels)
            assert (encoded.stream.hex(), encoded.stream_bits) == (expected["hex"], expected["bits"])
            if "pointers" in expected:
                assert encoded.pointers is not None
                assert encoded.pointers.tolist() == expected["pointers"]
                assert encoded.pointer_bits == expected["pointer_bits"]
            assert encoded.total_bits == expected.get("total_bits", expected["bits"])


@pytest.mark.skipif(NO_COMPILER, reason="takes minutes with Numba's compiler switched off")
@pytest.mark.parametrize("name", format_names())
def test_many_chunks_in_both_packings(name: str) -> None:
    """Arrays that take several chunks, whose edges fall within groups, rows and pointer groups."""
    rng = np.random.default_rng(2)
    shapes: tuple[tuple[tuple[int, int, int], int, Packing], ...] = (
        ((3 * 70, 13, 41), 3, "brick"),
        ((6, 200, 301), 2, "row"),
        ((5, 60, 700), 1, "brick"),
    )
    for shape, groups, packing in shapes:
        array = np.where(rng.random(shape) < 0.4, rng.integers(-300, 300, shape), 0).astype(np.int16)
        case = Case(array, 16, 16, 2, 3, packing, groups)
        fast, plain = case.encoded(name, "numba"), case.encoded(name, "numpy")
        assert fast.stream == plain.stream
        if fast.pointers is not None and plain.pointers is not None:
            np.testing.assert_array_equal(fast.pointers, plain.pointers)
        np.testing.assert_array_equal(fast.decode(), case.thresholded())
        np.testing.assert_array_equal(plain.decode(kernels="numpy"), case.thresholded())


@given(st.sampled_from(DTYPES), st.sampled_from(format_names()))
def test_any_integer_type_comes_back(dtype: str, name: str) -> None:
    array = np.arange(60, dtype=dtype).reshape(5, 3, 4)
    decoded = encode(array, name, data_bits=7).decode()
    assert decoded.dtype == array.dtype
    np.testing.assert_array_equal(decoded, array)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "zip"}, "no format 'zip'; the formats are dense, zfnaf, roe, viai, packed_viai"),
        ({"brick": 1}, "2 to 64, got 1 at brick"),
        ({"brick": 65}, "2 to 64, got 65 at brick"),
        ({"data_bits": 1}, "2 to 16, got 1 at data_bits"),
        ({"data_bits": 17}, "2 to 16, got 17 at data_bits"),
        ({"threshold": 0}, "got 0 at threshold"),
        ({"pointer_group": 0}, "got 0 at pointer_group"),
        ({"packing": "tight"}, "'tight' at packing"),
        ({"groups": 3}, "3 groups do not divide 4 channels"),
        ({"brick": 16.0}, "must be a whole number, got 16.0 at brick"),
        ({"data_bits": "8"}, "must be a whole number, got '8' at data_bits"),
        ({"threshold": 1.5}, "must be a whole number, got 1.5 at threshold"),
        ({"pointer_group": None}, "must be a whole number, got None at pointer_group"),
        ({"array": np.zeros((4, 2), np.int16)}, "expected the shape [C, H, W] with values in it, got [4, 2]"),
        ({"array": np.zeros((4, 0, 2), np.int16)}, "[4, 0, 2]"),
        ({"array": np.full((4, 1, 2), np.nan, np.float32)}, "holds float32; quantise it to integers at array"),
        ({"array": np.ones((4, 1, 2), bool)}, "holds bool"),
        (
            {"array": np.full((4, 1, 2), 128), "data_bits": 8},
            "holds 128, which does not fit data_bits=8; quantise it to -128..127",
        ),
        ({"array": np.full((4, 1, 2), -32769)}, "-32769"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, Any], words: str) -> None:
    arguments: dict[str, Any] = {"array": np.ones((4, 2, 2), np.int16), "format": "dense", **change}
    with pytest.raises(ConfigError) as raised:
        encode(**arguments)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_parameters_of_any_integer_type() -> None:
    """As from an array or a frame: a small type must not overflow on the way."""
    array = np.arange(300, dtype=np.int16).reshape(20, 3, 5)
    small = {"brick": np.uint8(16), "data_bits": np.int8(16), "threshold": np.uint8(200), "pointer_group": np.uint8(3)}
    found, expected = encode(array, "packed_viai", **small), encode(array, "packed_viai", 16, 16, 200, 3)  # type: ignore[arg-type]
    assert (found.stream, found.total_bits) == (expected.stream, expected.total_bits)
    np.testing.assert_array_equal(found.decode(), expected.decode())


@pytest.mark.parametrize("place", [(2, 0, 0), (0, 2, 0), (0, 0, 1), (-1, 0, 0)])
def test_there_are_no_bricks_beyond_the_map(place: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError, match="there is no"):
        encode(np.ones((4, 2, 2), np.int16), "dense").brick(*place)


def test_windows_that_cannot_be() -> None:
    encoded = encode(np.ones((4, 2, 2), np.int16), "dense", groups=2)
    for place, group in (((0, 0, 0, 1), 0), ((0, 0, 1, -1), 0), ((0, 0, 1, 1), 2)):
        with pytest.raises(ConfigError, match="window"):
            encoded.window(*place, group=group)
    assert not encoded.window(0, 5, 2, 2).any()


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("name", format_names())
def test_beyond_the_largest_magnitude_nothing_is_effectual(name: str, kernels: Kernels) -> None:
    array = np.full((20, 1, 2), -0x8000, np.int16)
    for threshold, kept in ((0x7FFF, True), (0x8000, True), (0x8001, False), ((1 << 31) - 1, False)):
        decoded = encode(array, name, threshold=threshold, kernels=kernels).decode(kernels=kernels)
        assert (decoded == array).all() if kept else not decoded.any()


def test_formats_in_their_usual_order() -> None:
    assert format_names() == ["dense", "zfnaf", "roe", "viai", "packed_viai"]
    assert [get_format(name).name for name in format_names()] == format_names()
