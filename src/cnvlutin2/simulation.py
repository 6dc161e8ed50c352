"""`simulate`: networks, organisations and inputs to `Results`."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.collection import Collection
from cnvlutin2.cost import DEFAULT_TABLE, CostObserver, CostTable, NetworkCost, load_table
from cnvlutin2.errors import ConfigError, NetworkError
from cnvlutin2.first_run import compile_kernels
from cnvlutin2.network import (
    Inputs,
    Layer,
    LayerStream,
    Network,
    Numeric,
    Threshold,
    Thresholds,
    load_inputs,
    open_network,
)
from cnvlutin2.organisation import LayerModes, Organisation, load_organisations
from cnvlutin2.results.model import LayerResult, NetworkResult, Results
from cnvlutin2.timing import LayerTiming, PreparedLayer, time_layers
from cnvlutin2.timing.engine import LayerTimings, OrganisationTiming, Timing
from cnvlutin2.timing.observed import ObservedLayer, ObservedWeights
from cnvlutin2.timing.verify import verify_layer
from cnvlutin2.timing.weights import PreparedWeights

GivenInputs = Inputs | str | Path | Sequence[str | Path] | NDArray[np.generic] | None
DEFAULT_ORGANISATIONS = "cnv,cnv2-dispatch,cnv2-weights"

TOGETHER = 1 << 18
"""Activations of layers that are timed together: what is found of them is in memory at once."""

Progress = Callable[[str, int, int], None]
"""Called with a layer's name, how many layers are done, and how many there are."""

Observer = Callable[[PreparedLayer, Sequence[Organisation], Sequence[LayerTiming]], None]
"""Called for every batch of every layer with its masks and what each organisation took, while the layer is still in memory."""


def simulate(
    network: Network | Layer | Sequence[Layer] | str | Path,
    inputs: GivenInputs = None,
    organisations: str | Path | Organisation | Iterable[str | Path | Organisation] = DEFAULT_ORGANISATIONS,
    *,
    thresholds: Thresholds | int | None = None,
    weight_thresholds: Thresholds | int | None = None,
    quantised: bool = False,
    jobs: int | None = None,
    verify: bool = False,
    progress: Progress | None = None,
    observers: Iterable[Observer] = (),
    cost: bool = True,
    energy: str | Path | CostTable = DEFAULT_TABLE,
) -> Results:
    """Count the cycles of a network on accelerators, and what they move and consume.

    Parameters
    ----------
    network : Network, Layer, sequence of Layer, str or Path
        Layers made from NumPy arrays, or what `cnvlutin2.network.open_network` opens: an ONNX file, a layer trace, a folder of
        traces, the name of a bundled network or of a topology.
    inputs : Inputs, array, path or paths, optional
        What to run the network on: photographs, ``.npy`` batches, folders, or an array in the network's own layout. A bundled
        network has its own; traces and topologies take none.
    organisations : str, Path, Organisation, or several of them
        Presets, a comma list, YAML files, objects; ``"all"`` for every preset.
    thresholds, weight_thresholds : Thresholds or int, optional
        Magnitudes from which activations and weights are effectual; an int is in LSBs, for all layers.
    quantised : bool
        Execute the network on quantised values too (thresholds above 1 imply it), where it can be executed.
    jobs : int, optional
        Threads; by default all processors. Results do not depend on it.
    verify : bool
        Check on every layer that what each organisation multiplies adds up to the convolution.
    progress : callable, optional
    observers : iterable of callable, optional
        See layers as they stream by (see `Observer`); what they keep of a `PreparedLayer` they keep in memory. Organisations of
        different widths are simulated in turn, so a layer comes once for each width.
    cost : bool
        Account for traffic, energy and area too.
    energy : str, Path or CostTable
        What events cost: a table's name (see `cnvlutin2.cost.table_names`) or a YAML file (docs/cost.md).

    Returns
    -------
    Results

    Raises
    ------
    ConfigError, NetworkError
        For what cannot be used; the message names it and the remedy.
    VerificationError
        With `verify`, if the model contradicts itself.
    """
    chosen = load_organisations(organisations)
    source = as_network(network)
    given = _as_inputs(source, inputs)
    limits = _as_thresholds(thresholds), _as_thresholds(weight_thresholds)
    names = list(source.layer_names())
    for limit, what in zip(limits, ("threshold", "weight threshold"), strict=True):
        limit.check_names(names, what)
    _check_layer_modes(chosen, names)
    collection = Collection()
    streams: list[LayerStream] = []
    if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1):
        raise ConfigError(f"{jobs!r} threads are not possible; give a whole number of at least 1", where="jobs")
    compile_kernels(chosen, jobs)
    by_width = _by_width(chosen)
    costs_seen = CostObserver(load_table(energy)) if cost else None
    watching = tuple(observers)
    observed_weights: dict[str, ObservedWeights] = {}
    for done, (data_bits, group) in enumerate(by_width.items()):
        numeric = Numeric(data_bits, *limits, quantised=quantised)
        seen: dict[str, int] = {}
        finished: set[str] = set()
        weights: dict[str, PreparedWeights] = {}  # of layers whose next batch is to come
        streams.append(source.run(given, numeric))
        for together in batches(streams[-1]):
            some = []
            for layer in together:
                if layer.first_image != seen.get(layer.name, 0):
                    raise NetworkError(f"network {source.name!r}: two layers are called {layer.name!r}; give one another name")
                seen[layer.name] = layer.first_image + layer.images
                some.append(PreparedLayer(layer, jobs, weights=weights.pop(layer.name, None)))
                if given is not None and seen[layer.name] < len(given.names):
                    weights[layer.name] = some[-1].weights
            for prepared, timings in zip(some, time_layers(some, group), strict=True):
                collection.add(prepared, group, timings)
                if verify:
                    _verify(prepared, group, timings)
                for observe in watching:
                    observe(prepared, group, timings)
                if costs_seen is not None:
                    _observe_costs(costs_seen, prepared, group, timings, observed_weights)
                finished.add(prepared.layer.name)
                if progress is not None:
                    progress(prepared.layer.name, done * len(names) + len(finished), len(by_width) * len(names))
        _check_images(source.name, seen)
    layers = collection.results(chosen)
    images = list(given.names) if given else [str(i) for i in range(layers[0].cycles.size)]
    costs: dict[str, NetworkCost] = {}
    if costs_seen is not None:
        layers, costs = _with_costs(costs_seen, chosen, layers)
    run = streams[0]
    accuracy = next((stream.accuracy for stream in streams if stream.accuracy), None)
    hashes = {**run.hashes, **(given.hashes if given else {})}
    made = {**run.settings, **(given.settings if given else {})}
    found = NetworkResult(source.name, images, layers, run.left_out, accuracy, hashes, made, costs)
    settings = {
        "thresholds": _described(limits[0]),
        "weight_thresholds": _described(limits[1]),
        "quantised": any(stream.quantised for stream in streams),
        "verified": verify,
        "energy_table": costs_seen.table.name if costs_seen else None,
        "energy_table_sha256": costs_seen.table.sha256 if costs_seen else None,
    }
    return Results([found], {o.name: o for o in chosen}, {**versions(), **settings})


def as_network(network: Network | Layer | Sequence[Layer] | str | Path) -> Network:
    """Return a network from whatever names or holds one."""
    return network if isinstance(network, Network) else open_network(network)


_version = cache(version)  # reads a file of metadata


def versions() -> dict[str, str]:
    """Return the versions on which numbers may depend."""
    packages = ("cnvlutin2", "numpy", "onnx", "onnxruntime", "numba")
    return {"python": platform.python_version(), "machine": platform.machine()} | {p: _version(p) for p in packages}


def _as_inputs(network: Network, inputs: GivenInputs) -> Inputs | None:
    if inputs is None and not network.takes_inputs:
        return None
    if isinstance(inputs, Inputs):
        return inputs
    if isinstance(inputs, np.ndarray):
        values = inputs if network.input is None else network.input.fitted(inputs, "inputs")
        return Inputs(values, [str(i) for i in range(len(np.atleast_1d(values)))])
    if inputs is None:
        return load_inputs(network)
    return load_inputs(network, [inputs] if isinstance(inputs, (str, Path)) else list(inputs))


def _as_thresholds(limits: Thresholds | int | None) -> Thresholds:
    if isinstance(limits, Thresholds):
        return limits
    return Thresholds() if limits is None else Thresholds(Threshold(limits))


def _described(limits: Thresholds) -> dict[str, str]:
    every = {} if limits.default is None else {"default": limits.default}
    return {name: str(threshold) for name, threshold in {**every, **limits.layers}.items()}


def _check_images(network: str, images: Mapping[str, int]) -> None:
    """Refuse layers that saw different numbers of images: they have no sum."""
    first, *others = images.items()
    for name, count in others:
        if count != first[1]:
            message = f"layer {name!r} holds {count} images, {first[0]!r} {first[1]}; give all layers the same images"
            raise NetworkError(f"network {network!r}: {message}")


def _check_layer_modes(organisations: Sequence[Organisation], names: Sequence[str]) -> None:
    for organisation in organisations:
        modes = organisation.layer_mode
        for key in modes if isinstance(modes, LayerModes) else ():
            if key not in ("default", "first", *names):
                message = f"no layer is called {key!r}; the layers are {', '.join(names)}"
                raise ConfigError(message, where=f"layer_mode.{key}", source=organisation.name)


def _by_width(organisations: Sequence[Organisation]) -> Mapping[int, list[Organisation]]:
    groups: dict[int, list[Organisation]] = defaultdict(list)
    for organisation in organisations:
        groups[organisation.data_bits].append(organisation)
    return groups


def batches(layers: Iterable[Layer]) -> Iterator[list[Layer]]:
    """Yield layers as they come, small ones together: as many as are timed at once, and none twice."""
    some: dict[str, Layer] = {}
    held = 0
    for layer in layers:
        if some and (layer.name in some or held + layer.activations.size > TOGETHER):
            yield list(some.values())
            some, held = {}, 0
        some[layer.name] = layer
        held += layer.activations.size
    if some:
        yield list(some.values())


def _verify(prepared: PreparedLayer, organisations: Sequence[Organisation], timings: Sequence[LayerTiming]) -> None:
    for organisation, timing in zip(organisations, timings, strict=True):
        for mode, found in (("skip", timing.skip), ("dense", timing.dense)):
            if found is not None:
                verify_layer(prepared, organisation, mode, found.slots)


def _observe_costs(
    costs_seen: CostObserver,
    prepared: PreparedLayer,
    organisations: Sequence[Organisation],
    timings: Sequence[LayerTiming],
    weights: dict[str, ObservedWeights],
) -> None:
    """Let costs see a layer as `cnvlutin2.timing.engine` describes it."""
    layer = prepared.layer
    observed = ObservedLayer(layer, weights.get(layer.name))
    weights[layer.name] = observed.weights
    found = [OrganisationTiming(t.mode, t.dense_cycles, _as_timing(t.skip), _as_timing(t.dense)) for t in timings]
    costs_seen(observed, organisations, LayerTimings(prepared.activation_counts, prepared.effectual_macs, found))


def _as_timing(timing: tuple[NDArray[np.int64], NDArray[np.int64]] | None) -> Timing | None:
    return None if timing is None else Timing(*timing)


def _with_costs(
    costs_seen: CostObserver, organisations: Sequence[Organisation], layers: Sequence[LayerResult]
) -> tuple[list[LayerResult], dict[str, NetworkCost]]:
    """Return the layers with what they cost, in the same order, and the network's costs by organisation."""
    by_arch = {o.name: [layer for layer in layers if layer.arch == o.name] for o in organisations}
    settled = {o.name: costs_seen.costs(o, by_arch[o.name]) for o in organisations}
    costs = {
        (run.name, arch): cost for arch, (found, _) in settled.items() for run, cost in zip(by_arch[arch], found, strict=True)
    }
    with_costs = [layer.with_cost(costs[layer.name, layer.arch]) for layer in layers]
    return with_costs, {arch: network for arch, (_, network) in settled.items()}
