"""Peak memory of a simulation beyond the layers themselves, over the input of the largest layer.

The memory that Python's own tracer sees, the kernels' scratch included, while the presets that skip activations are timed
together, and each preset and way to wait on its own, by as many layers at once as a simulation holds. What an engine keeps of
weights and shapes is told apart.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

from benchmarks.inference import ACTIVATIONS
from benchmarks.networks import cases
from cnvlutin2.organisation import Organisation, preset, preset_names, with_overrides
from cnvlutin2.simulation import in_batches
from cnvlutin2.timing import make_engine

LIMIT = 3  # times the largest input


def main() -> None:
    print(__doc__)
    print(f"{'network':<20}{'largest input':>14}{'kept':>10}{'peak':>10}{'beyond kept':>14}   aim {LIMIT}")
    runs = [ACTIVATIONS, *([organisation] for organisation in _organisations())]
    for case in cases():
        largest = max(layer.activations.nbytes for layer in case.layers)
        peak = kept = 0
        tracemalloc.start()
        for organisations in runs:
            first = tracemalloc.get_traced_memory()[0]
            engine = make_engine(jobs=1)
            for again in range(2):  # what is kept of weights and shapes is made the first time
                for some in in_batches(case.layers):
                    tracemalloc.reset_peak()
                    before = tracemalloc.get_traced_memory()[0]
                    engine.time(some, organisations)
                    if again:
                        peak = max(peak, tracemalloc.get_traced_memory()[1] - before)
            kept = max(kept, tracemalloc.get_traced_memory()[0] - first)
            del engine
        tracemalloc.stop()
        sizes = f"{largest / 1e6:>11.2f} MB{kept / 1e6:>7.2f} MB{(peak + kept) / 1e6:>7.2f} MB"
        print(f"{case.name:<20}{sizes}{peak / largest:>12.2f} x", flush=True)


def _organisations() -> Iterator[Organisation]:
    yield from (preset(name) for name in preset_names())
    for key in ("filter_sync", "tile_sync"):
        for value in ("brick", "window"):
            yield with_overrides(preset("cnv2-weights"), {key: value})
