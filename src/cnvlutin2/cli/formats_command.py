"""`cnvlutin2 formats`: what the encodings cost on a network's own activations."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import click
from rich.console import Console
from rich.text import Text

from cnvlutin2.cli.command_options import SectionedCommand, with_options
from cnvlutin2.cli.container_commands import check_json, write_document
from cnvlutin2.cli.grid import Grid, console, show
from cnvlutin2.cli.networks import NETWORK_OPTIONS, networks_to_open, read_inputs
from cnvlutin2.cli.outputs import Attempts
from cnvlutin2.cli.progress import progress_bar
from cnvlutin2.encodings import Footprint, Packing, break_even
from cnvlutin2.encodings.footprint import POINTERS, layer_footprint
from cnvlutin2.errors import Cnvlutin2Warning, one_line
from cnvlutin2.network import Inputs, LeftOut, Network, Numeric
from cnvlutin2.network.bundled import bundled_names
from cnvlutin2.network.threshold_text import FORMS, read_thresholds
from cnvlutin2.results import left_out_warning

_KINDS = ("values", "vectors", "offsets", "flags", "unused", POINTERS)
"""What bits are spent on, in the usual order."""


@dataclass(frozen=True)
class Choice:
    """How the activations are stored."""

    brick: int
    data_bits: int
    packing: Packing
    pointer_group: int


@dataclass(frozen=True)
class Measured:
    """The footprints of a network's layers, whether values were made up, and what is not measured."""

    network: str
    layers: dict[str, Footprint]
    synthetic: bool
    left_out: Sequence[LeftOut]


@click.command("formats", cls=SectionedCommand)
@click.argument("network", required=False)
@with_options(*NETWORK_OPTIONS)
@click.option("--threshold", metavar="T", help=f"Least effectual activation: {FORMS}.")
@click.option("--brick", type=click.IntRange(2, 64), default=16, show_default=True, help="Values a brick.")
@click.option("--data-bits", type=click.IntRange(2, 16), default=16, show_default=True, help="Bits of a value.")
@click.option(
    "--packing", type=click.Choice(["row", "brick"]), default="row", show_default=True, help="How shallow layers are stored."
)
@click.option("--pointer-group", type=click.IntRange(1), default=1, show_default=True, help="Bricks to a pointer.")
@click.option("--json", "json_file", metavar="FILE", help="Write JSON (- for stdout, without tables).")
def formats_command(network: str | None, json_file: str | None, **options: Any) -> None:
    """Compare what the encodings take on the inputs of a network's layers.

    NETWORK is what `cnvlutin2 run` takes: an ONNX file, a layer trace, a folder of traces, a topology or a bundled network, which
    are what is measured by default. Sizes are relative to dense storage, pointers included; run_length (Eyeriss) and
    relative_index (EIE, SCNN) are for comparison, entropy is the least that any code could take.

    \b
    Examples:
      cnvlutin2 formats
      cnvlutin2 formats model.onnx --input photo.jpg --preprocess imagenet-torch
      cnvlutin2 formats traces/ --pointer-group 4 --json formats.json
    """
    check_json(json_file)
    choice = Choice(options["brick"], options["data_bits"], options["packing"], options["pointer_group"])
    numeric = Numeric(choice.data_bits, read_thresholds(options["threshold"], "--threshold"))
    measured: list[Measured] = []
    for open_one in networks_to_open([network] if network else bundled_names(), options):
        found = open_one()
        measured.append(_measure(found, read_inputs(found, options), numeric, choice))
    attempts = Attempts()
    if json_file is not None:
        documents = [_document(each, choice) for each in measured]
        with attempts.attempt():
            write_document({"schema": "cnvlutin2/formats/1", "networks": documents}, json_file)
    if json_file != "-":
        for each in measured:
            _print(console(), each, choice)
    attempts.finish()


def _measure(network: Network, inputs: Inputs | None, numeric: Numeric, choice: Choice) -> Measured:
    """Return the footprint of each layer, over all images; warn of layers that are left out."""
    sums: dict[str, Footprint] = {}
    macs: dict[str, int] = {}
    synthetic, stream = False, network.run(inputs, numeric)
    names = list(network.layer_names())
    numeric.thresholds.check_names(names)
    with progress_bar(network.name) as progress:
        for layer in stream:
            synthetic |= layer.synthetic
            macs[layer.name] = layer.macs
            for image in range(layer.images):
                part = layer_footprint(layer, image, choice.brick, choice.data_bits, choice.packing, choice.pointer_group)
                sums[layer.name] = sums.get(layer.name, Footprint()) + part
            if progress is not None:
                progress(layer.name, len(sums), len(names))
    if stream.left_out:
        warnings.warn(left_out_warning(network.name, sum(macs.values()), stream.left_out), Cnvlutin2Warning, stacklevel=2)
    return Measured(network.name, sums, synthetic, stream.left_out)


def _total(layers: dict[str, Footprint]) -> Footprint:
    return sum(layers.values(), Footprint())


def _break_even(name: str, found: Footprint, choice: Choice) -> float | None:
    """The density at which a format would take as much as dense, with pointers as wide as these."""
    bricks = found.bits["dense"] / (choice.brick * choice.data_bits)
    pointers = found.parts.get(name, {}).get(POINTERS, 0)
    return break_even(name, choice.brick, choice.data_bits, pointers / bricks)


def _entry(found: Footprint, choice: Choice) -> dict[str, Any]:
    dense = found.bits["dense"]
    return {
        "values": found.values,
        "effectual": found.effectual,
        "density": found.density,
        "bits": dict(found.bits),
        "relative": {name: bits / dense for name, bits in found.bits.items()},
        "parts": {name: dict(parts) for name, parts in found.parts.items()},
        "break_even": {name: _break_even(name, found, choice) for name in found.bits},
    }


def _document(measured: Measured, choice: Choice) -> dict[str, Any]:
    return {
        "network": measured.network,
        "synthetic": measured.synthetic,
        "left_out": [asdict(part) for part in measured.left_out],
        "parameters": asdict(choice),
        "layers": [{"layer": layer, **_entry(found, choice)} for layer, found in measured.layers.items()],
        "total": _entry(_total(measured.layers), choice),
    }


def _print(out: Console, measured: Measured, choice: Choice) -> None:
    layers, total = measured.layers, _total(measured.layers)
    title = f"{one_line(measured.network)}: bricks of {choice.brick} x {choice.data_bits} bits"
    out.print(Text(f"{title}, synthetic values" if measured.synthetic else title, style="bold"), soft_wrap=True)
    by_layer, parts = layers_grid(layers, total), parts_grid(total, choice)
    show(out, by_layer, by_layer.without("dense bits"))
    show(out, parts, parts.without("bits"))


def layers_grid(layers: dict[str, Footprint], total: Footprint) -> Grid:
    """Return the sizes relative to dense, a row a layer and a total."""
    names = [name for name in total.bits if name != "dense"]
    rows = []
    for layer, found in [*layers.items(), ("total", total)]:
        dense = found.bits["dense"]
        cells = [f"{found.density:.3f}", f"{dense:,}", *(f"{found.bits[name] / dense:.3f}" for name in names)]
        rows.append((one_line(layer), cells))
    headings = ["density", "dense bits", *(name.replace("_", " ") for name in names)]
    caption = "density: effectual part; sizes relative to dense, pointers included"
    return Grid("layer", headings, rows, caption, total=True, paragraph_of="row")


def parts_grid(total: Footprint, choice: Choice) -> Grid:
    """Return what the bits are spent on, in per cent of dense storage, and where each format breaks even."""
    kinds = list(dict.fromkeys([*_KINDS, *(kind for parts in total.parts.values() for kind in parts)]))
    kinds = [kind for kind in kinds if any(parts.get(kind) for parts in total.parts.values())]
    dense = total.bits["dense"]
    rows = []
    for name, bits in total.bits.items():
        parts = cast(dict[str, int], total.parts.get(name, {}))
        cells = [f"{100 * parts[kind] / dense:.1f}" if parts.get(kind) else "-" for kind in kinds]
        even = None if name == "dense" else _break_even(name, total, choice)
        rows.append((name, [f"{bits:,}", *cells, f"{100 * bits / dense:.1f}", "never" if even is None else f"{even:.3f}"]))
    caption = (
        f"% of dense storage, {dense:,} bits; break-even: density below which it takes less than dense, values being independent"
    )
    return Grid("total", ["bits", *kinds, "all", "break-even"], rows, caption, paragraph_of="row")
