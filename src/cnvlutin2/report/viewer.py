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

from cnvlutin2.cost import baseline_of
from cnvlutin2.layer import Layer
from cnvlutin2.mapping import Schedule
from cnvlutin2.organisation import Mode, Organisation, load_organisations
from cnvlutin2.report.lane_work import LaneWork, first_pass, lane_ends, lane_work, window_runs
from cnvlutin2.timing.engine import LayerTimings, RunMode
from cnvlutin2.timing.observed import ObservedLayer
from cnvlutin2.timing.plain import Pass, PlainEngine

BASELINE = "dense baseline"
"""The name of the dense machine that organisations are compared with, where no organisation of the run is that machine."""

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
        the sampled windows, and the ``trace`` of the shown ones (None where a window has too many runs). Where ``baseline``
        is true the names are those of dense baselines.
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

    def network(self, name: str) -> Callable[[ObservedLayer, Sequence[Organisation], LayerTimings], None]:
        """Return an observer for the next network of the run."""
        layers: dict[str, LayerTrace] = {}
        self._networks.append(NetworkTrace(name, layers))

        def observe(observed: ObservedLayer, organisations: Sequence[Organisation], timings: LayerTimings) -> None:
            layer = observed.layer
            if layer.first_image == 0:
                chosen = [(each, timing.mode) for each, timing in zip(organisations, timings.organisations, strict=True)]
                layers[layer.name] = _trace_layer(layer.image(0), chosen, layers.get(layer.name))

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
    chosen = load_organisations(organisations)
    traces: dict[str, LayerTrace] = {}
    for layer in layers:
        modes = [(organisation, organisation.mode_for(layer.name, first=layer.first)) for organisation in chosen]
        traces[layer.name] = _trace_layer(layer.image(0), modes, traces.get(layer.name))
    return ViewerData((NetworkTrace(name, traces),))


def _trace_layer(layer: Layer, chosen: Sequence[tuple[Organisation, Mode]], known: LayerTrace | None) -> LayerTrace:
    """Trace a layer of one image; one that is known already (under organisations of another width) gets more ways.

    An organisation that the plain engine does not know is not shown.
    """
    chosen = [(organisation, mode) for organisation, mode in chosen if not PlainEngine().unknown(organisation)]
    sampled = np.unique(np.linspace(0, layer.windows - 1, min(MOST_WINDOWS, layer.windows)).round().astype(np.int64))
    trace = LayerTrace(_about(layer, sampled)) if known is None else known
    ways: list[Json] = []
    for organisation, mode in _ways(chosen):
        work = first_pass(layer, organisation)
        ends = lane_ends(work, mode, sampled)
        cycles = ends.max(axis=(0, 1)) + organisation.window_overhead
        if not trace.about["shown"]:
            trace.about["shown"] = _pick(cycles)
        way = _way(work, mode, ends, cycles, [s["index"] for s in trace.about["shown"]], sampled)
        _add_way(ways, way, organisation.name)
    ways += _baseline_ways(layer, [organisation for organisation, _ in chosen], trace, sampled)
    trace.ways.extend(ways)
    _add_bricks(trace, layer, [organisation for organisation, _ in chosen])
    return trace


def _ways(chosen: Sequence[tuple[Organisation, Mode]]) -> list[tuple[Organisation, RunMode]]:
    """Return who runs a layer in which mode; `auto` ones do both until it is settled.

    Those that skip come first: one of these, if there is one, picks the windows to show.
    """
    both: tuple[RunMode, RunMode] = ("skip", "dense")
    return [(organisation, wanted) for wanted in both for organisation, mode in chosen if mode in (wanted, "auto")]


def _add_way(ways: list[Json], way: Json, name: str) -> None:
    """Add a way to run a layer under a name: to one that is the same, if there is one."""
    alike = next((other for other in ways if {**other, "archs": []} == way), None)
    if alike is None:
        ways.append(way)
    (alike or way)["archs"].append(name)


def _baseline_ways(
    layer: Layer, organisations: Sequence[Organisation], trace: LayerTrace, sampled: NDArray[np.int64]
) -> list[Json]:
    """Return what the dense baselines of organisations do, but for those that an organisation is itself.

    Where organisations differ in them, each has the name of the first that is compared with it.
    """
    firsts: dict[Organisation, str] = {}
    for organisation in organisations:
        firsts.setdefault(_dense_lanes_of(organisation), organisation.name)
    own = {_dense_lanes_of(organisation) for organisation in organisations if not organisation.skips}
    known = [{**way, "archs": []} for way in trace.ways if way["baseline"]]  # of organisations of another width
    several = len(firsts) > 1 or bool(known)
    ways: list[Json] = []
    for machine, first in firsts.items():
        way = None if machine in own else _baseline(layer, machine, [s["index"] for s in trace.about["shown"]], sampled)
        if way is not None and way not in known:
            _add_way(ways, way, f"dense, as {first}" if several else BASELINE)
    return ways


def _dense_lanes_of(organisation: Organisation) -> Organisation:
    """Return the dense baseline of an organisation with nothing in it that does not concern its lanes."""
    machine = baseline_of(organisation)
    kept = (*Organisation.concerning("record"), *Organisation.concerning("timing"))
    return Organisation.parse({key: getattr(machine, key) for key in kept if key != "data_bits"})


def _baseline(layer: Layer, machine: Organisation, shown: Sequence[int], sampled: NDArray[np.int64]) -> Json:
    """Return what a dense baseline does."""
    work = first_pass(layer, machine)
    ends = lane_ends(work, "dense", sampled)
    return {**_way(work, "dense", ends, ends.max(axis=(0, 1)), shown, sampled), "baseline": True}


def _add_bricks(trace: LayerTrace, layer: Layer, organisations: Sequence[Organisation]) -> None:
    """Add how full the bricks are, for every way to cut the layer into bricks that is not known yet."""
    observed = ObservedLayer(layer)
    held = {(b["brick"], b["packing"]) for b in trace.about["bricks"]}
    for storage in dict.fromkeys(Schedule.of(layer.geometry, organisation).storage for organisation in organisations):
        if (storage.brick, storage.packing) not in held:
            counts = observed.brick_histograms(storage)[0].tolist()
            trace.about["bricks"].append({"brick": storage.brick, "packing": storage.packing, "counts": counts})
            held.add((storage.brick, storage.packing))


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


def _pick(cycles: NDArray[np.int64]) -> list[Json]:
    """Choose windows to show by their cycles: the one nearest the median, the slowest, the first corner."""
    typical = int(np.abs(cycles - np.median(cycles)).argmin())
    picked: dict[int, str] = {}
    for index, label in ((typical, "typical"), (int(cycles.argmax()), "slowest"), (0, "corner")):
        picked[index] = f"{picked[index]}, {label}" if index in picked else label
    return [{"index": index, "label": label} for index, label in picked.items()]


def _way(
    work: Pass,
    mode: RunMode,
    ends: NDArray[np.int64],
    cycles: NDArray[np.int64],
    shown: Sequence[int],
    sampled: NDArray[np.int64],
) -> Json:
    """Return a way to run a layer, and nobody that does."""
    first = shown[0]
    tile = int(ends[:, :, first].max(axis=0).argmax())  # where tiles differ, the one that ends last in the first shown window
    o, until, trace = work.schedule.organisation, cycles, None
    if o.tile_sync == "layer":  # a tile that waits for no other begins the next window when its own slowest lane is done
        until = ends[:, tile].max(axis=0) + o.window_overhead
    if window_runs(work, mode) <= MOST_RUNS:
        trace = _trace(work, mode, tile, until[list(shown)], sampled[list(shown)])
    return {
        "archs": [],
        "baseline": False,
        "mode": mode,
        "lanes": o.lanes,
        "passes": work.schedule.passes,
        "cycles": cycles.tolist(),
        "loads": ends.max(axis=1).T.tolist(),
        "trace": trace,
    }


def _trace(work: Pass, mode: RunMode, tile: int, cycles: NDArray[np.int64], windows: NDArray[np.int64]) -> Json:
    """Return the runs of some windows in one tile."""
    schedule, o = work.schedule, work.schedule.organisation
    lanes = lane_work(work, mode, windows)
    part, own = mode == "skip" and o.filters_part, lanes.columns(tile)
    tile_filters = schedule.seats.tile_filters[0]
    return {
        "weights_skipped": "none" if lanes.weights is None else o.skip_weights,
        "brick": o.brick,
        "filters": int(tile_filters[tile]),
        "tile": tile,
        "tiles": int(np.count_nonzero(tile_filters)),
        "free": part,
        "run_overhead": o.run_overhead if mode == "skip" else 0,
        "window_overhead": o.window_overhead,
        "row_packed": schedule.steps.row_packed,
        "begins": lanes.begins.tolist(),
        "steps": lanes.steps.tolist(),
        "starts": lanes.starts.tolist(),
        "lengths": lanes.lengths.tolist(),
        "stride": lanes.stride,
        "bytes": lanes.seen.shape[2],
        "weights": None if lanes.weights is None else lanes.weights[:, own].tobytes().hex(),
        "windows": [_window(lanes, index, own if part else tile, int(count)) for index, count in enumerate(cycles)],
    }


def _window(lanes: LaneWork, index: int, walkers: slice | int, cycles: int) -> Json:
    """Return one window: masks as hexadecimal bytes, run by run; costs and waits by run, or by run and filter."""
    seen, effectual, rows = lanes.seen[:, index], lanes.effectual[:, index], lanes.rows[:, index]
    waits = lanes.waits[:, walkers, index]
    return {
        "cycles": cycles,
        "seen": seen.tobytes().hex(),
        "effectual": None if np.array_equal(seen, effectual) else effectual.tobytes().hex(),
        "rows": None if (rows == 1).all() else rows.tolist(),
        "costs": lanes.costs[:, walkers, index].tolist(),
        "waits": waits.tolist() if waits.any() else None,
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
