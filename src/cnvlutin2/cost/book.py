"""`CostBook`: keeps account while layers stream by, and settles it when the network has ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from cnvlutin2.cost.area import area_mm2
from cnvlutin2.cost.energy import Prices
from cnvlutin2.cost.events import Counts
from cnvlutin2.cost.memory import place
from cnvlutin2.cost.model import LayerCost, MachineCost, NetworkCost
from cnvlutin2.cost.tables import CostTable
from cnvlutin2.cost.traffic import Account, RunMode, Stored, account
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


class CostBook:
    """Accounts by organisation, layer and mode, batch by batch; an observer of `cnvlutin2.simulate`.

    Parameters
    ----------
    table : CostTable
    """

    def __init__(self, table: CostTable) -> None:
        self.table = table
        self._batches: dict[tuple[str, str, RunMode], list[Account]] = defaultdict(list)
        self._dense: dict[tuple[Organisation, str], list[Account]] = defaultdict(list)
        self._dense_cycles: dict[tuple[Organisation, str], int] = {}
        self._networks: dict[Organisation, MachineCost] = {}
        self._baselines: dict[str, Organisation] = {}

    def __call__(self, prepared: PreparedLayer, organisations: Sequence[Organisation], timings: Sequence[LayerTiming]) -> None:
        """Enter one batch of one layer."""
        name = prepared.layer.name
        for base in dict.fromkeys(self._baseline_of(organisation) for organisation in organisations):
            self._dense[base, name].append(account(prepared, base, "dense"))
            self._dense_cycles[base, name] = dense_cycles(prepared, base)
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
        layers = self._priced(accounts, [run.cycles for run in runs], organisation)
        machine = MachineCost.of(layers, area_mm2(organisation, self.table))
        return layers, NetworkCost(machine, self._baseline(self._baseline_of(organisation), [run.name for run in runs]))

    def _baseline_of(self, organisation: Organisation) -> Organisation:
        if organisation.name not in self._baselines:
            self._baselines[organisation.name] = baseline_of(organisation)
        return self._baselines[organisation.name]

    def _baseline(self, base: Organisation, names: Sequence[str]) -> MachineCost:
        if base not in self._networks:
            accounts = [_joined(self._dense[base, name]) for name in names]
            images = accounts[0].stored.bits.size
            cycles = [np.full(images, self._dense_cycles[base, name], np.int64) for name in names]
            self._networks[base] = MachineCost.of(self._priced(accounts, cycles, base), area_mm2(base, self.table))
        return self._networks[base]

    def _priced(self, accounts: Sequence[Account], cycles: Sequence[Counts], organisation: Organisation) -> list[LayerCost]:
        prices = Prices.of(organisation, self.table)
        return [
            LayerCost(
                layer.events,
                layer.encoder_stall_cycles,
                layer.dram_cycles,
                layer.total_cycles,
                prices.energy_pj(layer.events, layer.total_cycles),
            )
            for layer in place(accounts, cycles, organisation)
        ]


def _mode(run: Run) -> RunMode:
    return "skip" if run.mode == "skip" else "dense"


def _joined(batches: Sequence[Account]) -> Account:
    """Join the batches of a layer: what is by image is concatenated, the rest is the same in all."""
    first = batches[0]
    if len(batches) == 1:
        return first
    stored = Stored(
        first.stored.format,
        np.concatenate([batch.stored.bits for batch in batches]),
        np.concatenate([batch.stored.rows for batch in batches]),
        first.stored.row_bits,
        first.stored.values,
        tuple(batch.stored.identity for batch in batches),
    )
    events = {name: np.concatenate([batch.events[name] for batch in batches]) for name in first.events}
    return Account(events, stored, first.weights, first.windows, first.filters, first.passes, first.busiest_tile_filters)
