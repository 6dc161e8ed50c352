"""Cost tables: what an event costs, what area a part takes, each number with its node and source (docs/cost.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property, partial
from importlib import resources
from pathlib import Path
from typing import Annotated, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cnvlutin2.cost.physical_units import to_base
from cnvlutin2.errors import ConfigError, short
from cnvlutin2.organisation.organisation import DramName
from cnvlutin2.yaml_text import parse_mapping, read_mapping

DEFAULT_TABLE = "65nm"
_SECTIONS = ("memories", "operations", "cells", "static", "dram")
_WHAT = "cost table"
BY_THE_BIT = ("comparator", "multiplexer")
"""Cells whose area grows with the width of what they compare or choose; of others it is a whole one's."""

Number = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Positive = Annotated[int, Field(ge=1, le=1 << 40)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Note = Annotated[str, Field(max_length=2000)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Measure(_Part):
    """A number and its unit."""

    value: Number
    unit: Annotated[str, Field(max_length=40)]

    def to(self, unit: str) -> float:
        """Return the value in another unit; `ConfigError` if it measures something else."""
        return to_base(self.value, self.unit, unit)


class Width(_Part):
    """How a number goes with the width of the values: it holds for `bits`, and grows with that power of the width."""

    bits: Positive
    power: Annotated[int, Field(ge=0, le=3)]


class Quantity(Measure):
    """A number with its origin.

    Parameters
    ----------
    value : float
    unit : str
        See `cnvlutin2.cost.physical_units`.
    node_nm : int or None
        The technology that it holds for; None only for what is off chip, which no rule scales.
    width : Width or None
    source, note : str
    caution : str
        What results that depend on it must say.
    """

    node_nm: Positive | None = None
    width: Width | None = None
    source: Text
    note: Note = ""
    caution: Note = ""

    def factor(self, data_bits: int) -> float:
        """Return what `data_bits` makes of the number."""
        return 1.0 if self.width is None else float((data_bits / self.width.bits) ** self.width.power)


class Refresh(Measure):
    """The energy of refreshing all rows of a bank of eDRAM once, and where it comes from."""

    source: Text
    note: Note = ""


class Macro(_Part):
    """One memory macro as CACTI gives it, from which the costs of a bit follow.

    Parameters
    ----------
    capacity, read, write, area, static_per_bank : Measure
        Of the whole macro, but for the last; energies are of an access of `width_bits`. Without `write`, it is as a read.
    refresh_per_bank : Refresh or None
        None for what keeps its bits by itself.
    width_bits, banks, node_nm : int
    source, note : str
    """

    capacity: Measure
    width_bits: Positive
    banks: Positive
    read: Measure
    write: Measure | None = None
    area: Measure
    static_per_bank: Measure
    refresh_per_bank: Refresh | None = None
    node_nm: Positive
    source: Text
    note: Note = ""

    @cached_property
    def read_pj_per_bit(self) -> float:
        """Energy of reading a bit."""
        return self.read.to("pJ") / self.width_bits

    @cached_property
    def write_pj_per_bit(self) -> float:
        """Energy of writing a bit."""
        return (self.write or self.read).to("pJ") / self.width_bits

    @cached_property
    def mm2_per_bit(self) -> float:
        """Area of a bit."""
        return self.area.to("mm^2") / self.capacity.to("bit")

    @cached_property
    def static_mw_per_mm2(self) -> float:
        """Static power of an area."""
        return self.static_per_bank.to("mW") * self.banks / self.area.to("mm^2")

    @cached_property
    def refresh_nj_per_bit(self) -> float:
        """Energy of refreshing a bit once."""
        if self.refresh_per_bank is None:
            return 0.0
        return self.refresh_per_bank.to("nJ") * self.banks / self.capacity.to("bit")


class Scale(_Part):
    """What numbers of another node are multiplied by."""

    from_nm: Positive
    energy: Number
    area: Number
    static: Number
    source: Text


class Macros(_Part):
    """The on-chip memories; `buffers` stands for all but NM and SB: NBin, NBout, the brick buffer and the encoders' buffers."""

    nm: Macro
    sb: Macro
    buffers: Macro


class Operations(_Part):
    """Energies of events that are no access of a memory; pJ each, `broadcast` pJ a bit."""

    multiplication: Quantity
    addition: Quantity
    detection: Quantity
    encoding: Quantity
    offset: Quantity
    selection: Quantity
    pointer: Quantity
    broadcast: Quantity


class Cells(_Part):
    """Areas of logic; those in `BY_THE_BIT` are of a bit."""

    multiplier: Quantity
    adder: Quantity
    comparator: Quantity
    multiplexer: Quantity
    row_driver: Quantity


class Static(_Part):
    """Static power of an area of logic."""

    logic: Quantity


class CostTable(_Part):
    """Costs at one technology node.

    Parameters
    ----------
    retention_us : float
        Every row of an eDRAM is refreshed once in so many microseconds; 40 is an assumption.

    Raises
    ------
    ConfigError
        From `parse`, for a missing or unknown key, a unit that measures something else, or a node without a scaling rule.
    """

    name: Text
    node_nm: Positive
    description: Note = ""
    scaling: tuple[Scale, ...] = ()
    memories: Macros
    operations: Operations
    cells: Cells
    static: Static
    retention_us: Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)] = 40.0
    dram: dict[str, Quantity]

    @cached_property
    def sha256(self) -> str:
        """A digest of every entry: results tell with it which prices they were made with, whatever a table's name."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @field_validator("name")
    @classmethod
    def _name_fits_a_line(cls, name: str) -> str:
        if not name.isprintable():
            raise ValueError(f"{short(name)} is no name; give printable text on one line")
        return name

    @model_validator(mode="after")
    def _everything_can_be_used(self) -> Self:
        if "default" not in self.dram:
            raise ValueError("dram needs the key 'default'")
        for unknown in sorted(self.dram.keys() - {"default", *get_args(DramName)}):
            raise ValueError(f"dram has no key {short(unknown)}; the keys are default, {', '.join(get_args(DramName))}")
        checks: dict[str, Callable[[], object]] = {"static.logic": lambda: self.logic_mw_per_mm2}
        checks |= {f"operations.{key}": partial(self.operation_pj, key, 16) for key in Operations.model_fields}
        checks |= {f"cells.{key}": partial(self.cell_mm2, key, 16) for key in Cells.model_fields}
        checks |= {f"memories.{key}": partial(self._check_memory, key) for key in Macros.model_fields}
        checks |= {f"dram.{key}": partial(self.dram_pj_per_bit, key) for key in self.dram}
        for where, check in checks.items():
            try:
                check()
            except ConfigError as error:
                raise ValueError(f"{error} at {where}") from None
        return self

    def _macro(self, memory: str) -> Macro:
        """Return the macro of which a memory is made."""
        found: Macro = getattr(self.memories, memory if memory in Macros.model_fields else "buffers")
        return found

    def _check_memory(self, key: str) -> None:
        macro = self._macro(key)
        if not macro.capacity.value or not macro.area.value:
            raise ConfigError("a memory has a capacity and an area above 0")
        energies = self.read_pj_per_bit, self.write_pj_per_bit, self.refresh_mw_per_bit
        for cost in (*energies, self.memory_mm2_per_bit, self.memory_mw_per_mm2):
            cost(key)

    @cached_property
    def _scales(self) -> dict[int, Scale]:
        """The rules by the node from which they are; the first of several, and of the table's own node none."""
        own = Scale(from_nm=self.node_nm, energy=1.0, area=1.0, static=1.0, source="no scaling")
        return {**{scale.from_nm: scale for scale in reversed(self.scaling)}, self.node_nm: own}

    def _scale(self, node_nm: int | None) -> Scale:
        if node_nm is None:
            raise ConfigError("a number of the chip needs its technology node; add node_nm")
        if node_nm in self._scales:
            return self._scales[node_nm]
        raise ConfigError(f"holds for {node_nm} nm, and `scaling` has no rule from there to {self.node_nm} nm")

    def operation_pj(self, key: str, data_bits: int) -> float:
        """Return the energy of an event, of a broadcast that of a bit."""
        found: Quantity = getattr(self.operations, key)
        unit = "pJ/bit" if key == "broadcast" else "pJ"
        scale = self._scale(found.node_nm)
        return found.to(unit) * found.factor(data_bits) * scale.energy

    def cell_mm2(self, key: str, data_bits: int) -> float:
        """Return the area of a cell, of comparators and multiplexers that of a bit."""
        found: Quantity = getattr(self.cells, key)
        unit = "mm^2/bit" if key in BY_THE_BIT else "mm^2"
        return found.to(unit) * found.factor(data_bits) * self._scale(found.node_nm).area

    def read_pj_per_bit(self, key: str) -> float:
        """Return the energy of reading a bit of a memory (`cnvlutin2.machine.Memory.name`)."""
        macro = self._macro(key)
        return macro.read_pj_per_bit * self._scale(macro.node_nm).energy

    def write_pj_per_bit(self, key: str) -> float:
        """Return the energy of writing a bit of a memory (`cnvlutin2.machine.Memory.name`)."""
        macro = self._macro(key)
        return macro.write_pj_per_bit * self._scale(macro.node_nm).energy

    def memory_mm2_per_bit(self, key: str) -> float:
        """Return the area of a bit of a memory (`cnvlutin2.machine.Memory.name`)."""
        macro = self._macro(key)
        return macro.mm2_per_bit * self._scale(macro.node_nm).area

    def memory_mw_per_mm2(self, key: str) -> float:
        """Return the static power of an area of a memory (`cnvlutin2.machine.Memory.name`)."""
        macro = self._macro(key)
        return macro.static_mw_per_mm2 * self._scale(macro.node_nm).static

    def refresh_mw_per_bit(self, key: str) -> float:
        """Return the power that refreshing takes for a bit of a memory (`cnvlutin2.machine.Memory.name`)."""
        macro = self._macro(key)
        return macro.refresh_nj_per_bit / self.retention_us * self._scale(macro.node_nm).energy  # nJ in a us is mW

    @property
    def logic_mw_per_mm2(self) -> float:
        """Static power of an area of logic."""
        logic = self.static.logic
        return logic.to("mW/mm^2") * self._scale(logic.node_nm).static

    def dram_pj_per_bit(self, dram: str | float) -> float:
        """Return the energy of a bit of off-chip memory, by its preset's name; ``default`` for all others."""
        found = self.dram.get(dram, self.dram["default"]) if isinstance(dram, str) else self.dram["default"]
        return found.to("pJ/bit")

    @classmethod
    def parse(cls, values: Mapping[str, object], source: str = "") -> CostTable:
        """Validate a mapping, as read from YAML.

        Raises
        ------
        ConfigError
            Names the key and what is wrong.
        """
        try:
            return cls.model_validate({**values, "scaling": tuple(_list(values.get("scaling", ())))})
        except ValidationError as error:
            raise _as_config_error(error, source) from None


def table_names() -> tuple[str, ...]:
    """Return the names of the tables that come with the package."""
    folder = resources.files(__package__).joinpath("tables")
    return tuple(sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith("nm.yaml")))


def load_table(spec: str | Path | CostTable = DEFAULT_TABLE) -> CostTable:
    """Return a table by name, or from a YAML file (which may name one of them as its `base` and replace entries).

    Raises
    ------
    ConfigError
        Names the file, the key and what is allowed.
    """
    if isinstance(spec, CostTable):
        return spec
    if isinstance(spec, str) and not spec.endswith((".yaml", ".yml")):
        return _shipped(spec)
    path = Path(spec)
    return CostTable.parse(_resolved({"name": path.stem, **read_mapping(path, _WHAT)}, str(path)), str(path))


@cache
def _shipped(name: str) -> CostTable:
    return CostTable.parse(_shipped_values(name), f"table {name}")


def _shipped_values(name: str) -> dict[str, object]:
    if name not in table_names():
        raise ConfigError(f"there is no cost table {name!r}; the tables are {', '.join(table_names())}, or give a YAML file")
    text = resources.files(__package__).joinpath("tables", f"{name}.yaml").read_text("utf-8")
    return _resolved(parse_mapping(text, _WHAT, f"table {name}"), f"table {name}")


def _resolved(values: dict[str, object], source: str) -> dict[str, object]:
    """Fill in from the base table; an entry is replaced as a whole, so that no number keeps another one's source."""
    base = values.pop("base", None)
    if base is None:
        return values
    if not isinstance(base, str) or base not in table_names():
        raise ConfigError(f"{base!r} is not a cost table; one of {', '.join(table_names())}", where="base", source=source)
    merged = {**_shipped_values(base), **values}
    for section in _SECTIONS:
        ours, theirs = values.get(section), _shipped_values(base)[section]
        if isinstance(ours, dict) and isinstance(theirs, dict):
            merged[section] = {**theirs, **ours}
    return merged


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _as_config_error(error: ValidationError, source: str) -> ConfigError:
    """Say what pydantic found first, on one line."""
    first = error.errors()[0]
    keys = [key if (key := str(part)).isprintable() and len(key) <= 80 else short(part) for part in first["loc"]]
    advice = f"; `base: {DEFAULT_TABLE}` would fill in from a shipped table," if len(keys) == 1 else ""
    texts = {"extra_forbidden": f"unknown key{_allowed(keys)}", "missing": f"missing key{advice}"}
    text = texts.get(first["type"], first["msg"]).removeprefix("Value error, ").replace("Input should", "should")
    return ConfigError(" ".join(text.split())[:300], where=".".join(keys), source=source)


def _allowed(keys: Sequence[str]) -> str:
    """List the keys that stand where an unknown one was found."""
    sections: dict[str, type[BaseModel]] = {"memories": Macros, "operations": Operations, "cells": Cells, "static": Static}
    model = CostTable if len(keys) == 1 else sections.get(keys[0]) if len(keys) == 2 else None
    return f"; the keys are {', '.join(model.model_fields)}," if model else ""
