"""`cnvlutin2 formats`: what the encodings cost on a network's own activations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, cast

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cnvlutin2.cli.command_options import FORMS, SectionedCommand, read_thresholds, with_options
from cnvlutin2.cli.container_commands import check_json, write_document
from cnvlutin2.cli.networks import NETWORK_OPTIONS, networks_to_open, read_inputs
from cnvlutin2.cli.outputs import Attempts
from cnvlutin2.cli.printed_tables import console, shown_name
from cnvlutin2.cli.progress import progress_bar
from cnvlutin2.encodings import Footprint, Packing, break_even
from cnvlutin2.encodings.footprint import POINTERS, layer_footprint
from cnvlutin2.errors import one_line
from cnvlutin2.network import Inputs, Network, Numeric
from cnvlutin2.network.bundled import bundled_names

_KINDS = ("values", "vectors", "offsets", "flags", "unused", POINTERS)
"""What bits are spent on, in the usual order."""


@dataclass(frozen=True)
class Choice:
    """How the activations are stored."""

    brick: int
    data_bits: int
    packing: Packing
    pointer_group: int


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
    measured: list[tuple[str, dict[str, Footprint]]] = []
    for open_one in networks_to_open([network] if network else bundled_names(), options):
        found = open_one()
        measured.append((found.name, dict(_measure(found, read_inputs(found, options), numeric, choice))))
    attempts = Attempts()
    if json_file is not None:
        documents = [_document(name, layers, choice) for name, layers in measured]
        with attempts.attempt():
            write_document({"schema": "cnvlutin2/formats/1", "networks": documents}, json_file)
    if json_file != "-":
        for name, layers in measured:
            _print(console(), name, layers, choice)
    attempts.finish()


def _measure(network: Network, inputs: Inputs | None, numeric: Numeric, choice: Choice) -> Iterator[tuple[str, Footprint]]:
    """Yield the footprint of each layer, over all images."""
    sums: dict[str, Footprint] = {}
    names = list(network.layer_names())
    numeric.thresholds.check_names(names)
    with progress_bar(network.name) as progress:
        for layer in network.run(inputs, numeric):
            for image in range(layer.images):
                part = layer_footprint(layer, image, choice.brick, choice.data_bits, choice.packing, choice.pointer_group)
                sums[layer.name] = sums.get(layer.name, Footprint()) + part
            if progress is not None:
                progress(layer.name, len(sums), len(names))
    yield from sums.items()


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


def _document(name: str, layers: dict[str, Footprint], choice: Choice) -> dict[str, Any]:
    entries = [{"layer": layer, **_entry(found, choice)} for layer, found in layers.items()]
    return {"network": name, "parameters": asdict(choice), "layers": entries, "total": _entry(_total(layers), choice)}


def _print(out: Console, name: str, layers: dict[str, Footprint], choice: Choice) -> None:
    total = _total(layers)
    out.print(Text(f"{one_line(name)}: bricks of {choice.brick} x {choice.data_bits} bits", style="bold"))
    out.print(_layers_table(layers, total))
    out.print(_parts_table(total, choice))
    out.print()


def _layers_table(layers: dict[str, Footprint], total: Footprint) -> Table:
    """Return the sizes relative to dense, a row a layer and a total."""
    table = Table(box=None, pad_edge=False, header_style="bold", caption_justify="left")
    table.caption = "density: effectual part; sizes relative to dense, pointers included"
    names = [name for name in total.bits if name != "dense"]
    table.add_column("layer", no_wrap=True)
    for heading in ("density", "dense bits", *(name.replace("_", " ") for name in names)):
        table.add_column(heading, justify="right")
    for layer, found in [*layers.items(), ("total", total)]:
        dense = found.bits["dense"]
        cells = [shown_name(layer), f"{found.density:.3f}", f"{dense:,}", *(f"{found.bits[name] / dense:.3f}" for name in names)]
        table.add_row(*map(Text, cells), style="bold" if layer == "total" and found is total else None)
    return table


def _parts_table(total: Footprint, choice: Choice) -> Table:
    """Return what the bits are spent on, in per cent of dense storage, and where each format breaks even."""
    kinds = list(dict.fromkeys([*_KINDS, *(kind for parts in total.parts.values() for kind in parts)]))
    table = Table(box=None, pad_edge=False, header_style="bold", caption_justify="left")
    table.caption = "% of dense storage; break-even: density below which it takes less than dense, values being independent"
    table.add_column("total", no_wrap=True)
    for heading in ("bits", *kinds, "all", "break-even"):
        table.add_column(heading, justify="right")
    dense = total.bits["dense"]
    for name, bits in total.bits.items():
        parts = cast(dict[str, int], total.parts.get(name, {}))
        cells = [f"{100 * parts[kind] / dense:.1f}" if parts.get(kind) else "-" for kind in kinds]
        even = None if name == "dense" else _break_even(name, total, choice)
        table.add_row(name, f"{bits:,}", *cells, f"{100 * bits / dense:.1f}", "never" if even is None else f"{even:.3f}")
    return table
