"""What front ends and dispatcher have to do: find each effectual value of a brick once, in order, with its own offset.

The specification encodes a brick itself, by the words of docs/formats.md, and looks for its values in the run that comes out.
"""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Mux, Signal, Value
from ports_spec import count_ones
from prover import Claims

from cnvlutin2.hardware.design.dispatcher import Dispatcher
from cnvlutin2.hardware.design.run_layout import RowLayout


class Brick:
    """Any values at any offsets, and which of them are effectual."""

    def __init__(self, claims: Claims, layout: RowLayout) -> None:
        self.layout, m, every = layout, claims.m, range(layout.brick)
        b = layout.data_bits
        self.live = claims.free(layout.brick, "live")
        self.threshold = claims.constant(b, "threshold")
        claims.assume(self.threshold != 0)
        self.values = [claims.free(b, f"value_{i}") for i in every]
        self.effectual = Signal(layout.brick)
        for i, value in enumerate(self.values):
            claims.assume(self.live[i] | (value == 0))
            large = Mux(value[-1], (~value + 1)[:b] >= self.threshold, value >= self.threshold)
            m.d.comb += self.effectual[i].eq(large)
        self.count = Signal(range(layout.brick + 1))
        m.d.comb += self.count.eq(count_ones(self.effectual))

    def from_the_front(self, entries: list[Value]) -> list[Value]:
        """Return the entries of the effectual values, moved to the front, and zeros."""
        found = []
        for place in range(self.layout.brick):
            taken: Value = Const(0, len(entries[0]))
            for i in range(place, self.layout.brick):
                before = count_ones(self.effectual[:i]) if i else Const(0)
                taken = taken | Mux(self.effectual[i] & (before == place), entries[i], 0)
            found.append(taken[: len(entries[0])])
        return found

    @property
    def fits(self) -> Value:
        """Whether the entries of an ROE record fit into the bits of the values."""
        layout = self.layout
        return self.count * (layout.data_bits + layout.run.offset_bits) <= layout.brick * layout.data_bits

    def record(self, dense: Value) -> Value:
        """Return the record that holds the brick, raw if the layer runs dense."""
        layout, raw, form = self.layout, Cat(*self.values), self.layout.form
        entries = [Cat(value, Const(i, layout.run.offset_bits)) for i, value in enumerate(self.values)]
        if form == "viai":
            return Cat(Mux(dense, 0, self.effectual)[: layout.brick], raw)
        if form == "packed_viai":
            packed = Cat(*self.from_the_front(list(self.values)))
            return Cat(self.effectual, Mux(dense, raw, packed))
        if form == "zfnaf":
            return Mux(dense, raw, Cat(*self.from_the_front(entries)))
        if form == "roe":
            coded = ~dense & self.fits
            return Cat(coded, Mux(coded, Cat(*self.from_the_front(entries))[: len(raw)], raw))
        return raw

    def seen(self, dense: Value, detect: bool) -> Value:
        """Return which values the lane has to issue."""
        if self.layout.form == "dense":
            return self.live
        if self.layout.form == "roe" and not detect:
            return Mux(dense | ~self.fits, self.live, self.effectual)
        return Mux(dense, self.live, self.effectual)


def dispatcher_claims(layout: RowLayout, tiles: int, *, detect: bool = False) -> Claims:
    """All that is claimed of a dispatcher of one lane."""
    claims, dispatcher = Claims(), Dispatcher(layout, 1, tiles, detect=detect)
    m = claims.m
    m.submodules.dispatcher = dispatcher
    dense, offered, ready = claims.constant(1, "dense"), claims.free(1, "offered"), claims.free(tiles, "ready")
    brick, rows = Brick(claims, layout), claims.free(max(1, layout.rows_bits), "rows")
    row, run = dispatcher.row[0], dispatcher.run[0]
    m.d.comb += [
        dispatcher.dense.eq(dense),
        dispatcher.threshold.eq(brick.threshold),
        dispatcher.row_valid.eq(offered),
        dispatcher.ready.eq(ready),
        row.live.eq(brick.live),
        row.record.eq(brick.record(dense)),
    ]
    seen = Signal(layout.brick)
    m.d.comb += seen.eq(brick.seen(dense, detect))
    _claim_values(claims, layout, brick, run, seen)
    if layout.rows_bits:
        m.d.comb += row.rows.eq(rows)
        claims.claim("knows_the_rows_touched", run.rows == rows)

    taken = dispatcher.valid & ready
    claims.claim("takes_a_run_when_all_tiles_can", dispatcher.row_ready == ready.all())
    claims.claim("gives_a_run_to_all_tiles", taken.all(), when=offered & dispatcher.row_ready)
    claims.claim("gives_a_run_to_no_tile_twice", dispatcher.valid == 0, when=~(offered & dispatcher.row_ready))
    return claims


def _claim_values(claims: Claims, layout: RowLayout, brick: Brick, run: Value, seen: Value) -> None:
    values = Array(brick.values)
    order, own = [], []
    for slot in range(layout.brick):
        offset = run.offsets[slot] if layout.run.slot_offsets else Const(slot, layout.run.offset_bits)
        value = values[offset] if layout.run.slot_offsets else brick.values[slot]
        effectual = brick.effectual.bit_select(offset, 1)
        own.append(~run.mask[slot] | (run.values[slot] == Mux(effectual, value, 0)))
        own.append(~run.mask[slot] | seen.bit_select(offset, 1))
        if layout.run.slot_offsets:
            behind = range(slot + 1, layout.brick)
            order += [~(run.mask[slot] & run.mask[other]) | (offset < run.offsets[other]) for other in behind]
    claims.claim("finds_each_effectual_value", count_ones(run.mask) == count_ones(seen))
    claims.claim("finds_values_with_their_own_offsets", Cat(*own).all())
    if order:
        claims.claim("finds_values_in_order", Cat(*order).all())
