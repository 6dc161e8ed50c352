"""Events to energy (docs/cost.md, "Energy")."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost.area import area_mm2, static_mw
from cnvlutin2.cost.events import COMPONENTS, EVENTS, STATIC, Counts, Events
from cnvlutin2.cost.tables import CostTable
from cnvlutin2.organisation import Organisation

Energies = dict[str, NDArray[np.float64]]
"""By component, pJ of each image, ``[N]``."""

_READS = {"nm": "nm", "sb": "sb", "nbin": "buffers", "nbout": "buffers", "brick_buffer": "buffers"}
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


def prices_pj(organisation: Organisation, table: CostTable) -> dict[str, float]:
    """Return what each event costs, in pJ; NM rows cost nothing of their own (their bits do)."""
    prices = {}
    for name, event in EVENTS.items():
        if name == "nm_rows_read":
            prices[name] = 0.0
        elif name in _OPERATIONS:
            prices[name] = table.operation_pj(_OPERATIONS[name], organisation.data_bits)
        elif event.component == "dram":
            prices[name] = table.dram_pj_per_bit(organisation.dram)
        elif name.endswith(("_bits_written", "_bits_filled")):
            prices[name] = table.write_pj_per_bit(_READS[event.component])
        else:
            prices[name] = table.read_pj_per_bit(_READS[event.component])
    return prices


def energy_pj(events: Events, total_cycles: Counts, organisation: Organisation, table: CostTable) -> Energies:
    """Return the energy of a layer by component, static energy included.

    Parameters
    ----------
    events : mapping of str to int64 ``[N]``
    total_cycles : int64 ``[N]``
        How long it takes; leakage lasts as long.
    organisation : Organisation
    table : CostTable
    """
    prices = prices_pj(organisation, table)
    energies: Energies = {component: np.zeros(total_cycles.shape) for component in COMPONENTS}
    for name, counts in events.items():
        energies[EVENTS[name].component] += counts * prices[name]
    nanoseconds = total_cycles / organisation.clock_ghz
    energies[STATIC] = nanoseconds * static_mw(area_mm2(organisation, table), table)  # mW times ns is pJ
    return energies


def total_pj(energies: Mapping[str, NDArray[np.float64]], *, without: tuple[str, ...] = ()) -> NDArray[np.float64]:
    """Return the sum over the components but for some."""
    total: NDArray[np.float64] = np.sum([energy for name, energy in energies.items() if name not in without], axis=0)
    return total
