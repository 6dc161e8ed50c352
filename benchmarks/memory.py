"""Peak memory of a simulation beyond the layers themselves, over the input of the largest layer.

The memory that Python's own tracer sees, the kernels' scratch included, while the presets that skip activations are timed
together, and each preset and way to wait on its own, by as many layers at once as a simulation holds. The weights' masks, which
are kept, are told apart, and so are tables of the layers' shapes, a few kB a layer.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

from benchmarks.inference import ACTIVATIONS
from benchmarks.networks import cases
from cnvlutin2.organisation import Organisation, preset, preset_names, with_overrides
from cnvlutin2.simulation import batches
from cnvlutin2.timing import PreparedLayer, time_layers
from cnvlutin2.timing.weights import PreparedWeights

LIMIT = 3  # times the largest input


def main() -> None:
    print(__doc__)
    print(f"{'network':<20}{'largest input':>14}{'masks':>10}{'peak':>10}{'beyond masks':>14}   aim {LIMIT}")
    runs = [ACTIVATIONS, *([organisation] for organisation in _organisations())]
    for case in cases():
        largest = max(layer.activations.nbytes for layer in case.layers)
        weights = [PreparedWeights(layer, jobs=1) for layer in case.layers]
        for prepared in weights:
            _ = prepared.filter_counts
            prepared.leads(preset("cnv2-weights"))
        masks = sum(prepared.nbytes for prepared in weights)
        tracemalloc.start()
        peak = 0
        for organisations in runs:
            by_name = {layer.name: known for layer, known in zip(case.layers, weights, strict=True)}
            for some in batches(case.layers):
                for again in range(2):  # the tables are made the first time
                    tracemalloc.reset_peak()
                    before = tracemalloc.get_traced_memory()[0]
                    time_layers([PreparedLayer(layer, 1, weights=by_name[layer.name]) for layer in some], organisations)
                    if again:
                        peak = max(peak, tracemalloc.get_traced_memory()[1] - before)
        tracemalloc.stop()
        sizes = f"{largest / 1e6:>11.2f} MB{masks / 1e6:>7.2f} MB{(peak + masks) / 1e6:>7.2f} MB"
        print(f"{case.name:<20}{sizes}{peak / largest:>12.2f} x", flush=True)


def _organisations() -> Iterator[Organisation]:
    yield from (preset(name) for name in preset_names())
    for key in ("filter_sync", "tile_sync"):
        for value in ("brick", "window"):
            yield with_overrides(preset("cnv2-weights"), {key: value})
