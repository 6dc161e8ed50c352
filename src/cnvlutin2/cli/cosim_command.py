"""`cnvlutin2 cosim`: a network's layers through the hardware."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cnvlutin2.cli.command_options import SectionedCommand, option, with_options
from cnvlutin2.cli.container_commands import check_json, write_document
from cnvlutin2.cli.grid import Grid, console, show
from cnvlutin2.cli.grid import say as print_text
from cnvlutin2.cli.main import say
from cnvlutin2.cli.networks import NETWORK_OPTIONS, networks_to_open, read_inputs
from cnvlutin2.cli.outputs import check_apart
from cnvlutin2.cli.progress import progress_bar
from cnvlutin2.errors import ConfigError, NetworkError, VerificationError, one_line
from cnvlutin2.files import check_writable
from cnvlutin2.hardware.chosen_layers import Choice
from cnvlutin2.hardware.cosimulation import CosimulatedLayer, Cosimulation, Equipment, check_buildable, cosimulate
from cnvlutin2.hardware.simulators.simulator_choice import SIMULATORS, choose_simulator
from cnvlutin2.network.threshold_text import FORMS, read_thresholds
from cnvlutin2.organisation import load_organisations, with_overrides

_HARDWARE, _LAYERS, _RESULTS = "Hardware", "What of the network", "Results"
ARCH_OPTIONS = (
    option(
        *(_HARDWARE, "--arch", "-a", "archs"),
        multiple=True,
        required=True,
        metavar="NAMES",
        help="Presets (comma list), YAML files, or all.",
    ),
    option(_HARDWARE, "--set", "-s", "overrides", multiple=True, metavar="KEY=VALUE", help="Replace a parameter of all of them."),
    option(
        *(_HARDWARE, "--fifo-depth"),
        type=click.IntRange(1),
        metavar="N",
        help="Runs in each FIFO before a tile's lane; by default as many as never make anybody wait.",
    ),
)
VALUE_OPTIONS = (
    option(_LAYERS, "--threshold", metavar="T", help=f"Least effectual activation: {FORMS}."),
    option(_LAYERS, "--weight-threshold", metavar="T", help="The same for weights."),
    option(_LAYERS, "--quantised", is_flag=True, help="Execute the network on quantised values."),
)


def _image_numbers(_context: click.Context, _option: click.Parameter, text: str) -> tuple[int, ...] | None:
    """Read a comma list of numbers; None for all."""
    if text == "all":
        return None
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise click.BadParameter(f"{text!r} is not 'all' or a comma list of numbers from 0 on")
    return tuple(dict.fromkeys(int(part) for part in parts))


@click.command("cosim", cls=SectionedCommand)
@click.argument("network")
@with_options(
    *NETWORK_OPTIONS,
    *ARCH_OPTIONS,
    option(
        *(_HARDWARE, "--simulator"),
        type=click.Choice(list(SIMULATORS)),
        help="By default the first of these that is installed.",
    ),
    option(_LAYERS, "--layers", multiple=True, metavar="NAMES", help="Layers (comma list); by default all."),
    option(
        *(_LAYERS, "--image"),
        default="0",
        show_default=True,
        metavar="N,..",
        callback=_image_numbers,
        help="Which of the inputs, counted from 0, or all.",
    ),
    *VALUE_OPTIONS,
    option(_RESULTS, "--json", "json_file", metavar="FILE", help="Write JSON (- for stdout, without a table)."),
    option(_RESULTS, "--wave", metavar="FILE", help="Write the waves: .fst, with amaranth .vcd."),
)
def cosim_command(network: str, archs: tuple[str, ...], overrides: tuple[str, ...], **options: Any) -> None:
    """Run a network's layers through the hardware of accelerators: outputs and cycles, compared for equality.

    NETWORK is what `cnvlutin2 run` takes. Outputs are compared with the integer convolution, and the cycles of every window and
    pass with the simulator's. Hardware of thousands of multipliers takes minutes to build; builds are kept.

    \b
    Examples:
      cnvlutin2 cosim digits -a cnv2-weights -s tiles=2 -s lanes=4 -s brick=4
      cnvlutin2 cosim model.onnx -i photo.jpg -a cnv --layers conv1,conv2 --json -
      cnvlutin2 cosim traces/ -a mine.yaml --simulator iverilog --layers fc1
    """
    chosen = [with_overrides(organisation, overrides) for organisation in load_organisations(archs)]
    for organisation in chosen:
        check_buildable(organisation, fifo_depth=options["fifo_depth"])
    wave = _checked_wave(options["wave"], options["simulator"])
    check_apart(
        {"--json": options["json_file"], "--wave": options["wave"]},
        [("NETWORK", network), *(("--input", path) for path in options["inputs"])],
    )
    check_json(options["json_file"])
    choice = Choice(
        _names(options["layers"]),
        options["image"],
        read_thresholds(options["threshold"], "--threshold"),
        read_thresholds(options["weight_threshold"], "--weight-threshold"),
        options["quantised"],
    )
    (open_one,) = networks_to_open([network], options)
    opened = open_one()
    equipment = Equipment(options["simulator"], wave, options["fifo_depth"], tell=lambda text: say("note", text))
    with progress_bar(opened.name) as progress:
        found = cosimulate(opened, chosen, read_inputs(opened, options), choice=choice, equipment=equipment, progress=progress)
    if options["json_file"] is not None:
        write_document(found.to_dict(), options["json_file"])
    if options["json_file"] != "-" and found.runs:
        _print(found)
    _judge(found)


def _names(given: Sequence[str]) -> tuple[str, ...] | None:
    names = tuple(name.strip() for part in given for name in part.split(",") if name.strip())
    return names or None


def _checked_wave(wave: str | None, simulator: str | None) -> Path | None:
    """Refuse waves that could not be written."""
    if wave is None:
        return None
    check_writable(Path(wave))
    suffix = ".vcd" if choose_simulator(simulator).name == "amaranth" else ".fst"
    if Path(wave).suffix != suffix:
        raise ConfigError(f"this simulator writes {suffix} files; name one", source="--wave")
    return Path(wave)


def _print(found: Cosimulation) -> None:
    """Print a row a run, and what was left out."""
    out = console()
    headings = ["arch", "image", "cycles", "in hardware", "windows differing", "outputs", "differing", "starved"]
    show(
        out,
        Grid("layer", headings, [(one_line(run.layer), _cells(run)) for run in found.runs], texts=("arch",), paragraph_of="row"),
    )
    for layer, reason in found.left_out:
        print_text(out, f"left out: {layer}: {reason}")
    if found.runs and not found.differing:
        outputs, cycles = sum(run.outputs for run in found.runs), sum(run.rtl_cycles for run in found.runs)
        late = sum(run.rtl_cycles - run.cycles for run in found.runs)
        waited = f"; {late:,} of them waiting for FIFOs that are as shallow as was asked for" if late else ""
        print_text(out, f"No difference in {outputs:,} outputs and {cycles:,} cycles{waited}.")


def _cells(run: CosimulatedLayer) -> list[str]:
    numbers = run.cycles, run.rtl_cycles, run.windows_differing, run.outputs, run.differing_outputs, run.starved
    return [run.arch, str(run.image), *(f"{number:,}" for number in numbers)]


def _judge(found: Cosimulation) -> None:
    """Raise what decides the exit code."""
    if not found.runs:
        reasons = "; ".join(f"{layer}: {reason}" for layer, reason in found.left_out[:3])
        raise NetworkError(f"nothing could be run{': ' + reasons if reasons else ''}")
    if found.differing:
        first, *others = found.differing
        more = f"; {len(others)} more of {len(found.runs)} runs differ" if others else ""
        raise VerificationError(f"layer {first.layer!r} on {first.arch}, image {first.image}: {first.first_difference}{more}")
