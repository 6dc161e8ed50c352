"""Fixed point: widths, scales, rounding, saturation, thresholds; each against exact rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnvlutin2 import numeric_compiled
from cnvlutin2.errors import ConfigError, NetworkError
from cnvlutin2.network import Threshold, Thresholds
from cnvlutin2.numeric import effectual, fraction_bits, largest_magnitude, limits, quantise

WIDTHS = st.integers(2, 16)


def rounded(value: Fraction) -> int:
    """Half to even, by the definition (Python's `round` of a fraction is exact)."""
    return round(value)


def by_definition(largest: float, bits: int) -> int:
    """``b - 1 - ceil(log2(max))``, one less if the largest value would saturate, in exact arithmetic."""
    exact, ceil_log2 = Fraction(largest), 0
    while Fraction(2) ** ceil_log2 < exact:
        ceil_log2 += 1
    while Fraction(2) ** (ceil_log2 - 1) >= exact:
        ceil_log2 -= 1
    frac = bits - 1 - ceil_log2
    return frac - 1 if rounded(exact * Fraction(2) ** frac) > 2 ** (bits - 1) - 1 else frac


@pytest.mark.parametrize(("bits", "low", "high"), [(2, -2, 1), (8, -128, 127), (16, -32768, 32767)])
def test_limits(bits: int, low: int, high: int) -> None:
    assert limits(bits) == (low, high)


class TestFractionBits:
    # ceil(log2) of 1, 0.75, 1.5, 3, 100 is 0, 0, 1, 2, 7; powers of two would saturate, and so would what rounds to one.
    @pytest.mark.parametrize(
        ("largest", "bits", "frac"),
        [
            (0.75, 16, 15),
            (1.5, 16, 14),
            (3.0, 16, 13),
            (100.0, 16, 8),
            (1.0, 16, 14),  # 1.0 * 2**15 = 32768 saturates
            (2.0, 16, 13),
            (0.5, 16, 15),  # ceil(log2 0.5) = -1 gives 16, and 32768 saturates
            (32767 / 32768, 16, 15),
            (32767.25 / 32768, 16, 15),  # rounds to 32767
            (32767.5 / 32768, 16, 14),  # half to even: 32768
            (127.4, 8, 0),
            (127.5, 8, -1),
            (127.0, 8, 0),
            (1e-3, 8, 16),
            (0.0, 16, 15),
            (0.0, 8, 7),
        ],
    )
    def test_by_hand(self, largest: float, bits: int, frac: int) -> None:
        assert fraction_bits(largest, bits) == frac

    @given(st.floats(1e-30, 1e30), WIDTHS)
    def test_by_the_definition(self, largest: float, bits: int) -> None:
        assert fraction_bits(largest, bits) == by_definition(largest, bits)

    @given(st.integers(-40, 40), st.integers(-2, 2), WIDTHS)
    def test_around_powers_of_two(self, exponent: int, steps: int, bits: int) -> None:
        largest = math.ldexp(1.0, exponent)
        for _ in range(abs(steps)):
            largest = math.nextafter(largest, math.inf if steps > 0 else 0.0)
        assert fraction_bits(largest, bits) == by_definition(largest, bits)

    @given(st.floats(1e-30, 1e30), WIDTHS)
    def test_the_largest_value_does_not_saturate_and_the_scale_is_the_finest(self, largest: float, bits: int) -> None:
        frac = fraction_bits(largest, bits)
        high = limits(bits)[1]
        assert rounded(Fraction(largest) * Fraction(2) ** frac) <= high
        # One bit more would saturate.
        assert rounded(Fraction(largest) * Fraction(2) ** (frac + 1)) > high

    @pytest.mark.parametrize("largest", [math.nan, math.inf, -math.inf, -1.0])
    def test_refused(self, largest: float) -> None:
        with pytest.raises(NetworkError, match=r"largest magnitude is .*: give finite values"):
            fraction_bits(largest, 16)


class TestLargestMagnitude:
    @given(st.lists(st.floats(width=16), max_size=9), st.sampled_from(("f2", "f4", "f8")))
    def test_by_the_definition(self, values: list[float], dtype: str) -> None:
        found = largest_magnitude(np.array(values, dtype))
        if all(map(math.isfinite, values)):
            assert found == max(map(abs, values), default=0)
        else:
            assert not math.isfinite(found)

    def test_in_any_order_of_axes(self) -> None:
        values = np.arange(-6, 6, dtype=np.float32).reshape(2, 3, 2)
        assert largest_magnitude(values.transpose(2, 0, 1)[:, :, ::2]) == 6
        assert largest_magnitude(-values[:1]) == 6


class TestQuantise:
    @given(st.integers(0, 1000), st.integers(-105, 130), WIDTHS)
    def test_compiled_and_plain_are_the_same(self, seed: int, frac: int, bits: int) -> None:
        rng = np.random.default_rng(seed)
        halves = rng.integers(-(1 << 17), 1 << 17, (3, 50)) / 2
        values = np.ldexp(halves, rng.integers(-2, 1, (3, 50)) - frac).astype(np.float32)
        found = []
        with pytest.MonkeyPatch.context() as patch:
            for kernels in ("numba", "numpy"):
                patch.setenv("CNVLUTIN2_KERNELS", kernels)
                found += [quantise(values, frac, bits).tolist(), quantise(np.asfortranarray(values), frac, bits).tolist()]
        assert found == found[:1] * 4

    @pytest.mark.parametrize(
        ("kernels", "dtype", "order", "frac", "compiled"),
        [
            ("numba", "f4", "C", 99, True),
            ("numba", "f4", "C", -99, True),
            ("numba", "f4", "C", 100, False),
            ("numba", "f4", "F", 3, False),
            ("numba", "f8", "C", 3, False),
            ("numpy", "f4", "C", 3, False),
        ],
    )
    def test_which_way_is_taken(
        self, kernels: str, dtype: str, order: Literal["C", "F"], frac: int, compiled: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls = []
        monkeypatch.setenv("CNVLUTIN2_KERNELS", kernels)
        monkeypatch.setattr(numeric_compiled, "quantise_into", lambda *arguments: calls.append(arguments))
        quantise(np.ones((2, 3), dtype, order), frac, 8)
        assert bool(calls) is compiled

    def test_into_an_array(self) -> None:
        out = np.zeros((2, 3, 4), np.int16)
        for dtype in ("f4", "f8"):
            for part in (out[1], out[:, :, 1]):
                values = np.full(part.shape, -3.5, dtype)
                assert quantise(values, 0, 8, part) is part
                assert (part == -4).all()
                part[:] = 0
        assert not out.any()

    def test_half_to_even(self) -> None:
        halves = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49, -2.51])
        assert quantise(halves, 0, 16).tolist() == [0, 2, 2, 0, -2, -2, 0, -3]
        assert quantise(halves / 16, 4, 16).tolist() == [0, 2, 2, 0, -2, -2, 0, -3]
        assert quantise(halves * 16, -4, 16).tolist() == [0, 2, 2, 0, -2, -2, 0, -3]

    def test_saturation(self) -> None:
        values = np.array([127.4, 127.5, 128, 1e9, -127.5, -128, -128.5, -129, -1e9])
        assert quantise(values, 0, 8).tolist() == [127, 127, 127, 127, -128, -128, -128, -128, -128]
        assert quantise(np.array([np.inf, -np.inf]), 3, 16).tolist() == [32767, -32768]

    @given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20), st.integers(-5, 20), WIDTHS, st.sampled_from(("f4", "f8")))
    def test_by_the_definition(self, values: list[float], frac: int, bits: int, dtype: str) -> None:
        array = np.array(values, dtype)
        low, high = limits(bits)
        wanted = [min(max(rounded(Fraction(float(v)) * Fraction(2) ** frac), low), high) for v in array]
        found = quantise(array, frac, bits)
        assert found.dtype == np.int16
        assert found.tolist() == wanted

    @given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20), WIDTHS)
    def test_errors_are_at_most_half_a_step(self, values: list[float], bits: int) -> None:
        array = np.array(values)
        frac = fraction_bits(float(np.abs(array).max()), bits)
        error = np.abs(np.ldexp(quantise(array, frac, bits).astype(float), -frac) - array)
        assert (error <= math.ldexp(0.5, -frac)).all()

    def test_the_input_is_left_alone_and_the_shape_kept(self) -> None:
        array = np.array([[0.3, 100.0]])
        assert quantise(array, 2, 8).shape == (1, 2)
        assert array.tolist() == [[0.3, 100.0]]


class TestThresholds:
    @given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=20), st.integers(0, 40000))
    def test_effectual(self, values: list[int], threshold: int) -> None:
        found = effectual(np.array(values, np.int16), threshold)
        assert found.dtype == np.bool_
        assert found.tolist() == [abs(v) >= max(1, threshold) for v in values]

    def test_the_most_negative_value_is_effectual(self) -> None:
        values = np.array([-32768, -32767, 32767], np.int16)
        assert effectual(values, 32768).tolist() == [True, False, False]
        assert not effectual(values, 32769).any()

    def test_in_lsbs(self) -> None:
        assert [Threshold(v).in_lsbs(9) for v in (1, 2, 256, 3.0)] == [1, 2, 256, 3]

    # With 4 fraction bits a step is 1/16: what is at least 0.25 are the integers from 4; from just above it, 5.
    @pytest.mark.parametrize(
        ("value", "frac", "lsbs"),
        [
            (0.25, 4, 4),
            (math.nextafter(0.25, 1), 4, 5),
            (math.nextafter(0.25, 0), 4, 4),
            (0.26, 4, 5),
            (1e-9, 4, 1),
            (3, -1, 2),
        ],
    )
    def test_in_real_units_at_the_boundaries(self, value: float, frac: int, lsbs: int) -> None:
        assert Threshold(value, real=True).in_lsbs(frac) == lsbs

    @given(st.integers(-32768, 32767), st.floats(0, 100, exclude_min=True), st.integers(-3, 15))
    def test_in_real_units_by_the_definition(self, integer: int, value: float, frac: int) -> None:
        """An integer other than 0 is effectual exactly if its real magnitude reaches the threshold."""
        found = bool(effectual(np.array([integer], np.int16), Threshold(value, real=True).in_lsbs(frac))[0])
        assert found == (integer != 0 and Fraction(abs(integer)) / Fraction(2) ** frac >= Fraction(value))

    @pytest.mark.parametrize("value", [0, -1, 0.5, 1.5, 32769, math.nan, math.inf])
    def test_what_is_no_number_of_lsbs(self, value: float) -> None:
        with pytest.raises(ConfigError, match="whole number from 1 to 32768"):
            Threshold(value)

    @pytest.mark.parametrize("value", [0.0, -0.5, math.nan, math.inf])
    def test_what_is_no_magnitude(self, value: float) -> None:
        with pytest.raises(ConfigError, match="finite and above 0"):
            Threshold(value, real=True)

    def test_they_read_as_the_command_line_takes_them(self) -> None:
        assert [str(t) for t in (Threshold(8), Threshold(0.1234567891, real=True))] == ["8", "real:0.1234567891"]

    def test_by_layer(self) -> None:
        thresholds = Thresholds(Threshold(4), {"conv2": Threshold(8)})
        assert [thresholds.of(name) for name in ("conv1", "conv2")] == [Threshold(4), Threshold(8)]
        assert Thresholds(layers={"conv2": Threshold(8)}).of("conv1") is None
        assert [bool(t) for t in (Thresholds(), thresholds, Thresholds(Threshold(1)))] == [False, True, True]
