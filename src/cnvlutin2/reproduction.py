"""Published figures beside what this package computes from the networks at hand, and why they differ."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cnvlutin2.cost import STATIC, CostTable, MachineCost, area_mm2, baseline_of, load_table, table_names
from cnvlutin2.cost.float_sums import sum_in_order, total
from cnvlutin2.cost.published import Figure, published_dense_cycles, published_figures
from cnvlutin2.errors import Cnvlutin2Warning
from cnvlutin2.layer import Geometry
from cnvlutin2.mapping import Schedule
from cnvlutin2.network import Inputs, Network, Topology
from cnvlutin2.network.bundled import bundled_names
from cnvlutin2.network.topology_shapes import topology_names
from cnvlutin2.organisation import preset
from cnvlutin2.results import NetworkResult
from cnvlutin2.simulation import simulate
from cnvlutin2.tuning.published_thresholds import ThresholdFigures, TunedFigures, threshold_figures, tuned_figures

ARCH = "cnv"
Tell = Callable[[str], None]


@dataclass(frozen=True)
class NetworkFigures:
    """Cnvlutin against the dense baseline on one network.

    Parameters
    ----------
    network, values : str
        Its name; where its activations come from.
    images : int
    zero_activations : float
        Mean over the layers but the first of the part of the input that is zero.
    speedup : float
        Of the datapath.
    speedup_with_waiting, energy_gain, edp_gain, ed2p_gain : float
        With waiting for the encoders, without DRAM's energy.
    energy_gain_unwaited, edp_gain_unwaited, ed2p_gain_unwaited : float
        The same if the encoders never made a tile wait.
    scaling_share : float
        Part of the baseline's energy on chip that goes with the products: multipliers, adders, SB.
    """

    network: str
    values: str
    images: int
    zero_activations: float
    speedup: float
    speedup_with_waiting: float
    energy_gain: float
    edp_gain: float
    ed2p_gain: float
    energy_gain_unwaited: float
    edp_gain_unwaited: float
    ed2p_gain_unwaited: float
    scaling_share: float


@dataclass(frozen=True)
class Comparison:
    """A published figure beside the computed one.

    Parameters
    ----------
    key : str
    published : Figure
    computed : float
    basis : str
        What it was computed from.
    why : str
        Why the two differ, or what an agreement means.
    """

    key: str
    published: Figure
    computed: float
    basis: str
    why: str


@dataclass(frozen=True)
class Reproduction:
    """All of it.

    Parameters
    ----------
    table : str
        Name of the cost table.
    networks : sequence of NetworkFigures
        First the paper's six, then those with real values.
    comparisons : sequence of Comparison
    dense_cycles : sequence of (str, int, int)
        Layer, published and computed cycles.
    areas : mapping of str to mapping of str to float
        By table, Cnvlutin's area overhead and each part's share of it.
    thresholds : sequence of ThresholdFigures
        Published thresholds on synthetic values of the paper's six networks.
    tuned : sequence of TunedFigures
        Thresholds of the bundled networks, which have real values.
    """

    table: str
    networks: Sequence[NetworkFigures]
    comparisons: Sequence[Comparison]
    dense_cycles: Sequence[tuple[str, int, int]]
    areas: Mapping[str, Mapping[str, float]]
    thresholds: Sequence[ThresholdFigures]
    tuned: Sequence[TunedFigures]


def reproduce(
    networks: Sequence[tuple[Network, Inputs | None]],
    table: CostTable,
    seed: int = 0,
    jobs: int | None = None,
    tell: Tell | None = None,
) -> Reproduction:
    """Compute what was published, as far as the networks at hand allow.

    Parameters
    ----------
    networks : sequence of (Network, Inputs or None)
        Networks with real values, shown besides the paper's six topologies.
    table : CostTable
    seed : int
        Of the topologies' synthetic values.
    jobs : int, optional
    tell : callable, optional
        Told what is being done.

    Returns
    -------
    Reproduction
    """
    tell = tell or (lambda _text: None)
    six = []
    overheads: dict[str, float] = {}
    for name in topology_names():
        tell(f"{name}: convolutions, synthetic values")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Cnvlutin2Warning)  # the other layers are left out on purpose, as in the paper
            result = simulate(Topology(name, seed=seed, conv_only=True), organisations=ARCH, jobs=jobs, energy=table).networks[0]
        six.append(_figures(result))
        overheads = overheads or _format_overheads(result)
    real = []
    for network, inputs in networks:
        tell(f"{network.name}: executed")
        real.append(_figures(simulate(network, inputs, ARCH, jobs=jobs, energy=table).networks[0]))
    tell("published thresholds, and tuned ones")
    thresholds = [threshold_figures(name, ARCH, seed, jobs) for name in topology_names()]
    tuned = [tuned_figures(name, ARCH, jobs) for name in bundled_names()]
    areas = {name: _area_overhead(load_table(name)) for name in dict.fromkeys((*table_names(), table.name)) if name != table.name}
    areas[table.name] = _area_overhead(table)
    comparisons = _comparisons(six, overheads, areas[table.name], table)
    return Reproduction(table.name, [*six, *real], comparisons, _dense_cycles(), areas, thresholds, tuned)


def _figures(result: NetworkResult) -> NetworkFigures:
    cost = result.costs[ARCH]
    layers = result.of(ARCH)
    densities = [float(layer.activation_density.mean()) for layer in layers[1:] or layers]
    compute = result.image_cycles(ARCH)
    dynamic = cost.machine.chip_pj - cost.machine.energy_pj[STATIC]
    unwaited = dynamic + cost.machine.energy_pj[STATIC] * (compute / cost.machine.total_cycles)
    energy_gain = total(cost.baseline.chip_pj) / total(unwaited)
    speedup = result.speedup(ARCH)
    return NetworkFigures(
        result.network,
        "synthetic" if result.synthetic else "real",
        len(result.images),
        1 - float(np.mean(densities)),
        speedup,
        cost.speedup,
        cost.chip_energy_gain,
        cost.edp_gain(chip=True),
        cost.ed2p_gain(chip=True),
        energy_gain,
        energy_gain * speedup,
        energy_gain * speedup**2,
        _scaling_share(cost.baseline),
    )


def _scaling_share(baseline: MachineCost) -> float:
    scaling = sum_in_order(total(baseline.energy_pj[name]) for name in ("multipliers", "adders", "sb"))
    return scaling / total(baseline.chip_pj)


def _format_overheads(result: NetworkResult) -> dict[str, float]:
    """Return what the formats add to dense storage, over all layers."""
    totals = {
        name: sum(int(layer.footprint_bits[name].sum()) for layer in result.of(ARCH)) for name in ("dense", "zfnaf", "viai")
    }
    return {name: bits / totals["dense"] - 1 for name, bits in totals.items()}


def _area_overhead(table: CostTable) -> dict[str, float]:
    """Return Cnvlutin's area overhead, in all and by part, relative to the baseline's area."""
    machine = preset(ARCH)
    base, ours = area_mm2(baseline_of(machine), table), area_mm2(machine, table)
    whole = sum_in_order(base.values())
    parts = {part: (area - base.get(part, 0.0)) / whole for part, area in ours.items()}
    return {"total": sum_in_order(parts.values()), **{part: share for part, share in parts.items() if share}}


def _dense_cycles() -> list[tuple[str, int, int]]:
    machine = preset("dadiannao")
    found = []
    for (channels, filters, size, kernel, pad), cycles in published_dense_cycles():
        layer = Geometry(channels, size, size, filters, (kernel, kernel), pads=(pad,) * 4)
        text = f"{channels} > {filters}, {size}x{size}, kernel {kernel}x{kernel}, pad {pad}"
        found.append((text, cycles, Schedule.of(layer, machine).dense_cycles))
    return found


def _comparisons(
    six: Sequence[NetworkFigures], overheads: Mapping[str, float], area: Mapping[str, float], table: CostTable
) -> list[Comparison]:
    speedups, waited = [network.speedup for network in six], [network.speedup_with_waiting for network in six]
    zeros = float(np.mean([network.zero_activations for network in six]))
    share = float(np.mean([network.scaling_share for network in six]))
    synthetic = f"six topologies, synthetic values, {zeros:.0%} zeros in every layer but the first"
    values = (
        "Other weights and images: the shapes are the paper's, the values synthetic, with the paper's mean density in every "
        "layer, where the real ones differ from layer to layer and from network to network"
    )
    energy = (
        f"Other technology and another account: by the table {table.name}, {share:.0%} of the baseline's energy on chip goes "
        "with the products (multipliers, adders, weights out of SB), and only executed products are charged, so skipping saves "
        "more than what follows from the paper, whose energies of single events are not at hand. Encoders are taken never to "
        "make a tile wait, as the paper's figures do not mention it; with waiting, see the table above"
    )
    room = (
        f"{area.get('nm', 0.0) / area['total']:.0%} of the computed overhead is NM's room for offsets. Not counted: wires, "
        "control, and what dividing SB into slices costs (one density of SB for all designs)"
    )
    priced = f"geometric mean, table {table.name}, no DRAM; {synthetic}"
    computed = {
        "speedup_least": (min(speedups), f"datapath ({min(waited):.2f}x with waiting); {synthetic}", values),
        "speedup_most": (max(speedups), f"datapath ({max(waited):.2f}x with waiting); {synthetic}", values),
        "speedup_mean": (_mean(speedups), f"geometric mean, datapath ({_mean(waited):.2f}x with waiting); {synthetic}", values),
        "area_overhead": (area["total"], f"table {table.name}", room),
        "energy_gain": (_mean([n.energy_gain_unwaited for n in six]), priced, energy),
        "edp_gain": (_mean([n.edp_gain_unwaited for n in six]), priced, energy),
        "ed2p_gain": (_mean([n.ed2p_gain_unwaited for n in six]), priced, energy),
        "zero_activations": (zeros, "six topologies", "Not a result: the density is given to the synthetic values"),
        "zfnaf_overhead": (overheads["zfnaf"], "inputs of alexnet's layers", "Follows from the format"),
        "viai_overhead": (overheads["viai"], "inputs of alexnet's layers", "Follows from the format"),
    }
    figures = published_figures()
    return [Comparison(key, figures[key], value, basis, why) for key, (value, basis, why) in computed.items()]


def _mean(values: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))
