"""`Limit`: how much thresholds may cost."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cnvlutin2.errors import Cnvlutin2Warning, ConfigError
from cnvlutin2.tuning.answers import FloatAnswers, Verdict

DEFAULT_ERROR = 0.01
"""Relative error of the output that is allowed where a network puts out no scores and nothing was said."""


@dataclass(frozen=True)
class Limit:
    """How much thresholds may cost.

    Parameters
    ----------
    kind : {"drop", "kl", "error"}
        Drop in accuracy, in per cent of the images (without labels, in agreement with the floating-point network); mean KL
        divergence of the scores, in nats; mean relative error of the output.
    value : float

    Raises
    ------
    ConfigError
        Unless it is a finite number of at least 0.
    """

    kind: Literal["drop", "kl", "error"]
    value: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.value) or self.value < 0:
            raise ConfigError(f"the limit {self.value!r} is out of range: give a number of at least 0", where=f"max_{self.kind}")
        if self.kind == "drop" and self.value >= 100:
            raise ConfigError(f"a drop of {self.value:g} per cent is no limit; give less than 100", where="max_drop")

    def __str__(self) -> str:
        return f"{self.kind}-{self.value:g}"

    def allows(self, verdict: Verdict) -> bool:
        """Whether what was found of some images is within the limit."""
        if self.kind != "drop":
            return verdict.loss <= self.value
        return (
            verdict.lost is not None
            and verdict.won is not None
            and (100 * (verdict.lost - verdict.won) <= self.value * verdict.images)
        )


def chosen_limits(max_drop: Sequence[float], max_loss: float | None, answers: FloatAnswers, images: int) -> list[Limit]:
    """Return the limits that were asked for, or what is usual for the kind of network.

    Raises
    ------
    ConfigError
        If the network does not classify and a drop was asked for, or there is both.

    Warns
    -----
    Cnvlutin2Warning
        If a drop is finer than one image.
    """
    if max_loss is not None:
        if max_drop:
            raise ConfigError("give either a drop in accuracy or a divergence, not both", where="max_drop, max_kl")
        return [Limit(answers.kind, max_loss)]
    if answers.kind == "error":
        if max_drop:
            raise ConfigError(
                "the network's output is no scores of classes, so it has no accuracy; give max_kl, the relative error of the "
                "output that is allowed",
                where="max_drop",
            )
        return [Limit("error", DEFAULT_ERROR)]
    limits = [Limit("drop", value) for value in dict.fromkeys(max_drop or (0.0,))]
    for limit in limits:
        if 0 < limit.value < 100 / images:
            warnings.warn(
                f"a drop of {limit.value:g}% is finer than one of {images} tuning images ({100 / images:.2g}%): it allows none",
                Cnvlutin2Warning,
                stacklevel=3,
            )
    return limits
