"""Which images thresholds are chosen on, and which they are tried on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from cnvlutin2.errors import ConfigError, short
from cnvlutin2.network import Inputs


def as_share(split: object) -> Fraction:
    """Return the part of the images that is tuned on.

    Parameters
    ----------
    split : str or number
        As ``1/3`` or ``0.25``.

    Raises
    ------
    ConfigError
        If it is not a part, above 0 and below 1.
    """
    try:
        share = Fraction(str(split))
    except (ValueError, ZeroDivisionError):
        share = Fraction(0)
    if not 0 < share < 1:
        raise ConfigError(f"{short(split)} is no part of the images; give one as 1/3 or 0.25", where="split")
    return share


def split_images(inputs: Inputs, share: Fraction, seed: int) -> tuple[Inputs, Inputs]:
    """Return the images to tune on and those to validate on: drawn by the seed, each once.

    Raises
    ------
    ConfigError
        If there are less than two images.
    """
    count = len(inputs.values)
    if count < 2:
        raise ConfigError("one image cannot be split; give more, or others to validate on", where="split")
    order = np.random.default_rng(seed).permutation(count)
    first = min(count - 1, max(1, round(count * share)))
    return some_images(inputs, order[:first].tolist()), some_images(inputs, order[first:].tolist())


def some_images(inputs: Inputs, indices: Sequence[int]) -> Inputs:
    """Return some of the images."""
    chosen = np.array(indices, np.int64)
    labels = None if inputs.labels is None else inputs.labels[chosen]
    names = [inputs.names[i] for i in indices]
    return Inputs(inputs.values[chosen], names, inputs.hashes, labels, inputs.settings)


def digest(inputs: Inputs) -> str:
    """Return the SHA-256 of the values and labels themselves, whatever files they came from."""
    found = hashlib.sha256(f"{inputs.values.dtype} {inputs.values.shape}".encode())
    found.update(np.ascontiguousarray(inputs.values).tobytes())
    found.update(b"" if inputs.labels is None else inputs.labels.tobytes())
    return found.hexdigest()
