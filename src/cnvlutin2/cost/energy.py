"""Events to energy (docs/cost.md, "Energy")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost.area import area_mm2, cell_of, static_mw
from cnvlutin2.cost.float_sums import sum_in_order
from cnvlutin2.cost.tables import CostTable
from cnvlutin2.machine import DRAM, EVENTS, PAYERS, Machine
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.engine import Counts

Energies = dict[str, NDArray[np.float64]]
"""By component, pJ of each image, ``[N]``."""
STATIC = "static"
COMPONENTS = (*PAYERS, STATIC)
"""What an energy is made of, in the order in which energies stand in arrays: what events cost by payer, and leakage."""

_NAMES = tuple(EVENTS)
_PAID = [[row for row, event in enumerate(EVENTS.values()) if event.payer == payer] for payer in PAYERS]
_TURNS = tuple(zip_longest(*_PAID))
"""The first event of each payer, then the second of each that has one, and so on."""
_ROWS = np.array([row or 0 for turn in _TURNS for row in turn])
_OPERATIONS = {
    "pointer_lookups": "pointer",
    "detector_values": "detection",
    "offsets_generated": "offset",
    "activations_selected": "selection",
    "encoder_values": "encoding",
    "broadcast_bits": "broadcast",
    "multiplications": "multiplication",
    "additions": "addition",
}


@dataclass(frozen=True, eq=False)
class Prices:
    """What an organisation pays under a table.

    Parameters
    ----------
    pj : mapping of str to float
        Of each event; NM rows cost nothing of their own (their bits do).
    area_mm2 : mapping of str to float
        By part.
    static_mw : float
        Leakage of all parts.
    clock_ghz : float
    """

    pj: Mapping[str, float]
    area_mm2: Mapping[str, float]
    static_mw: float
    clock_ghz: float

    @classmethod
    def of(cls, organisation: Organisation, table: CostTable) -> Prices:
        """Look up the prices."""
        pj = {name: _price_pj(name, organisation, table) for name in EVENTS}
        return cls(pj, area_mm2(organisation, table), static_mw(organisation, table), organisation.clock_ghz)

    @cached_property
    def _in_turn(self) -> NDArray[np.float64]:
        """The prices of the events in `_TURNS`, ``[turns * payers, 1]``; a payer that has no more events pays nothing."""
        prices = [0.0 if row is None else self.pj[_NAMES[row]] for turn in _TURNS for row in turn]
        return np.array(prices)[:, None]

    def energy_pj(self, counts: Counts, total_cycles: Counts) -> NDArray[np.float64]:
        """Return energies by component, static energy last, ``[..., len(COMPONENTS), N]``.

        What a payer pays is added up in the order of the events.

        Parameters
        ----------
        counts : int64 ``[..., events, N]``
        total_cycles : int64 ``[..., N]``
            How long it takes; leakage lasts as long.
        """
        *lead, images = total_cycles.shape
        paid = (counts[..., _ROWS, :] * self._in_turn).reshape(*lead, len(_TURNS), len(PAYERS), images)
        dynamic = sum_in_order([paid[..., turn, :, :] for turn in range(len(_TURNS))])
        static = total_cycles * (self.static_mw / self.clock_ghz)  # mW times ns is pJ
        return np.concatenate([dynamic, static[..., None, :]], axis=-2)


def _price_pj(name: str, organisation: Organisation, table: CostTable) -> float:
    payer = EVENTS[name].payer
    if name == "nm_rows_read":
        return 0.0
    if name in _OPERATIONS:
        return table.operation_pj(_OPERATIONS[name], organisation.data_bits)
    if payer == DRAM:
        return table.dram_pj_per_bit(organisation.dram)
    if name.endswith(("_bits_written", "_bits_filled")):
        return table.write_pj_per_bit(payer)
    return table.read_pj_per_bit(payer)


def cautions(organisation: Organisation, counts: Counts, table: CostTable) -> tuple[str, ...]:
    """Return what a table says of prices that were paid: of operations in counts ``[layers, events, N]``, and of units' areas."""
    operations = [op for name, op in _OPERATIONS.items() if counts[:, _NAMES.index(name)].any()]
    said = [getattr(table.operations, operation).caution for operation in operations]
    said += [getattr(table.cells, cell_of(unit)).caution for unit in Machine.of(organisation).units if unit.count]
    return tuple(dict.fromkeys(filter(None, said)))


def by_component(energies: NDArray[np.float64]) -> Energies:
    """Return energies ``[components, N]`` as a mapping; its arrays are views."""
    return dict(zip(COMPONENTS, energies, strict=True))


def total_pj(energies: Mapping[str, NDArray[np.float64]], *, without: tuple[str, ...] = ()) -> NDArray[np.float64]:
    """Return the sum over the components but for some, in their order."""
    return sum_in_order([energy for name, energy in energies.items() if name not in without])
