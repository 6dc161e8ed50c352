"""What `cnvlutin2 run` prints: what a person asks first, then the tables that it follows from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from cnvlutin2.cli.grid import Grid, console, say, show
from cnvlutin2.cost import STATIC, NetworkCost
from cnvlutin2.errors import one_line
from cnvlutin2.machine import DRAM, EVENTS
from cnvlutin2.results import WAITING, DenseBaseline, LayerInfo, NetworkResult, Results
from cnvlutin2.timing.slots import SLOT_KINDS, Counts

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

_INTERVAL = "95%: of the speed-up over all images like these, if these are a random sample of them"
_SLOTS = "% of multiplier slots"


def print_results(results: Results, *, tables: bool = True, slots_by_layer: bool = False) -> None:
    """Print what a person wants to see of the results.

    Parameters
    ----------
    results : Results
    tables : bool
        Print the tables by layer and image and those of costs, too.
    slots_by_layer : bool
        Print where the cycles of each layer go, too.
    """
    out, archs = console(), list(results.organisations)
    for network in results.networks:
        _print_answer(out, network, archs)
    if len(results.networks) > 1:
        grid = networks_grid(results, archs)
        show(out, grid, grid.transposed())
    if any(network.costs for network in results.networks):
        say(out, WAITING, style="dim")
    for network in results.networks if tables or slots_by_layer else ():
        out.print()
        out.print(Text(f"{_title(network)}, in full", style="bold"), soft_wrap=True)
        out.print()
        if tables:
            show(out, *layers_grids(network, archs))
            if len(network.images) > 1:
                images = images_grid(network, archs)
                show(out, images, images.without("least", "most"))
        for arch in archs if slots_by_layer else ():
            show(out, layer_slots_grid(network, arch))
        if tables and network.costs:
            show(out, cost_grid(network, archs))
        for part in network.left_out:
            counted = "" if part.macs is None else f"; {_si(part.macs)} MACs"
            out.print(Text(one_line(f"left out: {part.name} ({part.operator}): {part.reason}{counted}")), soft_wrap=True)


def _title(network: NetworkResult) -> str:
    """Return what a network is called above its tables."""
    count = len(network.images)
    title = f"{one_line(network.network)}: {count} image{'s' if count != 1 else ''}"
    return f"{title}, synthetic values" if network.synthetic else title


def _print_answer(out: Console, network: NetworkResult, archs: Sequence[str]) -> None:
    """Print how much faster a network is, where the cycles go, and what one must know to believe it."""
    out.print(Text(_title(network), style="bold"), soft_wrap=True)
    if network.left_out:
        say(out, network.coverage.left_out_text(), style="bold")
    if network.accuracy is not None:
        say(out, _accuracy(network))
    for grid in (speedups_grid(network, archs), slots_grid(network, archs)):
        show(out, grid, grid.transposed())


def speedups_grid(network: NetworkResult, archs: Sequence[str]) -> Grid:
    """Return both speed-ups, and the cycles that they are made of."""
    waited = [network.speedup_with_waiting(arch) for arch in archs]
    totals = [network.costs[arch].machine.total_cycles.mean() if arch in network.costs else np.nan for arch in archs]
    rows = [
        ("speed-up", [f"{network.speedup(arch):.2f}x" for arch in archs]),
        ("  with waiting", ["" if speedup is None else f"{speedup:.2f}x" for speedup in waited]),
        ("cycles of an image", [f"{network.image_cycles(arch).mean():,.0f}" for arch in archs]),
        ("  with waiting", ["" if np.isnan(cycles) else f"{cycles:,.0f}" for cycles in totals]),
        ("  dense baseline", [f"{network.dense_cycles(arch):,}" for arch in archs]),
    ]
    return Grid("", archs, [row for row in rows if any(row[1])])


def slots_grid(network: NetworkResult, archs: Sequence[str]) -> Grid:
    """Return where the cycles go, in per cent of the multiplier slots."""
    slots = [network.slots(arch) for arch in archs]
    rows = [(kind.replace("_", " "), [_percent(each[kind], sum(each.values())) for each in slots]) for kind in _kinds(slots)]
    return Grid(_SLOTS, archs, rows)


def _kinds(slots: Sequence[Mapping[str, int]]) -> list[str]:
    """Return the kinds of slots that there are."""
    return [kind for kind in SLOT_KINDS if any(each[kind] for each in slots)]


def layers_grids(network: NetworkResult, archs: Sequence[str]) -> tuple[Grid, Grid, Grid]:
    """Return densities, products, cycles and speed-ups, a row a layer and a total; with less in each, the names last.

    There is a dense column for each dense baseline.
    """
    full, short = layers_grid(network, archs), layers_grid(network, archs, cycles=False)
    return full, short, short.without("shape")


def layers_grid(network: NetworkResult, archs: Sequence[str], *, cycles: bool = True) -> Grid:
    """Return the table by layer, with each organisation's cycles or with its speed-up alone."""
    baselines, over = _dense_columns(network, archs)
    dense = "dense" if len(network.dense_baselines()) == 1 else "the dense column named below the organisation"
    what = f"{'mean cycles of an image and ' if cycles else ''}speed-up of the datapath over {dense}"
    headings = ["shape", "act", "wgt", "MACs", *baselines, *(f"{arch}{over[arch]}" for arch in archs)]
    by_arch = {arch: network.of(arch) for arch in archs}
    rows: list[tuple[str, list[str]]] = []
    for index, row in enumerate(zip(*by_arch.values(), strict=True)):
        layer = row[0].layer
        cells = [_shape(layer), f"{row[0].activation_density.mean():.2f}", f"{layer.weight_density:.2f}", _si(layer.macs)]
        cells += [f"{baseline.layer_cycles[index]:,}" for baseline in baselines.values()]
        cells += [_cycles(each.cycles, each.speedup, cycles) + ("d" if each.mode == "dense" else " ") for each in row]
        rows.append((one_line(layer.name), cells))
    total = ["", "", "", _si(network.macs), *(f"{baseline.cycles:,}" for baseline in baselines.values())]
    total += [_cycles(network.image_cycles(arch), network.speedup(arch), cycles) + " " for arch in archs]
    rows.append(("total", total))
    caption = f"act, wgt: effectual part; {what}; d: ran dense"
    return Grid("layer", headings, rows, caption, texts=("shape",), total=True, paragraph_of="row")


def _dense_columns(network: NetworkResult, archs: Sequence[str]) -> tuple[dict[str, DenseBaseline], dict[str, str]]:
    """Return the dense baselines of some organisations by heading, and what each organisation's heading adds to say its own.

    They are numbered over all organisations; a single one needs no number.
    """
    baselines = network.dense_baselines()
    if len(baselines) == 1:
        return {"dense": baselines[0]}, dict.fromkeys(archs, "")
    numbered = {f"dense {number}": baseline for number, baseline in enumerate(baselines, 1)}
    over = {arch: f"\n/ {heading}" for heading, baseline in numbered.items() for arch in baseline.archs}
    return {heading: each for heading, each in numbered.items() if set(archs) & set(each.archs)}, over


def images_grid(network: NetworkResult, archs: Sequence[str]) -> Grid:
    """Return how the speed-ups differ from image to image: the datapath's, then those with waiting."""
    rows = []
    for arch in archs:
        cells = _spread(network.image_speedups(arch), network.speedup_interval(arch))
        if network.costs:
            cost = network.costs[arch]
            waited = cost.baseline.total_cycles / cost.machine.total_cycles
            cells += _spread(waited, network.speedup_with_waiting_interval(arch))
        rows.append((arch, cells))
    spread = ["least", "most", "95%"]
    headings = ["mean ± s.d.", *spread, *(["with waiting", *spread] if network.costs else [])]
    return Grid("speed-up by image", headings, rows, _INTERVAL, paragraph_of="row")


def _spread(values: NDArray[np.float64], interval: tuple[float, float] | None) -> list[str]:
    shown = "-" if interval is None else f"{interval[0]:.3f}..{interval[1]:.3f}"
    return [f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}", f"{values.min():.2f}x", f"{values.max():.2f}x", shown]


def layer_slots_grid(network: NetworkResult, arch: str) -> Grid:
    """Return where the cycles of each layer go, in per cent of its multiplier slots."""
    layers = network.of(arch)
    slots = [dict(zip(SLOT_KINDS, layer.slots.sum(axis=0).tolist(), strict=True)) for layer in layers]
    kinds = _kinds(slots)
    cells = [[_percent(each[kind], sum(each.values())) for kind in kinds] for each in slots]
    rows = list(zip([one_line(layer.name) for layer in layers], cells, strict=True))
    return Grid("layer", [kind.replace("_", " ") for kind in kinds], rows, title=f"{arch}: {_SLOTS}", paragraph_of="row")


def cost_grid(network: NetworkResult, archs: Sequence[str]) -> Grid:
    """Return what an image takes of time, energy and transfers, and the machine of area."""
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
    paid_by: dict[str, list[str]] = defaultdict(list)
    for arch, cost in zip(archs, costs, strict=True):
        for caution in cost.cautions:
            paid_by[caution].append(arch)
    said = [f"{', '.join(some)}: {caution}" for caution, some in paid_by.items()]
    caption = "\n".join(["speed-up and gains over the dense baseline; on chip: without DRAM's energy", *said])
    return Grid("of an image (mean)", archs, list(rows.items()), caption, title="memory, energy and area")


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


def networks_grid(results: Results, archs: Sequence[str]) -> Grid:
    """Return both speed-ups of each network, and their geometric means."""
    rows = []
    for network in results.networks:
        name = f"{network.network} (synthetic values)" if network.synthetic else network.network
        rows.append((one_line(name), [f"{network.speedup(arch):.2f}x" for arch in archs]))
        if network.costs:
            rows.append(("  with waiting", [f"{network.speedup_with_waiting(arch):.2f}x" for arch in archs]))
    rows.append(("geometric mean", [f"{results.speedup(arch):.2f}x" for arch in archs]))
    waited = [results.speedup_with_waiting(arch) for arch in archs]
    if None not in waited:
        rows.append(("  with waiting", [f"{speedup:.2f}x" for speedup in waited]))
    return Grid("speed-up", archs, rows)


def _cycles(cycles: Counts, speedup: float, with_cycles: bool) -> str:
    return f"{cycles.mean():,.0f} {speedup:.2f}x" if with_cycles else f"{speedup:.2f}x"


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
    kernel = "x".join(map(str, layer.kernel_shape))
    if (height, width) == (1, 1) and kernel == "1x1":
        return f"{channels} > {layer.output_shape[0]}"
    down, across = layer.strides
    extra = "" if max(layer.strides) == 1 else f" /{down}" if down == across else f" /{down}x{across}"
    extra += f" g{layer.groups}" if layer.groups > 1 else ""
    return f"{channels}x{height}x{width} > {layer.output_shape[0]} {kernel}{extra}"


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
