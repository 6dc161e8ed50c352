"""Tables for a terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cnvlutin2.results import LayerInfo, LayerResult, NetworkResult, Results
from cnvlutin2.timing import SLOT_KINDS

MOST_IMAGES = 8
"""Images that a table lists one by one; all are in the files."""

_WIDTH_OF_A_FILE = 132  # where standard output is not a terminal


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
        out.print(networks_table(results))


def _print_network(out: Console, network: NetworkResult, archs: Sequence[str], *, slots_by_layer: bool) -> None:
    count = len(network.images)
    out.print(Text(f"{network.network}: {count} image{'s' if count != 1 else ''}", style="bold"), soft_wrap=True)
    for part in _parts(archs, out.width):
        out.print(layers_table(network, part))
    if count > 1:
        out.print(images_table(network, archs))
    for part in _parts(archs, out.width):
        out.print(slots_table(network, part))
        if slots_by_layer:
            for arch in part:
                out.print(layer_slots_table(network, arch))
    for item in network.left_out:
        out.print(Text(f"left out: {item.name} ({item.op}): {item.reason}"), soft_wrap=True)
    if network.accuracy is not None:
        out.print(Text(_accuracy(network)), soft_wrap=True)
    out.print()


def _parts(archs: Sequence[str], width: int) -> Iterator[Sequence[str]]:
    """Cut the organisations into as many tables as the width wants."""
    fit = max(1, (width - 62) // 22)
    for start in range(0, len(archs), fit):
        yield archs[start : start + fit]


def layers_table(network: NetworkResult, archs: Sequence[str]) -> Table:
    """Return densities, products, cycles and speed-ups, a row a layer and a total."""
    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    table.add_column("layer", overflow="fold", max_width=24)
    table.add_column("shape", no_wrap=True)
    for heading in ("act", "wgt", "MACs", "dense"):
        table.add_column(heading, justify="right", no_wrap=True)
    for arch in archs:
        table.add_column(Text(arch), justify="right", overflow="fold", max_width=12)
        table.add_column("", justify="right", no_wrap=True)
    by_arch = {arch: network.of(arch) for arch in archs}
    for row in zip(*by_arch.values(), strict=True):
        first: LayerResult = row[0]
        cells = [
            first.layer.name,
            _shape(first.layer),
            f"{first.activation_density.mean():.2f}",
            f"{first.layer.weight_density:.2f}",
            _si(first.layer.macs),
            f"{first.dense_cycles:,}",
        ]
        for layer in row:
            cells += [f"{layer.cycles.mean():,.0f}", f"{layer.speedup:.2f}x" + ("d" if layer.mode == "dense" else " ")]
        table.add_row(*map(Text, cells))
    total = ["total", "", "", "", _si(sum(x.layer.macs for x in by_arch[archs[0]])), f"{network.dense_cycles(archs[0]):,}"]
    for arch in archs:
        total += [f"{network.image_cycles(arch).mean():,.0f}", f"{network.speedup(arch):.2f}x "]
    table.add_section()
    table.add_row(*map(Text, total), style="bold")
    table.caption = "act, wgt: effectual part; cycles of an image (mean), speed-up over dense; d: ran dense"
    table.caption_justify = "left"
    return table


def images_table(network: NetworkResult, archs: Sequence[str]) -> Table:
    """Return the speed-up of each image, and the mean with its standard deviation."""
    table = Table(box=None, pad_edge=False, header_style="bold", title="speed-up by image", title_justify="left")
    table.add_column("image", overflow="fold")
    for arch in archs:
        table.add_column(Text(arch), justify="right", overflow="fold")
    speedups = {arch: network.image_speedups(arch) for arch in archs}
    for i, name in enumerate(network.images[:MOST_IMAGES]):
        table.add_row(Text(name), *(f"{speedups[arch][i]:.3f}x" for arch in archs))
    if len(network.images) > MOST_IMAGES:
        table.add_row(f"... {len(network.images) - MOST_IMAGES} more", *([""] * len(archs)))
    spread = (f"{np.mean(s):.3f} ± {np.std(s, ddof=1):.3f}" for s in speedups.values())
    table.add_section()
    table.add_row("mean ± s.d.", *spread, style="bold")
    return table


def slots_table(network: NetworkResult, archs: Sequence[str]) -> Table:
    """Return where the cycles go, in per cent of the multiplier slots."""
    table = Table(box=None, pad_edge=False, header_style="bold", title="where the cycles go", title_justify="left")
    table.add_column("% of multiplier slots", no_wrap=True)
    for arch in archs:
        table.add_column(Text(arch), justify="right", overflow="fold")
    slots = [network.slots(arch) for arch in archs]
    for kind in SLOT_KINDS:
        if any(s[kind] for s in slots):
            table.add_row(kind.replace("_", " "), *(_percent(s[kind], sum(s.values())) for s in slots))
    return table


def layer_slots_table(network: NetworkResult, arch: str) -> Table:
    """Return where the cycles of each layer go, in per cent of its multiplier slots."""
    table = Table(box=None, pad_edge=False, header_style="bold", title=f"{arch}: where the cycles go", title_justify="left")
    table.add_column("% of multiplier slots", overflow="fold", max_width=24)
    for kind in SLOT_KINDS:
        table.add_column(kind.replace("_", " "), justify="right", max_width=12)
    for layer in network.of(arch):
        counts = layer.slots.sum(axis=0)
        table.add_row(Text(layer.layer.name), *(_percent(int(c), int(counts.sum())) for c in counts))
    return table


def networks_table(results: Results) -> Table:
    """Return the speed-up of each network and the geometric mean."""
    table = Table(box=None, pad_edge=False, header_style="bold", title="speed-up by network", title_justify="left")
    table.add_column("network", overflow="fold")
    for arch in results.organisations:
        table.add_column(Text(arch), justify="right", overflow="fold")
    for network in results.networks:
        table.add_row(Text(network.network), *(f"{network.speedup(arch):.3f}x" for arch in results.organisations))
    table.add_section()
    table.add_row("geometric mean", *(f"{results.speedup(arch):.3f}x" for arch in results.organisations), style="bold")
    return table


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
    extra = (f" /{layer.strides[0]}" if max(layer.strides) > 1 else "") + (f" g{layer.groups}" if layer.groups > 1 else "")
    return f"{channels}x{height}x{width} > {layer.weight_shape[0]} {kernel}{extra}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if part else "-"


def _si(count: float) -> str:
    for unit in ("", "k", "M", "G"):
        if count < 1000:
            return f"{count:.3g}{unit}"
        count /= 1000
    return f"{count:.3g}T"
