"""Events to energy (docs/cost.md, "Energy")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost.area import area_mm2, static_mw
from cnvlutin2.cost.tables import CostTable
from cnvlutin2.machine import DRAM, EVENTS, PAYERS
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.engine import Counts

Energies = dict[str, NDArray[np.float64]]
"""By component, pJ of each image, ``[N]``."""
STATIC = "static"
COMPONENTS = (*PAYERS, STATIC)
"""What an energy is made of, in the order in which energies stand in arrays: what events cost by payer, and leakage."""

_PAYER_OF = [PAYERS.index(event.payer) for event in EVENTS.values()]
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

    def energy_pj(self, counts: Counts, total_cycles: Counts) -> NDArray[np.float64]:
        """Return energies by component, static energy last, ``[..., len(COMPONENTS), N]``.

        Parameters
        ----------
        counts : int64 ``[..., events, N]``
        total_cycles : int64 ``[..., N]``
            How long it takes; leakage lasts as long.
        """
        static = total_cycles * (self.static_mw / self.clock_ghz)  # mW times ns is pJ
        energies = np.zeros((*counts.shape[:-2], len(COMPONENTS), counts.shape[-1]))
        # One event after another, for the order decides the last bit: libraries of matrix products choose their own.
        for event, (name, payer) in enumerate(zip(EVENTS, _PAYER_OF, strict=True)):
            energies[..., payer, :] += self.pj[name] * counts[..., event, :]
        energies[..., -1, :] = static
        return energies


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


def by_component(energies: NDArray[np.float64]) -> Energies:
    """Return energies ``[components, N]`` as a mapping; its arrays are views."""
    return dict(zip(COMPONENTS, energies, strict=True))


def total_pj(energies: Mapping[str, NDArray[np.float64]], *, without: tuple[str, ...] = ()) -> NDArray[np.float64]:
    """Return the sum over the components but for some."""
    total: NDArray[np.float64] = np.sum([energy for name, energy in energies.items() if name not in without], axis=0)
    return total
