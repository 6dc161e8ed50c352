"""Sizes, rows, parts, footprints, reference codecs, break-even: each against the streams or a count by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, cast

import encodings_reference as reference
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cnvlutin2.encodings import (
    Packing,
    Storage,
    WeightVectors,
    break_even,
    brick_counts,
    brick_histograms,
    encode,
    encode_weights,
    fetching,
    footprint,
    footprints,
    format_names,
    get_format,
    image_footprints,
    references,
    storage,
    to_bricks,
)
from cnvlutin2.encodings._kernels import gaps, streams
from cnvlutin2.encodings.footprint import Footprint
from cnvlutin2.encodings.references import GAP_CODECS, REFERENCE_NAMES, entropy_bits
from cnvlutin2.errors import ConfigError
from cnvlutin2.network import Layer
from cnvlutin2.numeric import effectual
from cnvlutin2.testing import layers


@st.composite
def arrays(draw: st.DrawFn, most: int = 100) -> NDArray[np.int16]:
    shape = (draw(st.integers(1, 6)) * 6, draw(st.integers(1, 4)), draw(st.integers(1, 7)))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 20)))
    density = draw(st.sampled_from((0.0, 0.02, 0.1, 0.5, 0.9, 1.0)))
    return np.where(rng.random(shape) < density, rng.integers(-most, most, shape), 0).astype(np.int16)


bricks = st.sampled_from((2, 5, 8, 16, 24, 33, 64))
packings = st.sampled_from(("brick", "row"))
group_counts = st.sampled_from((1, 2, 3, 6))


@given(arrays(), bricks, packings, group_counts)
def test_bricks_in_storage_order(array: NDArray[np.int16], brick: int, packing: Packing, groups: int) -> None:
    expected = list(reference.bricks(array.tolist(), brick, groups, packing))
    stored = to_bricks(array, brick, groups, packing)
    assert stored.tolist() == expected
    counts = brick_counts(array != 0, brick, groups, packing)
    assert counts.ravel().tolist() == [sum(v != 0 for v in values) for values in expected]
    channels, height, width = array.shape
    storage = Storage(channels, height, width, brick, groups, packing)
    assert (counts.shape, storage.bricks, storage.values) == (storage.bricks_shape, len(expected), array.size)
    for number, place in enumerate(np.ndindex(*storage.bricks_shape)):
        group, y, x, cb = (*place, 0)[:4]
        assert storage.index(y, x, cb, group) == number
    batch = np.stack([array, array[::-1]])
    np.testing.assert_array_equal(to_bricks(batch, brick, groups, packing)[0], stored)
    np.testing.assert_array_equal(brick_counts(batch != 0, brick, groups, packing)[0], counts)


@given(arrays(50), bricks, st.integers(7, 16), st.sampled_from((1, 20, 51)), st.integers(1, 9), packings, group_counts)
def test_sizes_are_those_of_the_streams(
    array: NDArray[np.int16], brick: int, data_bits: int, threshold: int, group: int, packing: Packing, groups: int
) -> None:
    counts = brick_counts(effectual(array, threshold), brick, groups, packing)
    measured = footprint(array, threshold, brick, data_bits, packing, groups, group)
    assert (measured.values, measured.effectual) == (array.size, int(effectual(array, threshold).sum()))
    for name in format_names():
        form = get_format(name)
        encoded = encode(array, name, brick, data_bits, threshold, group, packing, groups)
        _, bits, _, width, starts = reference.encode(array.tolist(), name, brick, data_bits, threshold, group, packing, groups)
        assert form.brick_bits(counts, brick, data_bits).ravel().tolist() == np.diff([*starts, bits]).tolist()
        assert (form.stream_bits(counts, brick, data_bits), form.pointer_bits(counts, brick, data_bits)) == (bits, width)
        assert form.total_bits(counts, brick, data_bits, group) == encoded.total_bits == measured.bits[name]
        assert sum(form.parts(counts, brick, data_bits).values()) == bits
        assert sum(measured.parts[name].values()) == encoded.total_bits
        assert min(measured.parts[name].values()) >= 0
        row = brick * data_bits + brick
        ends = [*starts[1:], bits]
        rows = [(end - 1) // row - start // row + 1 for start, end in zip(starts, ends, strict=True)]
        with pytest.MonkeyPatch.context() as patch:
            for kernels in ("numba", "numpy"):
                patch.setenv("CNVLUTIN2_KERNELS", kernels)
                found = form.rows_touched(counts, brick, data_bits)
                assert (found.shape, found.dtype) == (counts.shape, np.dtype(np.uint8))
                assert found.ravel().tolist() == (rows if name == "packed_viai" else [1] * len(rows))


@pytest.mark.parametrize("kernels", ["numba", "numpy"])
def test_which_kernels_answer(kernels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """They agree everywhere, so that one which is never asked would not be missed."""
    asked: set[str] = set()

    def noting(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any) -> Any:
            asked.add(name)
            return kernel(*arguments)

        return noted

    kernels_of = ((streams, "stream_rows"), (streams, "add_fetches"), (gaps, "count_gaps"), (gaps, "count_gaps_of_words"))
    for module, name in kernels_of:
        monkeypatch.setattr(module, name, noting(name, getattr(module, name)))
    monkeypatch.setenv("CNVLUTIN2_KERNELS", kernels)
    form, counts = get_format("packed_viai"), np.full((1, 1, 2, 3), 9, np.uint8)
    form.rows_touched(counts[0], 16, 16)
    fetching.fetched(form, counts, np.ones(6, np.int64), 16, 16, kernels)
    for groups in (1, 16):
        footprint(np.ones((16, 2, 2), np.int16), groups=groups, kernels=kernels)
    assert asked == ({name for _, name in kernels_of} if kernels == "numba" else set())


@given(arrays(), bricks, st.integers(8, 16))
def test_raw_bricks_are_those_flagged(array: NDArray[np.int16], brick: int, data_bits: int) -> None:
    counts = brick_counts(array != 0, brick)
    stored = np.unpackbits(np.frombuffer(encode(array, "roe", brick, data_bits).stream, np.uint8), bitorder="little")
    flags = stored[: counts.size * (1 + brick * data_bits)].reshape(counts.size, -1)[:, 0]
    for name in format_names():
        raw = get_format(name).raw_bricks(counts, brick, data_bits).ravel()
        np.testing.assert_array_equal(raw, flags == 0 if name == "roe" else np.zeros(counts.size, bool))


def test_sixteen_by_sixteen_as_published() -> None:
    counts = np.arange(17)
    sizes = {name: get_format(name).brick_bits(counts, 16, 16).tolist() for name in format_names()}
    assert {name: set(bits) for name, bits in sizes.items() if name != "packed_viai"} == {
        "dense": {256},
        "zfnaf": {320},
        "roe": {257},
        "viai": {272},
    }
    assert sizes["packed_viai"] == [16 + 16 * n for n in counts]
    assert get_format("roe").raw_bricks(counts, 16, 16).tolist() == [n > 12 for n in counts]


def gap_codec_bits(values: list[int], gap_bits: int, data_bits: int, tail: bool) -> int:
    """Count entries as an encoder would emit them, one value at a time."""
    entries, gap = 0, 0
    for value in values:
        if value != 0 or gap == (1 << gap_bits) - 1:  # a filler's value is this zero
            entries, gap = entries + 1, 0
        else:
            gap += 1
        if value != 0:
            last = entries
    if not tail:
        entries = last if any(values) else 0
    elif gap:
        entries += 1  # of what is left, the last value is the entry's own zero
    return entries * (gap_bits + data_bits)


@pytest.mark.parametrize("kernels", ["numba", "numpy"])
@given(array=arrays(), groups=group_counts, data_bits=st.integers(8, 16))
def test_reference_codecs(kernels: Any, array: NDArray[np.int16], groups: int, data_bits: int) -> None:
    ordered = to_bricks(array, 2, groups, "row")
    channels = array.shape[0] // groups
    width = array.shape[2] * channels
    rows = ordered.reshape(groups * array.shape[1], -1)[:, :width]  # without fill
    values = rows.ravel().tolist()
    bits = footprint(array, 1, 16, data_bits, "brick", groups, 1, kernels).bits
    assert bits["run_length"] == gap_codec_bits(values, 5, data_bits, tail=True)
    assert bits["relative_index"] == gap_codec_bits(values, 4, data_bits, tail=False)
    count = sum(v != 0 for v in values)
    information = -sum(math.log2(p) * n for n in (count, len(values) - count) if (p := n / len(values)))
    assert bits["entropy"] == pytest.approx(information + count * data_bits, abs=1 + 1e-6)
    assert bits["entropy"] >= information + count * data_bits - 1e-6


def test_a_long_run_is_one_run() -> None:
    array = np.zeros((32, 90, 90), np.int16)
    array[3, 0, 0] = array[31, 80, 5] = 1
    plain, fast = (footprint(array, kernels=kernels).bits for kernels in ("numpy", "numba"))
    assert plain == fast
    position = (80 * 90 + 5) * 32 + 31
    fillers = 3 // 16 + (position - 4) // 16
    assert fast["relative_index"] == (2 + fillers) * 20


def test_no_run_within_a_word_takes_a_filler() -> None:
    """The compiled count rests on it."""
    assert min(codec.span for codec in GAP_CODECS) >= gaps.WORD_VALUES


def test_entropy_bound_by_hand() -> None:
    assert entropy_bits(64, 0, 16) == 0
    assert entropy_bits(64, 64, 16) == 64 * 16
    assert entropy_bits(64, 32, 16) == 64 + 32 * 16
    assert entropy_bits(64, 16, 16) == math.ceil(64 * (0.25 * 2 + 0.75 * math.log2(4 / 3))) + 16 * 16


@given(layers(), st.sampled_from((4, 16)), packings, st.integers(1, 5))
def test_layers_are_stored_as_the_timing_model_stores_them(layer: Layer, brick: int, packing: str, group: int) -> None:
    stored: Packing = "row" if layer.geometry.is_row_packed(brick, packing) else "brick"
    for image in range(layer.images):
        bits = footprints(layer, image, brick, 16, packing, group)
        assert list(bits) == [*format_names(), *REFERENCE_NAMES]
        for name in format_names():
            arguments = (brick, 16, layer.threshold, group, stored, layer.groups)
            assert bits[name] == encode(layer.activations[image], name, *arguments).total_bits


@given(layers(max_images=5), st.sampled_from((4, 16)), packings, st.integers(1, 5), st.sampled_from((1, 100, 1 << 16)))
def test_all_images_at_once_are_those_one_by_one(layer: Layer, brick: int, packing: str, group: int, together: int) -> None:
    stored: Packing = "row" if layer.geometry.is_row_packed(brick, packing) else "brick"
    expected = [footprints(layer, image, brick, 16, packing, group) for image in range(layer.images)]
    counts = brick_counts(layer.effectual_activations(), brick, layer.groups, stored)
    bricks = Storage(layer.geometry.channels, *layer.input_size, brick, layer.groups, stored)
    with pytest.MonkeyPatch.context() as patch:  # in parts of every size
        patch.setattr(storage, "_BRICKS_TOGETHER", together)
        found = image_footprints(layer.effectual_activations(), brick_histograms(counts, brick), bricks, 16, group)
    assert list(found) == list(expected[0])
    assert {name: bits.tolist() for name, bits in found.items()} == {n: [bits[n] for bits in expected] for n in found}
    assert {bits.dtype for bits in found.values()} == {np.dtype(np.int64)}


@pytest.mark.parametrize("threshold", [1, 6])
def test_runs_end_with_their_array(threshold: int) -> None:
    rng = np.random.default_rng(2)
    density = np.array([0.3, 0, 0.01, 1, 0.05, 0, 0.002]).reshape(7, 1, 1, 1)
    shape = (7, 60, 23, 29)  # more channels of a group than a word holds, more positions than a strip
    maps = np.where(rng.random(shape) < density, rng.integers(-9, 10, shape), 0).astype(np.int16)
    for groups in (3, 60):  # of many channels, and of one
        expected = [footprint(each, threshold, groups=groups, kernels="numpy").bits for each in maps]
        for kernels in ("numpy", "numba"):
            found = references.reference_bits(effectual(maps, threshold), groups, 16, cast(Any, kernels))
            assert {name: bits.tolist() for name, bits in found.items()} == {n: [bits[n] for bits in expected] for n in found}


@given(
    st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 5), st.integers(1, 4)),
    st.sampled_from(((2, 2), (5, 11), (16, 16), (64, 8))),
    st.integers(0, 1000),
    st.sampled_from((1, 50)),
)
def test_fetches_of_a_stream(shape: tuple[int, ...], sizes: tuple[int, int], seed: int, together: int) -> None:
    """Both kernels, against rows found record by record; the smallest bricks' padded records are longer than a row."""
    rng, (brick, data_bits), form = np.random.default_rng(seed), sizes, get_format("packed_viai")
    counts = rng.integers(0, brick + 1, shape).astype(np.uint8)
    uses = rng.integers(0, 9, counts[0].size)
    row_bits, expected = brick * data_bits + brick, []
    for image in counts:
        bits = form.brick_bits(image.ravel(), brick, data_bits).tolist()
        starts = [sum(bits[:k]) for k in range(len(bits))]
        rows = [(start + size - 1) // row_bits - start // row_bits + 1 for start, size in zip(starts, bits, strict=True)]
        expected.append([int(np.dot(rows, uses)), int(np.dot(bits, uses))])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetching, "_BRICKS_TOGETHER", together)
        for kernels in ("numpy", "numba"):
            found = fetching.fetched(form, counts, uses, brick, data_bits, cast(Any, kernels))
            assert np.stack(found, axis=1).tolist() == expected


def test_footprints_add_up() -> None:
    rng = np.random.default_rng(0)
    parts = [footprint(np.where(rng.random((20, 4, 4)) < d, 3, 0).astype(np.int16)) for d in (0.1, 0.9)]
    total = sum(parts, Footprint())
    assert total.values == 640
    assert total.density == (parts[0].effectual + parts[1].effectual) / 640
    assert all(total.bits[name] == parts[0].bits[name] + parts[1].bits[name] for name in total.bits)
    assert total.parts["zfnaf"]["offsets"] == total.effectual * 4


@pytest.mark.parametrize(("brick", "data_bits"), [(16, 16), (16, 8), (8, 16), (33, 11)])
@pytest.mark.parametrize("name", [*format_names(), *REFERENCE_NAMES])
def test_break_even_is_where_random_values_cross(name: str, brick: int, data_bits: int) -> None:
    """Just below it a large random array takes less than dense storage, just above it more."""
    found = break_even(name, brick, data_bits)
    assert (break_even(name) == found) or (brick, data_bits) != (16, 16)
    if name in ("dense", "zfnaf", "roe", "viai"):
        assert found is None
        return
    assert found is not None
    assert 0.5 < found <= 1
    rng = np.random.default_rng(4)
    for density, less in ((found - 0.03, True), (found + 0.03, False)):
        if density > 1 or name == "entropy":
            continue
        array = (rng.random((brick * 40, 20, 20)) < density).astype(np.int16)
        measured = footprint(array, brick=brick, data_bits=data_bits)
        bits = measured.bits[name] - measured.parts.get(name, {}).get("pointers", 0)
        assert (bits < measured.bits["dense"]) == less
    assert cast(float, break_even("packed_viai", brick, data_bits, 8.0)) < cast(
        float, break_even("packed_viai", brick, data_bits)
    )


@pytest.mark.parametrize("codec", GAP_CODECS)
@pytest.mark.parametrize("effectual_values", [0, 1024])
def test_expected_bits_are_those_of_arrays_that_leave_no_choice(codec: references.GapCodec, effectual_values: int) -> None:
    """Of 1024 values none is effectual, or all are: at these densities there is one such array."""
    ineffectual = np.array([1024 - effectual_values])
    (bits,) = codec.bits(np.array([effectual_values]), np.array([0]), ineffectual, 7)
    assert 1024 * codec.bits_per_value(effectual_values / 1024, 7) == bits


@pytest.mark.parametrize("codec", GAP_CODECS)
@pytest.mark.parametrize("density", [Fraction(1, 100), Fraction(1, 2)])
def test_expected_bits_are_those_of_random_arrays(codec: references.GapCodec, density: Fraction) -> None:
    """After every entry, be it a value or a filler, comes a filler if as many values as it covers are ineffectual."""
    entries = codec.bits_per_value(cast(float, density), 7) / (codec.gap_bits + 7)
    assert entries == density + entries * (1 - density) ** codec.span


@given(
    st.tuples(st.integers(1, 5), st.integers(1, 40), st.integers(1, 3), st.integers(1, 3)),
    st.sampled_from((3, 8, 16, 64)),
    st.integers(0, 1000),
    st.sampled_from((1, 5)),
)
def test_weights(shape: tuple[int, int, int, int], brick: int, seed: int, threshold: int) -> None:
    rng = np.random.default_rng(seed)
    weights = np.where(rng.random(shape) < 0.4, rng.integers(-128, 128, shape), 0).astype(np.int16)
    mask = effectual(weights, threshold)
    place = tuple(int(rng.integers(0, n)) for n in (shape[0], shape[2], shape[3], -(-shape[1] // brick)))
    f, ky, kx, cb = place
    expected = np.zeros(brick, np.int16)
    part = np.where(mask, weights, 0)[f, cb * brick : (cb + 1) * brick, ky, kx]
    expected[: part.size] = part
    positions = shape[0] * shape[2] * shape[3] * -(-shape[1] // brick)
    cut = [weights[f, :, y, x].tolist() for f in range(shape[0]) for y in range(shape[2]) for x in range(shape[3])]
    in_order = [row[i : i + brick] + [0] * (brick - len(row[i : i + brick])) for row in cut for i in range(0, shape[1], brick)]

    def bits_of(name: str) -> list[int]:
        return [bit for values in in_order for bit in reference.record(name, values, 8, threshold)]

    for name in ("dense", "packed", "viai"):
        encoded = encode_weights(weights, name, brick, 8, threshold)
        assert not isinstance(encoded, WeightVectors)
        bits = bits_of("packed_viai" if name == "packed" else name)
        assert encoded.stream_bits == len(bits)
        assert np.unpackbits(np.frombuffer(encoded.stream, np.uint8), bitorder="little")[: len(bits)].tolist() == bits
        np.testing.assert_array_equal(encoded.decode(), np.where(mask, weights, 0))
        np.testing.assert_array_equal(encoded.brick(*place), expected)
        if name == "dense":
            assert encoded.total_bits == encoded.stream_bits == positions * brick * 8 == len(encoded.stream) * 8
        if name == "packed":
            assert encoded.pointers is not None
            assert encoded.total_bits == encoded.stream_bits + positions * encoded.pointer_bits
            assert len(encoded.pointers) == positions
    vectors = encode_weights(weights, "bit_vector", brick, 8, threshold)
    assert isinstance(vectors, WeightVectors)
    assert vectors.total_bits == positions * brick
    assert len(vectors.stream) == -(-vectors.stream_bits // 8)
    stored = np.unpackbits(np.frombuffer(vectors.stream, np.uint8), bitorder="little")[: vectors.stream_bits]
    assert stored.tolist() == [int(abs(value) >= threshold) for values in in_order for value in values]
    np.testing.assert_array_equal(vectors.decode(), mask)
    np.testing.assert_array_equal(vectors.brick(*place), expected != 0)


def test_weights_that_are_none() -> None:
    with pytest.raises(ConfigError, match="weights"):
        encode_weights(np.zeros((3, 3)), "dense")
    with pytest.raises(ConfigError, match=r"dense, .*packed"):
        encode_weights(np.zeros((1, 1, 1, 1), np.int16), "zip")
    vectors = encode_weights(np.ones((2, 3, 1, 1), np.int16), "bit_vector")
    with pytest.raises(ConfigError, match="no weight brick"):
        vectors.brick(2, 0, 0, 0)


@pytest.mark.parametrize("arguments", [(0, 1, 1), (4, 0, 1), (4, 1, 1, 1), (4, 1, 1, 16, 3), (4, 1, 1, 16, 0)])
def test_storage_that_cannot_be(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ConfigError):
        Storage(*arguments)
