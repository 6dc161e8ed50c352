"""Encoders against `cnvlutin2.encode`: the same bits for the same bricks, in as many cycles as the model says."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import cnvlutin2
from cnvlutin2.encodings import format_names, formats, to_bricks
from cnvlutin2.encodings.registry import all_formats
from cnvlutin2.errors import ConfigError
from cnvlutin2.network import Layer, save_traces
from cnvlutin2.numeric import effectual, limits
from cnvlutin2.organisation import with_overrides

pytest.importorskip("amaranth", reason="the hardware is written in Amaranth: install cnvlutin2[hardware]")

from amaranth.hdl import Cat
from amaranth.sim import Simulator

from cnvlutin2.hardware.design.encoders import Encoder, encoder_for
from cnvlutin2.hardware.design.encoders.record_gathering import Gathering
from cnvlutin2.hardware.design.encoders.record_layouts import RECORDS, Record, sized
from cnvlutin2.hardware.parameters import saturated_threshold

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

Brick = tuple[list[int], int]
"""Values, and how many they are without the fill."""


class Bench:
    """An encoder in Amaranth's simulator, between who has bricks and who takes the records.

    Parameters
    ----------
    gaps, held : float
        How often there is no brick to give, and how often a record is not taken, by chance.
    taken_from : int
        The first cycle in which a record is taken.
    """

    def __init__(self, encoder: Encoder, gaps: float = 0.0, held: float = 0.0, seed: int = 0, taken_from: int = 0) -> None:
        self.encoder = encoder
        self.gaps, self.held, self.taken_from = gaps, held, taken_from
        self.chance = random.Random(seed)  # noqa: S311 - a test
        self.cycles = 0
        self.busy: list[int] = []
        """The cycles in which values waited or passed."""

    def records(self, bricks: Iterable[Brick], threshold: int) -> list[str]:
        """Return the records' bits, first bit first."""
        given_in = list(bricks)
        found: list[str] = []
        dut, wanted = self.encoder, len(given_in)
        simulator = Simulator(dut)
        simulator.add_clock(1e-6)

        async def run(ctx) -> None:  # type: ignore[no-untyped-def]
            ctx.set(dut.threshold, threshold)
            offered = False
            while len(found) < wanted:
                if given_in and not offered and self.chance.random() >= self.gaps:
                    values, count = given_in[0]
                    ctx.set(dut.bricks.payload, {"values": values, "count": count})
                    offered = True
                ctx.set(dut.bricks.valid, offered)
                ctx.set(dut.records.ready, self.cycles >= self.taken_from and self.chance.random() >= self.held)
                if ctx.get(dut.busy):
                    self.busy.append(self.cycles)
                self.cycles += 1
                if offered and ctx.get(dut.bricks.ready):
                    given_in.pop(0)
                    offered = False
                if ctx.get(dut.records.valid) and ctx.get(dut.records.ready):
                    record = ctx.get(dut.records.payload)
                    found.append(f"{record.bits:0{10_000}b}"[::-1][: record.length])
                    assert record.bits < 1 << record.length
                assert self.cycles < 5_000
                await ctx.tick()
            assert not ctx.get(dut.busy)
            assert not ctx.get(dut.records.valid)

        simulator.add_testbench(run)
        simulator.run()
        return found


def stream_of(records: Iterable[str]) -> bytes:
    bits = np.frombuffer("".join(records).encode(), np.uint8) - ord("0")
    return np.packbits(bits, bitorder="little").tobytes()


def bricks_of(maps: NDArray[np.int16], brick: int) -> list[Brick]:
    """The bricks of ``[C, H, W]`` in storage order."""
    there = to_bricks(np.ones(maps.shape, bool), brick).sum(axis=1)
    return [([int(value) for value in values], int(count)) for values, count in zip(to_bricks(maps, brick), there, strict=True)]


@st.composite
def maps_of(draw: st.DrawFn, brick: int, data_bits: int) -> NDArray[np.int16]:
    """Maps with empty, full and mixed bricks, and the extreme values in them."""
    channels = draw(st.integers(1, 3 * brick))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    shape = channels, draw(st.integers(1, 2)), draw(st.integers(1, 3))
    low, high = limits(data_bits)
    values = rng.integers(low, high, shape, endpoint=True)
    near = rng.integers(-3, 4, shape).clip(low, high)
    values = np.where(rng.random(shape) < draw(st.sampled_from([0.0, 0.5])), near, values)
    values = np.where(rng.random(shape) < 0.1, rng.choice([low, high], shape), values)
    values *= rng.random(shape) < rng.choice([0, 0.3, 0.8, 1], (1, *shape[1:]))
    return values.astype(np.int16)


@pytest.mark.parametrize("name", format_names())
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_records_are_those_of_encode(name: str, data: st.DataObject) -> None:
    brick = data.draw(st.sampled_from([2, 3, 4, 5, 7, 8, 12, 16]))
    data_bits = data.draw(st.sampled_from([2, 5, 8, 16]))
    maps = data.draw(maps_of(brick, data_bits))
    threshold = data.draw(st.sampled_from([1, 1, 2, 3, (1 << data_bits - 1) - 1, 1 << data_bits - 1, 1 << 20]))
    bench = Bench(
        encoder_for(name, brick, data_bits, data.draw(st.integers(0, brick + 1))),
        data.draw(st.sampled_from([0.0, 0.5])),
        data.draw(st.sampled_from([0.0, 0.5])),
        data.draw(st.integers(0, 99)),
    )
    expected = cnvlutin2.encode(maps, name, brick, data_bits, threshold)
    found = bench.records(bricks_of(maps, brick), saturated_threshold(threshold, data_bits))
    assert stream_of(found) == expected.stream
    assert sum(map(len, found)) == expected.stream_bits


@pytest.mark.parametrize("name", format_names())
@pytest.mark.parametrize("values_per_cycle", [1, 3, 4, 7, 8, 0, 99])
def test_bricks_without_gaps_take_the_cycles_of_their_values(name: str, values_per_cycle: int) -> None:
    """Across the ends of bricks: of eleven bricks of eight values at three a cycle, 88 pass in 30 cycles, not in 33."""
    rng = np.random.default_rng(values_per_cycle)
    for count in (8, 5, 3, 1):
        bench = Bench(encoder_for(name, 8, 8, values_per_cycle))
        bench.records([(rng.integers(-128, 128, 8).tolist(), count) for _ in range(11)], 2)
        rate = min(values_per_cycle or count, count)  # a brick enters in a cycle, so none takes less
        assert bench.busy == list(range(1, 1 + -(-11 * count // rate)))


@pytest.mark.parametrize("values_per_cycle", [1, 2, 3])
def test_a_record_that_waits_holds_nobody_up_until_the_next_is_complete(values_per_cycle: int) -> None:
    """The second of two records is not later for the first one being taken only when it is due itself."""
    bricks: list[Brick] = [([5] * 8, 8)] * 2
    cycles = -(-16 // values_per_cycle)
    for taken_from in (0, cycles):
        bench = Bench(encoder_for("zfnaf", 8, 8, values_per_cycle), taken_from=taken_from)
        bench.records(bricks, 1)
        assert (bench.cycles, len(bench.busy)) == (cycles + 2, cycles)


def test_waiting_is_that_of_the_model(tmp_path: Path) -> None:
    """Of two layers, the first one's busiest tile; its encoder has had the layer's cycles when the waiting begins."""
    rng = np.random.default_rng(5)
    tensors = (rng.integers(1, 9, (1, 2, 4, 5)), rng.integers(-9, 9, (11, 2, 1, 1)), rng.integers(-9, 9, (2, 11, 1, 1)))
    maps, first, second = (tensor.astype(np.int16) for tensor in tensors)
    written = rng.integers(-9, 9, (1, 11, 4, 5)).astype(np.int16)
    save_traces([Layer("writer", maps, first), Layer("reader", written, second)], tmp_path)
    waits = []
    for rate in (1, 2, 3, 4, 0):
        sizes = {"tiles": 2, "filters_per_tile": 4, "lanes": 2, "brick": 4, "encoder_values_per_cycle": rate}
        machine = with_overrides(cnvlutin2.preset("cnv"), sizes)
        layer = cnvlutin2.simulate(tmp_path, organisations=machine, jobs=1).networks[0].layers[0]
        assert layer.cost is not None
        bench = Bench(encoder_for("zfnaf", 4, 16, rate))
        # The eleven filters are eight and three; the first tile has four, then three.
        bench.records([*bricks_of(written[0, :4], 4), *bricks_of(written[0, 8:], 4)], 1)
        waits.append(sum(cycle > int(layer.cycles[0]) for cycle in bench.busy))
        assert waits[-1] == layer.cost.encoder_stall_cycles[0]
    assert waits == [100, 30, 7, 0, 0]  # 140 values beside 40 cycles


@pytest.mark.parametrize("data_bits", [2, 3, 8])
def test_a_threshold_out_of_reach_leaves_nothing(data_bits: int) -> None:
    """The least value has a magnitude that none other has: it takes one threshold more."""
    values = np.arange(*limits(data_bits), dtype=np.int16)
    for threshold in [*range(1, (1 << data_bits) + 3), 1 << 31]:
        saturated = saturated_threshold(threshold, data_bits)
        assert 0 < saturated < 1 << data_bits
        assert (effectual(values, threshold) == (abs(values.astype(int)) >= saturated)).all()


@pytest.fixture
def own_format(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The format of the tutorial: a vector, then the effectual values at the front of the room of all."""
    shutil.copy(EXAMPLES / "front_viai.py", tmp_path)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    all_formats.cache_clear()
    yield "front_viai"
    monkeypatch.undo()
    all_formats.cache_clear()
    sys.modules.pop("cnvlutin2.encodings.formats.front_viai", None)


def test_a_format_without_an_encoder_is_refused_until_it_has_one(own_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"^no encoder is built for 'front_viai'; use one of dense, zfnaf, .* at format$"):
        encoder_for(own_format, 4, 8, 1)

    def front_viai(gathered: Gathering) -> Record:
        vector = gathered.in_place("vector", gathered.effectual)
        return sized(own_format, gathered, Cat(vector, gathered.at_front("values", gathered.values, gathered.brick)))

    monkeypatch.setitem(RECORDS, own_format, front_viai)
    maps = np.random.default_rng(3).integers(-3, 4, (10, 3, 4)).astype(np.int16)
    found = Bench(encoder_for(own_format, 4, 8, 3)).records(bricks_of(maps, 4), 2)
    assert stream_of(found) == cnvlutin2.encode(maps, own_format, 4, 8, 2).stream
