"""Simulation against inference: what knowing costs beside doing."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.networks import Case, cases
from benchmarks.timing import medians
from cnvlutin2.numeric import quantise
from cnvlutin2.organisation import Organisation, preset, preset_names, with_overrides
from cnvlutin2.timing import PreparedLayer, time_layer
from cnvlutin2.timing.weights import PreparedWeights
from cnvlutin2.timing.workers import default_jobs

ACTIVATIONS = [preset(n) for n in preset_names() if preset(n).skip_weights == "none" and n != "dadiannao"]
VARIANTS = {
    "cnv2-weights": {},
    "filter_sync=window": {"filter_sync": "window"},
    "tile_sync=brick": {"tile_sync": "brick"},
    "tile_sync=layer": {"tile_sync": "layer"},
    "interleaved": {"lane_map": "interleaved"},
    "shared": {"skip_weights": "shared"},
}


def main() -> None:
    print(f"{default_jobs()} threads; ratio to onnxruntime's inference of the same input in the same process, medians")
    print(f"{'':<20}{'inference':>11}{'quantise':>9}{'activation':>11}", *(f"{name:>18}" for name in VARIANTS), f"{'prepare':>9}")
    print(
        f"{'network':<20}{'ms':>11}{'':>9}{f'{len(ACTIVATIONS)} presets':>11}",
        *([f"{'':>18}"] * len(VARIANTS)),
        f"{'weights':>9}",
    )
    for case in cases():
        _measure(case)


def _measure(case: Case) -> None:
    # Masks of the weights are made once a network, like an inference session's own packed weights.
    weights = [PreparedWeights(layer) for layer in case.layers]

    def simulate(organisations: list[Organisation]) -> Callable[[], None]:
        def run() -> None:
            for layer, prepared in zip(case.layers, weights, strict=True):
                time_layer(PreparedLayer(layer, weights=prepared), organisations)

        return run

    def quantise_all() -> None:
        for layer, values in zip(case.layers, case.floats, strict=True):
            quantise(values, layer.activation_frac or 0, 16)

    def prepare() -> None:
        for layer in case.layers:
            prepared = PreparedLayer(layer)
            _ = prepared.weights.filter_counts
            prepared.weight_masks(preset("cnv2-weights"))

    work: dict[str, Callable[[], object]] = {"inference": case.infer, "quantise": quantise_all, "act": simulate(ACTIVATIONS)}
    for name, changes in VARIANTS.items():
        work[name] = simulate([with_overrides(preset("cnv2-weights"), changes)])
    work["prepare"] = prepare
    found = medians(work)
    ratio = {name: seconds / found["inference"] for name, seconds in found.items()}
    print(
        f"{case.name:<20}{found['inference'] * 1e3:>11.2f}{ratio['quantise']:>9.2f}{ratio['act']:>11.2f}",
        *(f"{ratio[name]:>18.2f}" for name in VARIANTS),
        f"{ratio['prepare']:>9.2f}",
        flush=True,
    )
