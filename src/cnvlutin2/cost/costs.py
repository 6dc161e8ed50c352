"""`LayerCost` and `NetworkCost`: what the cost model found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost.energy import Energies, by_component, total_pj
from cnvlutin2.cost.event_counts import Events, as_events
from cnvlutin2.cost.float_sums import sum_in_order, total
from cnvlutin2.cost.packed_rows import PackedRows
from cnvlutin2.machine import DRAM
from cnvlutin2.timing.engine import Counts


class LayerCost:
    """A layer under one organisation, for all images.

    Parameters
    ----------
    counts : int64 ``[events, N]``
        In the order of `cnvlutin2.machine.EVENTS`.
    encoder_stall_cycles, dram_cycles, total_cycles : int64 ``[N]``
        As in `cnvlutin2.cost.neighbours.NetworkTraffic`.
    dense_total_cycles : int64 ``[N]``
        Those of the dense baseline.
    energies : float64 ``[components, N]``
        In pJ, in the order of `cnvlutin2.cost.energy.COMPONENTS`.
    """

    def __init__(
        self,
        counts: Counts,
        encoder_stall_cycles: Counts,
        dram_cycles: Counts,
        total_cycles: Counts,
        dense_total_cycles: Counts,
        energies: NDArray[np.float64],
    ) -> None:
        self._counts, self._energies = PackedRows(counts), PackedRows(energies)
        self.encoder_stall_cycles = encoder_stall_cycles
        self.dram_cycles = dram_cycles
        self.total_cycles = total_cycles
        self.dense_total_cycles = dense_total_cycles

    @property
    def counts(self) -> Counts:
        """The events, int64 ``[events, N]``; unpacked at each time."""
        return self._counts.array()

    @property
    def energies(self) -> NDArray[np.float64]:
        """The energies in pJ, float64 ``[components, N]``; unpacked at each time."""
        return self._energies.array()

    @property
    def events(self) -> Events:
        """The events by name, int64 ``[N]`` each."""
        return as_events(self.counts)

    @property
    def energy_pj(self) -> Energies:
        """The energies by component, float64 ``[N]`` each: ``dram`` is off chip, ``static`` leakage, the others dynamic."""
        return by_component(self.energies)

    def records(self) -> Iterator[dict[str, object]]:
        """Yield each image's figures as plain values, as in the JSON."""
        events, energy_pj = self.events, self.energy_pj
        for image in range(self.total_cycles.size):
            energies = {name: float(energy[image]) for name, energy in energy_pj.items()}
            yield {
                "encoder_stall_cycles": int(self.encoder_stall_cycles[image]),
                "dram_cycles": int(self.dram_cycles[image]),
                "total_cycles": int(self.total_cycles[image]),
                "dense_total_cycles": int(self.dense_total_cycles[image]),
                "events": {name: int(counts[image]) for name, counts in events.items()},
                "energy_pj": {**energies, "total": sum_in_order(energies.values())},
            }


@dataclass(frozen=True, eq=False)
class MachineCost:
    """A network on one machine: sums over its layers, by image.

    Parameters
    ----------
    total_cycles : int64 ``[N]``
    energy_pj : mapping of str to float64 ``[N]``
    area_mm2 : mapping of str to float
        By part.
    """

    total_cycles: Counts
    energy_pj: Energies
    area_mm2: Mapping[str, float]

    @property
    def total_pj(self) -> NDArray[np.float64]:
        """Energy of each image."""
        return total_pj(self.energy_pj)

    @property
    def chip_pj(self) -> NDArray[np.float64]:
        """Energy of each image without DRAM's."""
        return total_pj(self.energy_pj, without=(DRAM,))

    @property
    def total_mm2(self) -> float:
        """Area of all parts."""
        return sum_in_order(self.area_mm2.values())

    def figures(self) -> dict[str, object]:
        """Return the figures as plain values, as in the JSON."""
        return {
            "total_cycles": self.total_cycles.tolist(),
            "energy_pj": {name: energy.tolist() for name, energy in self.energy_pj.items()},
            "total_energy_pj": self.total_pj.tolist(),
            "area_mm2": dict(self.area_mm2),
            "total_area_mm2": self.total_mm2,
        }


@dataclass(frozen=True, eq=False)
class NetworkCost:
    """A network under one organisation, beside the dense baseline of its size.

    All gains are above 1 where the organisation is better. Products of energy and delay are those of the mean image: the mean
    energy times the mean time.

    Parameters
    ----------
    machine, baseline : MachineCost
    cautions : tuple of str
        What is to be said wherever these figures are shown: of prices that are known to be doubtful, and that were paid.
    """

    machine: MachineCost
    baseline: MachineCost
    cautions: tuple[str, ...] = ()

    @property
    def speedup(self) -> float:
        """Total cycles of the baseline by the organisation's."""
        return int(self.baseline.total_cycles.sum()) / int(self.machine.total_cycles.sum())

    @property
    def energy_gain(self) -> float:
        """Energy of the baseline by the organisation's."""
        return total(self.baseline.total_pj) / total(self.machine.total_pj)

    @property
    def chip_energy_gain(self) -> float:
        """The same without DRAM."""
        return total(self.baseline.chip_pj) / total(self.machine.chip_pj)

    @property
    def area_overhead(self) -> float:
        """Area that the organisation takes more than the baseline, as a part of the baseline's."""
        return self.machine.total_mm2 / self.baseline.total_mm2 - 1

    def edp_gain(self, *, chip: bool = False) -> float:
        """Return the gain in energy-delay product, on demand of the chip alone."""
        return (self.chip_energy_gain if chip else self.energy_gain) * self.speedup

    def ed2p_gain(self, *, chip: bool = False) -> float:
        """Return the gain in energy-delay-squared product, on demand of the chip alone."""
        return self.edp_gain(chip=chip) * self.speedup

    def summary(self) -> dict[str, object]:
        """Return the figures as plain values, as in the JSON."""
        return {
            **self.machine.figures(),
            "cautions": list(self.cautions),
            "baseline": self.baseline.figures(),
            "relative": {
                "speedup": self.speedup,
                "energy_gain": self.energy_gain,
                "edp_gain": self.edp_gain(),
                "ed2p_gain": self.ed2p_gain(),
                "chip_energy_gain": self.chip_energy_gain,
                "chip_edp_gain": self.edp_gain(chip=True),
                "chip_ed2p_gain": self.ed2p_gain(chip=True),
                "area_overhead": self.area_overhead,
            },
        }
