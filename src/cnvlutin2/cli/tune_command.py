"""`cnvlutin2 tune`: thresholds of a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.text import Text

from cnvlutin2.cli.command_options import SectionedCommand, option, with_options
from cnvlutin2.cli.container_commands import check_json, write_document
from cnvlutin2.cli.grid import Grid, console, say, show
from cnvlutin2.cli.networks import IMAGE_OPTIONS, read_images
from cnvlutin2.cli.outputs import Attempts, check_apart
from cnvlutin2.cli.progress import progress_bar
from cnvlutin2.errors import ConfigError, encodable
from cnvlutin2.files import check_writable
from cnvlutin2.network import open_network
from cnvlutin2.network.opening import check_exists
from cnvlutin2.organisation import load_organisations, with_overrides
from cnvlutin2.tuning import TuningResult, tune
from cnvlutin2.tuning.threshold_files import write_thresholds
from cnvlutin2.tuning.tuner import PATH_IMAGES, check_tunable
from cnvlutin2.tuning.tuning_result import SCHEMA

_IMAGES, _SEARCH, _RESULTS = "Images to validate on", "What is searched for", "Results"


def _percents(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a number or a comma list of numbers") from None


OPTIONS = (
    *IMAGE_OPTIONS,
    option(_IMAGES, "--validation", "validation", multiple=True, metavar="PATH", help="Other images; may be repeated."),
    option(_IMAGES, "--validation-labels", metavar="FILE", help="Their classes, as of --labels."),
    option(_IMAGES, "--split", default="1/3", show_default=True, metavar="PART", help="Else, the part of the images to tune on."),
    option(_IMAGES, "--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Of the split."),
    option(_SEARCH, "--arch", "-a", "arch", default="cnv", show_default=True, metavar="NAME", help="A preset or a YAML file."),
    option(_SEARCH, "--set", "-s", "overrides", multiple=True, metavar="KEY=VALUE", help="Replace a parameter of it."),
    option(
        *(_SEARCH, "--max-drop"),
        callback=_percents,
        metavar="X,..",
        help="Drops in accuracy that are allowed, per cent of the images; by default 0. Each chooses a point.",
    ),
    option(
        _SEARCH, "--max-kl", "max_loss", type=float, metavar="X", help="Else, the KL divergence, in nats (or the output's error)."
    ),
    option(_SEARCH, "--group", "groups", multiple=True, metavar="PATTERN", help="Layers that share a threshold, as 'conv2_*'."),
    option(_SEARCH, "--weights", is_flag=True, help="Thresholds of weights, too (they gain next to nothing)."),
    option(
        *(_SEARCH, "--path-images", "path_images"),
        type=click.IntRange(1),
        default=PATH_IMAGES,
        show_default=True,
        metavar="N",
        help="Tuning images that order the moves.",
    ),
    option(_RESULTS, "--output", "-o", metavar="FILE", help="Thresholds as YAML, for 'run --threshold'; one file a limit."),
    option(_RESULTS, "--curve", metavar="FILE", help="All points as JSON; if it is there, the search goes on from it."),
    option(_RESULTS, "--json", "json_file", metavar="FILE", help="Write JSON (- for stdout, without tables)."),
    click.option("--jobs", "-j", type=click.IntRange(1), metavar="N", help="Threads; by default all processors."),
)


@click.command("tune", cls=SectionedCommand)
@click.argument("network", metavar="NETWORK")
@with_options(*OPTIONS)
def tune_command(network: str, json_file: str | None, output: str | None, **options: Any) -> None:
    """Find thresholds of a network that make it faster for as little accuracy as possible.

    NETWORK is an ONNX file or a bundled network. What is below a layer's threshold is taken for zero and skipped; the network is
    executed so. Thresholds are chosen on some of the images and tried on the others. Without labels, what the floating-point
    network says is right.

    \b
    Examples:
      cnvlutin2 tune digits-pruned -o thresholds.yaml
      cnvlutin2 run digits-pruned --threshold thresholds.yaml
      cnvlutin2 tune digits --max-drop 0,0.5,1 --curve curve.json
      cnvlutin2 tune model.onnx -i photos/ --labels labels.txt --arch cnv2-weights
      cnvlutin2 tune model.onnx -i a/ --validation b/ --max-kl 0.01
    """
    check_json(json_file)
    files = {"--output": output, "--curve": options["curve"], "--json": json_file}
    labels = [("--labels", options["labels"]), ("--validation-labels", options["validation_labels"])]
    inputs = [(f"--{key}", path) for key in ("inputs", "validation") for path in options[key]]
    check_apart(files, [("NETWORK", network), *((name, path) for name, path in [*labels, *inputs] if path)])
    for name, target in files.items():
        if target == "-" and name != "--json":
            raise ConfigError("is for a file; name one", source=name)
        if target not in (None, "-"):
            check_writable(Path(target))
    (organisation, *more) = load_organisations(options["arch"])
    if more:
        raise ConfigError("thresholds are tuned for one organisation; give one", source="--arch")
    organisation = with_overrides(organisation, options["overrides"]) if options["overrides"] else organisation
    if options["validation_labels"] and not options["validation"]:
        raise ConfigError("is for --validation, and none was given", source="--validation-labels")
    check_exists(network)
    opened = open_network(network)
    check_tunable(opened)
    given, others = read_images(opened, options), None
    if options["validation"]:
        named = {"inputs": options["validation"], "labels": options["validation_labels"], "limit": None}
        others = read_images(opened, {**options, **named})
    search = {key: options[key] for key in ("split", "seed", "max_drop", "max_loss", "groups", "weights", "path_images", "curve")}
    with progress_bar(opened.name) as progress:
        result = tune(
            opened,
            given,
            organisation,
            validation=others,
            jobs=options["jobs"],
            progress=progress,
            **search,
        )
    attempts = Attempts()
    written: list[Path] = []
    if output:
        with attempts.attempt():
            written = write_thresholds(result, Path(output))
    if json_file:
        with attempts.attempt():
            write_document({"schema": SCHEMA, "made_of": dict(result.made_of), **result.to_dict()}, json_file)
    if json_file != "-":
        with attempts.attempt():
            _print(result)
            for path in written:
                click.echo(f"wrote {encodable(str(path))}", err=True)
    attempts.finish()


def _print(result: TuningResult) -> None:
    out = console()
    points = [result.baseline, *result.tuned]
    gains = ", ".join(f"{point.tuning.speedup:.2f}x ({point.name})" for point in result.tuned)
    title = f"{result.network} under {result.arch}: {result.baseline.tuning.speedup:.2f}x with nothing pruned, {gains}"
    out.print(Text(title, style="bold"), soft_wrap=True)
    out.print()
    rows = [(name, cells) for name, *cells in result.rows()]
    show(out, Grid("", [point.name for point in points], rows))
    layers = _thresholds_grid(result)
    if layers.rows:
        show(out, layers)
    if result.frozen:
        reasons: dict[str, list[str]] = {}
        for name, why in result.frozen.items():
            reasons.setdefault(why, []).append(name)
        for why, names in reasons.items():
            say(out, f"cannot gain: {', '.join(names)}: {why}")
    say(out, f"ceiling: {result.ceiling:.2f}x, if every value that a threshold reaches were pruned")
    for text in result.cautions():
        say(out, text)
    counted = sum(point.speedup is not None for point in result.path)
    say(out, f"{result.path[-1].step} moves, {result.evaluations} evaluations; {counted} points of the path counted", style="dim")


def _thresholds_grid(result: TuningResult) -> Grid:
    rows = []
    for name, (frac, weight_frac) in result.scales.items():
        for what, bits in (("thresholds", frac), ("weight_thresholds", weight_frac)):
            found = [getattr(point, what).layers.get(name) for point in result.tuned]
            if any(found):
                shown = f"{name} (weights)" if what == "weight_thresholds" else name
                rows.append((shown, ["-" if t is None else f"{t.value:g} ({t.in_lsbs(bits)})" for t in found]))
    caption = "in real units, and in LSBs of the tuning images, which are others on other images"
    return Grid("threshold", [point.name for point in result.tuned], rows, caption, paragraph_of="row")
