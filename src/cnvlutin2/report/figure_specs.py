"""Vega-Lite specifications of the figures for papers: one column wide, the page's names and colours.

They are plain values: anything that speaks Vega-Lite draws them, and changing one takes no library. Everything is drawn in the
order of the data: an order given by names would make Vega-Lite write the names into expressions that it then evaluates.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cnvlutin2.cost import MachineCost, NetworkCost
from cnvlutin2.report.palette import COMPONENTS, SLOTS, Kind, component_kind, format_kind, organisation_styles
from cnvlutin2.results import NetworkResult, Results
from cnvlutin2.timing import SLOT_KINDS

Spec = dict[str, Any]
Rows = list[dict[str, Any]]

WIDTH_PT = 252
"""Width of a figure, 3.5 inches: a column of a two-column paper. A pixel of Vega-Lite is a point."""
MOST_BARS = 60
"""Bars of a figure; more of them become a table of numbers on coloured ground."""

ALL_LAYERS = "all layers"
GEOMETRIC_MEAN = "geometric mean"
WITH_WAITING = ", with waiting"
BASELINE = "dense baseline"

_SPEEDUP = "speed-up over the dense baseline, times"
_TEXT_PT = 8
_CAPTION_CHARACTERS = 56
CONFIG: Spec = {
    "background": "white",
    "font": "Arial, Helvetica, Liberation Sans, sans-serif",
    "axis": {
        "labelFontSize": _TEXT_PT,
        "titleFontSize": _TEXT_PT,
        "titleFontWeight": "normal",
        "labelLimit": 120,
        "gridColor": "#e3e3e3",
    },
    "legend": {
        "labelFontSize": _TEXT_PT,
        "title": None,
        "orient": "bottom",
        "columns": 2,
        "symbolSize": 50,
        "symbolStrokeWidth": 0.4,
        "labelLimit": 116,
        "rowPadding": 1,
        "columnPadding": 6,
        "offset": 6,
    },
    "header": {
        "labelFontSize": _TEXT_PT,
        "title": None,
        "labelFontWeight": "bold",
        "labelOrient": "top",
        "labelAnchor": "start",
        "labelPadding": 2,
    },
    "view": {"stroke": None},
}


def all_specs(results: Results) -> dict[str, Spec]:
    """Return the specifications by file name (without ending); energy only where it was accounted for."""
    networks = _labelled(results)
    specs = {"speedup": speedup(results), "cycles": cycles(results), "footprint": footprint_bars(results)}
    for label, network in networks.items():
        name = "speedup-layers" if len(networks) == 1 else f"speedup-layers-{list(networks).index(label) + 1}-{_slug(label)}"
        specs[name] = speedup_layers(network, results)
    if any(network.costs for network in results.networks):
        specs["energy"] = energy(results)
    captioned = {name: spec for name, spec in specs.items() if not name.startswith("speedup-layers")}
    for spec in captioned.values():
        _caption(spec, networks)
    return specs


def _caption(spec: Spec, networks: Mapping[str, NetworkResult]) -> None:
    """Say below a figure which of its networks have values that were made up."""
    made_up = [label for label, network in networks.items() if network.synthetic]
    if made_up:
        text = "synthetic values" if len(made_up) == len(networks) else f"synthetic values: {', '.join(made_up)}"
        style = {"orient": "bottom", "anchor": "start", "fontSize": _TEXT_PT, "fontWeight": "normal", "offset": 6}
        spec["title"] = {"text": textwrap.wrap(text, _CAPTION_CHARACTERS), **style}


def speedup(results: Results) -> Spec:
    """Both speed-ups of every network and their geometric means, by organisation."""
    rows: Rows = []
    for label, network in _labelled(results).items():
        rows += _both(label, results, network.speedup, network.speedup_with_waiting)
    if len(results.networks) > 1:
        rows += _both(GEOMETRIC_MEAN, results, results.speedup, results.speedup_with_waiting)
    return _by_organisation(rows, results, _SPEEDUP)


def _both(label: str, results: Results, datapath: Callable[[str], float], with_waiting: Callable[[str], float | None]) -> Rows:
    """Return a row of the datapath's speed-ups, and one of those with waiting if they are known."""
    archs = _archs(results)
    rows: Rows = [{"row": label, "arch": shown, "value": datapath(arch)} for arch, shown in archs.items()]
    waited = {shown: with_waiting(arch) for arch, shown in archs.items()}
    if None not in waited.values():
        rows += [{"row": f"{label}{WITH_WAITING}", "arch": shown, "value": value} for shown, value in waited.items()]
    return rows


def speedup_layers(network: NetworkResult, results: Results) -> Spec:
    """Speed-up of every layer of a network in the datapath, and both of all together, by organisation."""
    rows: Rows = []
    for arch, shown in _archs(results).items():
        layers = network.of(arch)
        labels = _labels(layer.name for layer in layers)
        rows += [{"row": label, "arch": shown, "value": layer.speedup} for label, layer in zip(labels, layers, strict=True)]
    rows += _both(ALL_LAYERS, results, network.speedup, network.speedup_with_waiting)
    spec = _by_organisation(rows, results, _SPEEDUP)
    _caption(spec, {network.network: network})
    return spec


def cycles(results: Results) -> Spec:
    """Where the cycles go, against the dense baseline's cycles, by organisation and network."""
    rows: Rows = []
    for label, network in _labelled(results).items():
        for arch, shown in _archs(results).items():
            slots = network.slots(arch)
            length = int(network.image_cycles(arch).sum()) / (network.dense_cycles(arch) * len(network.images))
            rows += [
                {
                    "network": label,
                    "row": shown,
                    "part": kind.label,
                    "order": order,
                    "value": slots[name] / sum(slots.values()) * length,
                }
                for order, (name, kind) in enumerate(SLOTS.items())
                if slots[name]
            ]
    kinds = [kind for name, kind in SLOTS.items() if name in SLOT_KINDS]
    return _stacked(rows, kinds, "cycles, as a share of its dense baseline's", "%")


def footprint_bars(results: Results) -> Spec:
    """Activation memory by format against dense, all layers' inputs together, once for all organisations that store alike."""
    rows: Rows = []
    for label, network in _labelled(results).items():
        for stored, bits in _footprints(network, _archs(results)).items():
            row = f"{label}, {stored}" if stored else label
            rows += [{"row": row, "part": format_kind(n).label, "value": b / bits["dense"]} for n, b in bits.items()]
    names = results.networks[0].layers[0].footprint_bits
    colours = {kind.label: kind.colour for kind in map(format_kind, names)}
    return _bars(rows, colours, "activation memory, as a share of dense", "%")


def _footprints(network: NetworkResult, archs: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Return the bits by format; where organisations store differently, by the first that stores so, else by an empty name."""
    found: dict[tuple[tuple[str, int], ...], str] = {}
    for arch, shown in archs.items():
        layers = network.of(arch)
        bits = tuple((name, sum(int(layer.footprint_bits[name].sum()) for layer in layers)) for name in layers[0].footprint_bits)
        found.setdefault(bits, f"as {shown}")
    return {shown if len(found) > 1 else "": dict(bits) for bits, shown in found.items()}


def energy(results: Results) -> Spec:
    """Energy by component against the dense baseline's, of each organisation its own, by organisation and network."""
    rows: Rows = []
    for label, network in _labelled(results).items():
        costs = {shown: network.costs[arch] for arch, shown in _archs(results).items() if arch in network.costs}
        plain = {arch for arch, organisation in results.organisations.items() if not organisation.skips}
        own = {float(cost.machine.total_pj.sum()) for arch, cost in network.costs.items() if arch in plain}
        bars = [(name, base, base) for name, base in _baselines(costs).items() if float(base.total_pj.sum()) not in own]
        bars += [(shown, cost.machine, cost.baseline) for shown, cost in costs.items()]
        for shown, machine, base in bars:
            whole = float(base.total_pj.sum())
            rows += [
                {
                    "network": label,
                    "row": shown,
                    "part": component_kind(name).label,
                    "order": order,
                    "value": float(pj.sum()) / whole,
                }
                for order, (name, pj) in enumerate(sorted(machine.energy_pj.items(), key=_component_order))
                if pj.any()
            ]
    kinds = [component_kind(name) for name in COMPONENTS]
    return _stacked(rows, kinds, "energy, as a share of its dense baseline's", "%")


def _baselines(costs: Mapping[str, NetworkCost]) -> dict[str, MachineCost]:
    """Return the different dense baselines by label: of several, each has the name of the first that is compared with it."""
    found: dict[float, tuple[str, MachineCost]] = {}
    for shown, cost in costs.items():
        found.setdefault(float(cost.baseline.total_pj.sum()), (shown, cost.baseline))
    return {f"dense, as {shown}" if len(found) > 1 else BASELINE: base for shown, base in found.values()}


def _component_order(item: tuple[str, object]) -> int:
    return list(COMPONENTS).index(item[0]) if item[0] in COMPONENTS else len(COMPONENTS)


def _by_organisation(rows: Rows, results: Results, title: str) -> Spec:
    styles = organisation_styles(results.organisations)
    if len(rows) > MOST_BARS:
        return _numbers(rows, title)
    parts = [{"row": r["row"], "part": r["arch"], "value": r["value"]} for r in rows]
    return _bars(parts, {_archs(results)[name]: style.colour for name, style in styles.items()}, title, "")


def _bars(rows: Rows, colours: Mapping[str, str], title: str, number: str) -> Spec:
    """Bars in groups: a group a row, a bar a part; the parts have names of their own where there is one group."""
    names = list(dict.fromkeys(r["row"] for r in rows))
    axis = {"title": None, "axis": {"ticks": False, "domain": False}}
    part = {"field": "part", "type": "nominal", "sort": None}
    if len(names) == 1:
        place: Spec = {"y": {**part, **axis}}
        height: Spec = {"step": 13}
        colour = {**_colour(colours, rows), "legend": None}
    else:
        scale = {"paddingInner": 0.12, "paddingOuter": 0.04}
        place = {"y": {"field": "row", "type": "nominal", "sort": None, "scale": scale, **axis}, "yOffset": part}
        height = {"step": 9, "for": "offset"}
        colour = _colour(colours, rows)
    value = {"field": "value", "type": "quantitative", "title": title, "axis": _axis(number)}
    bars = {
        "mark": {"type": "bar", "stroke": "#333333", "strokeWidth": 0.4},
        "encoding": {**place, "x": value, "color": colour},
    }
    text = {"field": "value", "type": "quantitative", "format": ".0%" if number else ".2f"}
    values = {
        "mark": {"type": "text", "align": "left", "dx": 2, "fontSize": 7},
        "encoding": {**place, "x": value, "text": text},
    }
    line = {"mark": {"type": "rule", "strokeWidth": 0.8}, "encoding": {"x": {"datum": 1}}}
    return _figure(rows, {"height": height, "layer": [bars, line, values]})


def _stacked(rows: Rows, kinds: Sequence[Kind], title: str, number: str) -> Spec:
    """Stacked bars, a block of them for each network."""
    present = {r["part"] for r in rows}
    colours = {kind.label: kind.colour for kind in kinds if kind.label in present}
    chart = {
        "mark": {"type": "bar", "stroke": "white", "strokeWidth": 0.4},
        "encoding": {
            "y": {
                "field": "row",
                "type": "nominal",
                "sort": None,
                "title": None,
                "axis": {"ticks": False, "domain": False},
            },
            "x": {"field": "value", "type": "quantitative", "title": title, "axis": _axis(number)},
            "color": _colour(colours, rows),
            "order": {"field": "order", "type": "quantitative"},
        },
    }
    if len({r["network"] for r in rows}) == 1:
        return _figure(rows, {"height": {"step": 13}, **chart})
    # A facet cannot fit its container: its axis takes what the longest label leaves.
    label_pt = min(96.0, 4.2 * max(len(r["row"]) for r in rows))
    inner = {"width": WIDTH_PT - label_pt - 14, "height": {"step": 12}, **chart}
    facet = {"field": "network", "type": "nominal", "sort": None}
    figure = _figure(rows, {"facet": {"row": facet}, "spec": inner, "spacing": 6})
    del figure["width"], figure["autosize"]
    return figure


def _numbers(rows: Rows, title: str) -> Spec:
    """Numbers on coloured ground: a line a row, a column an organisation."""
    values = [r["value"] for r in rows]
    middle = (min(values) + max(values)) / 2
    place = {
        "y": {"field": "row", "type": "nominal", "sort": None, "title": None, "axis": {"ticks": False, "domain": False}},
        "x": {
            "field": "arch",
            "type": "nominal",
            "sort": None,
            "title": title,
            "axis": {"orient": "top", "labelAngle": -90},
        },
    }
    ground = {
        "mark": "rect",
        "encoding": {
            **place,
            "color": {"field": "value", "type": "quantitative", "scale": {"scheme": "cividis"}, "legend": None},
        },
    }
    light = {"condition": {"test": f"datum.value < {middle:.6f}", "value": "white"}, "value": "black"}
    text = {
        "mark": {"type": "text", "fontSize": 7},
        "encoding": {**place, "text": {"field": "value", "type": "quantitative", "format": ".2f"}, "color": light},
    }
    return _figure(rows, {"height": {"step": 10}, "layer": [ground, text]})


def _figure(rows: Rows, chart: Spec) -> Spec:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": WIDTH_PT,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "padding": {"left": 2, "right": 10, "top": 2, "bottom": 2},  # a value stands right of its bar
        "config": CONFIG,
        "data": {"values": rows},
        **chart,
    }


def _axis(number: str) -> Spec:
    return {"format": ".0%" if number else "", "tickCount": 5, "grid": True}


def _colour(colours: Mapping[str, str], rows: Rows) -> Spec:
    parts = {r["part"] for r in rows}
    shown = {name: colour for name, colour in colours.items() if name in parts}
    return {"field": "part", "type": "nominal", "scale": {"domain": list(shown), "range": list(shown.values())}}


def _labelled(results: Results) -> dict[str, NetworkResult]:
    """Return the networks by a label that no other has."""
    return dict(zip(_labels(network.network for network in results.networks), results.networks, strict=True))


def _archs(results: Results) -> dict[str, str]:
    """Return the organisations' labels."""
    return dict(zip(results.organisations, _labels(results.organisations), strict=True))


def _labels(names: Iterable[str]) -> list[str]:
    """Return a label for each name, all different.

    Characters that do not print (they end the process of some vl-convert) are replaced.
    """
    found: dict[str, None] = {}
    for name in names:
        text = "".join(c if c.isprintable() else "\ufffd" for c in name)
        label, number = text, 2
        while label in found:
            label, number = f"{text} ({number})", number + 1
        found[label] = None
    return list(found)


def _slug(name: str) -> str:
    """Return what of a name may stand in that of a file."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in name).strip("-")
    return kept[:40] or "network"
