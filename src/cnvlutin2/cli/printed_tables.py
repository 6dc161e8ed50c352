"""Tables for a terminal."""

from __future__ import annotations

import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cnvlutin2.cost import STATIC, NetworkCost
from cnvlutin2.errors import one_line
from cnvlutin2.machine import DRAM, EVENTS
from cnvlutin2.results import DenseBaseline, LayerInfo, NetworkResult, Results
from cnvlutin2.timing.slots import SLOT_KINDS, Counts

MOST_IMAGES = 8
"""Images that a table lists one by one; all are in the files."""

_ENERGY_PARTS = {
    "multipliers, adders": ("multipliers", "adders"),
    "SB": ("sb",),
    "NM": ("nm",),
    "buffers, broadcast": ("nbin", "nbout", "brick_buffer", "broadcast"),
    "skipping": ("skip_logic",),
    "leakage": (STATIC,),
    "DRAM": (DRAM,),
}
"""What the energy goes to, as a table has room for it."""

_WIDTH_OF_A_FILE = 120  # where standard output is not a terminal
_LONGEST_NAME = 28


def console() -> Console:
    """Return a console on standard output, as wide as the terminal."""
    wide = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH_OF_A_FILE
    return Console(width=wide, highlight=False)


def print_results(results: Results, *, slots_by_layer: bool = False) -> None:
    """Print what a person wants to see of the results."""
    out = console()
    for network in results.networks:
        _print_network(out, network, list(results.organisations), slots_by_layer=slots_by_layer)
    if len(results.networks) > 1:
        _print_parts(out, lambda part: networks_table(results, part), list(results.organisations))


def _print_network(out: Console, network: NetworkResult, archs: Sequence[str], *, slots_by_layer: bool) -> None:
    count = len(network.images)
    out.print(Text(f"{one_line(network.network)}: {count} image{'s' if count != 1 else ''}", style="bold"), soft_wrap=True)
    _print_parts(out, lambda part: layers_table(network, part), archs)
    if count > 1:
        _print_parts(out, lambda part: images_table(network, part), archs)
    _print_parts(out, lambda part: slots_table(network, part), archs)
    if slots_by_layer:
        for arch in archs:
            out.print(layer_slots_table(network, arch))
    if network.costs:
        _print_parts(out, lambda part: cost_table(network, part), archs)
    for item in network.left_out:
        out.print(Text(one_line(f"left out: {item.name} ({item.op}): {item.reason}")), soft_wrap=True)
    if network.accuracy is not None:
        out.print(Text(_accuracy(network)), soft_wrap=True)
    out.print()


def _print_parts(out: Console, table_of: Callable[[Sequence[str]], Table], archs: Sequence[str]) -> None:
    """Print a table, cut by organisations into as many as the terminal's width wants."""
    left = list(archs)
    while left:
        count = len(left)
        while count > 1 and out.measure(table_of(left[:count]), options=out.options.update_width(10_000)).maximum > out.width:
            count -= 1
        out.print(table_of(left[:count]))
        left = left[count:]


def _table(first: str, archs: Sequence[str], title: str | None = None) -> Table:
    """Return an empty table with a heading a column of `archs`, after the first column."""
    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left", title_style="italic")
    table.add_column(first, no_wrap=True)
    for arch in archs:
        table.add_column(Text(arch), justify="right", no_wrap=True)
    return table


def layers_table(network: NetworkResult, archs: Sequence[str]) -> Table:
    """Return densities, products, cycles and speed-ups, a row a layer and a total; a dense column for each dense baseline."""
    table = Table(box=None, pad_edge=False, header_style="bold", caption_justify="left")
    baselines, over = _dense_columns(network, archs)
    dense = "dense" if len(network.dense_baselines()) == 1 else "the dense column named below the organisation"
    table.caption = f"act, wgt: effectual part; mean cycles of an image and speed-up over {dense}; d: ran dense"
    table.add_column("layer", no_wrap=True)
    table.add_column("shape", no_wrap=True)
    for heading in ("act", "wgt", "MACs", *baselines, *(f"{arch}{over[arch]}" for arch in archs)):
        table.add_column(Text(heading), justify="right", no_wrap=True)
    by_arch = {arch: network.of(arch) for arch in archs}
    for index, row in enumerate(zip(*by_arch.values(), strict=True)):
        layer = row[0].layer
        cells = [shown_name(layer.name), _shape(layer), f"{row[0].activation_density.mean():.2f}", f"{layer.weight_density:.2f}"]
        cells += [_si(layer.macs), *(f"{baseline.layer_cycles[index]:,}" for baseline in baselines.values())]
        cells += [_cycles(each.cycles, each.speedup) + ("d" if each.mode == "dense" else " ") for each in row]
        table.add_row(*map(Text, cells))
    total = ["total", "", "", "", _si(sum(each.layer.macs for each in by_arch[archs[0]]))]
    total += [f"{baseline.cycles:,}" for baseline in baselines.values()]
    total += [_cycles(network.image_cycles(arch), network.speedup(arch)) + " " for arch in archs]
    table.add_row(*map(Text, total), style="bold")
    return table


def _dense_columns(network: NetworkResult, archs: Sequence[str]) -> tuple[dict[str, DenseBaseline], dict[str, str]]:
    """Return the dense baselines of some organisations by heading, and what each organisation's heading adds to say its own.

    They are numbered over all organisations, so that the parts of a table that is cut agree; a single one needs no number.
    """
    baselines = network.dense_baselines()
    if len(baselines) == 1:
        return {"dense": baselines[0]}, dict.fromkeys(archs, "")
    numbered = {f"dense {number}": baseline for number, baseline in enumerate(baselines, 1)}
    over = {arch: f"\n/ {heading}" for heading, baseline in numbered.items() for arch in baseline.archs}
    return {heading: each for heading, each in numbered.items() if set(archs) & set(each.archs)}, over


def images_table(network: NetworkResult, archs: Sequence[str]) -> Table:
    """Return the speed-up of each image, and the mean with its standard deviation."""
    table = _table("speed-up by image", archs)
    speedups = {arch: network.image_speedups(arch) for arch in archs}
    for i, name in enumerate(network.images[:MOST_IMAGES]):
        table.add_row(Text(shown_name(PurePath(name).name)), *(f"{speedups[arch][i]:.3f}x" for arch in archs))
    if len(network.images) > MOST_IMAGES:
        table.add_row(f"({len(network.images) - MOST_IMAGES} more in the files)", *([""] * len(archs)))
    spread = (f"{np.mean(s):.3f} ± {np.std(s, ddof=1):.3f}" for s in speedups.values())
    table.add_row("mean ± s.d.", *spread, style="bold")
    return table


def slots_table(network: NetworkResult, archs: Sequence[str]) -> Table:
    """Return where the cycles go, in per cent of the multiplier slots."""
    table = _table("% of multiplier slots", archs)
    slots = [network.slots(arch) for arch in archs]
    for kind in SLOT_KINDS:
        if any(s[kind] for s in slots):
            table.add_row(kind.replace("_", " "), *(_percent(s[kind], sum(s.values())) for s in slots))
    return table


def layer_slots_table(network: NetworkResult, arch: str) -> Table:
    """Return where the cycles of each layer go, in per cent of its multiplier slots."""
    table = Table(box=None, pad_edge=False, header_style="bold", title=f"{arch}: % of multiplier slots", title_justify="left")
    table.add_column("layer", no_wrap=True)
    for kind in SLOT_KINDS:
        table.add_column(kind.replace("_", " "), justify="right", max_width=12)
    for layer in network.of(arch):
        counts = layer.slots.sum(axis=0)
        table.add_row(Text(shown_name(layer.layer.name)), *(_percent(int(c), int(counts.sum())) for c in counts))
    return table


def cost_table(network: NetworkResult, archs: Sequence[str]) -> Table:
    """Return what an image takes of time, energy and transfers, and the machine of area."""
    table = Table(box=None, pad_edge=False, header_style="bold", title="memory, energy and area", title_justify="left")
    table.add_column("of an image (mean)", no_wrap=True)
    for arch in archs:
        table.add_column(Text(arch), justify="right", overflow="fold")
    costs = [network.costs[arch] for arch in archs]
    rows = {
        **_time_rows(network, archs),
        "energy, uJ": [_microjoules(cost.machine.total_pj) for cost in costs],
        **{f"  {part}": [_microjoules(_sum_of(cost, names)) for cost in costs] for part, names in _ENERGY_PARTS.items()},
        "EDP gain": [f"{cost.edp_gain():.2f}x" for cost in costs],
        "EDP gain on chip": [f"{cost.edp_gain(chip=True):.2f}x" for cost in costs],
        "ED2P gain": [f"{cost.ed2p_gain():.2f}x" for cost in costs],
        "ED2P gain on chip": [f"{cost.ed2p_gain(chip=True):.2f}x" for cost in costs],
        "NM bits read": [_moved(network, arch, "nm_bits_read", "nm_bits_spilled") for arch in archs],
        "NM bits written": [_moved(network, arch, "nm_bits_written", "nm_bits_filled") for arch in archs],
        "DRAM bits": [_moved(network, arch, *(name for name in EVENTS if name.startswith("dram_"))) for arch in archs],
        "area, mm2": [f"{cost.machine.total_mm2:.1f}" for cost in costs],
        "  over dense": [f"{cost.area_overhead:+.1%}" for cost in costs],
    }
    for name, cells in rows.items():
        table.add_row(name, *cells)
    paid_by: dict[str, list[str]] = defaultdict(list)
    for arch, cost in zip(archs, costs, strict=True):
        for caution in cost.cautions:
            paid_by[caution].append(arch)
    said = [f"{', '.join(some)}: {caution}" for caution, some in paid_by.items()]
    lines = ["speed-up and gains over the dense baseline; on chip: without DRAM's energy", *said]
    table.caption = Text("\n".join(lines))  # a name is no markup
    table.caption_justify = "left"
    return table


def _time_rows(network: NetworkResult, archs: Sequence[str]) -> dict[str, list[str]]:
    """Return total cycles and what of them is waiting; those of the dense baselines too where organisations differ in them."""
    rows: dict[str, list[str]] = {}
    for arch in archs:
        cost = network.costs[arch]
        layers = [(layer.cycles, layer.cost) for layer in network.of(arch) if layer.cost]
        stalls = sum(cost.encoder_stall_cycles.mean() for _, cost in layers)
        transfers = sum((cost.total_cycles - cost.encoder_stall_cycles - cycles).mean() for cycles, cost in layers)
        cells = {"total cycles": f"{cost.machine.total_cycles.mean():,.0f}", "  waiting for encoders": f"{stalls:,.0f}"}
        cells |= {
            "  waiting for DRAM": f"{transfers:,.0f}",
            "  of the dense baseline": f"{cost.baseline.total_cycles.mean():,.0f}",
        }
        for name, cell in {**cells, "  speed-up": f"{cost.speedup:.2f}x"}.items():
            rows.setdefault(name, []).append(cell)
    if len({tuple(cost.baseline.total_cycles.tolist()) for cost in network.costs.values()}) == 1:
        del rows["  of the dense baseline"]
    return rows


def _moved(network: NetworkResult, arch: str, *names: str) -> str:
    """Return the bits of some events, over all layers of the mean image."""
    events = [layer.cost.events for layer in network.of(arch) if layer.cost]
    return _si(float(sum(layer[name].mean() for layer in events for name in names)))


def _sum_of(cost: NetworkCost, components: Sequence[str]) -> NDArray[np.float64]:
    energies: NDArray[np.float64] = np.sum([cost.machine.energy_pj[name] for name in components], axis=0)
    return energies


def networks_table(results: Results, archs: Sequence[str]) -> Table:
    """Return the speed-up of each network and the geometric mean."""
    table = _table("speed-up", archs)
    for network in results.networks:
        table.add_row(Text(one_line(network.network)), *(f"{network.speedup(arch):.3f}x" for arch in archs))
    table.add_row("geometric mean", *(f"{results.speedup(arch):.3f}x" for arch in archs), style="bold")
    return table


def shown_name(name: str) -> str:
    """Return a name as a table shows it: on one line, a long one cut in the middle."""
    name = one_line(name)
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME // 2 - 1]}..{name[1 - _LONGEST_NAME // 2 :]}"


def _cycles(cycles: Counts, speedup: float) -> str:
    return f"{cycles.mean():,.0f} {speedup:.2f}x"


def _accuracy(network: NetworkResult) -> str:
    found = network.accuracy
    assert found is not None  # noqa: S101 - the caller looked
    parts = []
    if found.agree is not None:
        parts.append(f"top-1 equals the float network's on {found.agree} of {found.images} images")
    if found.correct is not None:
        parts.append(f"{found.correct} of {found.images} classified correctly ({found.correct / found.images:.2%})")
    if found.float_correct is not None and found.float_correct != found.correct:
        parts.append(f"float network: {found.float_correct}")
    return "; ".join(parts)


def _shape(layer: LayerInfo) -> str:
    channels, height, width = layer.input_shape
    kernel = "x".join(map(str, layer.weight_shape[2:]))
    if (height, width) == (1, 1) and kernel == "1x1":
        return f"{channels} > {layer.weight_shape[0]}"
    down, across = layer.strides
    extra = "" if max(layer.strides) == 1 else f" /{down}" if down == across else f" /{down}x{across}"
    extra += f" g{layer.groups}" if layer.groups > 1 else ""
    return f"{channels}x{height}x{width} > {layer.weight_shape[0]} {kernel}{extra}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if part else "-"


def _microjoules(energy_pj: NDArray[np.float64]) -> str:
    return f"{energy_pj.mean() / 1e6:,.1f}"


def _si(count: float) -> str:
    for unit in ("", "k", "M", "G"):
        if count < 1000:
            return f"{count:.3g}{unit}"
        count /= 1000
    return f"{count:.3g}T"
