"""`simulate`: open, run, time, account, collect."""

from __future__ import annotations

import platform
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

from cnvlutin2.cost import DEFAULT_TABLE, CostObserver, CostTable, NetworkCost, load_table
from cnvlutin2.errors import Cnvlutin2Warning, encodable
from cnvlutin2.layer import Layer
from cnvlutin2.network import Network, Numeric, Thresholds
from cnvlutin2.organisation import Organisation, load_organisations
from cnvlutin2.results import LayerResult, NetworkResult, Results, left_out_warning
from cnvlutin2.simulation.arguments import (
    GivenInputs,
    as_inputs,
    as_network,
    as_thresholds,
    check_jobs,
    check_layer_modes,
    described,
)
from cnvlutin2.simulation.collection import Collection
from cnvlutin2.simulation.first_run import compile_kernels
from cnvlutin2.simulation.session import Session
from cnvlutin2.timing.engine import LayerTimings
from cnvlutin2.timing.observed import ObservedLayer
from cnvlutin2.timing.verify import verify_timings

DEFAULT_ORGANISATIONS = "cnv,cnv2-dispatch,cnv2-weights"

Progress = Callable[[str, int, int], None]
"""Called with a layer's name, how many layers are done, and how many there are."""

Observer = Callable[[ObservedLayer, Sequence[Organisation], LayerTimings], None]
"""Called for every batch of every layer with its bits and counts and what each organisation took, while it is in memory."""


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
        Threads, of what executes the network too; by default all processors. Results do not depend on it.
    verify : bool
        Check on every layer that what each organisation multiplies adds up to the convolution.
    progress : callable, optional
    observers : iterable of callable, optional
        See layers as they stream by (see `Observer`); what they keep of an `ObservedLayer` they keep in memory. Organisations of
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

    Warns
    -----
    Cnvlutin2Warning
        If parts of the network are not simulated; it says what share of the multiply-accumulates they are.
    """
    chosen = load_organisations(organisations)
    source = as_network(network)
    given = as_inputs(source, inputs)
    names = list(source.layer_names())
    limits = as_thresholds(thresholds, names, "threshold"), as_thresholds(weight_thresholds, names, "weight threshold")
    check_layer_modes(chosen, names)
    check_jobs(jobs)
    source = source if jobs is None else source.with_threads(jobs)
    compile_kernels(chosen, jobs)
    costs = CostObserver(load_table(energy)) if cost else None
    watching: tuple[Observer, ...] = (*observers, *([costs] if costs else []), *([verify_timings] if verify else []))
    collection, streams = Collection(), []
    by_width = _by_width(chosen)
    for done, (data_bits, group) in enumerate(by_width.items()):
        stream = source.run(given, Numeric(data_bits, *limits, quantised=quantised))
        streams.append(stream)
        finished: set[str] = set()
        for observed, timings in Session(source, group, jobs).time(stream):
            collection.add(observed, group, timings)
            for observe in watching:
                observe(observed, group, timings)
            name = observed.layer.name
            del observed, timings  # before the next one is made
            finished.add(name)
            if progress is not None:
                progress(name, done * len(names) + len(finished), len(by_width) * len(names))
    layers = collection.results(chosen)
    layers, of_network = _with_costs(costs, chosen, layers) if costs else (layers, {})
    images = list(given.names) if given else [str(i) for i in range(layers[0].cycles.size)]
    images, name = [encodable(image) for image in images], encodable(source.name)
    hashes, made = (
        {encodable(name): value for name, value in {**getattr(streams[0], key), **(getattr(given, key) if given else {})}.items()}
        for key in ("hashes", "settings")
    )
    accuracy = next((stream.accuracy for stream in streams if stream.accuracy), None)
    answered = next((stream for stream in streams if stream.accuracy), streams[0]).predictions  # those that were counted
    found = NetworkResult(name, images, layers, streams[0].left_out, accuracy, hashes, made, of_network, answered)
    if found.left_out:
        warnings.warn(left_out_warning(found.network, found.macs, found.left_out), Cnvlutin2Warning, stacklevel=2)
    settings = {
        "thresholds": described(limits[0]),
        "weight_thresholds": described(limits[1]),
        "quantised": any(stream.quantised for stream in streams),
        "verified": verify,
        "energy_table": costs.table.name if costs else None,
        "energy_table_sha256": costs.table.sha256 if costs else None,
    }
    return Results([found], {o.name: o for o in chosen}, {**versions(), **settings})


_version = cache(version)  # reads a file of metadata


def versions() -> dict[str, str]:
    """Return the versions on which numbers may depend."""
    packages = ("cnvlutin2", "numpy", "onnx", "onnxruntime", "numba")
    return {"python": platform.python_version(), "machine": platform.machine()} | {p: _version(p) for p in packages}


def _by_width(organisations: Sequence[Organisation]) -> Mapping[int, list[Organisation]]:
    groups: dict[int, list[Organisation]] = defaultdict(list)
    for organisation in organisations:
        groups[organisation.data_bits].append(organisation)
    return groups


def _with_costs(
    observed: CostObserver, organisations: Sequence[Organisation], layers: Sequence[LayerResult]
) -> tuple[list[LayerResult], dict[str, NetworkCost]]:
    """Return the layers with what they cost, in the same order, and the network's costs by organisation."""
    by_arch = {o.name: [layer for layer in layers if layer.arch == o.name] for o in organisations}
    settled = {o.name: observed.costs(o, by_arch[o.name]) for o in organisations}
    costs = {
        (run.name, arch): cost for arch, (found, _) in settled.items() for run, cost in zip(by_arch[arch], found, strict=True)
    }
    with_costs = [layer.with_cost(costs[layer.name, layer.arch]) for layer in layers]
    return with_costs, {arch: network for arch, (_, network) in settled.items()}
