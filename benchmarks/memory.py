"""Peak memory of a simulation beyond the layers themselves, over the input of the largest layer.

The arrays that Python's own tracer sees while the presets and the ways to wait are timed, layer after layer; the weights' masks,
which are kept, are told apart. Kernels' scratch (a few blocks of 512 windows) is not among them.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

from benchmarks.networks import cases
from cnvlutin2.organisation import Organisation, preset, preset_names, with_overrides
from cnvlutin2.timing import PreparedLayer, time_layer
from cnvlutin2.timing.weights import PreparedWeights

LIMIT = 3  # times the largest input


def main() -> None:
    print(__doc__)
    print(f"{'network':<20}{'largest input':>14}{'masks':>10}{'peak':>10}{'beyond masks':>14}   aim {LIMIT}")
    organisations = list(_organisations())
    for case in cases():
        largest = max(layer.activations.nbytes for layer in case.layers)
        weights = [PreparedWeights(layer, jobs=1) for layer in case.layers]
        for prepared in weights:
            _ = prepared.filter_counts
            prepared.leads(preset("cnv2-weights"))
        masks = sum(prepared.nbytes for prepared in weights)
        tracemalloc.start()
        peak = 0
        for layer, prepared in zip(case.layers, weights, strict=True):
            for organisation in organisations:
                tracemalloc.reset_peak()
                before = tracemalloc.get_traced_memory()[0]
                time_layer(PreparedLayer(layer, 1, weights=prepared), [organisation])
                peak = max(peak, tracemalloc.get_traced_memory()[1] - before)
        tracemalloc.stop()
        sizes = f"{largest / 1e6:>11.2f} MB{masks / 1e6:>7.2f} MB{(peak + masks) / 1e6:>7.2f} MB"
        print(f"{case.name:<20}{sizes}{peak / largest:>12.2f} x", flush=True)


def _organisations() -> Iterator[Organisation]:
    yield from (preset(name) for name in preset_names())
    for key in ("filter_sync", "tile_sync"):
        for value in ("brick", "window"):
            yield with_overrides(preset("cnv2-weights"), {key: value})
