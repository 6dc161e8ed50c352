"""Synthetic activations and weights of a given density, sparse in the way that real ones are.

Real activations are not zero independently of each other: channels differ, and zeros lie together. The model is what ReLU
leaves of a Gaussian field:

- every channel has a density, drawn from a Beta distribution with the wanted mean and the concentration `CONCENTRATION`;
- within a channel the field is white noise under a 3x3 box filter, so that neighbours agree;
- the field, raised or lowered to its channel's density, is cut so that exactly the wanted number of an image's values (the
  nearest count) stay above zero. At density 1/2 the values are half-normal.

Weights are normal, each filter and each channel with a scale of its own (log-normal), and pruned by magnitude: exactly the
wanted number (the nearest count) stay, the smallest become 0.

The constants were fitted to the inputs of all convolutions of SqueezeNet 1.0 and 1.1 on five photographs: the concentration
has a median of about 4 (2 to 11 over the layers); the correlation of "is zero" between horizontal neighbours is .47, .25, .16
at distances of 1, 2, 3, where the box filter gives .46, .22, 0 at density 1/2; and in the pruned SqueezeNet (a third of the
3x3 weights left) the densities of filters and channels spread as `FILTER_SPREAD` and `CHANNEL_SPREAD` make them.

All values have unit scale before they are quantised, with three integer bits, as the rule of `cnvlutin2.numeric` gives for a
maximum between 4 and 8; larger ones saturate.
"""

from __future__ import annotations

import hashlib
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.numeric import limits

CONCENTRATION = 4.0
"""Sum of the Beta distribution's two parameters; the greater, the more alike are the channels."""
FILTER_SPREAD, CHANNEL_SPREAD = 0.10, 0.15
"""Standard deviations of the logarithms of the filters' and channels' weight scales."""

_INTEGER_BITS = 3
_CHUNK = 1 << 22  # values of weights generated at a time: 16 MiB of float32
_DEAD = 1e-4  # no channel is expected to be emptier, or fuller, than this


def synthetic_fraction_bits(data_bits: int) -> int:
    """Return the fraction bits of synthetic values (of both activations and weights)."""
    return data_bits - 1 - _INTEGER_BITS


def generator(seed: int, *path: str) -> np.random.Generator:
    """Return the random stream of one thing, which no other thing's generation changes.

    Parameters
    ----------
    seed : int
        Not negative.
    *path : str
        The thing: network, layer, what.
    """
    digest = hashlib.sha256("\0".join(path).encode()).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist()
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, *words])))


def channel_densities(rng: np.random.Generator, channels: int, mean: float) -> NDArray[np.float64]:
    """Draw the densities that the channels of a layer tend to, ``[C]``, from a Beta distribution of the given mean."""
    if not 0 < mean < 1:
        return np.full(channels, float(mean))
    return rng.beta(mean * CONCENTRATION, (1 - mean) * CONCENTRATION, channels)


def feature_map(
    rng: np.random.Generator, densities: NDArray[np.float64], size: tuple[int, int], density: float, data_bits: int = 16
) -> NDArray[np.int16]:
    """Draw one image's input of a layer behind a ReLU.

    Parameters
    ----------
    rng : Generator
    densities : float array, ``[C]``
        What the channels tend to, as from `channel_densities`.
    size : (int, int)
        Height and width.
    density : float
        Share of values that are not 0, over all channels, met exactly (to the nearest count).
    data_bits : int

    Returns
    -------
    int16 array, ``[C, H, W]``, not negative
    """
    kept = round(density * len(densities) * size[0] * size[1])
    field = _smooth_field(rng, (len(densities), *size))
    if kept == 0:
        return np.zeros(field.shape, np.int16)
    normal = NormalDist()
    bias = [normal.inv_cdf(p) for p in np.clip(densities, _DEAD, 1 - _DEAD).tolist()]
    field += np.array(bias, np.float32)[:, None, None]
    flat = field.reshape(-1)
    cut = np.partition(flat, flat.size - kept)[flat.size - kept]
    chosen = flat > cut
    chosen[np.flatnonzero(flat == cut)[: kept - np.count_nonzero(chosen)]] = True
    flat -= cut
    flat *= np.float32(2.0 ** synthetic_fraction_bits(data_bits))
    np.rint(flat, out=flat)
    np.clip(flat, 1, limits(data_bits)[1], out=flat)
    return np.where(chosen, flat, 0).astype(np.int16).reshape(field.shape)


def synthetic_image(
    rng: np.random.Generator, shape: tuple[int, int, int], density: float = 1.0, data_bits: int = 16
) -> NDArray[np.int16]:
    """Draw a network's own input, ``[C, H, W]``: smooth, of either sign, without zeros unless a density below 1 is asked for."""
    values = _quantise_nonzero(_smooth_field(rng, shape), data_bits)
    keep_largest(values.reshape(-1), round(density * values.size))
    return values


def synthetic_weights(
    rng: np.random.Generator, shape: tuple[int, int, int, int], density: float, data_bits: int = 16
) -> NDArray[np.int16]:
    """Draw weights and prune the smallest.

    Parameters
    ----------
    rng : Generator
    shape : (Co, Cg, Kh, Kw)
    density : float
        Share of weights that are not 0, met exactly (to the nearest count).
    data_bits : int

    Returns
    -------
    int16 array, ``[Co, Cg, Kh, Kw]``
        Made a few filters at a time: besides the result, memory stays below 100 MiB.
    """
    filters, channels, height, width = shape
    filter_scale = rng.lognormal(0, FILTER_SPREAD, filters).astype(np.float32)
    channel_scale = rng.lognormal(0, CHANNEL_SPREAD, channels).astype(np.float32)
    result = np.empty((filters, channels, height * width), np.int16)
    step = max(1, _CHUNK // (channels * height * width))
    for start in range(0, filters, step):
        part = slice(start, start + step)
        values = rng.standard_normal(result[part].shape, dtype=np.float32)
        values *= channel_scale[:, None]
        values *= filter_scale[part, None, None]
        result[part] = _quantise_nonzero(values, data_bits)
    keep_largest(result.reshape(-1), round(density * result.size))
    return result.reshape(shape)


def keep_largest(values: NDArray[np.int16], count: int) -> None:
    """Set all but the `count` largest magnitudes of a flat array to 0, in place.

    Where the cut falls among equal magnitudes, those that stay are spread evenly over the array.
    """
    if count >= values.size:
        return
    parts = [values[i : i + _CHUNK] for i in range(0, values.size, _CHUNK)]
    histogram = np.sum([np.bincount(_magnitude(part), minlength=(1 << 15) + 1) for part in parts], axis=0)
    larger = values.size - np.cumsum(histogram)  # than each magnitude
    cut = int(np.argmax(larger <= count))
    ties, wanted, seen = int(histogram[cut]), count - int(larger[cut]), 0
    for part in parts:
        magnitude = _magnitude(part)
        part[magnitude < cut] = 0
        tied = np.flatnonzero(magnitude == cut)
        rank = np.arange(seen, seen + tied.size)
        part[tied[(rank + 1) * wanted // ties == rank * wanted // ties]] = 0
        seen += tied.size


def _magnitude(values: NDArray[np.int16]) -> NDArray[np.int32]:
    return np.abs(values.astype(np.int32))


def _quantise_nonzero(values: NDArray[np.float32], data_bits: int) -> NDArray[np.int16]:
    """Quantise unit-scale values in place, those that would become 0 to the nearest of -1 and 1, symmetrically saturated."""
    high = limits(data_bits)[1]
    values *= np.float32(2.0 ** synthetic_fraction_bits(data_bits))
    one = np.copysign(np.float32(1), values)
    np.rint(values, out=values)
    np.copyto(values, one, where=values == 0)
    np.clip(values, -high, high, out=values)
    return values.astype(np.int16)


def _smooth_field(rng: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """Return unit normal values, ``[C, H, W]``, white noise under a 3x3 box filter; maps of a single value stay white."""
    channels, height, width = shape
    if height == width == 1:
        return rng.standard_normal(shape, dtype=np.float32)
    noise = rng.standard_normal((channels, height + 2, width + 2), dtype=np.float32)
    rows = noise[:, :-2] + noise[:, 1:-1] + noise[:, 2:]
    field = rows[:, :, :-2] + rows[:, :, 1:-1]
    field += rows[:, :, 2:]
    field /= 3
    return field
