"""`tune`: thresholds that gain most for what they cost in accuracy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np

from cnvlutin2.errors import Cnvlutin2Warning, ConfigError, NetworkError
from cnvlutin2.layer import Layer
from cnvlutin2.network import Inputs, Network
from cnvlutin2.organisation import Organisation, load_organisations
from cnvlutin2.simulation import GivenInputs, as_inputs, as_network
from cnvlutin2.tuning.curve_file import CurveFile
from cnvlutin2.tuning.cycle_table import CycleTable
from cnvlutin2.tuning.image_split import as_share, digest, some_images, split_images
from cnvlutin2.tuning.limits import Limit, chosen_limits
from cnvlutin2.tuning.measuring import prepare
from cnvlutin2.tuning.search import Search
from cnvlutin2.tuning.tuning_result import Measured, TunedPoint, TuningResult

PATH_IMAGES = 24
"""Images that order the moves: few are nearly as good as all."""

Progress = Callable[[str, int, int], None]
"""Told what is done, how many moves have been made, and how many there are at most."""


def tune(
    network: Network | Layer | Sequence[Layer] | str | Path,
    inputs: GivenInputs = None,
    organisation: str | Path | Organisation = "cnv",
    *,
    validation: GivenInputs = None,
    split: str | float | Fraction = "1/3",
    seed: int = 0,
    max_drop: float | Sequence[float] = (),
    max_loss: float | None = None,
    groups: Sequence[str] = (),
    weights: bool = False,
    path_images: int = PATH_IMAGES,
    curve: str | Path | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> TuningResult:
    """Find thresholds by layer that make a network faster for as little accuracy as possible.

    Moves double a threshold. They are ordered once, by the cycles that they save a unit of loss (the KL divergence of the
    network's scores from those in floating point), and make one path; a limit chooses a point of that path that is within it
    on all tuning images: of the last ones, the fastest. Only then is it tried on images that had no say.

    Parameters
    ----------
    network : Network, str or Path
        An ONNX model, or the name of a bundled network.
    inputs : Inputs, array, path or paths, optional
        Images, as of `cnvlutin2.simulate`; with labels their accuracy counts, without the agreement with floating point.
    organisation : str, Path or Organisation
        What the network is to be fast on.
    validation : Inputs, array, path or paths, optional
        Images to validate on; then all of `inputs` are tuned on.
    split : str or number
        Otherwise, the part of `inputs` that is tuned on, as ``1/3``; the rest is validated on.
    seed : int
        Of the split.
    max_drop : float or sequence of float
        Drops in accuracy that are allowed, in per cent of the images; 0 by default. Each chooses a point.
    max_loss : float, optional
        Instead, the mean KL divergence that is allowed, in nats; for a network that puts out no scores, the mean relative
        error of its output (0.01 by default).
    groups : sequence of str
        Patterns, as ``conv2_*``: the layers that one matches share a threshold. Every other layer has one of its own.
    weights : bool
        Raise thresholds of weights, too. Without retraining they gain next to nothing.
    path_images : int
        How many of the tuning images order the moves.
    curve : str or Path, optional
        A JSON file of all that was executed; if it is there, the search goes on from it.
    jobs : int, optional
        Threads; by default all processors. Results do not depend on it.
    progress : callable, optional

    Returns
    -------
    TuningResult

    Raises
    ------
    ConfigError, NetworkError
        For what cannot be used; the message names it and the remedy.
    VerificationError
        If what was found is not what the ordinary way of executing and counting gives: a defect of this package.

    Warns
    -----
    Cnvlutin2Warning
        If a limit is finer than one image, or parts of the network are not simulated.
    """
    chosen = _one_organisation(organisation)
    drops = [float(drop) for drop in ((max_drop,) if isinstance(max_drop, (int, float)) else max_drop)]
    share = as_share(split)
    if path_images < 1:
        raise ConfigError(f"{path_images} images order nothing; give at least 1", where="path_images")
    source = as_network(network)
    source = source if jobs is None else source.with_threads(jobs)
    given, others = _images(source, inputs, validation, share, seed)
    prepared = prepare(source, given, chosen, jobs)
    limits = chosen_limits(drops, max_loss, prepared.answers, len(given.values))
    images = _spread(len(given.values), path_images)
    table = CycleTable.count(prepared.network.layers(images), chosen, weights=weights, jobs=jobs)
    moving = table.groups(groups)
    made_of = {
        **prepared.made_of,
        "tuning images": digest(given),
        "path images": len(images),
        "patterns": list(groups),
        "weights": weights,
    }
    file = CurveFile(None if curve is None else Path(curve), made_of, [vars(group) for group in moving])
    search = Search(prepared, moving, table.cycles, images, file, progress)
    try:
        with _quiet():
            search.follow(limits)
            search.count_some()
        result = _result(search, limits, table, others, source)
    except BaseException:
        file.write()  # what was executed before is not lost
        raise
    file.write(result)
    return result


def _spread(count: int, wanted: int) -> list[int]:
    """Return so many indices, evenly spaced: images may come in the order of their classes."""
    return sorted({int(place) for place in np.linspace(0, count - 1, min(wanted, count)).round()})


def _one_organisation(organisation: str | Path | Organisation) -> Organisation:
    chosen = load_organisations(organisation)
    if len(chosen) != 1:
        names = ", ".join(each.name for each in chosen)
        raise ConfigError(f"thresholds are tuned for one organisation, and there are {len(chosen)}: {names}; give one")
    return chosen[0]


def _images(
    source: Network, inputs: GivenInputs, validation: GivenInputs, share: Fraction, seed: int
) -> tuple[Inputs, Inputs | None]:
    """Return the images to tune on and those to validate on."""
    check_tunable(source)
    given = as_inputs(source, inputs)
    if given is None:
        raise NetworkError(f"network {source.name!r} takes no inputs; give one that does")
    if validation is None:
        return split_images(given, share, seed)
    given = some_images(given, range(len(given.values)))  # in memory: they are executed again and again
    others = as_inputs(source, validation)
    if others is None or (others.labels is None) != (given.labels is None):
        raise ConfigError("of the images to tune and to validate on, one has labels, the other none; give both or none")
    return given, others


def check_tunable(network: Network) -> None:
    """Refuse a network that cannot be executed under other thresholds again and again.

    Raises
    ------
    NetworkError
    """
    if not hasattr(network, "calibrated"):
        raise NetworkError(
            f"network {network.name!r} cannot be tuned: it is executed again and again under other thresholds, for which it must "
            "be an ONNX model; export it as one"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Do not say at every run what is left out of a network."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Cnvlutin2Warning)
        yield


def _result(search: Search, limits: Sequence[Limit], table: CycleTable, others: Inputs | None, source: Network) -> TuningResult:
    prepared = search.prepared
    chosen = [0, *(search.choose(limit) for limit in limits)]
    thresholds = [search.thresholds(point) for point in chosen]
    tuning = [search.count_again(0)]  # which also warns of what is left out
    validated: list[Measured | None] = [None for _ in chosen]
    with _quiet():
        tuning += [search.count_again(point) for point in chosen[1:]]
        if others is not None:
            at = prepare(source, others, prepared.organisation, prepared.jobs)
            validated = [at.measure_ordinarily(*pair) for pair in thresholds]
    path = search.path()
    points = [
        TunedPoint(limit, path[point].step, *pair, measured, tried)
        for limit, point, pair, measured, tried in zip([None, *limits], chosen, thresholds, tuning, validated, strict=True)
    ]
    return TuningResult(
        network=prepared.network.name,
        arch=prepared.organisation.name,
        loss_kind=prepared.answers.kind,
        labelled=prepared.answers.labelled,
        baseline=points[0],
        tuned=points[1:],
        path=path,
        frozen=table.frozen(),
        ceiling=table.ceiling(),
        scales={layer.name: (layer.frac, layer.weight_frac) for layer in prepared.network.scales},
        evaluations=search.evaluations,
        made_of={**prepared.made_of, "images": len(prepared.inputs.values)},
    )
