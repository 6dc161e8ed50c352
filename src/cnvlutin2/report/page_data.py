"""Results to the plain values that the page draws."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost import LayerCost, NetworkCost
from cnvlutin2.machine import DRAM, EVENTS, Machine
from cnvlutin2.organisation import Organisation
from cnvlutin2.report.palette import COMPONENTS, SLOTS, Style, component_kind, format_kind, organisation_styles
from cnvlutin2.report.viewer import ViewerData
from cnvlutin2.results import WAITING, LayerResult, NetworkResult, Results
from cnvlutin2.timing import SLOT_KINDS

Json = dict[str, Any]


def page_data(results: Results, trace: ViewerData | None, command: str) -> Json:
    """Return everything that the page shows, as plain values.

    Counts are sums over a network's images, which the page divides by their number; densities are means.

    Parameters
    ----------
    results : Results
    trace : ViewerData or None
        Of the same run.
    command : str
        What repeats the run.
    """
    styles = organisation_styles(results.organisations)
    names = dict.fromkeys(name for network in results.networks for layer in network.layers for name in layer.footprint_bits)
    components = _components(results)
    share = 1 / max(1, len(results.networks))
    networks = []
    for position, network in enumerate(results.networks):
        watched = trace.of(position, network.network) if trace else None
        by_name = dict(zip(watched.layers, watched.to_json(share), strict=True)) if watched else {}
        networks.append(_network(network, list(results.organisations), list(names), components, by_name))
    return {
        "command": command,
        "waiting": WAITING,
        "provenance": {key: _text(value) for key, value in results.provenance.items()},
        "archs": [_arch(organisation, styles[name]) for name, organisation in results.organisations.items()],
        "slots": [{"key": key, **asdict(kind)} for key, kind in SLOTS.items()],
        "formats": [{"key": name, **asdict(format_kind(name))} for name in names],
        "components": [{"key": name, **asdict(component_kind(name))} for name in components],
        "networks": networks,
    }


def _arch(organisation: Organisation, style: Style) -> Json:
    config = {key: _text(value) for key, value in organisation.model_dump().items() if key not in ("name", "description")}
    return {
        "name": organisation.name,
        "description": organisation.description,
        **asdict(style),
        "skips": organisation.skips,
        "multipliers": organisation.slots_per_cycle,
        "clock_ghz": organisation.clock_ghz,
        "format": organisation.format,
        "dram_bits_per_cycle": None if (rate := Machine.of(organisation).rates.dram_bits) is None else float(rate),
        "config": config,
    }


def _text(value: object) -> str:
    """Return a setting in words: of a map, what each name has."""
    if value in ({}, None):
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_text(item)}" for name, item in value.items())
    return value if isinstance(value, str) else json.dumps(value)


def _components(results: Results) -> list[str]:
    """Return the components that energy is known of, those that are not known here last."""
    found = dict.fromkeys(
        name for network in results.networks for layer in network.layers if layer.cost for name in layer.cost.energy_pj
    )
    return [name for name in COMPONENTS if name in found] + [name for name in found if name not in COMPONENTS]


def _network(
    network: NetworkResult, archs: Sequence[str], formats: Sequence[str], components: Sequence[str], traces: Json
) -> Json:
    by_arch = [network.of(arch) for arch in archs]
    return {
        "name": network.network,
        "images": list(network.images),
        "hashes": dict(network.hashes),
        "synthetic": network.synthetic,
        "left_out_text": network.coverage.left_out_text(),
        "left_out": [asdict(item) for item in network.left_out],
        "accuracy": asdict(network.accuracy) if network.accuracy else None,
        "layers": [{**_layer(layer), "trace": traces.get(layer.layer.name)} for layer in by_arch[0]],
        "runs": [[_run(layer, components) for layer in layers] for layers in by_arch],
        "totals": [_total(network, arch) for arch in archs],
        "footprints": _footprints(by_arch, formats),
        "costs": [_network_cost(network.costs[arch], components) if arch in network.costs else None for arch in archs],
    }


def _layer(result: LayerResult) -> Json:
    density = result.activation_density
    return {
        **asdict(result.layer),
        "activation_density": [float(density.mean()), float(density.min()), float(density.max())],
    }


def _run(result: LayerResult, components: Sequence[str]) -> Json:
    slots = dict(zip(SLOT_KINDS, result.slots.sum(axis=0).tolist(), strict=True))
    return {
        "mode": result.mode,
        "cycles": int(result.cycles.sum()),
        "range": [int(result.cycles.min()), int(result.cycles.max())],
        "dense_cycles": result.dense_cycles * result.cycles.size,
        "effectual_macs": int(result.effectual_macs.sum()),
        "slots": [slots[kind] for kind in SLOTS],
        "cost": _layer_cost(result.cost, components) if result.cost else None,
    }


def _layer_cost(cost: LayerCost, components: Sequence[str]) -> Json:
    """Return sums over the images; energies to six figures, which is more than their sources have."""
    dram_bits = sum(int(counts.sum()) for name, counts in cost.events.items() if EVENTS[name].payer == DRAM)
    return {
        "energy_pj": _energies(cost.energy_pj, components),
        "dram_bits": dram_bits,
        "dram_cycles": int(cost.dram_cycles.sum()),
        "stall_cycles": int(cost.encoder_stall_cycles.sum()),
        "total_cycles": int(cost.total_cycles.sum()),
    }


def _network_cost(cost: NetworkCost, components: Sequence[str]) -> Json:
    return {
        "energy_pj": _energies(cost.machine.energy_pj, components),
        "baseline_pj": _energies(cost.baseline.energy_pj, components),
        "area_mm2": cost.machine.total_mm2,
        "relative": cost.summary()["relative"],
        "cautions": list(cost.cautions),
    }


def _energies(energy_pj: Mapping[str, NDArray[np.float64]], components: Sequence[str]) -> list[float]:
    return [float(f"{energy_pj[name].sum():.6g}") if name in energy_pj else 0.0 for name in components]


def _total(network: NetworkResult, arch: str) -> Json:
    speedups = network.image_speedups(arch)
    return {
        "cycles": int(network.image_cycles(arch).sum()),
        "dense_cycles": network.dense_cycles(arch) * len(network.images),
        "speedup": network.speedup(arch),
        "waited": network.speedup_with_waiting(arch),
        "range": [float(speedups.min()), float(speedups.max())],
    }


def _footprints(by_arch: Sequence[Sequence[LayerResult]], formats: Sequence[str]) -> list[Json]:
    """Return the bits by layer and format, once for all organisations that store alike."""
    found: list[Json] = []
    for position, layers in enumerate(by_arch):
        bits = [[int(layer.footprint_bits[name].sum()) for name in formats] for layer in layers]
        same = next((entry for entry in found if entry["bits"] == bits), None)
        if same is None:
            found.append({"archs": [position], "bits": bits})
        else:
            same["archs"].append(position)
    return found
