"""The pointer fetch unit on what `cnvlutin2.encode` writes: records, and the rows that they touch."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnvlutin2
from cnvlutin2.encodings import Encoded, Packing, brick_counts
from cnvlutin2.numeric import effectual, limits

pytest.importorskip("amaranth", reason="the hardware is written in Amaranth: install cnvlutin2[hardware]")

from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from cnvlutin2.hardware.design.pointer_fetch import PointerFetch, divided
from cnvlutin2.hardware.parameters import most_rows

Place = tuple[int, int, int]
"""y, x, cb; y goes on through the groups."""


def bits_of(encoded: Encoded) -> str:
    """The stream, first bit first."""
    return "".join(f"{byte:08b}"[::-1] for byte in encoded.stream)


def number(bits: str) -> int:
    return int(bits[::-1] or "0", 2)


class Fetched:
    """What the unit fetched: the record's bits, its rows, and the cycles from its place to it."""

    def __init__(self, bits: int, rows: int, cycles: int) -> None:
        self.bits, self.rows, self.cycles = bits, rows, cycles


def fetch(encoded: Encoded, places: Sequence[Place], gaps: float = 0.0, held: float = 0.0) -> list[Fetched]:
    """Fetch records through memories that answer a cycle later, with places that come late and records that are taken late."""
    brick, data_bits = encoded.storage.brick, encoded.parameters.data_bits
    assert encoded.pointers is not None
    dut = PointerFetch(brick, data_bits, encoded.parameters.pointer_group, encoded.pointer_bits, 5)
    stream, row_bits = bits_of(encoded), brick * data_bits + brick
    rows = [number(stream[first : first + row_bits]) for first in range(0, len(stream), row_bits)]
    memories = [(dut.pointer_en, dut.pointer_address, dut.pointer_data, encoded.pointers.tolist())]
    memories += [(dut.row_en, dut.row_address, dut.row_data, rows)]
    found: list[Fetched] = []
    waiting, chance = list(places), random.Random(len(places))  # noqa: S311 - a test
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)

    async def run(ctx) -> None:  # type: ignore[no-untyped-def]
        ctx.set(dut.row_bricks, encoded.storage.row_bricks)
        ctx.set(dut.position_bricks, encoded.storage.bricks_shape[3] if encoded.storage.packing == "brick" else 1)
        offered, came, seen = False, 0, False
        for cycle in range(10_000):
            if waiting and not offered and chance.random() >= gaps:
                ctx.set(dut.places.payload, dict(zip(("y", "x", "cb"), waiting[0], strict=True)))
                offered = True
            ctx.set(dut.places.valid, offered)
            ctx.set(dut.records.ready, chance.random() >= held)
            if ctx.get(dut.records.valid) and not seen:
                record = ctx.get(dut.records.payload)
                found.append(Fetched(record.bits, record.rows, cycle - came))
            seen = ctx.get(dut.records.valid) and not ctx.get(dut.records.ready)
            if offered and ctx.get(dut.places.ready):
                waiting.pop(0)
                offered, came = False, cycle
            if len(found) == len(places):
                return
            reads = [(data, words[ctx.get(address)]) for enabled, address, data, words in memories if ctx.get(enabled)]
            await ctx.tick()
            for data, word in reads:
                ctx.set(data, word)

    simulator.add_testbench(run)
    simulator.run()
    return found


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_records_and_rows_are_those_of_encode(data: st.DataObject) -> None:
    brick, data_bits = data.draw(st.sampled_from([2, 3, 4, 8, 16])), data.draw(st.sampled_from([2, 5, 8, 16]))
    groups, pointer_group = data.draw(st.integers(1, 2)), data.draw(st.sampled_from([1, 1, 2, 3, 4, 100]))
    packing: Packing = data.draw(st.sampled_from(["brick", "brick", "row"]))
    threshold = data.draw(st.sampled_from([1, 2, 1 << data_bits]))
    height, width, channels = (data.draw(st.integers(1, most)) for most in (4, 4, 2 * brick))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    shape = groups * channels, height, width
    drawn = rng.integers(*limits(data_bits), shape, endpoint=True)
    maps = np.asarray(drawn * (rng.random(shape) < rng.choice([0, 0.5, 1], (1, height, width)))).astype(np.int16)
    encoded = cnvlutin2.encode(maps, "packed_viai", brick, data_bits, threshold, pointer_group, packing, groups)

    counts = brick_counts(effectual(maps, threshold), brick, groups, packing)
    touched, sizes = encoded.scheme.rows_touched(counts, brick, data_bits), encoded.scheme.brick_bits(counts, brick, data_bits)
    starts, stream = np.cumsum(sizes.ravel()) - sizes.ravel(), bits_of(encoded)
    shape_of_places = (groups * height, *counts.shape[2:], *([1] if packing == "row" else []))
    order = rng.permutation(counts.size)[:12]
    places = [(int(y), int(x), int(cb)) for y, x, cb in np.transpose(np.unravel_index(order, shape_of_places))]
    found = fetch(encoded, places, data.draw(st.sampled_from([0.0, 0.5])), data.draw(st.sampled_from([0.0, 0.5])))

    assert [each.rows for each in found] == touched.ravel()[order].tolist()
    assert [each.bits for each in found] == [number(stream[starts[i] : starts[i] + sizes.ravel()[i]]) for i in order]
    assert max(each.rows for each in found) <= most_rows(brick, data_bits)
    if pointer_group == 1:
        assert [each.cycles for each in found] == [3 + each.rows for each in found]


def test_a_record_may_lie_in_three_rows() -> None:
    """Rows have 36 bits; after a record of 16 bits and one of 48, the third one lies from bit 64 to bit 111."""
    maps = np.ones((4, 1, 3), np.int16)
    maps[1:, 0, 0] = 0
    encoded = cnvlutin2.encode(maps, "packed_viai", 4, 8)
    assert [each.rows for each in fetch(encoded, [(0, 0, 0), (0, 1, 0), (0, 2, 0)])] == [1, 2, 3]
    assert most_rows(4, 8) == 3


def test_dividing_by_a_constant_is_exact() -> None:
    simulator_bits, divisors = 9, (1, 2, 3, 5, 6, 16, 17, 36, 272, 511, 512, 513, (1 << 31) - 1)
    m, value = Module(), Signal(simulator_bits)
    quotients = [Signal(simulator_bits, name=f"by_{divisor}") for divisor in divisors]
    m.d.comb += [quotient.eq(divided(value, divisor)) for quotient, divisor in zip(quotients, divisors, strict=True)]
    checked = 0

    async def run(ctx) -> None:  # type: ignore[no-untyped-def]
        nonlocal checked
        for number in range(1 << simulator_bits):
            ctx.set(value, number)
            for quotient, divisor in zip(quotients, divisors, strict=True):
                assert ctx.get(quotient) == number // divisor
                checked += 1

    simulator = Simulator(m)
    simulator.add_testbench(run)
    simulator.run()
    assert checked == len(divisors) << simulator_bits
