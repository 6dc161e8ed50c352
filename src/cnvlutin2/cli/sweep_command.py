"""`cnvlutin2 sweep`: many points, one command."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cnvlutin2.cli.command_options import SectionedCommand, option, with_options
from cnvlutin2.cli.networks import NETWORK_OPTIONS
from cnvlutin2.cli.outputs import check_apart
from cnvlutin2.cli.printed_study import print_estimate, print_study
from cnvlutin2.cli.sweep_progress import sweep_progress
from cnvlutin2.errors import ConfigError
from cnvlutin2.files import check_writable
from cnvlutin2.network.threshold_text import FORMS
from cnvlutin2.report.figures import check_all
from cnvlutin2.results import write_frame_csv, write_text
from cnvlutin2.study import DaskExecutor, Executor, LocalExecutor, Study, StudyDefinition, read_cluster, sweep
from cnvlutin2.study.definition import INPUT_KEYS, TOPOLOGY_KEYS, definition_of, read_definition
from cnvlutin2.study.dry_run import estimate
from cnvlutin2.study.planning import plan_study
from cnvlutin2.study.sweeping import SweepState, check_size
from cnvlutin2.timing.threads import default_jobs
from cnvlutin2.yaml_text import parse_mapping

_GRID, _PLACES, _RESULTS, _WORK = "Without a file: what is varied", "Where it is kept", "Results", "How it is computed"
_QUICK = ("archs", "overrides", "grid", "where", "threshold", "weight_threshold", "quantised", "energy")
OPTIONS = (
    option(_GRID, "--arch", "-a", "archs", multiple=True, metavar="NAMES", help="Presets or YAML files to vary; by default cnv."),
    option(
        _GRID, "--grid", "-g", multiple=True, metavar="KEY=V,V..", help="Values of a parameter; every combination is computed."
    ),
    option(_GRID, "--where", multiple=True, metavar="EXPR", help="What points must meet, as 'tiles * lanes <= 256'."),
    option(_GRID, "--set", "-s", "overrides", multiple=True, metavar="KEY=VALUE", help="Replace a parameter of all of them."),
    option(_GRID, "--threshold", metavar="T", help=f"Least effectual activation: {FORMS}."),
    option(_GRID, "--weight-threshold", metavar="T", help="The same for weights."),
    option(_GRID, "--quantised", is_flag=True, default=None, help="Execute the networks on quantised values."),
    option(_GRID, "--energy", metavar="TABLE", help="What events cost: 65nm (default), 45nm, 32nm, or a YAML file."),
    *NETWORK_OPTIONS,
    option(_PLACES, "--output", "-o", metavar="FOLDER", help="The study's folder; of STUDY.yaml by default STUDY."),
    option(_PLACES, "--store", metavar="FOLDER", help="Keep networks' layers here, for several studies."),
    option(_PLACES, "--store-size", type=click.FloatRange(0, min_open=True), default=8.0, metavar="GIB", help="Its bound (8)."),
    option(_WORK, "--jobs", "-j", type=click.IntRange(1), metavar="N", help="Processes here; by default one a processor."),
    option(_WORK, "--dask", metavar="ADDRESS", help="Compute on the workers of a Dask scheduler, as tcp://host:8786."),
    option(_WORK, "--cluster", metavar="FILE", help="Submit workers to a queue: a YAML file with system, jobs and options."),
    option(_WORK, "--dry-run", is_flag=True, help="Say how many points there are, and about how long and large they are."),
    option(_WORK, "--retry-failed", is_flag=True, help="Compute again what failed before."),
    option(_WORK, "--yes", is_flag=True, help="Yes, that many points."),
    option(
        _RESULTS, "--json", "json_file", metavar="FILE", help="Write a record a point as JSON (- for stdout, without tables)."
    ),
    option(_RESULTS, "--csv", "csv_file", metavar="FILE", help="Write a row a point as CSV (- for stdout, without tables)."),
    option(_RESULTS, "--report", "report_file", metavar="FILE", help="Write an interactive page of all points (one HTML file)."),
    option(_RESULTS, "--figures", metavar="DIR", help="Write figures for papers (PDF, SVG, PNG)."),
    option(_RESULTS, "--compact", is_flag=True, help="Write all points to two Parquet files in FOLDER/compact, too."),
    option(_RESULTS, "--quiet", "-q", is_flag=True, help="Print nothing."),
)


@click.command("sweep", cls=SectionedCommand)
@click.argument("given", nargs=-1, metavar="STUDY.yaml | NETWORK...")
@with_options(*OPTIONS)
def sweep_command(given: tuple[str, ...], **options: Any) -> None:
    """Compute many points of a design space into a folder: networks, times organisations, times all values of a grid.

    What the folder has already is not computed again: a sweep that was stopped, or killed, goes on where it was. Points that
    fail keep their error and do not stop the others; the command then ends with code 2.

    \b
    Examples:
      cnvlutin2 sweep digits --grid lanes=4,8,16 --grid tiles=4,8,16 -o lanes
      cnvlutin2 sweep digits -a cnv2-weights -g filter_sync=brick,1,window -o sync
      cnvlutin2 sweep model.onnx -i photo.jpg -g threshold=1,8 -g dram=hbm2,3 -o t
      cnvlutin2 sweep digits -g tiles=2,4 -g lanes=4,8 --where 'tiles<lanes' -o s
      cnvlutin2 sweep study.yaml --dry-run
      cnvlutin2 sweep study.yaml -j 2 --report study.html
      cnvlutin2 sweep study.yaml --cluster slurm.yaml
    """
    definition, folder = _what(given, options)
    if options["dry_run"]:
        check_size(definition, yes=options["yes"])
        found = estimate(plan_study(definition), definition.combinations)
        workers = options["jobs"] or default_jobs()
        if options["json_file"] == "-":
            click.echo(json.dumps(asdict(found), indent=1))
        else:
            print_estimate(found, workers)
        return
    _check_targets(options)
    if folder is None:
        raise ConfigError("name the study's folder", source="--output")
    state = SweepState(0)
    with sweep_progress() as report:

        def note(now: SweepState) -> None:
            nonlocal state
            state = now
            report(now)

        study = sweep(
            definition,
            folder,
            executor=_executor(options),
            retry_failed=options["retry_failed"],
            yes=options["yes"],
            store=options["store"],
            store_bytes=int(options["store_size"] * (1 << 30)),
            progress=note,
        )
    _show(study, state, options)


def _check_targets(options: Mapping[str, Any]) -> None:
    """Refuse outputs that could not be written, or not all of them."""
    files = {f"--{name}": options[f"{name}_file"] for name in ("json", "csv", "report")}
    check_apart(files | {"--figures": options["figures"]})
    for target in files.values():
        if target not in (None, "-"):
            check_writable(Path(target))
    if options["figures"]:
        check_all(Path(options["figures"]))
    if files["--report"] == "-":
        raise ConfigError("a page is not for a terminal; name a file", source="--report")


def _what(given: Sequence[str], options: Mapping[str, Any]) -> tuple[StudyDefinition, str | None]:
    """Return what is to be swept, and into which folder."""
    files = [name for name in given if name.endswith((".yaml", ".yml"))]
    quick = [key for key in (*_QUICK, "inputs", *INPUT_KEYS[1:], *TOPOLOGY_KEYS) if options[key] not in (None, ())]
    if not given:
        raise ConfigError("name a study's file or networks", source="cnvlutin2 sweep")
    if not files:
        return _quick(given, options), options["output"]
    if len(given) > 1:
        raise ConfigError("one study's file at a time, and no networks beside it", source=files[0])
    if quick:
        names = {"archs": "arch", "overrides": "set", "inputs": "input"}
        flag = "--" + names.get(quick[0], quick[0]).replace("_", "-")
        raise ConfigError(f"is for studies without a file; write it into {files[0]}", source=flag)
    return read_definition(Path(files[0])), options["output"] or Path(files[0]).stem


def _quick(networks: Sequence[str], options: Mapping[str, Any]) -> StudyDefinition:
    keys = (*INPUT_KEYS[1:], *TOPOLOGY_KEYS, "threshold", "weight_threshold", "quantised", "energy")
    values: dict[str, object] = {key: options[key] for key in keys if options[key] is not None}
    if options["inputs"]:
        values["input"] = list(options["inputs"])
    if options["archs"]:
        values["arch"] = list(options["archs"])
    values |= {"networks": list(networks), "where": list(options["where"])}
    values["set"] = dict(_pair(text, "--set") for text in options["overrides"])
    values["grid"] = dict(_pair(text, "--grid", listed=True) for text in options["grid"])
    return definition_of(values, source="cnvlutin2 sweep")


def _pair(text: str, flag: str, *, listed: bool = False) -> tuple[str, object]:
    """Read ``KEY=VALUE``, or ``KEY=V,V``, values as in YAML."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"cannot read {text!r}: write KEY={'V,V' if listed else 'VALUE'}", source=flag)
    try:
        return key.strip(), parse_mapping(f"value: [{value}]" if listed else f"value: {value}", "value", flag)["value"]
    except ConfigError:
        raise ConfigError(f"cannot read the value of {text!r}", source=flag) from None


def _executor(options: Mapping[str, Any]) -> Executor:
    asked = [f"--{key}" for key in ("jobs", "dask", "cluster") if options[key] is not None]
    if len(asked) > 1:
        raise ConfigError(f"does not go with {asked[0]}; give one of them", source=asked[1])
    if options["dask"] is not None:
        return DaskExecutor(options["dask"])
    return LocalExecutor(options["jobs"]) if options["cluster"] is None else read_cluster(Path(options["cluster"]))


def _show(study: Study, state: SweepState, options: Mapping[str, Any]) -> None:
    """Write and print what was found; end with code 2 if points failed."""
    if options["json_file"]:
        write_text(json.dumps(study.records, indent=1) + "\n", options["json_file"])
    if options["report_file"] and study.records:
        study.write_report(options["report_file"], command=shlex.join(["cnvlutin2", *sys.argv[1:]]))
    if options["figures"] and study.records:
        study.write_figures(options["figures"])
    if options["compact"] and study.records:
        study.compact()
    if options["csv_file"]:
        write_frame_csv(study.points(), options["csv_file"])
    if not options["quiet"] and "-" not in (options["json_file"], options["csv_file"]):
        print_study(study, state)
    failed = state.failed + state.failed_before
    if failed:
        some = "a point" if failed == 1 else f"{failed} points"
        again = "; --retry-failed computes them again" if state.failed_before else ""
        raise ConfigError(f"{some} failed: {study.failures()[0]['error']}{again}", source=f"{study.folder}/failed")
