"""Published thresholds on the shapes that they were published for, and tuned thresholds of the networks at hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cnvlutin2.cost.published import published_thresholds
from cnvlutin2.network import Numeric, Topology
from cnvlutin2.organisation import Organisation, preset
from cnvlutin2.timing.engine import OrganisationTiming
from cnvlutin2.timing.engines import make_engine
from cnvlutin2.tuning.tuner import tune

FACTORS = (1, 16, 64)
"""How many of our LSBs one of the published ones is taken for: what it was is not known."""


@dataclass(frozen=True)
class ThresholdFigures:
    """Published thresholds, and what they do to synthetic values of the network's shapes.

    Parameters
    ----------
    network : str
    lsbs : tuple of int
        As published: by layer, or of GoogLeNet by module.
    published : float
        Speed-up with them, without loss of accuracy.
    unpruned : float
        Computed, with nothing pruned.
    computed : mapping of str to float
        With the published thresholds, by how many of our LSBs one of them is taken for.
    """

    network: str
    lsbs: tuple[int, ...]
    published: float
    unpruned: float
    computed: Mapping[str, float]


@dataclass(frozen=True)
class TunedFigures:
    """A network with real values under thresholds that `tune` found.

    Parameters
    ----------
    network : str
    images : int
        That had no say in the thresholds; all that follows is of these.
    unpruned, tuned : float
        Speed-ups.
    lost, won : int
        Images that are right in floating point and wrong with the thresholds, and the other way round.
    """

    network: str
    images: int
    unpruned: float
    tuned: float
    lost: int
    won: int


def threshold_figures(name: str, arch: str, seed: int, jobs: int | None) -> ThresholdFigures:
    """Count the convolutions of one of the paper's networks, with synthetic values, under its published thresholds.

    Parameters
    ----------
    name, arch : str
        Of the topology and the preset.
    seed : int
        Of the values.
    jobs : int or None
        Threads.
    """
    topology = Topology(name, seed=seed, conv_only=True)
    lsbs, published = published_thresholds()[name]
    of_layer = _by_layer(list(topology.layer_names()), lsbs)
    organisation, engine = preset(arch), make_engine(jobs)
    cycles: dict[int, int] = defaultdict(int)
    dense_cycles = 0
    for layer in topology.run(None, Numeric(organisation.data_bits)):
        factors = (0, *FACTORS)
        at = [replace(layer, threshold=max(1, factor * of_layer[layer.name])) for factor in factors]
        timed = [timings.organisations[0] for timings in engine.time(at, [organisation])]
        dense_cycles += timed[0].dense_cycles * layer.images
        for factor, timing in zip(factors, timed, strict=True):
            cycles[factor] += _taken(timing, organisation)
    computed = {str(factor): dense_cycles / cycles[factor] for factor in FACTORS}
    return ThresholdFigures(name, tuple(lsbs), published, dense_cycles / cycles[0], computed)


def _by_layer(names: Sequence[str], lsbs: Sequence[int]) -> dict[str, int]:
    """Return thresholds by layer; published by module, all layers of a module have its one."""
    modules = list(dict.fromkeys(name.partition("/")[0] for name in names))
    keys = list(names) if len(names) == len(lsbs) else modules
    by_key = dict(zip(keys, lsbs, strict=True))
    return {name: by_key[name if name in by_key else name.partition("/")[0]] for name in names}


def _taken(timing: OrganisationTiming, organisation: Organisation) -> int:
    if timing.mode == "auto":
        raise ValueError(f"{organisation.name} lets layers choose their mode, which depends on other layers")
    return int(timing.of(timing.mode).cycles.sum())


def tuned_figures(name: str, arch: str, jobs: int | None) -> TunedFigures:
    """Tune a bundled network so that no tuning image is lost, and return what others make of it."""
    found = tune(name, None, arch, max_drop=0.0, jobs=jobs)
    before, after = found.baseline.validation, found.tuned[0].validation
    if before is None or after is None or after.lost is None or after.won is None:
        raise ValueError(f"{name} has no images to validate on, or no classes")
    return TunedFigures(name, after.images, before.speedup, after.speedup, after.lost, after.won)
