"""`cnvlutin2 run`: the main job."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from cnvlutin2.cli.options import FORMS, read_thresholds
from cnvlutin2.cli.progress import progress_bar
from cnvlutin2.cli.tables import print_results
from cnvlutin2.cost.tables import DEFAULT_TABLE, load_table
from cnvlutin2.errors import ConfigError
from cnvlutin2.network import Inputs, Network
from cnvlutin2.network.bundled import bundled_names
from cnvlutin2.network.inputs import load_inputs
from cnvlutin2.network.open import open_network
from cnvlutin2.network.topologies import Topology, is_topology
from cnvlutin2.network.traces import TraceWriter
from cnvlutin2.organisation import Organisation, load_organisations, with_overrides
from cnvlutin2.report import write_figures, write_report
from cnvlutin2.report.viewer import TraceCollector
from cnvlutin2.results import Results, check_writable, write_csv, write_json, write_parquet
from cnvlutin2.simulation import DEFAULT_ORGANISATIONS, Observer, simulate


def _numbers(_context: click.Context, _option: click.Parameter, text: str | None) -> float | list[float] | None:
    """Read a number or a comma list of numbers, as `load_inputs` takes them."""
    if text is None:
        return None
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a number or a comma list of numbers") from None
    return found if len(found) > 1 else found[0]


Option = Callable[[Any], Any]
INPUT_KEYS = ("limit", "preprocess", "mean", "std", "scale", "layout", "channels", "resize", "labels")
TOPOLOGY_KEYS = ("activation_density", "weight_density", "profile", "images", "seed", "conv_only")

NETWORK_OPTIONS: tuple[Option, ...] = (
    click.option("--input", "-i", "inputs", multiple=True, metavar="PATH", help="Photo, BATCH.npy or folder; may be repeated."),
    click.option("--limit", type=click.IntRange(1), help="Use the first so many inputs only."),
    click.option("--preprocess", metavar="RECIPE", help="Photos: imagenet-torch, imagenet-caffe, cifar10, unit, none."),
    click.option("--mean", callback=_numbers, help="Photos: subtracted from the channels; a number or a comma list."),
    click.option("--std", callback=_numbers, help="Photos: divides the channels after --mean."),
    click.option("--scale", type=float, help="Photos: multiplies pixels (0 to 255) before --mean."),
    click.option("--layout", type=click.Choice(["NCHW", "NHWC"]), help="Photos: order of the model's input."),
    click.option("--channels", type=click.Choice(["RGB", "BGR", "L"]), help="Photos: order of the model's channels."),
    click.option("--resize", type=click.IntRange(1), help="Photos: short side before the centre crop."),
    click.option("--labels", metavar="FILE", help="Classes of the inputs, one a line or .npy, to count the correct ones."),
    click.option("--activation-density", type=click.FloatRange(0, 1), help="Topologies: effectual part of the activations."),
    click.option("--weight-density", type=click.FloatRange(0, 1), help="Topologies: effectual part of the weights."),
    click.option("--profile", help="Topologies: a named set of published densities."),
    click.option("--images", type=click.IntRange(1), help="Topologies: how many images."),
    click.option("--seed", type=click.IntRange(0), help="Topologies: seed of the values."),
    click.option("--conv-only", is_flag=True, default=None, help="Topologies: leave the fully-connected layers out."),
)
ORGANISATION_OPTIONS: tuple[Option, ...] = (
    click.option("--arch", "-a", "archs", multiple=True, metavar="NAMES", help="Presets (comma list), YAML files, or all."),
    click.option("--set", "-s", "overrides", multiple=True, metavar="KEY=VALUE", help="Replace a parameter of every --arch."),
    click.option("--dram", metavar="NAME", help="Off-chip memory: lpddr4, ddr4-3200, hbm2, unlimited (default), or GB/s."),
)


def with_options(*options: Option) -> Option:
    """Add several options to a command, in order."""

    def add(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@click.command("run")
@click.argument("networks", nargs=-1, metavar="[NETWORK]...")
@with_options(*NETWORK_OPTIONS, *ORGANISATION_OPTIONS)
@click.option("--threshold", metavar="T", help=f"Least effectual activation: {FORMS}.")
@click.option("--weight-threshold", metavar="T", help="The same for weights.")
@click.option("--quantised", is_flag=True, help="Execute the network on quantised values, and compare its top-1 class.")
@click.option("--verify", is_flag=True, help="Check that what each organisation multiplies adds up to the convolution.")
@click.option("--energy", metavar="TABLE", help="What events cost: 65nm (default), 45nm, 32nm, or a YAML file.")
@click.option("--slots", "slots_by_layer", is_flag=True, help="Show where the cycles go for every layer.")
@click.option("--json", "json_file", metavar="FILE", help="Write JSON (- for stdout, without tables).")
@click.option("--csv", "csv_file", metavar="FILE", help="Write CSV (- for stdout, without tables).")
@click.option("--parquet", "parquet_file", metavar="FILE", help="Write Parquet.")
@click.option("--report", "report_file", metavar="FILE", help="Write an interactive page (one HTML file).")
@click.option("--figures", metavar="DIR", help="Write figures for papers (PDF, SVG, PNG).")
@click.option("--save-traces", metavar="DIR", help="Write the layers as traces, one .npz each.")
@click.option("--jobs", "-j", type=click.IntRange(1), help="Threads; by default all processors.")
def run_command(networks: tuple[str, ...], archs: tuple[str, ...], overrides: tuple[str, ...], **options: Any) -> None:
    """Count the cycles of a network on accelerators, layer by layer, and say where they go.

    NETWORK is an ONNX file, a layer trace (.npz), a folder of traces, a topology (alexnet, nin, googlenet, vgg_cnn_m, vgg_cnn_s,
    vgg19) or a bundled network (digits, digits-pruned), which are what runs by default.

    \b
    Examples:
      cnvlutin2 run
      cnvlutin2 run model.onnx --input photo.jpg --preprocess imagenet-torch
      cnvlutin2 run digits-pruned --arch all --json results.json
      cnvlutin2 run digits --report report.html
      cnvlutin2 run traces/ --arch cnv --set lanes=8 --set brick=8
      cnvlutin2 run alexnet vgg19 --weight-density 0.35 --arch cnv,cnv2-weights
    """
    dram = () if options["dram"] is None else (f"dram={options['dram']}",)
    organisations = _organisations(archs, (*dram, *overrides))
    table = load_table(options["energy"] or DEFAULT_TABLE)
    for target in (options["json_file"], options["csv_file"], options["parquet_file"], options["report_file"]):
        if target not in (None, "-"):
            check_writable(Path(target))
    if options["parquet_file"] == "-":
        raise ConfigError("Parquet is not text; name a file", source="--parquet")
    thresholds = read_thresholds(options["threshold"], "--threshold")
    weight_thresholds = read_thresholds(options["weight_threshold"], "--weight-threshold")
    if options["save_traces"] and (len(networks) != 1 or len({o.data_bits for o in organisations}) > 1):
        raise ConfigError("writes the traces of one network with one data_bits; run them one by one", source="--save-traces")
    collector = TraceCollector() if options["report_file"] else None
    found = []
    for network in _networks(networks or bundled_names(), options):
        inputs = _inputs(network, options)
        with _traces(options["save_traces"]) as observers, progress_bar(network.name) as progress:
            found.append(
                simulate(
                    network,
                    inputs,
                    organisations,
                    quantised=options["quantised"],
                    verify=options["verify"],
                    jobs=options["jobs"],
                    observers=[*observers, *([collector.network(network.name)] if collector else [])],
                    progress=progress,
                    thresholds=thresholds,
                    weight_thresholds=weight_thresholds,
                    energy=table,
                )
            )
    results = _joined(found)
    _write(results, options)
    if collector:
        write_report(results, options["report_file"], trace=collector.data(), command=shlex.join(["cnvlutin2", *sys.argv[1:]]))
    if options["figures"]:
        write_figures(results, options["figures"])


def _organisations(archs: Sequence[str], overrides: Sequence[str]) -> list[Organisation]:
    chosen = load_organisations(archs or (DEFAULT_ORGANISATIONS,))
    return [with_overrides(organisation, overrides) for organisation in chosen] if overrides else chosen


def _networks(names: Sequence[str], options: dict[str, Any]) -> Iterator[Network]:
    """Open the networks one by one; the options of topologies are refused where none is run."""
    topology = {key: options[key] for key in TOPOLOGY_KEYS if options[key] is not None}
    if topology and not any(is_topology(name) for name in names):
        raise ConfigError("is for topologies; an executed network has its own values", source=_flag(next(iter(topology))))
    for name in names:
        yield Topology(name, **topology) if is_topology(name) else open_network(name)


def _inputs(network: Network, options: dict[str, Any]) -> Inputs | None:
    given = {key: options[key] for key in INPUT_KEYS if options[key] is not None}
    if not network.takes_inputs:
        if given or options["inputs"]:
            flag = "--input" if options["inputs"] else _flag(next(iter(given)))
            raise ConfigError(f"{network.name} holds its activations and takes no inputs", source=flag)
        return None
    return load_inputs(network, options["inputs"], **given)


@contextmanager
def _traces(directory: str | None) -> Iterator[list[Observer]]:
    """Write every layer that is simulated as a trace, or nothing."""
    if directory is None:
        yield []
        return
    with TraceWriter(directory) as writer:
        yield [lambda prepared, _organisations, _timings: writer.add(prepared.layer)]


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")


def _joined(results: Sequence[Results]) -> Results:
    first = results[0]
    return Results([n for r in results for n in r.networks], first.organisations, first.provenance)


def _write(results: Results, options: dict[str, Any]) -> None:
    """Write the files, then the tables, unless standard output is taken."""
    writers = (("json_file", write_json), ("csv_file", write_csv), ("parquet_file", write_parquet))
    for key, write in writers:
        if options[key]:
            write(results, options[key])
    if "-" not in (options["json_file"], options["csv_file"]):
        print_results(results, slots_by_layer=options["slots_by_layer"])
        if not options["report_file"]:
            click.echo("The same as an interactive page: add --report report.html", err=True)
