"""`Results`: what a simulation found, by network, layer, organisation and image."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.errors import ConfigError
from cnvlutin2.network import Accuracy, LeftOut
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.slots import SLOT_KINDS

if TYPE_CHECKING:
    import pandas as pd

    from cnvlutin2.cost import LayerCost, NetworkCost

Counts = NDArray[np.int64]
SCHEMA = "cnvlutin2/results/1"


@dataclass(frozen=True)
class LayerInfo:
    """What a layer is, whatever it runs on.

    Parameters
    ----------
    name, kind : str
    input_shape : (int, int, int)
        Channels, height, width of an image.
    weight_shape : (int, int, int, int)
        Filters, channels of a group, kernel height, width.
    output_shape : (int, int, int)
        Filters, height, width.
    groups : int
    strides, pads, dilations : tuple of int
        As in `Layer`.
    threshold, weight_threshold : int
        Least effectual magnitudes, in LSBs.
    first : bool
        Whether it is its network's first layer.
    macs : int
        Multiply-accumulates of an image, padding included.
    weight_density : float
        Effectual part of the weights.
    """

    name: str
    kind: str
    input_shape: tuple[int, int, int]
    weight_shape: tuple[int, int, int, int]
    output_shape: tuple[int, int, int]
    groups: int
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    threshold: int
    weight_threshold: int
    first: bool
    macs: int
    weight_density: float


@dataclass(frozen=True, eq=False)
class LayerResult:
    """A layer under one organisation, for all images.

    Parameters
    ----------
    layer : LayerInfo
    arch : str
        The organisation's name.
    mode : str
        ``skip`` or ``dense``: how it ran.
    cycles, effectual_macs : int64 ``[N]``
    dense_cycles : int
        Of the dense baseline of the same size without overheads, an image.
    slots : int64 ``[N, len(SLOT_KINDS)]``
        Multiplier slots by kind.
    activation_density : float64 ``[N]``
        Effectual part of the stored activations.
    footprint_bits : mapping of str to int64 ``[N]``
        The layer's input under each format, pointers included.
    cost : LayerCost or None
        Traffic and energy, where they were accounted for.
    """

    layer: LayerInfo
    arch: str
    mode: str
    cycles: Counts
    effectual_macs: Counts
    dense_cycles: int
    slots: Counts
    activation_density: NDArray[np.float64]
    footprint_bits: Mapping[str, Counts]
    cost: LayerCost | None = None

    def with_cost(self, cost: LayerCost) -> LayerResult:
        """Return the same with what it costs."""
        return LayerResult(**{**vars(self), "cost": cost})

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name

    @property
    def speedup(self) -> float:
        """Dense cycles by cycles, over all images."""
        return self.dense_cycles * self.cycles.size / int(self.cycles.sum())

    def runs(self) -> Iterator[dict[str, Any]]:
        """Yield one record an image, as in the JSON."""
        layer = self.layer
        for image in range(self.cycles.size):
            yield {
                "layer": layer.name,
                "arch": self.arch,
                "image": image,
                "mode": self.mode,
                "cycles": int(self.cycles[image]),
                "dense_cycles": self.dense_cycles,
                "macs": layer.macs,
                "effectual_macs": int(self.effectual_macs[image]),
                "activation_density": float(self.activation_density[image]),
                "weight_density": layer.weight_density,
                "footprint_bits": {name: int(bits[image]) for name, bits in self.footprint_bits.items()},
                "slots": dict(zip(SLOT_KINDS, self.slots[image].tolist(), strict=True)),
                **(self.cost.record(image) if self.cost else {}),
            }


@dataclass(frozen=True, eq=False)
class NetworkResult:
    """A network under all organisations.

    Parameters
    ----------
    network : str
    images : sequence of str
        The inputs' names.
    layers : sequence of LayerResult
        Layer by layer, the organisations of each in the order asked for.
    left_out : sequence of LeftOut
        Nodes that are not simulated, and why.
    accuracy : Accuracy or None
    hashes : mapping of str to str
        SHA-256 of the files that went in: the network's and the inputs'.
    settings : mapping
        How values were made where no file says it: the normalisation of photographs, densities and seed of synthetic values.
    costs : mapping of str to NetworkCost
        Energy, area and total cycles by organisation, where they were accounted for.
    """

    network: str
    images: Sequence[str]
    layers: Sequence[LayerResult]
    left_out: Sequence[LeftOut] = ()
    accuracy: Accuracy | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    costs: Mapping[str, NetworkCost] = field(default_factory=dict)

    def of(self, arch: str) -> list[LayerResult]:
        """Return the layers under one organisation, in order."""
        found = [layer for layer in self.layers if layer.arch == arch]
        if not found:
            known = ", ".join(dict.fromkeys(layer.arch for layer in self.layers))
            raise ConfigError(f"no organisation {arch!r} was simulated; there are {known}")
        return found

    def image_cycles(self, arch: str) -> Counts:
        """Return the cycles of the network, ``[N]``."""
        cycles: Counts = np.sum([layer.cycles for layer in self.of(arch)], axis=0)
        return cycles

    def dense_cycles(self, arch: str) -> int:
        """Return the cycles of an image on the dense baseline of the organisation's size."""
        return sum(layer.dense_cycles for layer in self.of(arch))

    def image_speedups(self, arch: str) -> NDArray[np.float64]:
        """Return the speed-up over the dense baseline, ``[N]``."""
        speedups: NDArray[np.float64] = self.dense_cycles(arch) / self.image_cycles(arch)
        return speedups

    def speedup(self, arch: str) -> float:
        """Return the speed-up over the dense baseline, over all images together."""
        cycles = self.image_cycles(arch)
        return self.dense_cycles(arch) * cycles.size / int(cycles.sum())

    def slots(self, arch: str) -> dict[str, int]:
        """Return the multiplier slots by kind, over all layers and images."""
        total = np.sum([layer.slots.sum(axis=0) for layer in self.of(arch)], axis=0)
        return dict(zip(SLOT_KINDS, total.tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class Results:
    """What a simulation found.

    Parameters
    ----------
    networks : sequence of NetworkResult
    organisations : mapping of str to Organisation
        By name, in the order asked for.
    provenance : mapping
        Versions, settings: what another needs to repeat the run.
    """

    networks: Sequence[NetworkResult]
    organisations: Mapping[str, Organisation]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Say on one line what there is; the numbers are many."""
        networks = (
            f"{n.network} ({', '.join(f'{arch} {n.speedup(arch):.2f}x' for arch in self.organisations)})" for n in self.networks
        )
        return f"<Results: {'; '.join(networks)}>"

    def runs(self) -> Iterator[dict[str, Any]]:
        """Yield a record for every network, layer, organisation and image."""
        for network in self.networks:
            for layer in network.layers:
                for run in layer.runs():
                    yield {"network": network.network, "image_name": network.images[run["image"]], **run}

    def speedup(self, arch: str) -> float:
        """Return the speed-up over the dense baseline: the geometric mean over the networks."""
        return math.exp(sum(math.log(n.speedup(arch)) for n in self.networks) / len(self.networks))

    def to_frame(self) -> pd.DataFrame:
        """Return the runs as a pandas frame: a row a run; slots, footprints, events and energies have a column each.

        Columns ``slots_*`` count multiplier slots, ``footprint_*_bits`` bits, ``events_*`` events (bits, where they are called
        so), ``energy_*_pj`` picojoules; the others are named as in the JSON.
        """
        import pandas as pd

        rows = []
        for run in self.runs():
            slots, footprint = run.pop("slots"), run.pop("footprint_bits")
            events, energies = run.pop("events", {}), run.pop("energy_pj", {})
            run["speedup"] = run["dense_cycles"] / run["cycles"]
            rows.append(
                run
                | {f"slots_{kind}": count for kind, count in slots.items()}
                | {f"footprint_{name}_bits": bits for name, bits in footprint.items()}
                | {f"events_{name}": count for name, count in events.items()}
                | {f"energy_{name}_pj": energy for name, energy in energies.items()}
            )
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, in the schema of the JSON results (docs/results.md)."""
        return {
            "schema": SCHEMA,
            "provenance": dict(self.provenance),
            "organisations": {name: o.model_dump() for name, o in self.organisations.items()},
            "networks": [_summary(network, self.organisations) for network in self.networks],
            "runs": list(self.runs()),
        }


def _summary(network: NetworkResult, organisations: Mapping[str, Organisation]) -> dict[str, Any]:
    from dataclasses import asdict

    layers = {layer.layer.name: layer.layer for layer in network.layers}
    return {
        "network": network.network,
        "images": list(network.images),
        "hashes": dict(network.hashes),
        "settings": dict(network.settings),
        "left_out": [asdict(item) for item in network.left_out],
        "accuracy": asdict(network.accuracy) if network.accuracy else None,
        "layers": [asdict(layer) for layer in layers.values()],
        "totals": [
            {
                "arch": name,
                "cycles": network.image_cycles(name).tolist(),
                "dense_cycles": network.dense_cycles(name),
                "speedup": network.speedup(name),
                "slots": network.slots(name),
                **({"cost": network.costs[name].summary()} if network.costs else {}),
            }
            for name in organisations
        ],
    }
