"""Simulation against inference: what knowing costs beside doing.

For every network, the time to count the cycles of an image (or of N, where its name ends with xN), over the time that
onnxruntime takes to run it: medians of runs in turn, in one process, both with all threads. `activations` is all presets
together that skip no weights; `weights` is ``cnv2-weights``, and what follows are its variants, one at a time; `all` is every
preset together. `quantise` (floats to integers, as a run does on the way) and `masks` (what is kept of the weights from image to
image, as onnxruntime packs them when it loads a model) are apart.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.networks import Case, cases
from benchmarks.timing import medians
from cnvlutin2.numeric import quantise
from cnvlutin2.organisation import Organisation, preset, preset_names, with_overrides
from cnvlutin2.timing import make_engine
from cnvlutin2.timing.threads import default_jobs

PRESETS = [preset(name) for name in preset_names()]
WITHOUT_DRIFT = [o for o in PRESETS if o.name != "cnv2-weights-drift"]
ACTIVATIONS = [o for o in PRESETS if o.skip_weights == "none" and o.name != "dadiannao"]
VARIANTS: dict[str, dict[str, object]] = {
    "weights": {},
    "filter_sync=window": {"filter_sync": "window"},
    "tile_sync=brick": {"tile_sync": "brick"},
    "tile_sync=layer": {"tile_sync": "layer"},
    "interleaved": {"lane_map": "interleaved"},
    "shared": {"skip_weights": "shared"},
    "drift": {"filter_sync": 1},
}


def main() -> None:
    print(__doc__)
    print(f"{default_jobs()} threads; ratios to onnxruntime's inference")
    names = ["activations", *VARIANTS, "all", "all but drift", "quantise", "masks"]
    print(f"{'network':<20}{'inference':>12}", *(f"{name:>{max(8, len(name))}}" for name in names))
    for case in cases():
        ratio, inference = _measure(case)
        figures = (f"{ratio[name]:>{max(8, len(name))}.2f}" for name in names)
        print(f"{case.name:<20}{inference * 1e3:>9.2f} ms", *figures, flush=True)


def _measure(case: Case) -> tuple[dict[str, float], float]:
    def simulate(organisations: list[Organisation]) -> Callable[[], None]:
        engine = make_engine()  # what it keeps of weights, a run makes once

        def run() -> None:
            engine.time(case.layers, organisations)

        return run

    def quantise_all() -> None:
        for layer, values in zip(case.layers, case.floats, strict=True):
            quantise(values, layer.activation_frac or 0, 16)

    def make_masks() -> None:
        make_engine().time([layer.image(0) for layer in case.layers], [VARIED["weights"]])

    work: dict[str, Callable[[], object]] = {"inference": case.infer, "activations": simulate(ACTIVATIONS)}
    work |= {name: simulate([organisation]) for name, organisation in VARIED.items()}
    work |= {"all": simulate(PRESETS), "all but drift": simulate(WITHOUT_DRIFT), "quantise": quantise_all, "masks": make_masks}
    found = medians(work)
    return {name: seconds / found["inference"] for name, seconds in found.items()}, found["inference"]


VARIED = {name: with_overrides(preset("cnv2-weights"), changes) for name, changes in VARIANTS.items()}
