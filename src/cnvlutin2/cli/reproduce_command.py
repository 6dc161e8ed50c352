"""`cnvlutin2 reproduce`: published figures beside computed ones."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from cnvlutin2.cli.container_commands import check_json
from cnvlutin2.cli.grid import Grid, console, say, show
from cnvlutin2.cli.outputs import Attempts
from cnvlutin2.cost import DEFAULT_TABLE, load_table
from cnvlutin2.errors import ConfigError
from cnvlutin2.files import write_whole
from cnvlutin2.network import Inputs, Network, load_inputs, open_network
from cnvlutin2.network.bundled import bundled_names
from cnvlutin2.reproduction import Comparison, NetworkFigures, Reproduction, reproduce
from cnvlutin2.tuning.published_thresholds import ThresholdFigures

SCHEMA = "cnvlutin2/reproduction/1"
_PERCENT = ("area_overhead", "zero_activations", "zfnaf_overhead", "viai_overhead")
_CAPTION = (
    "zero: mean part of the activations that are zero, the first layer's left out. speed-up: of the datapath. with waiting, "
    "energy, EDP, ED2P: on chip, over the dense baseline of the same size, with tiles that wait for their encoders, which pass a "
    "value a cycle while a window of few channels takes fewer cycles than a tile has filters; unwaited: if they never waited."
)

_THRESHOLDS = (
    "published: recalled, with the authors' networks, images and fixed point. Here: their shapes, synthetic values. What an LSB "
    "of theirs is, is not known: it is taken for 1, 16 and 64 of ours, which are 2^-12 of the values' unit scale. Synthetic "
    "values have no accuracy, so that no column says what is free of loss."
)


@click.command("reproduce")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--input", "-i", "inputs", multiple=True, metavar="PATH", help="Photos, .npy or folders for the models.")
@click.option("--preprocess", metavar="RECIPE", help="Photos: imagenet-torch, imagenet-caffe, cifar10, unit, none.")
@click.option("--energy", metavar="TABLE", default=DEFAULT_TABLE, show_default=True, help="A cost table, or a YAML file.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the synthetic values.")
@click.option("--json", "json_file", metavar="FILE", help="Write JSON (- for stdout, without tables).")
@click.option("--jobs", "-j", type=click.IntRange(1), help="Threads; by default all processors.")
def reproduce_command(models: tuple[str, ...], inputs: tuple[str, ...], json_file: str | None, **options: Any) -> None:
    """Run the Cnvlutin paper's networks, and print its figures beside the computed ones, with what differs and why.

    The paper's trained networks do not come with this package: their shapes run with synthetic values. The bundled networks, and
    MODELs (ONNX files, traces) if given, run with real ones. No number is adjusted to agree.

    \b
    Examples:
      cnvlutin2 reproduce
      cnvlutin2 reproduce --energy 45nm --json reproduction.json
      cnvlutin2 reproduce googlenet.onnx -i photo.jpg --preprocess imagenet-caffe
    """
    check_json(json_file)
    if inputs and not models:
        raise ConfigError("is for models, and none was named", source="--input")
    table = load_table(options["energy"])
    networks = list(_networks(models, inputs, options["preprocess"]))
    found = reproduce(networks, table, options["seed"], options["jobs"], lambda text: click.echo(text, err=True))
    attempts = Attempts()
    if json_file is not None:
        with attempts.attempt():
            _write(found, json_file)
    if json_file != "-":
        _print(found)
    attempts.finish()


def _networks(models: Sequence[str], inputs: Sequence[str], preprocess: str | None) -> Iterator[tuple[Network, Inputs | None]]:
    """Open the bundled networks with their own inputs, then those that were named."""
    for name in bundled_names():
        yield open_network(name), None
    for name in models:
        network = open_network(name)
        yield network, load_inputs(network, inputs, preprocess=preprocess) if network.takes_inputs else None


def _write(found: Reproduction, target: str) -> None:
    text = json.dumps({"schema": SCHEMA, **asdict(found)}, indent=1) + "\n"
    if target == "-":
        sys.stdout.write(text)
    else:
        write_whole(Path(target), lambda path: path.write_text(text, "utf-8"))


def _print(found: Reproduction) -> None:
    out = console()
    networks = _networks_grid(found.networks)
    show(out, networks, networks.without("images"))
    show(out, _comparison_grid(found.comparisons))
    for comparison in found.comparisons:
        if comparison.published.how != "read":
            text = f"{comparison.key} is {comparison.published.how}: {comparison.published.source}"
            say(out, text)
    out.print(Text("\nwhat differs, and why", style="bold"))
    for why, keys in _reasons(found.comparisons).items():
        say(out, f"{', '.join(keys)}: {why}.")
    out.print()
    show(out, _thresholds_grid(found.thresholds))
    for tuned in found.tuned:
        pairs = f"{tuned.lost} lost, {tuned.won} won of {tuned.images} images that had no say"
        say(out, f"{tuned.network}, real values, tuned here: {tuned.unpruned:.2f}x to {tuned.tuned:.2f}x; {pairs}")
    out.print(Text("\narea that Cnvlutin adds, by table", style="bold"))
    for name, parts in found.areas.items():
        shares = ", ".join(f"{part.replace('_', ' ')} {share:.2%}" for part, share in parts.items() if part != "total")
        say(out, f"{name}: {parts['total']:.2%} ({shares})")
    out.print(Text("\nDaDianNao's compute cycles, another group's simulator and this one", style="bold"))
    for layer, published, computed in found.dense_cycles:
        agree = "equal" if published == computed else "different"
        out.print(Text(f"{layer}: {published:,} and {computed:,}, {agree}"), soft_wrap=True)


def _networks_grid(networks: Sequence[NetworkFigures]) -> Grid:
    rows = []
    for network in networks:
        gains = (network.speedup, network.speedup_with_waiting, network.energy_gain, network.edp_gain, network.ed2p_gain)
        unwaited = (network.edp_gain_unwaited, network.ed2p_gain_unwaited)
        cells = [network.values, str(network.images), f"{network.zero_activations:.0%}"]
        rows.append((network.network, [*cells, *(f"{gain:.2f}x" for gain in (*gains, *unwaited))]))
    title, measured = "cnv on the networks at hand", ("speed-up", "with waiting", "energy", "EDP", "ED2P")
    headings = ["values", "images", "zero", *measured, "EDP unwaited", "ED2P unwaited"]
    return Grid("network", headings, rows, _CAPTION, title, texts=("values",), paragraph_of="row")


def _comparison_grid(comparisons: Sequence[Comparison]) -> Grid:
    rows = []
    for comparison in comparisons:
        percent = comparison.key in _PERCENT
        published, computed = comparison.published.value, comparison.computed
        shown = (f"{published:.2%}", f"{computed:.2%}") if percent else (f"{published:.2f}x", f"{computed:.2f}x")
        difference = f"{100 * (computed - published):+.2f} points" if percent else f"{computed / published - 1:+.0%}"
        rows.append((comparison.key.replace("_", " "), [*shown, difference, comparison.basis]))
    headings = ["published", "computed", "difference", "computed from"]
    return Grid("figure", headings, rows, title="published and computed", texts=("computed from",), paragraph_of="row")


def _thresholds_grid(found: Sequence[ThresholdFigures]) -> Grid:
    """Return the published thresholds and speed-ups beside those that are computed with them."""
    rows = []
    for figures in found:
        cells = [f"{figures.published:.2f}x", f"{figures.unpruned:.3f}x", *(f"{gain:.3f}x" for gain in figures.computed.values())]
        rows.append((figures.network, [*cells, " ".join(map(str, figures.lsbs))]))
    columns = zip(*((f.published, f.unpruned, *f.computed.values()) for f in found), strict=True)
    published, *computed = (math.exp(math.fsum(map(math.log, column)) / len(found)) for column in columns)
    rows.append(("geometric mean", [f"{published:.2f}x", *(f"{mean:.3f}x" for mean in computed), ""]))
    headings = ["published", "nothing pruned", *(f"1 LSB = {factor}" for factor in found[0].computed), "thresholds in LSBs"]
    title = "speed-ups with thresholds that lose no accuracy, published, and of the same thresholds here"
    return Grid("network", headings, rows, _THRESHOLDS, title, texts=("thresholds in LSBs",), total=True, paragraph_of="row")


def _reasons(comparisons: Sequence[Comparison]) -> dict[str, list[str]]:
    """Group the figures by what makes them differ."""
    reasons: dict[str, list[str]] = {}
    for comparison in comparisons:
        reasons.setdefault(comparison.why, []).append(comparison.key.replace("_", " "))
    return reasons
