"""Names, colours and shapes of organisations, slot kinds and formats; the page and the figures take them from here.

The colours are those of Okabe and Ito ("Color Universal Design", 2008), which people with any common colour vision tell
apart; an organisation has its own shape besides. A preset looks the same in every report and figure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_GREY, _ORANGE, _SKY, _GREEN = "#7f868d", "#e69f00", "#56b4e9", "#009e73"
_YELLOW, _BLUE, _VERMILLION, _PURPLE = "#f0e442", "#0072b2", "#d55e00", "#cc79a7"
_BROWN = "#94511f"  # beside theirs, for a ninth preset: darker than vermillion to every eye
_DARK, _MIDDLE, _LIGHT = "#5c6670", "#a3a9af", "#d3d6d9"

_COLOURS = (_BLUE, _ORANGE, _GREEN, _VERMILLION, _SKY, _PURPLE, _YELLOW, _GREY)
_SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right", "triangle-left")


@dataclass(frozen=True)
class Style:
    """How something is drawn: a hexadecimal colour and the name of a shape (as Vega-Lite calls it)."""

    colour: str
    shape: str


@dataclass(frozen=True)
class Kind:
    """A kind of slot, a format, a component: its label, what it means, its colour."""

    label: str
    meaning: str
    colour: str


_PRESETS = {
    "dadiannao": Style(_GREY, "square"),
    "cnv": Style(_BLUE, "circle"),
    "cnv-roe": Style(_SKY, "triangle-up"),
    "cnv-viai": Style(_PURPLE, "triangle-down"),
    "cnv-packed": Style(_GREEN, "diamond"),
    "cnv2-dispatch": Style(_ORANGE, "square"),
    "cnv2-weights-shared": Style(_YELLOW, "triangle-right"),
    "cnv2-weights": Style(_VERMILLION, "diamond"),
    "cnv2-weights-drift": Style(_BROWN, "cross"),
}

SLOTS = {
    "effectual": Kind("effectual product", "an effectual activation meets an effectual weight: the useful work", _GREEN),
    "ineffectual_activation": Kind("ineffectual activation", "a product is computed although its activation is 0", _ORANGE),
    "ineffectual_weight": Kind("ineffectual weight", "a product is computed although its weight is 0", _YELLOW),
    "filter_sync": Kind("waits for filters", "this filter is done, others of its tile are not", _PURPLE),
    "lane_sync": Kind("waits for lanes", "this lane is done, other lanes or tiles are not: the barrier of a window", _VERMILLION),
    "fetch": Kind("fetch", "no work is left in the run, its rows are still being read", _SKY),
    "overhead": Kind("overhead", "cycles that a run or window is configured to cost on top", _DARK),
    "unused_lanes": Kind("unused lane", "the lane has no value in this window or step", _MIDDLE),
    "unused_filters": Kind("unused filter", "there is no filter for this multiplier in this pass", _LIGHT),
}
"""The slot kinds in the order in which bars are stacked: work first, then waiting, then what has no part in the layer."""

FORMATS = {
    "dense": Kind("dense", "every value", _GREY),
    "zfnaf": Kind("ZFNAf", "value and offset of the effectual values, room for all", _BLUE),
    "roe": Kind("RAW-or-Encoded", "value and offset if they fit into a raw brick, else the raw brick; a flag says which", _SKY),
    "viai": Kind("VIAI", "a vector of ineffectual activation identifiers, then all values", _PURPLE),
    "packed_viai": Kind("packed VIAI", "the vector, then only the effectual values; found through pointers", _GREEN),
    "run_length": Kind("run length", "5-bit run and value, as in Eyeriss; not addressable by brick", _ORANGE),
    "relative_index": Kind("relative index", "4-bit index and value, as in EIE and SCNN; not addressable by brick", _YELLOW),
    "entropy": Kind("entropy bound", "the least that any code of these positions and values can take", _VERMILLION),
}

COMPONENTS = {
    "multipliers": Kind("multipliers", "products", _ORANGE),
    "adders": Kind("adders", "adding products up", _VERMILLION),
    "sb": Kind("SB", "weights, read by the tiles", _BLUE),
    "nm": Kind("NM", "the central activation memory", _SKY),
    "nbin": Kind("NBin", "activations at the tiles", _YELLOW),
    "nbout": Kind("NBout", "finished sums", "#8f8a1f"),
    "brick_buffer": Kind("brick buffer", "fetched bricks in the dispatcher", "#e3bcd3"),
    "broadcast": Kind("broadcast", "wires from the dispatcher to the tiles", _GREEN),
    "skip_logic": Kind("skipping", "detection, offsets, selection, pointers, encoders", _PURPLE),
    "static": Kind("leakage", "static power for as long as the network runs", _MIDDLE),
    "dram": Kind("DRAM", "weights and activations off chip", _DARK),
}
"""What energy is spent on, in the order in which bars are stacked."""


def organisation_styles(names: Iterable[str]) -> dict[str, Style]:
    """Return a style for every organisation: a preset's own, then what is free, then other shapes of the same colours."""
    listed = list(names)
    taken = [_PRESETS[name] for name in listed if name in _PRESETS]
    free = [Style(c, s) for c, s in zip(_COLOURS, _SHAPES, strict=True) if c not in {style.colour for style in taken}]
    free += [Style(c, s) for s in _SHAPES for c in _COLOURS if Style(c, s) not in (*taken, *free)]
    others = iter(free * (1 + len(listed) // len(free)))
    return {name: _PRESETS[name] if name in _PRESETS else next(others) for name in listed}


def component_kind(name: str) -> Kind:
    """Return how a component is shown; one that is not known here keeps its name."""
    return COMPONENTS.get(name, Kind(name, "", _LIGHT))


def format_kind(name: str) -> Kind:
    """Return how a format is shown; one that is not known here keeps its name."""
    return FORMATS.get(name, Kind(name, "", _MIDDLE))
