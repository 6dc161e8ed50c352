"""From a tile's accumulators to records: the values that the model would store, encoded as `cnvlutin2.encode` does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import cnvlutin2
from cnvlutin2.numeric import quantise
from cnvlutin2.organisation import with_overrides

pytest.importorskip("amaranth", reason="the hardware is written in Amaranth: install cnvlutin2[hardware]")

from amaranth.sim import Simulator

from cnvlutin2.hardware.design.encoders import TileEncoder
from cnvlutin2.hardware.design.encoders.rescaler import Rescaler
from cnvlutin2.hardware.parameters import Parameters


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([2, 4, 8, 16]),
    st.booleans(),
    st.lists(st.tuples(st.integers(-(1 << 20), (1 << 20) - 1), st.integers(0, 20)), max_size=40),
)
@example(4, False, [(quarters, 2) for quarters in range(-40, 40)])
def test_rescaling_is_quantising(data_bits: int, rectify: bool, cases: list[tuple[int, int]]) -> None:
    dut = Rescaler(21, data_bits)

    async def run(ctx) -> None:  # type: ignore[no-untyped-def]
        ctx.set(dut.rectify, rectify)
        for accumulator, shift in cases:
            ctx.set(dut.accumulator, accumulator)
            ctx.set(dut.shift, shift)
            value = np.array([max(accumulator, 0) if rectify else accumulator], np.float64)
            assert ctx.get(dut.value) == quantise(value, -shift, data_bits)[0]

    simulator = Simulator(dut)
    simulator.add_testbench(run)
    simulator.run()


def encode_windows(
    format_name: str, accumulators: list[list[int]], filters: int, every: int, depth: int
) -> tuple[list[str], int, bool]:
    """Return the records, the cycles from the last window to the last record, and whether any was lost."""
    sizes = {"tiles": 1, "filters_per_tile": 4, "lanes": 2, "brick": 4, "data_bits": 8, "format": format_name}
    organisation = with_overrides(cnvlutin2.preset("cnv2-dispatch"), {**sizes, "encoder_values_per_cycle": 1})
    dut = TileEncoder(Parameters.of(organisation, window_runs=2, nm_rows=0), depth)
    records: list[str] = []
    last, lost = 0, False

    async def run(ctx) -> None:  # type: ignore[no-untyped-def]
        nonlocal last, lost
        for port, value in (("filters", filters), ("shift", 3), ("rectify", 1), ("threshold", 2)):
            ctx.set(getattr(dut, port), value)
        ctx.set(dut.records.ready, 1)
        cycle, end = 0, every * len(accumulators)
        while cycle < end or ctx.get(dut.busy) or ctx.get(dut.records.valid):
            starts = cycle < end and cycle % every == 0
            ctx.set(dut.accumulators_valid, starts)
            ctx.set(dut.accumulators, accumulators[cycle // every] if starts else [77] * 4)
            if ctx.get(dut.records.valid):
                record = ctx.get(dut.records.payload)
                records.append(f"{record.bits:0200b}"[::-1][: record.length])
                last = cycle - (end - every)
            await ctx.tick()
            cycle += 1
            assert cycle < 5000
        lost = bool(ctx.get(dut.lost))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()
    return records, last, lost


@pytest.mark.parametrize("format_name", ["dense", "zfnaf", "roe", "viai", "packed_viai"])
@pytest.mark.parametrize("filters", [4, 3, 1])
def test_windows_become_the_records_of_the_layers_output(format_name: str, filters: int) -> None:
    rng = np.random.default_rng(filters)
    accumulators = rng.integers(-2000, 2000, (15, 4))
    accumulators[rng.random((15, 4)) < 0.3] = 0
    stored = quantise(np.maximum(accumulators[:, :filters], 0).astype(np.float64), -3, 8)
    expected = cnvlutin2.encode(stored.T.reshape(filters, 3, 5), format_name, 4, 8, 2)
    records, _, lost = encode_windows(format_name, accumulators.tolist(), filters, 2, 16)
    assert not lost
    bits = np.frombuffer("".join(records).encode(), np.uint8) - ord("0")
    assert np.packbits(bits, bitorder="little").tobytes() == expected.stream


def test_what_a_slow_encoder_has_left_is_waited_for() -> None:
    """Twelve windows of four values, one every second cycle, at a value a cycle: 48 cycles of work from the first window on."""
    accumulators = [[8] * 4 for _ in range(12)]
    records, last, lost = encode_windows("zfnaf", accumulators, 4, 2, 12)
    assert (len(records), lost) == (12, False)
    assert last == 48 - 22 + 3  # into what holds bricks, out of it, and into the register of the record
    assert encode_windows("zfnaf", accumulators, 0, 2, 2)[::2] == ([], False)


def test_a_brick_that_finds_no_place_is_told_of() -> None:
    records, _, lost = encode_windows("zfnaf", [[8] * 4 for _ in range(12)], 4, 2, 2)
    assert lost
    assert len(records) < 12
