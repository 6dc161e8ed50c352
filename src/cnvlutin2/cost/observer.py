"""`CostObserver`: measures layers as they stream by, and says what the network costs when it has ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost.costs import LayerCost, MachineCost, NetworkCost
from cnvlutin2.cost.energy import Prices, by_component, cautions
from cnvlutin2.cost.float_sums import sum_in_order
from cnvlutin2.cost.neighbours import NetworkTraffic, join_layers
from cnvlutin2.cost.tables import CostTable
from cnvlutin2.cost.traffic import EventFactors, LayerTraffic, StoredInput, dense_traffic, skip_traffic
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.engine import Counts, LayerTimings, RunMode
from cnvlutin2.timing.observed import ObservedLayer

_SIZE = (
    *("tiles", "filters_per_tile", "lanes", "brick", "data_bits", "packing", "group_map", "nm_bytes", "sb_bytes_per_tile"),
    *("nbin_entries", "nbout_entries", "clock_ghz", "dram", "prefetch_weights", "batch"),
)
"""What a baseline has in common with the organisation that is compared with it."""


class Run(Protocol):
    """A layer as it ran: its name, its mode and its compute cycles ``[N]``."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def mode(self) -> str: ...  # noqa: D102
    @property
    def cycles(self) -> Counts: ...  # noqa: D102


def baseline_of(organisation: Organisation) -> Organisation:
    """Return the dense baseline of the same size, with the same memories and clock, without overheads.

    It sets groups side by side if the organisation does; its filters sit in blocks.
    """
    size = {key: getattr(organisation, key) for key in _SIZE}
    return Organisation.parse({"name": "dadiannao", "layer_mode": "dense", **size})


@dataclass(eq=False)
class _Baseline:
    """A dense machine: what its layers move, batch by batch, their cycles; and what the network costs, once it is known."""

    machine: Organisation
    batches: dict[str, list[LayerTraffic]] = field(default_factory=lambda: defaultdict(list))
    cycles: dict[str, int] = field(default_factory=dict)
    cost: MachineCost | None = None
    total_cycles: Counts | None = None  # [layers, N]


class CostObserver:
    """What layers move, by organisation, layer and mode, batch by batch; an observer of `cnvlutin2.simulate`.

    Parameters
    ----------
    table : CostTable
    """

    def __init__(self, table: CostTable) -> None:
        self.table = table
        self._batches: dict[tuple[str, str, RunMode], list[LayerTraffic]] = defaultdict(list)
        self._baselines: dict[Organisation, _Baseline] = {}
        self._baseline_of: dict[str, _Baseline] = {}  # by an organisation's name

    def __call__(self, observed: ObservedLayer, organisations: Sequence[Organisation], timings: LayerTimings) -> None:
        """Measure one batch of one layer."""
        name = observed.layer.name
        for base in dict.fromkeys(map(self._base, organisations)):
            base.batches[name].append(dense_traffic(observed, base.machine))
            base.cycles[name] = observed.schedule(base.machine).dense_cycles
        for organisation, timing in zip(organisations, timings.organisations, strict=True):
            if timing.skip is not None:
                traffic = skip_traffic(observed, organisation, timing.skip.slots)
                self._batches[organisation.name, name, "skip"].append(traffic)
            if timing.dense is not None:
                self._batches[organisation.name, name, "dense"].append(dense_traffic(observed, organisation))

    def costs(self, organisation: Organisation, runs: Sequence[Run]) -> tuple[list[LayerCost], NetworkCost]:
        """Return what each layer costs and what the network does, beside its baseline.

        Parameters
        ----------
        organisation : Organisation
        runs : sequence of Run
            The layers in execution order, in the modes in which they ran.
        """
        layers = [_joined(self._batches[organisation.name, run.name, _mode(run)]) for run in runs]
        baseline, dense = self._baseline_cost(self._base(organisation), [run.name for run in runs])
        network, energies, machine = self._priced(layers, np.stack([run.cycles for run in runs]), organisation)
        waits = network.encoder_stall_cycles, network.dram_cycles, network.total_cycles
        found = [LayerCost(*of_layer) for of_layer in zip(network.counts, *waits, dense, energies, strict=True)]
        return found, NetworkCost(machine, baseline, cautions(organisation, network.counts, self.table))

    def _base(self, organisation: Organisation) -> _Baseline:
        """Return an organisation's baseline, which those of the same size share."""
        if organisation.name not in self._baseline_of:
            machine = baseline_of(organisation)
            self._baseline_of[organisation.name] = self._baselines.setdefault(machine, _Baseline(machine))
        return self._baseline_of[organisation.name]

    def _baseline_cost(self, base: _Baseline, names: Sequence[str]) -> tuple[MachineCost, Counts]:
        """Return what a baseline costs, and its layers' total cycles, ``[layers, N]``."""
        if base.cost is None or base.total_cycles is None:
            layers = [_joined(base.batches[name]) for name in names]
            cycles = np.array([base.cycles[name] for name in names], np.int64)
            by_image = np.repeat(cycles[:, None], layers[0].stored.bits.size, axis=1)
            network, _, base.cost = self._priced(layers, by_image, base.machine)
            base.total_cycles = network.total_cycles
        return base.cost, base.total_cycles

    def _priced(
        self, layers: Sequence[LayerTraffic], cycles: Counts, organisation: Organisation
    ) -> tuple[NetworkTraffic, NDArray[np.float64], MachineCost]:
        """Put layers together and price what they do; `cycles` are ``[layers, N]``, energies ``[layers, components, N]``."""
        network = join_layers(layers, cycles, organisation)
        prices = Prices.of(organisation, self.table)
        energies = prices.energy_pj(network.counts, network.total_cycles)
        whole = by_component(sum_in_order(energies))  # layer by layer
        return network, energies, MachineCost(network.total_cycles.sum(axis=0), whole, prices.area_mm2)


def _mode(run: Run) -> RunMode:
    return "skip" if run.mode == "skip" else "dense"


def _joined(batches: Sequence[LayerTraffic]) -> LayerTraffic:
    """Join the batches of a layer: what is by image is concatenated, the rest is the same in all."""
    first = batches[0]
    if len(batches) == 1:
        return first
    bits, rows = (np.concatenate([getattr(batch.stored, key) for batch in batches]) for key in ("bits", "rows"))
    parts = zip(*(batch.factors for batch in batches), strict=True)
    factors = EventFactors._make(np.concatenate(part) if isinstance(part[0], np.ndarray) else part[0] for part in parts)
    return replace(first, factors=factors, stored=StoredInput(bits, rows, first.stored.row_bits))
