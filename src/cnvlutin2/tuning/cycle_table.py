"""`CycleTable`: what a layer takes at each threshold, with nothing else pruned. For ordering moves only; no result is made of it.

What other layers prune changes what a layer sees, so that sums over a table are some per cent off where much is pruned.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

from cnvlutin2.errors import ConfigError
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.engines import make_engine

LEAST_GAIN = 0.001
"""Part of the network's cycles that a move gains at least; thresholds that gain less than that over the last are passed over."""

Values = Literal["activations", "weights"]
Cycles = dict[str, list[int]]
"""By layer, at thresholds of 1, 2, 4, ... LSBs."""


@dataclass(frozen=True)
class Group:
    """Layers whose thresholds move together, and where to.

    Parameters
    ----------
    name : str
    values : {"activations", "weights"}
    layers : tuple of str
    thresholds : tuple of int
        In LSBs, the first is 1: all that gain something over the one before.
    cycles : tuple of int
        Of the network's layers in the group at each of them.
    """

    name: str
    values: Values
    layers: tuple[str, ...]
    thresholds: tuple[int, ...]
    cycles: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class CycleTable:
    """What layers take at each threshold.

    Parameters
    ----------
    activations, weights : mapping of str to list of int
        Cycles by layer at thresholds of 1, 2, 4, ... LSBs of one, with nothing of the other pruned.
    dense_cycles : int
        Of all layers on the dense baseline.
    modes : mapping of str to str
        How the organisation runs each layer.
    """

    activations: Cycles
    weights: Cycles
    dense_cycles: int
    modes: Mapping[str, str]

    @classmethod
    def count(cls, layers: Iterable[Layer], organisation: Organisation, *, weights: bool, jobs: int | None = None) -> CycleTable:
        """Count layers, batch by batch, at every power of two."""
        engine = make_engine(jobs)
        powers = [1 << k for k in range(organisation.data_bits)]
        kinds: tuple[tuple[Values, str], ...] = (("activations", "threshold"), ("weights", "weight_threshold"))
        sums: dict[Values, dict[str, list[dict[str, int]]]] = {"activations": {}, "weights": {}}
        dense_cycles, modes = 0, {}
        for layer in layers:
            for values, key in kinds if weights else kinds[:1]:
                at = [replace(layer, **{key: power}) for power in powers]  # type: ignore[arg-type]
                timed = [timings.organisations[0] for timings in engine.time(at, [organisation])]
                totals = sums[values].setdefault(layer.name, [defaultdict(int) for _ in powers])
                for total, timing in zip(totals, timed, strict=True):
                    for mode, way in (("skip", timing.skip), ("dense", timing.dense)):
                        total[mode] += int(way.cycles.sum()) if way else 0
            dense_cycles += timed[0].dense_cycles * layer.images
            modes[layer.name] = timed[0].mode
        tables = [
            {name: [min(filter(None, total.values())) for total in totals] for name, totals in of_kind.items()}
            for of_kind in sums.values()
        ]
        return cls(tables[0], tables[1], dense_cycles, modes)

    @property
    def cycles(self) -> int:
        """Of all layers with nothing pruned."""
        return sum(cycles[0] for cycles in self.activations.values())

    def frozen(self) -> dict[str, str]:
        """Return the layers that cannot gain, and why."""
        found = {}
        for name, cycles in self._ways().items():
            if cycles[0] - min(cycles) < LEAST_GAIN * self.cycles:
                found[name] = (
                    "runs dense"
                    if self.modes[name] == "dense"
                    else "takes as many cycles whatever the values are"
                    if cycles[0] == min(cycles)
                    else f"has less than {LEAST_GAIN:.1%} of the network's cycles to gain"
                )
        return found

    def ceiling(self) -> float:
        """Return the speed-up if every value of every layer were pruned."""
        return self.dense_cycles / sum(min(cycles) for cycles in self._ways().values())

    def _ways(self) -> Cycles:
        return {name: [*cycles, *self.weights.get(name, [])] for name, cycles in self.activations.items()}

    def groups(self, patterns: Sequence[str]) -> list[Group]:
        """Return what moves: the layers that a pattern matches together, every other one alone; those that cannot gain never.

        Raises
        ------
        ConfigError
            If a pattern matches no layer, or two match the same.
        """
        together = _together(list(self.activations), patterns)
        found = []
        tables: tuple[tuple[Values, Cycles], ...] = (("activations", self.activations), ("weights", self.weights))
        for values, table in tables:
            for name, layers in together.items() if table else ():
                sums = [sum(column) for column in zip(*(table[layer] for layer in layers), strict=True)]
                thresholds, cycles = [1], [sums[0]]
                for power, total in enumerate(sums[1:], 1):
                    if cycles[-1] - total >= max(1, LEAST_GAIN * self.cycles):
                        thresholds.append(1 << power)
                        cycles.append(total)
                if len(thresholds) > 1:
                    found.append(Group(name, values, tuple(layers), tuple(thresholds), tuple(cycles)))
        return found


def _together(layers: Sequence[str], patterns: Sequence[str]) -> dict[str, list[str]]:
    by_layer: dict[str, str] = {}
    for pattern in patterns:
        if pattern == "layer":
            continue
        matched = [name for name in layers if fnmatchcase(name, pattern)]
        if not matched:
            raise ConfigError(f"{pattern!r} matches no layer; the layers are {', '.join(layers)}", where="group")
        for name in matched:
            if name in by_layer:
                raise ConfigError(f"layer {name!r} is in the groups {by_layer[name]!r} and {pattern!r}", where="group")
            by_layer[name] = pattern
    found: dict[str, list[str]] = {}
    for name in layers:
        found.setdefault(by_layer.get(name, name), []).append(name)
    return found
