"""The area of an organisation, part by part (docs/cost.md, "Area")."""

from __future__ import annotations

from collections.abc import Mapping

from cnvlutin2.cost.memory import nm_rows
from cnvlutin2.cost.tables import CostTable
from cnvlutin2.encodings import get_format
from cnvlutin2.organisation import Organisation

_BUFFERS = ("nbin", "nbout", "brick_buffer", "encoder_buffer")
_MEMORY_OF = {"nm": "nm", "sb": "sb", **dict.fromkeys(_BUFFERS, "buffers")}


def storage_bits(organisation: Organisation) -> dict[str, int]:
    """Return the bits of each memory.

    NM has a row for every raw brick that fits its size, as wide as the format's brick (packed records: a raw brick and its
    vector). SB holds a bit for every weight besides it where weights are stored or skipped by vectors.
    """
    o, fmt = organisation, get_format(organisation.format)
    entry = o.data_bits + (o.offset_bits if o.skips else 0)
    row = o.row_bits if fmt.indirect else fmt.most_bits(o.brick, o.data_bits)
    sb = 8 * o.sb_bytes_per_tile
    vectors = 0
    if o.weight_format != "dense" or o.skip_weights == "per_filter":
        vectors += sb // o.data_bits
    if o.skip_weights == "shared":
        vectors += sb // (o.data_bits * o.filters_per_tile)
    bits = {
        "nm": nm_rows(o) * row,
        "sb": o.tiles * (sb + vectors),
        "nbin": o.tiles * o.nbin_entries * o.lanes * entry,
        "nbout": o.tiles * o.nbout_entries * o.filters_per_tile * o.data_bits,
    }
    if o.skips:
        apart = o.skip_weights != "none" and o.tile_sync == "layer"
        bits["brick_buffer"] = o.lanes * row * (o.tiles if apart else 1)
    if fmt.marks:
        bits["encoder_buffer"] = o.tiles * o.encoder_buffer_entries * entry
    return bits


def logic_mm2(organisation: Organisation, table: CostTable) -> dict[str, float]:
    """Return the area of logic by part."""
    o, width, fmt = organisation, organisation.data_bits, get_format(organisation.format)
    comparator, multiplexer = table.cell_mm2("comparator", width), table.cell_mm2("multiplexer", width)
    slots = o.slots_per_cycle
    areas = {
        "multipliers": slots * table.cell_mm2("multiplier", width),
        "adders": slots * table.cell_mm2("adder", width),
    }
    if fmt.marks:
        areas["encoders"] = o.tiles * width * comparator
    if o.skips and o.skip_activations and o.detect == "dispatch" and (fmt.mixed or not fmt.marks):
        areas["detectors"] = o.lanes * o.brick * width * comparator
    finders = _offset_finders(o)
    if finders:
        areas["offset_generators"] = finders * o.brick * comparator
    if o.skips and o.skip_weights == "per_filter":
        areas["activation_selectors"] = slots * (o.brick - 1) * width * multiplexer
    return areas


def _offset_finders(organisation: Organisation) -> int:
    """Return how many circuits find the next offset in a vector."""
    o, fmt = organisation, get_format(organisation.format)
    if not o.skips:
        return 0
    stored_offsets = fmt.lists_offsets and (not fmt.mixed or o.detect == "output")
    dispatcher = o.lanes if o.skip_activations and not stored_offsets else 0
    return dispatcher + {"none": 0, "shared": o.tiles * o.lanes, "per_filter": o.slots_per_cycle}[o.skip_weights]


def area_mm2(organisation: Organisation, table: CostTable) -> dict[str, float]:
    """Return the area of every part; wires, the control and the pads are not in it."""
    memories = {part: bits * table.memory_mm2_per_bit(_MEMORY_OF[part]) for part, bits in storage_bits(organisation).items()}
    return {**memories, **logic_mm2(organisation, table)}


def static_mw(areas: Mapping[str, float], table: CostTable) -> float:
    """Return the static power of parts with these areas."""
    return sum(
        area * (table.memory_mw_per_mm2(_MEMORY_OF[part]) if part in _MEMORY_OF else table.logic_mw_per_mm2)
        for part, area in areas.items()
    )
