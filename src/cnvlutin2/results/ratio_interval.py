"""What the images of a run say of all images like them: an interval for a ratio of two means."""

from __future__ import annotations

import math
from collections.abc import Sequence

_Z = 1.959963984540054
_T = (
    *(12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157, 2.228139),
    *(2.200985, 2.178813, 2.160369, 2.144787, 2.131450, 2.119905, 2.109816, 2.100922, 2.093024, 2.085963),
)
"""Quantiles of Student's distribution for a two-sided interval of 95%, for 1 to 20 degrees of freedom."""


def student_quantile(freedom: int) -> float:
    """Return the quantile of Student's distribution for a two-sided interval of 95%.

    Beyond the table by Fisher's expansion, which has an error of less than 1e-5 there.
    """
    if freedom <= len(_T):
        return _T[freedom - 1]
    z, v = _Z, freedom
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    )


def ratio_interval(over: Sequence[int], under: Sequence[int]) -> tuple[float, float] | None:
    """Return a 95% interval of the ratio of two means, of which pairs were sampled.

    The usual estimate of a ratio: its error is that of the mean of ``over - ratio * under``, with Student's distribution. Sums
    are rounded once, so that they are the same everywhere.

    Parameters
    ----------
    over, under : sequence of int, as long
        What each image takes on one machine and on the other.

    Returns
    -------
    (float, float) or None
        None of a single image.
    """
    count = len(under)
    if count < 2:
        return None
    ratio = sum(over) / sum(under)
    residuals = [one - ratio * other for one, other in zip(over, under, strict=True)]
    variance = math.fsum(residual * residual for residual in residuals) / (count - 1)
    half = student_quantile(count - 1) * math.sqrt(variance / count) / (sum(under) / count)
    return max(0.0, ratio - half), ratio + half
