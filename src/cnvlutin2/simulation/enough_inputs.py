"""How many images are enough for a speed-up to be known that well."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cnvlutin2.errors import Cnvlutin2Warning, ConfigError
from cnvlutin2.network import Inputs, Network, Thresholds
from cnvlutin2.organisation import Organisation
from cnvlutin2.results import NetworkResult
from cnvlutin2.simulation.simulator import simulate

FIRST_IMAGES = 16
"""That are tried first."""
MORE = 1.1
"""What is taken beyond the number that the images so far ask for, which is itself an estimate."""


@dataclass(frozen=True)
class Enough:
    """Images that are enough, or all that there are.

    Parameters
    ----------
    inputs : Inputs
    half_width : float
        Half the widest 95% interval of the organisations' speed-ups, as a part of the speed-up.
    reached : bool
        Whether it is as narrow as was asked for.
    """

    inputs: Inputs
    half_width: float
    reached: bool


def enough_inputs(
    network: Network,
    read: Callable[[int], Inputs],
    organisations: Sequence[Organisation],
    within: float,
    *,
    thresholds: Thresholds | None = None,
    weight_thresholds: Thresholds | None = None,
    quantised: bool = False,
    jobs: int | None = None,
) -> Enough:
    """Return so many images that the 95% interval of each organisation's speed-up is that narrow.

    Parameters
    ----------
    network : Network
    read : callable
        Given a number, returns so many images, or all if there are less: of every number the first of a random order.
    organisations : sequence of Organisation
    within : float
        Half of the interval, as a part of the speed-up.
    thresholds, weight_thresholds, quantised, jobs
        As of `simulate`.

    Raises
    ------
    ConfigError
        If `within` is no part, above 0 and below 1.
    """
    if not 0 < within < 1:
        raise ConfigError(f"{within!r} is no part of a speed-up; give one as 1% or 0.01", where="until")
    count = FIRST_IMAGES
    while True:
        inputs = read(count)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Cnvlutin2Warning)  # it is run once more
            (found,) = simulate(
                network,
                inputs,
                organisations,
                thresholds=thresholds,
                weight_thresholds=weight_thresholds,
                quantised=quantised,
                jobs=jobs,
                cost=False,
            ).networks
        had = len(inputs.values)
        half = max(half_width(found, organisation.name) for organisation in organisations)
        if half <= within or had < count:
            return Enough(inputs, half, half <= within)
        wanted = had * (half / within) ** 2 * MORE if math.isfinite(half) else 2 * had
        count = max(had + 1, math.ceil(min(wanted, 8 * had)))


def half_width(found: NetworkResult, arch: str) -> float:
    """Return half of a speed-up's 95% interval, as a part of the speed-up; infinite for a single image."""
    interval = found.speedup_interval(arch)
    return math.inf if interval is None else (interval[1] - found.speedup(arch)) / found.speedup(arch)
