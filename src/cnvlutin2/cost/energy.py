"""Events to energy (docs/cost.md, "Energy")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost.area import area_mm2, static_mw
from cnvlutin2.cost.events import COMPONENTS, EVENTS, STATIC, Counts
from cnvlutin2.cost.tables import CostTable
from cnvlutin2.organisation import Organisation

Energies = dict[str, NDArray[np.float64]]
"""By component, pJ of each image, ``[N]``."""
ENERGIES = (*COMPONENTS, STATIC)
"""The components in the order in which energies stand in arrays."""

_COMPONENT_OF = [COMPONENTS.index(event.component) for event in EVENTS.values()]
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
        areas = area_mm2(organisation, table)
        return cls(pj, areas, static_mw(areas, table), organisation.clock_ghz)

    @cached_property
    def _by_component(self) -> NDArray[np.float64]:
        """What each component pays for an event, ``[components, events]``."""
        prices = np.zeros((len(COMPONENTS), len(EVENTS)))
        prices[_COMPONENT_OF, range(len(EVENTS))] = [self.pj[name] for name in EVENTS]
        return prices

    def energy_pj(self, counts: Counts, total_cycles: Counts) -> NDArray[np.float64]:
        """Return energies by component, static energy last, ``[..., len(ENERGIES), N]``.

        Parameters
        ----------
        counts : int64 ``[..., events, N]``
        total_cycles : int64 ``[..., N]``
            How long it takes; leakage lasts as long.
        """
        static = total_cycles * (self.static_mw / self.clock_ghz)  # mW times ns is pJ
        return np.concatenate([self._by_component @ counts, static[..., None, :]], axis=-2)


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


def by_component(energies: NDArray[np.float64]) -> Energies:
    """Return energies ``[components, N]`` as a mapping; its arrays are views."""
    return dict(zip(ENERGIES, energies, strict=True))


def total_pj(energies: Mapping[str, NDArray[np.float64]], *, without: tuple[str, ...] = ()) -> NDArray[np.float64]:
    """Return the sum over the components but for some."""
    total: NDArray[np.float64] = np.sum([energy for name, energy in energies.items() if name not in without], axis=0)
    return total
