"""`Machine`: the memories, units and rates of an accelerator (docs/cost.md, "Parts")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from cnvlutin2.encodings import get_format
from cnvlutin2.organisation import Organisation

UnitKind = Literal["multiplier", "adder", "comparator", "priority_encoder", "multiplexer", "row_driver"]

BANDWIDTH_GB_PER_S: Mapping[str, Fraction] = {
    "lpddr4": Fraction("12.8"),  # LPDDR4-3200, one channel of 32 bits
    "ddr4-3200": Fraction("25.6"),  # one channel of 64 bits
    "hbm2": Fraction(256),  # one stack of 1024 bits at 2 Gbit/s
}
"""Peak bandwidths: transfers a second times width, in 10^9 bytes a second."""


@dataclass(frozen=True)
class Memory:
    """A memory on the chip.

    Parameters
    ----------
    name : str
    capacity_bits : int
        Of one of them, all that it holds.
    row_bits : int
        What one access moves.
    banks : int
        Parts of one memory, each with a share of its rows, that can be at different rows at a time.
    count : int
        How many of them the machine has.
    """

    name: str
    capacity_bits: int
    row_bits: int
    banks: int
    count: int

    @property
    def rows(self) -> int:
        """Rows of one of them, over its banks; a capacity that is no whole number of rows leaves the last one short."""
        return -(-self.capacity_bits // self.row_bits)

    @property
    def bits(self) -> int:
        """Bits of all of them."""
        return self.capacity_bits * self.count


@dataclass(frozen=True)
class Unit:
    """Units that compute or choose.

    Parameters
    ----------
    name : str
        What they are there for.
    kind : {"multiplier", "adder", "comparator", "priority_encoder", "multiplexer", "row_driver"}
        What each of them is; a multiplexer chooses one of two, a row driver selects a row of a bank.
    count : int
    width : int
        Bits of an operand.
    """

    name: str
    kind: UnitKind
    count: int
    width: int


@dataclass(frozen=True)
class Rates:
    """What moves in a clock cycle.

    Parameters
    ----------
    encoder_values : int or None
        Values that a tile's encoder passes; None if it never limits.
    dram_bits : Fraction or None
        Bits between chip and DRAM, exact; None if it never limits.
    """

    encoder_values: int | None
    dram_bits: Fraction | None


@dataclass(frozen=True)
class Machine:
    """What an accelerator is made of: the one place that knows which parts an organisation has, and how large they are.

    It knows no layer and no price. Areas price it, memories of networks ask it what they hold, hardware instantiates it.

    Parameters
    ----------
    memories : tuple of Memory
        ``nm``, ``sb``, ``nbin``, ``nbout``, and where there is one, ``brick_buffer`` and ``encoder_buffer``.
    units : tuple of Unit
        ``multipliers``, ``adders``, and where there are any, ``encoders``, ``detectors``, ``offset_generators``,
        ``activation_selectors`` and ``weight_row_drivers``.
    rates : Rates
    dispatchers : int
        Who fetch from NM each for themselves: one for all tiles, or one for each.
    tile_weight_bits : int
        Bits of stored weights that fit a tile's SB.
    """

    memories: tuple[Memory, ...]
    units: tuple[Unit, ...]
    rates: Rates
    dispatchers: int
    tile_weight_bits: int

    @classmethod
    @lru_cache(maxsize=1024)
    def of(cls, organisation: Organisation) -> Machine:
        """Return the machine of an organisation."""
        o = organisation
        return cls(_memories(o), _units(o), _rates(o), _dispatchers(o), _tile_weight_bits(o))

    def memory(self, name: str) -> Memory:
        """Return a memory by name; `KeyError` if the machine has none."""
        return {memory.name: memory for memory in self.memories}[name]

    def has(self, name: str) -> bool:
        """Return whether the machine has a memory or units of a name."""
        return name in [memory.name for memory in self.memories] + [unit.name for unit in self.units]


def _dispatchers(o: Organisation) -> int:
    """Tiles that run apart without limit, each at weights of its own, cannot share what is fetched."""
    return o.tiles if o.skips and o.skip_weights != "none" and o.tile_sync == "layer" else 1


def _entry_bits(o: Organisation) -> int:
    """Return the bits of a value on its way to a multiplier, or to NM: with its offset, where values are skipped."""
    return o.data_bits + (o.offset_bits if o.skips else 0)


def _memories(o: Organisation) -> tuple[Memory, ...]:
    fmt, apart = get_format(o.format), o.lanes if o.skips else 1  # where values are skipped, every lane goes its own way
    row, entry = o.row_bits if fmt.indirect else fmt.most_bits(o.brick, o.data_bits), _entry_bits(o)
    lane_entries = entry * o.lanes // apart
    bricks = 8 * o.nm_bytes // (o.brick * o.data_bits)  # raw ones: what a format adds makes rows wider, not fewer
    found = [
        Memory("nm", bricks * row, row, o.lanes, 1),
        _weight_memory(o),
        Memory("nbin", o.nbin_entries * o.lanes * entry, lane_entries, apart, o.tiles),
        Memory("nbout", o.nbout_entries * o.filters_per_tile * o.data_bits, o.filters_per_tile * o.data_bits, 1, o.tiles),
    ]
    if o.skips:
        found.append(Memory("brick_buffer", o.lanes * row, row, o.lanes, _dispatchers(o)))
    if fmt.marks:
        found.append(Memory("encoder_buffer", o.encoder_buffer_entries * entry, entry, 1, o.tiles))
    return tuple(found)


def _weight_memory(o: Organisation) -> Memory:
    """Return SB: weights, and beside them the bits that say which are effectual.

    A row holds the weights that are read together: those of all lanes and filters of a tile, those of a lane where lanes run
    apart, or those of one multiplier where filters do, too. Joined vectors have a bit for the weights of a lane's filters.
    """
    each = o.weight_format != "dense" or o.skip_weights == "per_filter"
    joined = o.skip_weights == "shared"
    values = 8 * o.sb_bytes_per_tile
    bits = values + each * (values // o.data_bits) + joined * (values // (o.data_bits * o.filters_per_tile))
    weights = o.filters_per_tile * o.lanes
    banks = 1 if not o.skips else weights if o.skip_weights == "per_filter" else o.lanes
    together = weights // banks
    row = together * (o.data_bits + each) + joined * (together // o.filters_per_tile)
    return Memory("sb", bits, row, banks, o.tiles)


def _tile_weight_bits(o: Organisation) -> int:
    """Formats with a bit a weight have room for these bits besides."""
    bits = 8 * o.sb_bytes_per_tile
    return bits if o.weight_format == "dense" else bits + bits // o.data_bits


def _units(o: Organisation) -> tuple[Unit, ...]:
    fmt, slots, width = get_format(o.format), o.slots_per_cycle, o.data_bits
    found = [Unit("multipliers", "multiplier", slots, width), Unit("adders", "adder", slots, width)]
    if fmt.marks:
        # One that never limits passes all values that a tile can finish in a cycle.
        found.append(Unit("encoders", "comparator", o.tiles * (o.encoder_values_per_cycle or o.filters_per_tile), width))
    if not o.skips:
        return tuple(found)
    if o.skip_activations and o.detect == "dispatch" and (fmt.mixed or not fmt.marks):
        found.append(Unit("detectors", "comparator", o.lanes * o.brick, width))
    generators = _offset_generators(o)
    if generators:
        found.append(Unit("offset_generators", "priority_encoder", generators, o.brick))
    if o.skip_weights == "per_filter":
        found.append(Unit("activation_selectors", "multiplexer", slots * (o.brick - 1), width))
        found.append(Unit("weight_row_drivers", "row_driver", _weight_row_drivers(o), 1))
    return tuple(found)


def _weight_row_drivers(o: Organisation) -> int:
    """Return the rows that banks of single weights have beyond those of a lane's bank, where all its filters share a row."""
    weights = 8 * o.sb_bytes_per_tile // o.data_bits  # of a tile
    return o.tiles * (weights - -(-weights // o.filters_per_tile))


def _offset_generators(o: Organisation) -> int:
    """Return how many units find the next offset in a vector: in the dispatcher, and where weights are skipped, in tiles."""
    fmt = get_format(o.format)
    stored = fmt.lists_offsets and (not fmt.mixed or o.detect == "output")
    dispatcher = o.lanes if o.skip_activations and not stored else 0
    return dispatcher + {"none": 0, "shared": o.tiles * o.lanes, "per_filter": o.slots_per_cycle}[o.skip_weights]


def _rates(o: Organisation) -> Rates:
    encoder_values = o.encoder_values_per_cycle or None
    if o.dram == "unlimited":
        return Rates(encoder_values, None)
    named = isinstance(o.dram, str)
    gigabytes = BANDWIDTH_GB_PER_S[str(o.dram)] if named else Fraction(str(o.dram))
    return Rates(encoder_values, 8 * gigabytes / Fraction(str(o.clock_ghz)))
