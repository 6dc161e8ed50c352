"""`Results`: what a simulation found, by network, layer, organisation and image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cnvlutin2.network import Predictions
from cnvlutin2.organisation import Organisation
from cnvlutin2.results.layer_result import LayerInfo
from cnvlutin2.results.network_result import NetworkResult
from cnvlutin2.results.speedups import both_speedups

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "cnvlutin2/results/3"
"""The layout of the JSON results; `cnvlutin2.results.json_schema` has it in full."""


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
        return f"<Results: {'; '.join(_said(network, self.organisations) for network in self.networks)}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: both speed-ups, and what one must know of them."""
        from cnvlutin2.results.notebook_html import results_html

        return results_html(self.networks, list(self.organisations))

    def runs(self) -> Iterator[dict[str, Any]]:
        """Yield a record for every network, layer, organisation and image."""
        for network in self.networks:
            for layer in network.layers:
                for run in layer.runs():
                    yield {"network": network.network, "image_name": network.images[run["image"]], **run}

    def speedup(self, arch: str) -> float:
        """Return the speed-up of the datapath over the dense baseline: the geometric mean over the networks."""
        return _geometric_mean([network.speedup(arch) for network in self.networks])

    def speedup_with_waiting(self, arch: str) -> float | None:
        """Return the same in total cycles, which wait for encoders and DRAM; None where these were not accounted for."""
        found = [network.speedup_with_waiting(arch) for network in self.networks]
        known = [speedup for speedup in found if speedup is not None]
        return _geometric_mean(known) if len(known) == len(found) else None

    def to_frame(self) -> pd.DataFrame:
        """Return the runs as a pandas frame: a row a run; slots, footprints, events and energies have a column each.

        Columns ``slots_*`` count multiplier slots, ``footprint_*_bits`` bits, ``events_*`` events (bits, where they are called
        so), ``energy_*_pj`` picojoules; the others are named as in the JSON. What is said of the layer and the network is in
        every row of theirs: shapes as ``16x32x32``, and of ``left_out`` the number of parts. ``speedup`` is the datapath's,
        ``speedup_with_waiting`` that in total cycles. ``predicted``, ``float_predicted`` and ``label`` are an image's classes,
        where they are known.
        """
        import pandas as pd

        rows = []
        about = {(n.network, key): said for n in self.networks for key, said in _about_layers(n).items()}
        answered = {n.network: _answers(n) for n in self.networks}
        for run in self.runs():
            run |= about[run["network"], run["layer"]] | answered[run["network"]][run["image"]]
            slots, footprint = run.pop("slots"), run.pop("footprint_bits")
            events, energies = run.pop("events", {}), run.pop("energy_pj", {})
            run["speedup"] = run["dense_cycles"] / run["cycles"]
            waited = run["dense_total_cycles"] / run["total_cycles"] if "total_cycles" in run else None
            run["speedup_with_waiting"] = _number(waited)
            rows.append(
                run
                | {f"slots_{kind}": count for kind, count in slots.items()}
                | {f"footprint_{name}_bits": bits for name, bits in footprint.items()}
                | {f"events_{name}": count for name, count in events.items()}
                | {f"energy_{name}_pj": energy for name, energy in energies.items()}
            )
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, in the layout of the JSON results (`json_schema`)."""
        return {**self.without_runs(), "runs": list(self.runs())}

    def without_runs(self) -> dict[str, Any]:
        """Return what `to_dict` does, but for the runs, which come last there."""
        return {
            "schema": SCHEMA,
            "provenance": dict(self.provenance),
            "organisations": {name: o.model_dump() for name, o in self.organisations.items()},
            "networks": [_summary(network, self.organisations) for network in self.networks],
        }


def _said(network: NetworkResult, archs: Iterable[str]) -> str:
    """Say in some words what was found of a network."""
    found = "; ".join(f"{arch} {both_speedups(network.speedup(arch), network.speedup_with_waiting(arch))}" for arch in archs)
    remarks = ["synthetic values"] if network.synthetic else []
    remarks += [network.coverage.left_out_text()] if network.left_out else []
    return f"{', '.join([network.network, *remarks])} ({found})"


def _geometric_mean(values: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def _about_layers(network: NetworkResult) -> dict[str, dict[str, Any]]:
    """Return the columns of a frame that are the same in all rows of a layer, by its name."""
    coverage = network.coverage
    left_out = {
        "left_out": coverage.parts,
        "left_out_macs": coverage.left_out_macs,
        "left_out_uncounted": coverage.uncounted,
        "left_out_share": _number(coverage.left_out_share),
    }
    layers = {layer.name: layer.layer for layer in network.layers}
    return {name: {**{key: _cell(getattr(layer, key)) for key in _LAYER_COLUMNS}, **left_out} for name, layer in layers.items()}


def _answers(network: NetworkResult) -> list[dict[str, int]]:
    """Return the columns of a frame that are the same in all rows of an image: its classes, as far as they are known."""
    known = asdict(network.predictions) if network.predictions else {}
    columns = {name: known[key] for name, key in _ANSWER_COLUMNS.items() if known.get(key) is not None}
    return [{name: classes[image] for name, classes in columns.items()} for image in range(len(network.images))]


_ANSWER_COLUMNS = {"predicted": "classes", "float_predicted": "float_classes", "label": "labels"}
_LAYER_COLUMNS = (
    *("kind", "input_shape", "output_shape", "kernel_shape", "strides", "pads", "dilations", "groups"),
    *("threshold", "weight_threshold", "first", "synthetic"),
)


def _cell(value: object) -> object:
    """Return a value as it stands in a frame: a shape as text, which all kinds of files hold."""
    return "x".join(map(str, value)) if isinstance(value, tuple) else value


def _number(value: float | None) -> float:
    """Return a number as it stands in a frame: NaN, an empty cell, where it is not known."""
    return math.nan if value is None else value


def _pair(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)


def _classes(predictions: Predictions) -> dict[str, Any]:
    return {key: None if value is None else list(value) for key, value in asdict(predictions).items()}


def _plain(layer: LayerInfo) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(layer).items()}


def _summary(network: NetworkResult, organisations: Mapping[str, Organisation]) -> dict[str, Any]:
    layers = {layer.layer.name: layer.layer for layer in network.layers}
    coverage = network.coverage
    return {
        "network": network.network,
        "images": list(network.images),
        "synthetic": network.synthetic,
        "macs": network.macs,
        "left_out": [asdict(item) for item in network.left_out],
        "left_out_macs": coverage.left_out_macs,
        "left_out_uncounted": coverage.uncounted,
        "left_out_share": coverage.left_out_share,
        "hashes": dict(network.hashes),
        "settings": dict(network.settings),
        "accuracy": asdict(network.accuracy) if network.accuracy else None,
        "predictions": _classes(network.predictions) if network.predictions else None,
        "layers": [_plain(layer) for layer in layers.values()],
        "totals": [
            {
                "arch": name,
                "cycles": network.image_cycles(name).tolist(),
                "dense_cycles": network.dense_cycles(name),
                "speedup": network.speedup(name),
                "speedup_interval": _pair(network.speedup_interval(name)),
                "speedup_with_waiting": network.speedup_with_waiting(name),
                "speedup_with_waiting_interval": _pair(network.speedup_with_waiting_interval(name)),
                "slots": network.slots(name),
                "cost": network.costs[name].summary() if network.costs else None,
            }
            for name in organisations
        ],
    }
