"""`NetworkResult`: a network under all organisations, and the dense baselines that they are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import ConfigError
from cnvlutin2.network import Accuracy, LeftOut, Predictions
from cnvlutin2.results.coverage import Coverage
from cnvlutin2.results.layer_result import Counts, LayerResult
from cnvlutin2.results.ratio_interval import ratio_interval
from cnvlutin2.timing.slots import SLOT_KINDS

if TYPE_CHECKING:
    from cnvlutin2.cost import NetworkCost


@dataclass(frozen=True)
class DenseBaseline:
    """The dense cycles that some organisations are compared with.

    Organisations differ in them where they differ in size, in how shallow layers are stored or in how groups are computed.

    Parameters
    ----------
    archs : tuple of str
        The organisations, in the order asked for.
    layer_cycles : tuple of int
        Cycles of an image, by layer.
    """

    archs: tuple[str, ...]
    layer_cycles: tuple[int, ...]

    @property
    def cycles(self) -> int:
        """Cycles of an image, over all layers."""
        return sum(self.layer_cycles)


@dataclass(frozen=True, eq=False)
class NetworkResult:
    """A network under all organisations.

    Parameters
    ----------
    network : str
    images : sequence of str
        The inputs' names.
    layers : sequence of LayerResult
        Layer by layer, the organisations of each in the order asked for.
    left_out : sequence of LeftOut
        Nodes that are not simulated, and why.
    accuracy : Accuracy or None
    hashes : mapping of str to str
        SHA-256 of the files that went in: the network's and the inputs'.
    settings : mapping
        How values were made where no file says it: the normalisation of photographs, densities and seed of synthetic values.
    costs : mapping of str to NetworkCost
        Energy, area and total cycles by organisation, where they were accounted for.
    predictions : Predictions or None
        What it answered, image by image, where it classifies.
    """

    network: str
    images: Sequence[str]
    layers: Sequence[LayerResult]
    left_out: Sequence[LeftOut] = ()
    accuracy: Accuracy | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    costs: Mapping[str, NetworkCost] = field(default_factory=dict)
    predictions: Predictions | None = None

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an image that are simulated, padding included."""
        return sum({layer.name: layer.layer.macs for layer in self.layers}.values())

    @property
    def coverage(self) -> Coverage:
        """How much of the network is simulated."""
        return Coverage.of(self.macs, self.left_out)

    @property
    def synthetic(self) -> bool:
        """Whether values of a layer were made up."""
        return any(layer.layer.synthetic for layer in self.layers)

    def of(self, arch: str) -> list[LayerResult]:
        """Return the layers under one organisation, in order."""
        found = [layer for layer in self.layers if layer.arch == arch]
        if not found:
            known = ", ".join(dict.fromkeys(layer.arch for layer in self.layers))
            raise ConfigError(f"no organisation {arch!r} was simulated; there are {known}")
        return found

    def image_cycles(self, arch: str) -> Counts:
        """Return the cycles of the network, ``[N]``."""
        cycles: Counts = np.sum([layer.cycles for layer in self.of(arch)], axis=0)
        return cycles

    def dense_cycles(self, arch: str) -> int:
        """Return the cycles of an image on the dense baseline of the organisation's size."""
        return sum(layer.dense_cycles for layer in self.of(arch))

    def dense_baselines(self) -> list[DenseBaseline]:
        """Return the different dense baselines, by the order of the first organisation of each."""
        archs: dict[tuple[int, ...], list[str]] = {}
        for arch in dict.fromkeys(layer.arch for layer in self.layers):
            archs.setdefault(tuple(layer.dense_cycles for layer in self.of(arch)), []).append(arch)
        return [DenseBaseline(tuple(names), cycles) for cycles, names in archs.items()]

    def image_speedups(self, arch: str) -> NDArray[np.float64]:
        """Return the speed-up of the datapath over the dense baseline, ``[N]``."""
        speedups: NDArray[np.float64] = self.dense_cycles(arch) / self.image_cycles(arch)
        return speedups

    def speedup(self, arch: str) -> float:
        """Return the speed-up of the datapath over the dense baseline, over all images together."""
        cycles = self.image_cycles(arch)
        return self.dense_cycles(arch) * cycles.size / int(cycles.sum())

    def speedup_with_waiting(self, arch: str) -> float | None:
        """Return the speed-up in total cycles, which wait for encoders and DRAM; None where these were not accounted for."""
        return self.costs[arch].speedup if arch in self.costs else None

    def speedup_interval(self, arch: str) -> tuple[float, float] | None:
        """Return a 95% interval of the datapath's speed-up over all images like these; None of a single one.

        It takes the images for a random sample.
        """
        cycles = self.image_cycles(arch).tolist()
        return ratio_interval([self.dense_cycles(arch)] * len(cycles), cycles)

    def speedup_with_waiting_interval(self, arch: str) -> tuple[float, float] | None:
        """Return the same of the speed-up in total cycles; None also where these were not accounted for."""
        if arch not in self.costs:
            return None
        cost = self.costs[arch]
        return ratio_interval(cost.baseline.total_cycles.tolist(), cost.machine.total_cycles.tolist())

    def slots(self, arch: str) -> dict[str, int]:
        """Return the multiplier slots by kind, over all layers and images."""
        total = np.sum([layer.slots.sum(axis=0) for layer in self.of(arch)], axis=0)
        return dict(zip(SLOT_KINDS, total.tolist(), strict=True))
