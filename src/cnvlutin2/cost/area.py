"""The area of an organisation, part by part (docs/cost.md, "Area")."""

from __future__ import annotations

from cnvlutin2.cost.float_sums import sum_in_order
from cnvlutin2.cost.tables import BY_THE_BIT, CostTable
from cnvlutin2.machine import Machine, Unit
from cnvlutin2.organisation import Organisation

_CELL_OF = {"priority_encoder": "comparator"}
"""Kinds of units that are priced as another: by assumption, finding the first one of a vector takes a comparator's area."""


def memories_mm2(organisation: Organisation, table: CostTable) -> dict[str, float]:
    """Return the area of each memory."""
    return {memory.name: memory.bits * table.memory_mm2_per_bit(memory.name) for memory in Machine.of(organisation).memories}


def units_mm2(organisation: Organisation, table: CostTable) -> dict[str, float]:
    """Return the area of the units of each name."""
    return {unit.name: _unit_mm2(unit, organisation.data_bits, table) for unit in Machine.of(organisation).units}


def cell_of(unit: Unit) -> str:
    """Return the name of the cell that a unit is priced as, a field of `CostTable.cells`."""
    return _CELL_OF.get(unit.kind, unit.kind)


def _unit_mm2(unit: Unit, data_bits: int, table: CostTable) -> float:
    cell = cell_of(unit)
    cells = unit.count * unit.width if cell in BY_THE_BIT else unit.count
    return cells * table.cell_mm2(cell, data_bits)


def area_mm2(organisation: Organisation, table: CostTable) -> dict[str, float]:
    """Return the area of every part; wires, the control and the pads are not in it."""
    return {**memories_mm2(organisation, table), **units_mm2(organisation, table)}


def static_mw(organisation: Organisation, table: CostTable) -> float:
    """Return the static power of all parts: what leaks, and the refresh of memories that need it."""
    areas = memories_mm2(organisation, table)
    memories = [areas[m.name] * table.memory_mw_per_mm2(m.name) for m in Machine.of(organisation).memories]
    refresh = [memory.bits * table.refresh_mw_per_bit(memory.name) for memory in Machine.of(organisation).memories]
    units = [area * table.logic_mw_per_mm2 for area in units_mm2(organisation, table).values()]
    return sum_in_order([*memories, *refresh, *units])
