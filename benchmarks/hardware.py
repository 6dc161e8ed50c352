"""Whole networks through the hardware: every output and the end of every window, compared for equality (in Verilator).

SqueezeNet 1.1 on a photograph at the full size, all layers; the bundled pruned digits on one of their images under every preset,
at 4 x 8 x 16. Builds take minutes and are kept, so that a second run has only to simulate; what was built and how quickly it ran
is told on stderr.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks.networks import MODELS, SHARED
from cnvlutin2.hardware.cosimulation import Cosimulation, Equipment, cosimulate
from cnvlutin2.network import load_inputs, open_network
from cnvlutin2.organisation import Organisation, preset, preset_names, with_overrides

MODEL = MODELS / "models" / "squeezenet_v1.1.onnx"
PHOTO = MODELS / "photos" / "sk_chelsea.png"
FULL_SIZE = ("cnv", "cnv2-dispatch")
SMALLER = {"tiles": 4, "filters_per_tile": 8, "lanes": 16}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hardware", description=__doc__)
    parser.add_argument("what", nargs="*", metavar="WHAT", help="squeezenet, digits; by default both")
    parser.add_argument("--model", type=Path, default=MODEL, help="SqueezeNet 1.1 as ONNX")
    parser.add_argument("--photo", type=Path, default=PHOTO)
    parser.add_argument("--arch", action="append", metavar="NAME", help="these presets alone; may be repeated")
    given = parser.parse_args(arguments or [])
    what = given.what or ["squeezenet", "digits"]
    print(
        f"{'network':<16}{'organisation':<22}{'layers':>7}{'outputs':>11}{'cycles':>11}{'windows':>9}{'differing':>10}{'seconds':>9}"
    )
    if "squeezenet" in what:
        network = open_network(given.model)
        inputs = load_inputs(network, [str(given.photo)], preprocess=SHARED["squeezenet_v1.1"])
        for name in given.arch or FULL_SIZE:
            begun = time.monotonic()
            show("squeezenet 1.1", preset(name), cosimulate(network, preset(name), inputs, equipment=EQUIPMENT), begun)
    if "digits" in what:
        for name in given.arch or preset_names():
            organisation, begun = with_overrides(preset(name), SMALLER), time.monotonic()
            show("digits-pruned", organisation, cosimulate("digits-pruned", organisation, equipment=EQUIPMENT), begun)


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


EQUIPMENT = Equipment("verilator", tell=tell)


def show(network: str, organisation: Organisation, found: Cosimulation, begun: float) -> None:
    """Print a line, and what differs; the exit code tells of it too."""
    runs, seconds = found.runs, time.monotonic() - begun
    outputs, cycles = sum(run.outputs for run in runs), sum(run.rtl_cycles for run in runs)
    windows, wrong = sum(run.windows for run in runs), sum(run.differing_outputs + run.windows_differing for run in runs)
    counts = f"{len(runs):>7}{outputs:>11,}{cycles:>11,}{windows:>9,}{wrong:>10,}{seconds:>9.0f}"
    print(f"{network:<16}{organisation.name:<22}{counts}", flush=True)
    for layer, reason in found.left_out:
        print(f"    left out: {layer}: {reason}")
    for run in found.differing:
        print(f"    {run.layer}: {run.first_difference}")
    if found.differing or not runs:
        sys.exit(3)


if __name__ == "__main__":
    main(sys.argv[1:])
