"""`compare_results`: what differs between two results, first in how they were made, then in every number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cnvlutin2.cost.float_sums import mean
from cnvlutin2.errors import ConfigError
from cnvlutin2.results.network_result import NetworkResult
from cnvlutin2.results.simulation_results import Results

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("network", "layer", "arch", "image")
"""What a number belongs to."""
_DOWN = ("name", "description")


@dataclass(frozen=True)
class Setting:
    """Something about how results were made that differs.

    Parameters
    ----------
    place : str
        As ``organisations.cnv.lanes``.
    first, second : object
        None where one has nothing of the kind.
    """

    place: str
    first: object
    second: object


@dataclass(frozen=True)
class Pair:
    """A network in both results, and an organisation that both ran it under.

    Parameters
    ----------
    network, arch : str
        Their names; both, as ``cnv / cnv2-weights``, where these differ.
    first, second : mapping of str to float or None
        Figures of the mean image and of all images together, by what they are; None where they are not known.
    """

    network: str
    arch: str
    first: Mapping[str, float | None]
    second: Mapping[str, float | None]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What differs between two results.

    Parameters
    ----------
    settings : sequence of Setting
        In organisations, versions, networks, inputs and thresholds.
    pairs : sequence of Pair
        What both have, as far as names agree; a single network or organisation is compared with a single one of another name.
    alone : sequence of str
        What only one of them has, in words.
    numbers : pandas frame
        Every number of a run that differs, a row each: ``network``, ``layer``, ``arch``, ``image``, ``measure`` (a column of
        `Results.to_frame`), ``first``, ``second`` and ``change``, the second less the first.
    compared : mapping of str to int
        How many numbers were compared, by measure.
    """

    settings: Sequence[Setting]
    pairs: Sequence[Pair]
    alone: Sequence[str]
    numbers: pd.DataFrame
    compared: Mapping[str, int]

    @property
    def equal(self) -> bool:
        """Whether every number of both is in the other, and the same."""
        return self.numbers.empty and not self.alone

    def by_measure(self) -> list[tuple[str, int, int, float, str]]:
        """Return of each measure that differs: how many numbers do, of how many, the largest change by magnitude, and where."""
        found = []
        for measure, rows in self.numbers.groupby("measure", sort=False):
            changes = rows["change"].to_numpy(float)
            at = int(np.nan_to_num(np.abs(changes), nan=np.inf).argmax())  # one that is not known is not a number
            network, layer, arch, image = (rows[key].iloc[at] for key in KEYS)
            where = f"{network}, {layer}, {arch}, image {image}"
            found.append((str(measure), len(rows), self.compared[str(measure)], float(changes[at]), where))
        return found


def compare_results(first: Results, second: Results) -> Comparison:
    """Compare two results.

    Parameters
    ----------
    first, second : Results
        As `simulate` returns or `load_results` reads them.

    Returns
    -------
    Comparison

    Raises
    ------
    ConfigError
        If they have no network or no organisation in common.
    """
    networks = _paired([n.network for n in first.networks], [n.network for n in second.networks], "network")
    archs = _paired(list(first.organisations), list(second.organisations), "organisation")
    by_name = [{network.network: network for network in results.networks} for results in (first, second)]
    settings = list(_settings(first.provenance, second.provenance, "versions and settings"))
    for one, other in archs.items():
        ours, theirs = (
            {key: value for key, value in found[name].model_dump().items() if key not in _DOWN}
            for found, name in ((first.organisations, one), (second.organisations, other))
        )
        settings += _settings(ours, theirs, f"organisations.{_both(one, other)}")
    for one, other in networks.items():
        settings += _settings(_about(by_name[0][one]), _about(by_name[1][other]), f"networks.{_both(one, other)}")
    pairs = [
        Pair(_both(n, m), _both(a, b), _figures(by_name[0][n], a), _figures(by_name[1][m], b))
        for n, m in networks.items()
        for a, b in archs.items()
    ]
    numbers, compared, alone = _numbers(first, second, networks, archs)
    names = ((first, networks.keys(), archs.keys(), "first"), (second, networks.values(), archs.values(), "second"))
    alone = [*(each for one in names for each in _unpaired(*one)), *alone]
    return Comparison(settings, pairs, alone, numbers, compared)


def _paired(first: Sequence[str], second: Sequence[str], what: str) -> dict[str, str]:
    if len(first) == len(second) == 1:
        return {first[0]: second[0]}
    found = {name: name for name in first if name in second}
    if not found:
        raise ConfigError(f"they have no {what} in common: {', '.join(first)}; and {', '.join(second)}; compare others")
    return found


def _both(first: str, second: str) -> str:
    return first if first == second else f"{first} / {second}"


def _unpaired(results: Results, networks: Any, archs: Any, which: str) -> list[str]:
    found = [f"network {n.network}" for n in results.networks if n.network not in networks]
    found += [f"organisation {arch}" for arch in results.organisations if arch not in archs]
    return [f"{each} is in the {which} alone" for each in found]


def _about(network: NetworkResult) -> dict[str, Any]:
    """Return what a network's numbers follow from, as far as results tell."""
    layers = {layer.name: {k: v for k, v in asdict(layer.layer).items() if k != "name"} for layer in network.layers}
    files = dict(network.hashes)
    return {
        "images": len(network.images),
        "image names": list(network.images),
        "files": files,
        "settings": dict(network.settings),
        "layers": layers,
        "left out": sorted(part.name for part in network.left_out),
    }


def _settings(first: Any, second: Any, place: str) -> Iterator[Setting]:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for key in dict.fromkeys([*first, *second]):
            yield from _settings(first.get(key), second.get(key), f"{place}.{key}")
    elif first != second:
        yield Setting(place, first, second)


def _figures(network: NetworkResult, arch: str) -> dict[str, float | None]:
    cost, accuracy = network.costs.get(arch), network.accuracy
    return {
        "speed-up": network.speedup(arch),
        "speed-up with waiting": network.speedup_with_waiting(arch),
        "cycles of an image": float(network.image_cycles(arch).mean()),
        "total cycles of an image": float(cost.machine.total_cycles.mean()) if cost else None,
        "energy of an image, uJ": mean(cost.machine.total_pj) / 1e6 if cost else None,
        "EDP gain": cost.edp_gain() if cost else None,
        "area, mm2": cost.machine.total_mm2 if cost else None,
        "images classified correctly": accuracy.correct if accuracy else None,
        "top-1 as in floating point": accuracy.agree if accuracy else None,
    }


def _numbers(
    first: Results, second: Results, networks: Mapping[str, str], archs: Mapping[str, str]
) -> tuple[pd.DataFrame, dict[str, int], list[str]]:
    """Return the numbers that differ, how many were compared, and which runs only one has."""
    import pandas as pd

    ours, theirs = first.to_frame(), second.to_frame()
    ours = ours[ours["network"].isin(list(networks)) & ours["arch"].isin(list(archs))]
    theirs = theirs[theirs["network"].isin(list(networks.values())) & theirs["arch"].isin(list(archs.values()))]
    back = {other: one for one, other in networks.items()}, {other: one for one, other in archs.items()}
    theirs = theirs.assign(network=theirs["network"].map(back[0]), arch=theirs["arch"].map(back[1]))
    keys, measures = list(KEYS), [column for column in ours.columns if column in theirs.columns and _is_measure(ours[column])]
    alone = _alone(ours, theirs)
    both = ours[keys + measures].merge(theirs[keys + measures], on=keys)  # what one lacks would make floats of integers
    parts = []
    for measure in measures:
        one, other = both[f"{measure}_x"], both[f"{measure}_y"]
        differs = (one != other) & ~(one.isna() & other.isna())
        rows = both.loc[differs, keys]
        one, other = (column[differs].astype(object) for column in (one, other))  # among floats integers would lose digits
        parts.append(rows.assign(measure=measure, first=one, second=other, change=other - one))
    found = [part for part in parts if len(part)] or parts[:1]
    return pd.concat(found, ignore_index=True), dict.fromkeys(measures, len(both)), alone


def _is_measure(column: pd.Series[Any]) -> bool:
    return column.name not in KEYS and column.dtype.kind in "iuf"


def _alone(ours: pd.DataFrame, theirs: pd.DataFrame) -> list[str]:
    """Say which runs and columns only one of two frames has."""
    found = []
    index = [frame.set_index(list(KEYS)).index for frame in (ours, theirs)]
    for which, own, other in (("first", 0, 1), ("second", 1, 0)):
        runs = index[own].difference(index[other])
        if len(runs):
            layers = ", ".join(dict.fromkeys(f"{run[1]} on image {run[3]}" for run in runs[:3]))
            found.append(f"{len(runs)} runs are in the {which} alone: {layers}{' ...' if len(runs) > 3 else ''}")
        columns = [c for c in (ours, theirs)[own].columns if c not in (ours, theirs)[other].columns]
        if columns:
            found.append(f"{', '.join(columns[:4])}{' ...' if len(columns) > 4 else ''}: in the {which} alone")
    return found
