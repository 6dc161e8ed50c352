"""What a record of each format is, out of the parts that `Gathering` gathers (docs/formats.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Mux, Value

from cnvlutin2.encodings import get_format
from cnvlutin2.encodings.base import POINTER_UNIT_BITS
from cnvlutin2.encodings.formats.roe import most_entries
from cnvlutin2.hardware.design.encoders.record_gathering import Gathering


@dataclass(frozen=True)
class Record:
    """A record's bits, zero from its own end on, and how many are its own."""

    bits: Value
    length: Value


def sized(name: str, gathered: Gathering, bits: Value) -> Record:
    """Return a record of a format whose records are all of one size."""
    return Record(bits, Const(get_format(name).most_bits(gathered.brick, gathered.data_bits)))


def _dense(gathered: Gathering) -> Record:
    return sized("dense", gathered, gathered.in_place("values", gathered.values))


def _viai(gathered: Gathering) -> Record:
    vector = gathered.in_place("vector", gathered.effectual)
    return sized("viai", gathered, Cat(vector, gathered.in_place("values", gathered.values)))


def _zfnaf(gathered: Gathering) -> Record:
    return sized("zfnaf", gathered, gathered.at_front("entries", _entries(gathered), gathered.brick))


def _roe(gathered: Gathering) -> Record:
    room, most = gathered.brick * gathered.data_bits, most_entries(gathered.brick, gathered.data_bits)
    entries = gathered.at_front("entries", _entries(gathered), most)
    raw = gathered.in_place("values", gathered.values)
    encoded = gathered.count() <= most
    return sized("roe", gathered, Cat(encoded, Mux(encoded, entries, raw)[:room]))


def _packed_viai(gathered: Gathering) -> Record:
    vector = gathered.in_place("vector", gathered.effectual)
    values = gathered.at_front("values", gathered.values, gathered.brick)
    return Record(Cat(vector, values), packed_length(gathered.count(), gathered.brick, gathered.data_bits))


def packed_length(count: Value, brick: int, data_bits: int) -> Value:
    """Return the bits of a record of packed VIAI with `count` effectual values: whole 16-bit units."""
    digits = POINTER_UNIT_BITS.bit_length() - 1
    units = (count * data_bits + (brick + POINTER_UNIT_BITS - 1)) >> digits
    return Cat(Const(0, digits), units)


def _entries(gathered: Gathering) -> list[Value]:
    return [Cat(value, offset) for value, offset in zip(gathered.values, gathered.offsets, strict=True)]


RECORDS: dict[str, Callable[[Gathering], Record]] = {
    "dense": _dense,
    "zfnaf": _zfnaf,
    "roe": _roe,
    "viai": _viai,
    "packed_viai": _packed_viai,
}
"""By the format's name; a format of one's own gets its encoder here."""
