"""Fixed point: power-of-two scales, rounding, thresholds (docs/model.md, "Quantisation and thresholds")."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import NetworkError
from cnvlutin2.simd import uses_numba

MIN_BITS, MAX_BITS = 2, 16
_PLAIN_EXPONENT = 100  # powers of two below this one are normal numbers in float32, up and down


def limits(bits: int) -> tuple[int, int]:
    """Return the least and greatest two's-complement integer of `bits` bits."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def fraction_bits(max_abs: float, bits: int) -> int:
    """Fraction bits of a tensor whose largest magnitude is `max_abs`.

    ``bits - 1 - ceil(log2(max_abs))``, one less if the largest value would saturate.
    An all-zero tensor takes ``bits - 1``.

    Parameters
    ----------
    max_abs : float
        Largest magnitude over the calibration inputs.
    bits : int
        Width of the two's-complement integer.

    Returns
    -------
    int
        The scale is ``2 ** -fraction_bits`` a least significant bit.

    Raises
    ------
    NetworkError
        If `max_abs` is negative, infinite or not a number.
    """
    if not math.isfinite(max_abs) or max_abs < 0:
        raise NetworkError(f"cannot quantise a tensor whose largest magnitude is {max_abs}: give finite values")
    if max_abs == 0:
        return bits - 1
    mantissa, exponent = math.frexp(max_abs)  # max_abs = mantissa * 2**exponent, 0.5 <= mantissa < 1
    ceil_log2 = exponent - 1 if mantissa == 0.5 else exponent
    frac = bits - 1 - ceil_log2
    # round() is half to even, as the quantisation itself; ldexp is exact.
    return frac - 1 if round(math.ldexp(max_abs, frac)) > limits(bits)[1] else frac


def largest_magnitude(values: NDArray[np.floating]) -> float:
    """Return the largest magnitude of some values; it is not finite if any of them is not.

    Without their signs floats are in the order of their bits, read as integers; what is not finite comes last.
    """
    if not values.size:
        return 0.0
    words = np.dtype(f"u{values.itemsize}")
    largest, sign = int(values.view(words).max()), 1 << (8 * values.itemsize - 1)
    if largest >= sign:  # some value has one
        largest = max(largest - sign, int(values.view(f"i{values.itemsize}").max()))
    return float(words.type(largest).view(values.dtype))


def quantise(values: NDArray[np.floating], frac: int, bits: int, out: NDArray[np.int16] | None = None) -> NDArray[np.int16]:
    """Quantise to two's-complement integers: scale, round half to even, saturate.

    Parameters
    ----------
    values : array of float, any shape
        None of them is NaN.
    frac : int
        Fraction bits, as from `fraction_bits`.
    bits : int
        Width in bits, at most 16.
    out : array of int16, the same shape, optional
        Where to put the integers.

    Returns
    -------
    array of int16, the same shape
        C-contiguous if it is a new one.
    """
    if out is None:
        out = np.empty(values.shape, np.int16)
    elif out.shape != values.shape:
        raise ValueError(f"there is room for {out.shape} values, and they are {values.shape}")
    low, high = limits(bits)
    plain = values.dtype == np.float32 and abs(frac) < _PLAIN_EXPONENT
    if plain and values.flags.c_contiguous and out.flags.c_contiguous and uses_numba():
        from cnvlutin2.numeric_compiled import quantise_into  # here, for Numba takes most of a second

        factor, least, most = (np.float32(number) for number in (math.ldexp(1.0, frac), low, high))
        quantise_into(values.reshape(-1), factor, least, most, out.reshape(-1))
        return out
    # By a power of two: exact but for under- and overflow. Where the factor is a float32, multiplying is quicker than ldexp.
    scaled = values * values.dtype.type(math.ldexp(1.0, frac)) if abs(frac) < _PLAIN_EXPONENT else np.ldexp(values, frac)
    np.rint(scaled, out=scaled)
    np.clip(scaled, low, high, out=scaled)
    out[...] = scaled
    return out


def effectual(values: NDArray[np.int16], threshold: int) -> NDArray[np.bool_]:
    """Return which integers are effectual: ``|q| >= threshold`` (safe for the most negative one)."""
    mask: NDArray[np.bool_] = values != 0 if threshold <= 1 else (values >= threshold) | (values <= -threshold)
    return mask
