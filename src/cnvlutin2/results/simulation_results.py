"""`Results`: what a simulation found, by network, layer, organisation and image."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cnvlutin2.organisation import Organisation
from cnvlutin2.results.network_result import NetworkResult

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "cnvlutin2/results/1"


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
        return math.exp(math.fsum(math.log(n.speedup(arch)) for n in self.networks) / len(self.networks))

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
