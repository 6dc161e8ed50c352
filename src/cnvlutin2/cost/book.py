"""`CostBook`: keeps account while layers stream by, and settles it when the network has ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from cnvlutin2.cost.energy import Prices, by_component
from cnvlutin2.cost.events import Counts
from cnvlutin2.cost.memory import place
from cnvlutin2.cost.model import LayerCost, MachineCost, NetworkCost
from cnvlutin2.cost.tables import CostTable
from cnvlutin2.cost.traffic import Account, Measures, RunMode, account
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing import LayerTiming, PreparedLayer
from cnvlutin2.timing.dense import dense_cycles

_SIZE = (
    *("tiles", "filters_per_tile", "lanes", "brick", "data_bits", "packing", "nm_bytes", "sb_bytes_per_tile"),
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
    """Return the dense baseline of the same size, with the same memories and clock, without overheads."""
    size = {key: getattr(organisation, key) for key in _SIZE}
    return Organisation.parse({"name": "dadiannao", "layer_mode": "dense", **size})


@dataclass
class _Baseline:
    """A dense machine and its account: batches and cycles by layer, and what the network costs once it is known."""

    machine: Organisation
    batches: dict[str, list[Account]] = field(default_factory=lambda: defaultdict(list))
    cycles: dict[str, int] = field(default_factory=dict)
    cost: MachineCost | None = None


class CostBook:
    """Accounts by organisation, layer and mode, batch by batch; an observer of `cnvlutin2.simulate`.

    Parameters
    ----------
    table : CostTable
    """

    def __init__(self, table: CostTable) -> None:
        self.table = table
        self._batches: dict[tuple[str, str, RunMode], list[Account]] = defaultdict(list)
        self._bases: dict[Organisation, _Baseline] = {}
        self._base_of: dict[str, _Baseline] = {}  # by an organisation's name

    def __call__(self, prepared: PreparedLayer, organisations: Sequence[Organisation], timings: Sequence[LayerTiming]) -> None:
        """Enter one batch of one layer."""
        name = prepared.layer.name
        bases = {id(base): base for base in map(self._baseline_of, organisations)}
        for base in bases.values():
            base.batches[name].append(account(prepared, base.machine, "dense"))
            base.cycles[name] = dense_cycles(prepared, base.machine)
        for organisation, timing in zip(organisations, timings, strict=True):
            if timing.skip is not None:
                entry = account(prepared, organisation, "skip", timing.skip.slots)
                self._batches[organisation.name, name, "skip"].append(entry)
            if timing.dense is not None:
                self._batches[organisation.name, name, "dense"].append(account(prepared, organisation, "dense"))

    def settle(self, organisation: Organisation, runs: Sequence[Run]) -> tuple[list[LayerCost], NetworkCost]:
        """Return what each layer costs and what the network does, beside its baseline.

        Parameters
        ----------
        organisation : Organisation
        runs : sequence of Run
            The layers in execution order.
        """
        accounts = [_joined(self._batches[organisation.name, run.name, _mode(run)]) for run in runs]
        layers, machine = self._priced(accounts, np.stack([run.cycles for run in runs]), organisation)
        return layers, NetworkCost(machine, self._settled(self._baseline_of(organisation), [run.name for run in runs]))

    def _baseline_of(self, organisation: Organisation) -> _Baseline:
        """Return the account of an organisation's baseline, which those of the same size share."""
        if organisation.name not in self._base_of:
            machine = baseline_of(organisation)
            self._base_of[organisation.name] = self._bases.setdefault(machine, _Baseline(machine))
        return self._base_of[organisation.name]

    def _settled(self, base: _Baseline, names: Sequence[str]) -> MachineCost:
        if base.cost is None:
            accounts = [_joined(base.batches[name]) for name in names]
            cycles = np.array([base.cycles[name] for name in names], np.int64)
            by_image = np.repeat(cycles[:, None], accounts[0].stored.bits.size, axis=1)
            _, base.cost = self._priced(accounts, by_image, base.machine)
        return base.cost

    def _priced(
        self, accounts: Sequence[Account], cycles: Counts, organisation: Organisation
    ) -> tuple[list[LayerCost], MachineCost]:
        """Put layers together and price what they do; `cycles` are ``[layers, N]``."""
        placed = place(accounts, cycles, organisation)
        prices = Prices.of(organisation, self.table)
        energies = prices.energy_pj(placed.counts, placed.total_cycles)
        waits = placed.encoder_stall_cycles, placed.dram_cycles, placed.total_cycles
        layers = [LayerCost(*of_layer) for of_layer in zip(placed.counts, *waits, energies, strict=True)]
        whole = by_component(energies.sum(axis=0))
        return layers, MachineCost(placed.total_cycles.sum(axis=0), whole, prices.area_mm2)


def _mode(run: Run) -> RunMode:
    return "skip" if run.mode == "skip" else "dense"


def _joined(batches: Sequence[Account]) -> Account:
    """Join the batches of a layer: what is by image is concatenated, the rest is the same in all."""
    first = batches[0]
    if len(batches) == 1:
        return first
    stored = replace(
        first.stored,
        bits=np.concatenate([batch.stored.bits for batch in batches]),
        rows=np.concatenate([batch.stored.rows for batch in batches]),
        identity=tuple(batch.stored.identity for batch in batches),
    )
    parts = zip(*(batch.measures for batch in batches), strict=True)
    measures = Measures._make(np.concatenate(part) if isinstance(part[0], np.ndarray) else part[0] for part in parts)
    return replace(first, measures=measures, stored=stored)
