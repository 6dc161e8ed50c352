"""`cnvlutin2 report`, `figures` and `compare`: what becomes of results that were written as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from cnvlutin2.cli.container_commands import check_json
from cnvlutin2.cli.grid import Grid, console, say, show
from cnvlutin2.cli.outputs import Attempts, check_apart
from cnvlutin2.errors import encodable
from cnvlutin2.files import check_writable, write_whole
from cnvlutin2.report import write_figures, write_report
from cnvlutin2.report.comparison_page import figure_rows, setting_rows, verdict, write_comparison
from cnvlutin2.report.figures import check_all
from cnvlutin2.results import compare_results, load_results
from cnvlutin2.results.comparison import Comparison
from cnvlutin2.results.csv_cells import defused

SCHEMA = "cnvlutin2/comparison/1"
EXIT_DIFFERENT = 4


@click.command("report")
@click.argument("results", metavar="RESULTS.json")
@click.option("--output", "-o", metavar="FILE", help="The page; by default RESULTS.html.")
def report_command(results: str, output: str | None) -> None:
    """Write the interactive page of results that were written with 'cnvlutin2 run --json'.

    The lane viewer, lane loads and brick densities need the values themselves: for these, give 'run' the option --report.

    \b
    Examples:
      cnvlutin2 run digits --json results.json
      cnvlutin2 report results.json
      cnvlutin2 report results.json -o page.html
    """
    target = output or str(Path(results).with_suffix(".html"))
    check_apart({"--output": target}, [("RESULTS.json", results)])
    check_writable(Path(target))
    write_report(load_results(results), target)
    click.echo(f"wrote {encodable(target)}", err=True)


@click.command("figures")
@click.argument("results", metavar="RESULTS.json")
@click.option("--output", "-o", metavar="DIR", default="figures", show_default=True, help="The folder; made if it is not there.")
def figures_command(results: str, output: str) -> None:
    """Draw the figures for papers (PDF, SVG, PNG) of results that were written with 'cnvlutin2 run --json'.

    \b
    Examples:
      cnvlutin2 run digits digits-pruned --json results.json
      cnvlutin2 figures results.json -o figures
    """
    check_all(Path(output))
    for path in write_figures(load_results(results), output):
        click.echo(encodable(str(path)))


@click.command("compare")
@click.argument("first", metavar="A.json")
@click.argument("second", metavar="B.json")
@click.option("--report", "report_file", metavar="FILE", help="Write a page (one HTML file).")
@click.option("--csv", "csv_file", metavar="FILE", help="Write every number that differs (- for stdout, without tables).")
@click.option("--json", "json_file", metavar="FILE", help="Write JSON (- for stdout, without tables).")
@click.option("--exit-code", is_flag=True, help=f"Exit with {EXIT_DIFFERENT} if a number differs, or is in one alone.")
@click.pass_context
def compare_command(context: click.Context, /, first: str, second: str, exit_code: bool, **files: Any) -> None:
    """Compare two results that were written with 'cnvlutin2 run --json': how they were made, then every number.

    Networks and organisations are paired by their names; where each has only one, these are compared whatever they are called.

    \b
    Examples:
      cnvlutin2 compare yesterday.json today.json --exit-code
      cnvlutin2 compare digits.json digits-pruned.json --report comparison.html
      cnvlutin2 compare a.json b.json --csv - > differences.csv
    """
    check_json(files["json_file"])
    outputs = {f"--{key.removesuffix('_file')}": value for key, value in files.items()}
    check_apart(outputs, [("A.json", first), ("B.json", second)])
    for target in outputs.values():
        if target not in (None, "-"):
            check_writable(Path(target))
    comparison = compare_results(load_results(first), load_results(second))
    names = encodable(first), encodable(second)
    attempts = Attempts()
    if files["report_file"]:
        with attempts.attempt():
            write_comparison(comparison, files["report_file"], names)
    if files["csv_file"]:
        with attempts.attempt():
            _write(defused(comparison.numbers).to_csv(index=False), files["csv_file"])
    if files["json_file"]:
        with attempts.attempt():
            _write(_json(comparison, names), files["json_file"])
    if "-" not in outputs.values():
        with attempts.attempt():
            _print(comparison, names)
    attempts.finish()
    if exit_code and not comparison.equal:
        context.exit(EXIT_DIFFERENT)


def _write(text: str, target: str) -> None:
    if target == "-":
        sys.stdout.write(text)
    else:
        write_whole(Path(target), lambda path: path.write_text(text, "utf-8"))


def _json(comparison: Comparison, names: tuple[str, str]) -> str:
    document = {
        "schema": SCHEMA,
        "files": list(names),
        "equal": comparison.equal,
        "settings": [vars(each) for each in comparison.settings],
        "figures": [vars(pair) for pair in comparison.pairs],
        "alone": list(comparison.alone),
        "compared": dict(comparison.compared),
        "numbers": json.loads(comparison.numbers.to_json(orient="records")),
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _print(comparison: Comparison, names: tuple[str, str]) -> None:
    out = console()
    say(out, verdict(comparison), style="bold")
    out.print()
    for pair in comparison.pairs:
        rows = [(figure, cells) for figure, *cells in figure_rows(pair)]
        show(out, Grid("figure", [*names, "ratio"], rows, title=f"{pair.network}, {pair.arch}", paragraph_of="row"))
    settings = [(place, [one, other]) for place, one, other in setting_rows(comparison)]
    if settings:
        show(out, Grid("how they were made", names, settings, texts=names, paragraph_of="row"))
    for text in comparison.alone:
        say(out, text)
    found = [
        (measure, [f"{count:,}", f"{of:,}", f"{change:+,.6g}", where])
        for measure, count, of, change, where in comparison.by_measure()
    ]
    if found:
        columns = ["differ", "of", "largest change", "where"]
        show(out, Grid("numbers", columns, found, texts=("where",), paragraph_of="row"))
