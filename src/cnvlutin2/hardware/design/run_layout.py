"""`RunLayout` and `RowLayout`: the bits of a run as the lanes work on it, and as NM holds it (docs/hardware.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from amaranth.lib import data

Form = Literal["dense", "raw", "viai", "packed_viai", "zfnaf", "roe"]
"""How NM holds runs: the formats of the model, with ``raw`` for dense bricks whose zeros are detected when they are fetched."""

FORMS: tuple[Form, ...] = ("dense", "raw", "viai", "packed_viai", "zfnaf", "roe")


@dataclass(frozen=True)
class RunLayout:
    """A run as the lanes work on it: `brick` slots, each with a value of the run or none.

    Parameters
    ----------
    brick : int
        Slots of a run, `B`.
    data_bits : int
        Bits of a value, `b`.
    slot_offsets : bool
        Whether a slot says at which offset of the run its value stands (``zfnaf``, ``roe``); else that is the slot's number.
    rows_bits : int
        Bits of the NM rows that fetching the run touches; 0 where that is always one.
    """

    brick: int
    data_bits: int
    slot_offsets: bool = False
    rows_bits: int = 0

    @property
    def offset_bits(self) -> int:
        """Bits of an offset, `o`."""
        return max(1, (self.brick - 1).bit_length())

    @property
    def shape(self) -> data.StructLayout:
        """The fields from the least significant bit up: ``mask`` (slots that hold work), ``values``, ``offsets``, ``rows``."""
        fields: dict[str, object] = {"mask": self.brick, "values": data.ArrayLayout(self.data_bits, self.brick)}
        if self.slot_offsets:
            fields["offsets"] = data.ArrayLayout(self.offset_bits, self.brick)
        if self.rows_bits:
            fields["rows"] = self.rows_bits
        return data.StructLayout(fields)


@dataclass(frozen=True)
class RowLayout:
    """A row of NM: the record of a run in the bits of its format, and what fetch knows of the run.

    Parameters
    ----------
    form : {"dense", "raw", "viai", "packed_viai", "zfnaf", "roe"}
    brick, data_bits : int
        `B` and `b`.
    rows_bits : int
        Bits of the NM rows that fetching the run touches; 0 where that is always one.
    """

    form: Form
    brick: int
    data_bits: int
    rows_bits: int = 0

    @property
    def run(self) -> RunLayout:
        """The run that the front end makes of the row."""
        return RunLayout(self.brick, self.data_bits, self.form in ("zfnaf", "roe"), self.rows_bits)

    @property
    def record_bits(self) -> int:
        """Bits of a record: those of the format's stream, `B*b` values and what marks them."""
        marks = {"viai": self.brick, "packed_viai": self.brick, "zfnaf": self.brick * self.run.offset_bits, "roe": 1}
        return self.brick * self.data_bits + marks.get(self.form, 0)

    @property
    def shape(self) -> data.StructLayout:
        """The fields from the least significant bit up.

        ``live``: the offsets at which the run has a value (in ROE rows that are stored raw, those that the lane is to take for
        effectual); ``record``; ``rows``.
        """
        fields: dict[str, object] = {"live": self.brick, "record": self.record_bits}
        if self.rows_bits:
            fields["rows"] = self.rows_bits
        return data.StructLayout(fields)

    def pack(self, values: Sequence[int], effectual: int, live: int, *, rows: int = 1, stored_raw: bool = False) -> int:
        """Return a row's bits.

        Parameters
        ----------
        values : sequence of int
            `B` values; 0 where the run has none.
        effectual : int
            Which are effectual, bit `i` for offset `i`.
        live : int
            Which there are.
        rows : int
            NM rows that fetching the run touches.
        stored_raw : bool
            Store the values as they are: ROE's raw records, and any form's in a layer that runs dense.
        """
        record = self._raw_record(values) if stored_raw else self._record(values, effectual)
        return live | record << self.brick | (rows << self.brick + self.record_bits if self.rows_bits else 0)

    def _raw_record(self, values: Sequence[int]) -> int:
        below = {"viai": self.brick, "packed_viai": self.brick, "roe": 1}.get(self.form, 0)
        return _joined(values, self.data_bits) << below

    def _record(self, values: Sequence[int], effectual: int) -> int:
        b, chosen = self.data_bits, [i for i in range(self.brick) if effectual >> i & 1]
        if self.form == "viai":
            return effectual | _joined(values, b) << self.brick
        if self.form == "packed_viai":
            return effectual | _joined([values[i] for i in chosen], b) << self.brick
        if self.form in ("zfnaf", "roe"):
            width = b + self.run.offset_bits
            entries = _joined([i << b | values[i] % (1 << b) for i in chosen], width)
            if self.form == "zfnaf":
                return entries
            if len(chosen) * width <= self.brick * b:
                return 1 | entries << 1
        return self._raw_record(values)


def _joined(values: Sequence[int], bits: int) -> int:
    return sum((value % (1 << bits)) << i * bits for i, value in enumerate(values))
