"""Traces for the report: lane loads of sampled windows, a few windows run by run, how full the bricks are.

A `TraceCollector` watches a simulation and keeps what the page shows; activations stay where they are. It looks at the first
image, group and pass of every layer: enough to see how lanes, runs and barriers meet, small enough for a page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation, load_organisations, with_overrides
from cnvlutin2.report.lanes import LaneWork, lane_work
from cnvlutin2.timing import LayerTiming, PreparedLayer, time_layer

BASELINE = "dense baseline"
"""The name of the dense machine of the same size, where no organisation of the run is one."""

MOST_WINDOWS = 64
"""Windows of a layer whose lane loads are kept."""
MOST_RUNS = 640
"""Runs of a window that can be stepped through; longer windows are not shown run by run."""

_VIEWER_CHARACTERS = 450_000
_LOAD_VALUES = 160_000

Json = dict[str, Any]


@dataclass
class LayerTrace:
    """What is kept of one layer.

    Parameters
    ----------
    about : dict
        Geometry, sampled windows, which of them are shown run by run (`shown`), effectual values of the bricks.
    ways : list of dict
        What the lanes do, once for all organisations that do the same: names in ``archs``, lane ``loads`` and ``cycles`` of
        the sampled windows, and the ``trace`` of the shown ones (None where a window has too many runs).
    """

    about: Json
    ways: list[Json] = field(default_factory=list)


@dataclass(frozen=True)
class NetworkTrace:
    """The traces of a network's layers, by name in their order."""

    name: str
    layers: Mapping[str, LayerTrace]

    def to_json(self, share: float = 1.0) -> list[Json]:
        """Return plain values, thinned to what a page can carry.

        Layers spread over the network are shown run by run until their part of the page is full; lane loads are kept of all
        layers, of fewer windows if there are many.

        Parameters
        ----------
        share : float
            Part of the page that is this network's.
        """
        room, shown = share * _VIEWER_CHARACTERS, set()
        names = list(self.layers)
        for index in _spread(len(names)):
            size = sum(len(json.dumps(way["trace"])) for way in self.layers[names[index]].ways)
            if size <= room:
                room -= size
                shown.add(names[index])
        every = self._window_step(share)
        return [_layer_json(layer, every, shown=name in shown) for name, layer in self.layers.items()]

    def _window_step(self, share: float) -> int:
        """Return that of how many sampled windows one is kept."""
        values = sum(len(way["loads"]) * len(way["loads"][0]) for layer in self.layers.values() for way in layer.ways)
        return max(1, -(-values // max(1, int(share * _LOAD_VALUES))))


@dataclass(frozen=True)
class ViewerData:
    """The traces of all networks of a run, in order."""

    networks: Sequence[NetworkTrace]

    def of(self, position: int, name: str) -> NetworkTrace | None:
        """Return the trace of a network by its place in the run, or None if it was not watched."""
        if position < len(self.networks) and self.networks[position].name == name:
            return self.networks[position]
        return next((network for network in self.networks if network.name == name), None)


class TraceCollector:
    """Collects traces while networks are simulated.

    Examples
    --------
    >>> collector = TraceCollector()
    >>> results = simulate(network, observers=[collector.network(network.name)])  # doctest: +SKIP
    >>> write_report(results, path, trace=collector.data(), command="...")  # doctest: +SKIP
    """

    def __init__(self) -> None:
        self._networks: list[NetworkTrace] = []

    def network(self, name: str) -> Callable[[PreparedLayer, Sequence[Organisation], Sequence[LayerTiming]], None]:
        """Return an observer for the next network of the run."""
        layers: dict[str, LayerTrace] = {}
        self._networks.append(NetworkTrace(name, layers))

        def observe(prepared: PreparedLayer, organisations: Sequence[Organisation], timings: Sequence[LayerTiming]) -> None:
            if prepared.layer.first_image == 0:
                known = layers.get(prepared.layer.name)
                layers[prepared.layer.name] = _trace_layer(prepared, organisations, timings, known)

        return observe

    def data(self) -> ViewerData:
        """Return what was collected."""
        return ViewerData(tuple(self._networks))


def viewer_data(
    layers: Iterable[Layer], organisations: str | Organisation | Iterable[str | Organisation], name: str = "network"
) -> ViewerData:
    """Return the traces of layers under organisations, without a simulation.

    Parameters
    ----------
    layers : iterable of Layer
    organisations : str, Organisation, or several of them
        As for `simulate`.
    name : str
        Of the network.
    """
    collector, chosen = TraceCollector(), load_organisations(organisations)
    observe = collector.network(name)
    for layer in layers:
        prepared = PreparedLayer(layer)
        observe(prepared, chosen, time_layer(prepared, chosen))
    return collector.data()


def _trace_layer(
    prepared: PreparedLayer,
    organisations: Sequence[Organisation],
    timings: Sequence[LayerTiming],
    known: LayerTrace | None,
) -> LayerTrace:
    """Trace a layer; one that is known already (under organisations of another width) gets more ways."""
    layer = prepared.layer
    alone = PreparedLayer(layer.image(0), prepared.jobs, prepared.kernels, prepared.weights)
    sampled = np.unique(np.linspace(0, layer.windows - 1, min(MOST_WINDOWS, layer.windows)).round().astype(np.int64))
    trace = LayerTrace(_about(layer, sampled)) if known is None else known
    ways = _ways(layer, organisations, timings)
    ways.sort(key=lambda way: way[1] != "skip")  # a way that skips, if there is one, picks the windows to show
    for organisation, mode, archs in ways:
        work = lane_work(alone, organisation, mode, sampled)
        if not trace.about["shown"]:
            trace.about["shown"] = _pick(work.cycles)
        trace.ways.append(_way(alone, organisation, mode, archs, work, [s["index"] for s in trace.about["shown"]]))
    by_packing = {(o.brick, alone.packing(o)): None for o in organisations}
    held = {(b["brick"], b["packing"]) for b in trace.about["bricks"]}
    for brick, packing in by_packing:
        if (brick, packing) not in held:
            counts = np.bincount(alone.brick_counts(brick, packing).ravel(), minlength=brick + 1)
            trace.about["bricks"].append({"brick": brick, "packing": packing, "counts": counts.tolist()})
    return trace


def _about(layer: Layer, sampled: NDArray[np.int64]) -> Json:
    return {
        "size": layer.input_size,
        "kernel": layer.kernel_size,
        "strides": layer.strides,
        "pads": layer.pads[:2],
        "dilations": layer.dilations,
        "outputs": layer.output_size,
        "channels": layer.group_channels,
        "groups": layer.groups,
        "windows": sampled.tolist(),
        "shown": [],
        "bricks": [],
    }


def _ways(
    layer: Layer, organisations: Sequence[Organisation], timings: Sequence[LayerTiming]
) -> list[tuple[Organisation, str, list[str]]]:
    """Return the different ways to run a layer and the organisations that do; `auto` ones do both until it is settled.

    The timing model counts organisations that do the same once: they hold the same `Timing`.
    """
    found: dict[tuple[str, int], tuple[Organisation, str, list[str]]] = {}
    for organisation, timing in zip(organisations, timings, strict=True):
        for mode, counted in (("skip", timing.skip), ("dense", timing.dense)):
            if counted is not None:
                found.setdefault((mode, id(counted)), (organisation, mode, []))[2].append(organisation.name)
    ways = list(found.values())
    if all(organisation.skips for organisation in organisations):
        plain = with_overrides(organisations[0], {"layer_mode": "dense", "window_overhead": 0})
        ways.append((plain, "dense", [BASELINE]))
    return ways


def _pick(cycles: NDArray[np.int64]) -> list[Json]:
    """Choose windows to show by their cycles: the one nearest the median, the slowest, the first corner."""
    typical = int(np.abs(cycles - np.median(cycles)).argmin())
    picked: dict[int, str] = {}
    for index, label in ((typical, "typical"), (int(cycles.argmax()), "slowest"), (0, "corner")):
        picked[index] = f"{picked[index]}, {label}" if index in picked else label
    return [{"index": index, "label": label} for index, label in picked.items()]


def _way(
    prepared: PreparedLayer, organisation: Organisation, mode: str, archs: list[str], work: LaneWork, shown: Sequence[int]
) -> Json:
    ends = work.ends
    return {
        "archs": archs,
        "mode": mode,
        "lanes": organisation.lanes,
        "passes": -(-prepared.layer.group_filters // organisation.filters),
        "cycles": work.cycles.tolist(),
        "loads": ends.max(axis=1).tolist(),
        "trace": _trace(prepared, organisation, work, shown) if work.steps.size <= MOST_RUNS else None,
    }


def _trace(prepared: PreparedLayer, organisation: Organisation, work: LaneWork, shown: Sequence[int]) -> Json:
    """Return the runs of some windows in one tile: where weights are skipped, the one that ends last in the first of them."""
    tile = int(work.ends[shown[0]].max(axis=1).argmax())
    steps = prepared.steps(organisation)
    return {
        "weights_skipped": "none" if work.weights is None else organisation.skip_weights,
        "brick": organisation.brick,
        "filters": min(organisation.filters_per_tile, prepared.layer.group_filters - tile * organisation.filters_per_tile),
        "tile": tile,
        "tiles": min(organisation.tiles, -(-prepared.layer.group_filters // organisation.filters_per_tile)),
        "free": work.costs.shape[3] > 1,
        "run_overhead": organisation.run_overhead if work.stride == 1 else 0,
        "window_overhead": work.window_overhead,
        "row_packed": steps.row_packed,
        "begins": work.begins.tolist(),
        "steps": work.steps.tolist(),
        "starts": work.starts.tolist(),
        "lengths": work.lengths.tolist(),
        "stride": work.stride,
        "bytes": work.seen.shape[2],
        "weights": None if work.weights is None else work.weights[:, tile].tobytes().hex(),
        "windows": [_window(work, index, tile) for index in shown],
    }


def _window(work: LaneWork, index: int, tile: int) -> Json:
    """Return one window: masks as hexadecimal bytes, run by run; costs by run, or by run and filter where filters run free."""
    seen, effectual, rows = work.seen[:, index], work.effectual[:, index], work.rows[:, index]
    of_tile = min(tile, work.costs.shape[2] - 1)
    costs = work.costs[:, index, of_tile]
    return {
        "cycles": int(work.cycles[index]),
        "seen": seen.tobytes().hex(),
        "effectual": None if np.array_equal(seen, effectual) else effectual.tobytes().hex(),
        "rows": None if (rows == 1).all() else rows.tolist(),
        "costs": (costs if costs.shape[1] > 1 else costs[:, 0]).tolist(),
    }


def _layer_json(layer: LayerTrace, every: int, *, shown: bool) -> Json:
    """Return a layer as plain values, with one of `every` windows' lane loads."""
    ways = []
    for way in layer.ways:
        trace = {"trace": way["trace"] if shown else None}
        ways.append({**way, **trace, "cycles": way["cycles"][::every], "loads": way["loads"][::every]})
    places = [{**s, "window": layer.about["windows"][s["index"]]} for s in layer.about["shown"]]
    return {**layer.about, "windows": layer.about["windows"][::every], "shown": places, "ways": ways}


def _spread(count: int) -> list[int]:
    """Return the numbers below `count` so that the first few lie far apart: ends, middle, quarters, ..."""
    order = dict.fromkeys([0, count - 1] if count else [])
    parts = 2
    while len(order) < count:
        order.update(dict.fromkeys((count - 1) * i // parts for i in range(1, parts)))
        parts *= 2
        if parts > 4 * count:
            order.update(dict.fromkeys(range(count)))
    return list(order)
