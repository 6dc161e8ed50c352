"""`cnvlutin2 run`: the main job."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cnvlutin2.cli.command_options import SectionedCommand, option, with_options
from cnvlutin2.cli.main import say
from cnvlutin2.cli.networks import NETWORK_OPTIONS, networks_to_open, read_images, read_inputs
from cnvlutin2.cli.outputs import Attempts, check_apart, writing_traces
from cnvlutin2.cli.printed_tables import print_results
from cnvlutin2.cli.progress import progress_bar
from cnvlutin2.cost.tables import DEFAULT_TABLE, load_table
from cnvlutin2.errors import ConfigError
from cnvlutin2.files import check_writable
from cnvlutin2.network import Inputs, Network, Thresholds
from cnvlutin2.network.bundled import bundled_names
from cnvlutin2.network.opening import check_exists, takes_inputs
from cnvlutin2.network.threshold_text import FORMS, read_thresholds
from cnvlutin2.organisation import Organisation, load_organisations, with_overrides
from cnvlutin2.report import write_figures, write_report
from cnvlutin2.report.figures import check_all
from cnvlutin2.report.viewer import TraceCollector
from cnvlutin2.results import Results, write_csv, write_json, write_parquet
from cnvlutin2.simulation import DEFAULT_ORGANISATIONS, simulate
from cnvlutin2.simulation.enough_inputs import enough_inputs


def _part(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """Read a part, as ``1%`` or ``0.01``."""
    if text is None:
        return None
    try:
        part = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        part = 0.0
    if not 0 < part < 1:
        raise click.BadParameter(f"{text!r} is no part; give one as 1% or 0.01")
    return part


_ACCELERATORS, _VALUES, _RESULTS = "Accelerators", "Integers and thresholds", "Results"
OPTIONS = (
    *NETWORK_OPTIONS,
    option(
        "Inputs of an executed network",
        "--until",
        callback=_part,
        metavar="X%",
        help="Draw so many inputs that each speed-up's 95% interval is +-X%.",
    ),
    option(_VALUES, "--threshold", metavar="T", help=f"Least effectual activation: {FORMS}. LSBs depend on the inputs."),
    option(_VALUES, "--weight-threshold", metavar="T", help="The same for weights."),
    option(_VALUES, "--quantised", is_flag=True, help="Execute the network on quantised values, and compare its top-1 class."),
    option(
        *(_ACCELERATORS, "--arch", "-a", "archs"),
        multiple=True,
        metavar="NAMES",
        help=f"Presets (comma list), YAML files, or all; by default {DEFAULT_ORGANISATIONS}.",
    ),
    option(
        _ACCELERATORS, "--set", "-s", "overrides", multiple=True, metavar="KEY=VALUE", help="Replace a parameter of all of them."
    ),
    option(
        _ACCELERATORS, "--dram", metavar="NAME", help="Off-chip memory: lpddr4, ddr4-3200, hbm2, unlimited (default), or GB/s."
    ),
    option(_ACCELERATORS, "--energy", metavar="TABLE", help="What events cost: 65nm (default), 45nm, 32nm, or a YAML file."),
    option(
        _RESULTS,
        "--summary",
        "shown",
        flag_value="summary",
        help="Print speed-ups and slots alone, as if a file were written.",
    ),
    option(_RESULTS, "--tables", "shown", flag_value="tables", help="Print all tables, even if a file is written."),
    option(_RESULTS, "--quiet", "-q", "shown", flag_value="nothing", help="Print nothing."),
    option(_RESULTS, "--slots", "slots_by_layer", is_flag=True, help="Print where the cycles go for every layer, too."),
    option(_RESULTS, "--json", "json_file", metavar="FILE", help="Write JSON (- for stdout, without tables)."),
    option(_RESULTS, "--csv", "csv_file", metavar="FILE", help="Write CSV (- for stdout, without tables)."),
    option(_RESULTS, "--parquet", "parquet_file", metavar="FILE", help="Write Parquet."),
    option(_RESULTS, "--report", "report_file", metavar="FILE", help="Write an interactive page (one HTML file)."),
    option(_RESULTS, "--figures", metavar="DIR", help="Write figures for papers (PDF, SVG, PNG)."),
    option(_RESULTS, "--save-traces", metavar="DIR", help="Write the layers as traces, one .npz each."),
    click.option("--verify", is_flag=True, help="Check that what each organisation multiplies adds up to the convolution."),
    click.option(
        "--jobs", "-j", type=click.IntRange(1), metavar="N", help="Threads, of inference too; by default all processors."
    ),
)
_FILES = ("json_file", "csv_file", "parquet_file", "report_file")
"""Options that write all that is printed: with one of them a summary is enough."""


@click.command("run", cls=SectionedCommand)
@click.argument("networks", nargs=-1, metavar="[NETWORK]...")
@with_options(*OPTIONS)
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
    _check_targets(networks, options)
    thresholds = read_thresholds(options["threshold"], "--threshold")
    weight_thresholds = read_thresholds(options["weight_threshold"], "--weight-threshold")
    if options["save_traces"] and (len(networks) != 1 or len({o.data_bits for o in organisations}) > 1):
        raise ConfigError("writes the traces of one network with one data_bits; run them one by one", source="--save-traces")
    for name in networks if options["until"] else ():
        check_exists(name)
        if not takes_inputs(name):
            raise ConfigError(f"is for networks that are executed on inputs, which {name} is not", source="--until")
    collector = TraceCollector() if options["report_file"] else None
    found: list[Results] = []
    attempts = Attempts()
    for open_one in networks_to_open(networks or bundled_names(), options):
        if attempts.interrupted:
            break
        with attempts.attempt():
            network = open_one()
            given = _read_inputs(network, organisations, (thresholds, weight_thresholds), options)
            with progress_bar(network.name) as progress, writing_traces(options["save_traces"], attempts) as observers:
                found.append(
                    simulate(
                        network,
                        given.watched(progress.see) if given and progress else given,
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
            del network  # and with it what it keeps for another run
    if found:
        _show(_joined(found), collector, options, attempts)
    attempts.finish()


def _read_inputs(
    network: Network, organisations: Sequence[Organisation], thresholds: tuple[Thresholds, Thresholds], options: dict[str, Any]
) -> Inputs | None:
    """Read what a network is to run on; with --until, so much that speed-ups are known that well."""
    if options["until"] is None:
        return read_inputs(network, options)
    most, draw = options["limit"], options["draw"] or 0

    def read(count: int) -> Inputs:
        limit = count if most is None else min(count, most)
        return read_images(network, {**options, "limit": limit, "draw": draw})

    with progress_bar(f"{network.name}: how many inputs"):
        found = enough_inputs(
            network,
            read,
            organisations,
            options["until"],
            thresholds=thresholds[0],
            weight_thresholds=thresholds[1],
            quantised=options["quantised"],
            jobs=options["jobs"],
        )
    if not found.reached:
        say("warning", f"{network.name}: all {len(found.inputs.values)} inputs leave +-{found.half_width:.2%}; give more")
    return found.inputs


def _show(results: Results, collector: TraceCollector | None, options: dict[str, Any], attempts: Attempts) -> None:
    """Write and print what was found."""
    # Standard output comes last: whoever reads it may stop at any line, and the files must be there.
    _write(results, options, attempts, to_stdout=False)
    if collector:
        command = shlex.join(["cnvlutin2", *sys.argv[1:]])
        with attempts.attempt():
            write_report(results, options["report_file"], trace=collector.data(), command=command)
    if options["figures"]:
        with attempts.attempt():
            write_figures(results, options["figures"])
    _write(results, options, attempts, to_stdout=True)
    shown = options["shown"] or ("summary" if any(options[key] for key in _FILES) else "tables")
    if shown != "nothing" and "-" not in (options["json_file"], options["csv_file"]):
        with attempts.attempt():
            print_results(results, tables=shown == "tables", slots_by_layer=options["slots_by_layer"])
        if not options["report_file"]:
            click.echo("The same as an interactive page: add --report report.html", err=True)


def _organisations(archs: Sequence[str], overrides: Sequence[str]) -> list[Organisation]:
    chosen = load_organisations(archs or (DEFAULT_ORGANISATIONS,))
    return [with_overrides(organisation, overrides) for organisation in chosen] if overrides else chosen


def _check_targets(networks: Sequence[str], options: dict[str, Any]) -> None:
    """Refuse outputs that could not be written, or not all of them."""
    files = {f"--{name}": options[f"{name}_file"] for name in ("json", "csv", "parquet", "report")}
    folders = {"--figures": options["figures"], "--save-traces": options["save_traces"]}
    read = {"NETWORK": networks, "--input": options["inputs"], "--labels": [options["labels"]], "--energy": [options["energy"]]}
    check_apart(files | folders, [(name, path) for name, paths in read.items() for path in paths or () if path])
    for target in files.values():
        if target not in (None, "-"):
            check_writable(Path(target))
    if options["figures"]:
        check_all(Path(options["figures"]))
    for flag, what in (("--parquet", "Parquet is not text"), ("--report", "a page is not for a terminal")):
        if files[flag] == "-":
            raise ConfigError(f"{what}; name a file", source=flag)


def _joined(results: Sequence[Results]) -> Results:
    first = results[0]
    provenance = {**first.provenance, "quantised": any(each.provenance["quantised"] for each in results)}
    return Results([n for r in results for n in r.networks], first.organisations, provenance)


def _write(results: Results, options: dict[str, Any], attempts: Attempts, *, to_stdout: bool) -> None:
    """Write the files that were asked for, or what goes to standard output."""
    for key, write in (("json_file", write_json), ("csv_file", write_csv), ("parquet_file", write_parquet)):
        if options[key] and (options[key] == "-") == to_stdout:
            with attempts.attempt():
                write(results, options[key])
