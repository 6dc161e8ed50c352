"""What counts of images say of all images: intervals of proportions."""

from __future__ import annotations

import math

Z95 = 1.959963984540054
"""Two-sided, 95%."""


def wilson_interval(count: int, images: int, z: float = Z95) -> tuple[float, float]:
    """Return Wilson's interval of a proportion, 95% by default.

    Parameters
    ----------
    count, images : int
        How many of how many.
    z : float
        Quantile of the normal distribution.
    """
    share, square = count / images, z * z
    centre = (share + square / (2 * images)) / (1 + square / images)
    half = z / (1 + square / images) * math.sqrt(share * (1 - share) / images + square / (4 * images * images))
    return max(0.0, centre - half), min(1.0, centre + half)


def lost_text(lost: int, images: int) -> str:
    """Say what images that were lost are compatible with: of none, by the rule of three; of some, by Wilson's interval."""
    if lost == 0:
        return f"0 of {images} lost is compatible with a loss of up to {min(1.0, 3 / images):.2g} of all images (3/n)"
    low, high = wilson_interval(lost, images)
    return f"{lost} of {images} lost: {low:.2%} to {high:.2%} of all images (95%)"
