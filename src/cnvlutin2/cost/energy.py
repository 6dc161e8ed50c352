"""Events to energy (docs/cost.md, "Energy")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost.area import area_mm2, static_mw
from cnvlutin2.cost.events import COMPONENTS, EVENTS, STATIC, Counts, Events
from cnvlutin2.cost.tables import CostTable
from cnvlutin2.organisation import Organisation

Energies = dict[str, NDArray[np.float64]]
"""By component, pJ of each image, ``[N]``."""

_MEMORY_OF = {"nm": "nm", "sb": "sb", "nbin": "buffers", "nbout": "buffers", "brick_buffer": "buffers"}
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


@dataclass(frozen=True)
class Prices:
    """What an organisation pays under a table.

    Parameters
    ----------
    pj : mapping of str to float
        Of each event; NM rows cost nothing of their own (their bits do).
    static_mw : float
        Leakage of all parts.
    clock_ghz : float
    """

    pj: Mapping[str, float]
    static_mw: float
    clock_ghz: float

    @classmethod
    def of(cls, organisation: Organisation, table: CostTable) -> Prices:
        """Look up the prices."""
        pj = {name: _price_pj(name, organisation, table) for name in EVENTS}
        return cls(pj, static_mw(area_mm2(organisation, table), table), organisation.clock_ghz)

    def energy_pj(self, events: Events, total_cycles: Counts) -> Energies:
        """Return the energy of a layer by component, static energy included.

        Parameters
        ----------
        events : mapping of str to int64 ``[N]``
        total_cycles : int64 ``[N]``
            How long it takes; leakage lasts as long.
        """
        energies: Energies = {component: np.zeros(total_cycles.shape) for component in COMPONENTS}
        for name, counts in events.items():
            energies[EVENTS[name].component] += counts * self.pj[name]
        energies[STATIC] = total_cycles.astype(np.float64) * (self.static_mw / self.clock_ghz)  # mW times ns is pJ
        return energies


def _price_pj(name: str, organisation: Organisation, table: CostTable) -> float:
    component = EVENTS[name].component
    if name == "nm_rows_read":
        return 0.0
    if name in _OPERATIONS:
        return table.operation_pj(_OPERATIONS[name], organisation.data_bits)
    if component == "dram":
        return table.dram_pj_per_bit(organisation.dram)
    if name.endswith(("_bits_written", "_bits_filled")):
        return table.write_pj_per_bit(_MEMORY_OF[component])
    return table.read_pj_per_bit(_MEMORY_OF[component])


def total_pj(energies: Mapping[str, NDArray[np.float64]], *, without: tuple[str, ...] = ()) -> NDArray[np.float64]:
    """Return the sum over the components but for some."""
    total: NDArray[np.float64] = np.sum([energy for name, energy in energies.items() if name not in without], axis=0)
    return total
