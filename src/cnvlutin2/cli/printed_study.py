"""What `cnvlutin2 sweep` prints: how many points there are, and the best of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from cnvlutin2.cli.grid import Grid, console, say, show
from cnvlutin2.cli.sweep_progress import shown_seconds
from cnvlutin2.study import Study, SweepState
from cnvlutin2.study.dry_run import Estimate
from cnvlutin2.study.pareto import pareto_front
from cnvlutin2.study.point_table import remark_of

SHOWN = 20
"""Points in the table."""


def print_study(study: Study, state: SweepState) -> None:
    """Print the answer: how many points, and those that no other beats, or all if they are few."""
    out = console()
    counts = [f"{state.done} computed"] if state.done else []
    counts += [f"{state.kept} kept from before"] if state.kept else []
    failed = state.failed + state.failed_before
    counts += [f"{failed} failed"] if failed else []
    out.print(Text(f"{study.folder.name}: {state.points} points ({', '.join(counts)})", style="bold"), soft_wrap=True)
    records = study.records
    if not records:
        return
    by_network: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        by_network.setdefault(record["network"], []).append(record)
    for network, of_network in by_network.items():
        costs = [(_time(record), record["total_energy_pj"], record["total_area_mm2"]) for record in of_network]
        best = pareto_front(costs)
        some = [of_network[i] for i in (range(len(of_network)) if len(of_network) <= SHOWN else best)]
        marked = {of_network[i]["point"] for i in best}
        some.sort(key=_time)
        show(out, _grid(network, some[:SHOWN], marked, study.swept, many=len(of_network) > SHOWN))
    say(out, "*: no other point is at once as fast (with waiting), as frugal and as small", style="dim")
    say(out, f"In Python: cnvlutin2.load_study({str(study.folder)!r}).points()", style="dim")


def _time(record: Mapping[str, Any]) -> float:
    """Return the nanoseconds of the mean image."""
    return float(record["all_images"]["total_cycles"]) / float(record["images"]) / float(record["clock_ghz"])


def _grid(network: str, records: Sequence[Mapping[str, Any]], best: set[str], swept: Sequence[str], *, many: bool) -> Grid:
    keys = [key for key in ("arch", *dict.fromkeys(key.partition(".")[0] for key in swept)) if key in records[0]]
    columns = [*keys, "total cycles", "speed-up", "with waiting", "energy gain", "area mm2"]
    rows = []
    for record in records:
        cycles = f"{record['all_images']['total_cycles'] / record['images']:,.0f}"
        gains = f"{record['speedup']:.2f}x", f"{record['speedup_with_waiting']:.2f}x", f"{record['relative']['energy_gain']:.2f}x"
        cells = ["-" if record[key] is None else str(record[key]) for key in keys]
        mark = "*" if record["point"] in best else ""
        rows.append((f"{record['point'][:8]}{mark}", [*cells, cycles, *gains, f"{record['total_area_mm2']:.1f}"]))
    remark = remark_of(records[0])
    title = ": ".join([network, *([remark] if remark else []), *(["points that no other beats"] if many else [])])
    return Grid("point", columns, rows, title=title, texts=tuple(keys), paragraph_of="row")


def print_estimate(found: Estimate, workers: int) -> None:
    """Print what a study would take."""
    out = console()
    out.print(Text(f"{found.points:,} points", style="bold"), soft_wrap=True)
    same, excluded = found.asked - found.points, found.combinations - found.asked
    say(out, f"of {found.combinations:,} combinations: {excluded:,} excluded by constraints, {same:,} the same as others")
    runs, processes = _some(found.captures, "run"), _some(workers, "process", "processes")
    say(out, f"about {shown_seconds(found.seconds / workers)} with {processes}, {runs} of networks included")
    say(out, f"about {_size(found.point_bytes)} of points, {_size(found.tensor_bytes)} of layers")


def _some(count: int, one: str, several: str = "") -> str:
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def _size(count: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count / 1024:.3g} KiB"
