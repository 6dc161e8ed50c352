"""Front ends and dispatcher: what the lanes get of a row, and how it gets to all tiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("amaranth", reason="the hardware needs Amaranth: the extra [hardware]")

from amaranth.sim import Simulator
from dice import Dice

from cnvlutin2 import encode
from cnvlutin2.hardware.design.dispatcher import Dispatcher
from cnvlutin2.hardware.design.front_ends import FrontEnd
from cnvlutin2.hardware.design.run_layout import FORMS, Form, RowLayout

BRICK, BITS = 8, 6


def simulate(component: Any, body: Callable[[Any], None]) -> None:
    simulator = Simulator(component)

    async def bench(ctx: Any) -> None:
        body(ctx)

    simulator.add_testbench(bench)
    simulator.run()


def random_values(rng: Dice) -> list[int]:
    density = rng.one_of([0, 0.3, 0.7, 1])
    return [rng.between(-32, 31) if rng.happens(density) else 0 for _ in range(BRICK)]


def mask_of(values: list[int], threshold: int) -> int:
    return sum(1 << i for i, value in enumerate(values) if abs(value) >= threshold)


def slots_of(layout: RowLayout, ctx: Any, run: Any) -> list[tuple[int, int]]:
    """The (offset, value) of every slot that holds work."""
    mask = ctx.get(run.mask)
    found = []
    for i in range(layout.brick):
        if mask >> i & 1:
            value = ctx.get(run.values[i])
            signed = value - (1 << BITS) if value >> (BITS - 1) else value
            found.append((ctx.get(run.offsets[i]) if layout.run.slot_offsets else i, signed))
    return found


@pytest.mark.parametrize("detect", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_the_lanes_get_what_is_effectual(form: Form, detect: bool) -> None:
    layout, rng = RowLayout(form, BRICK, BITS, 2 if form == "packed_viai" else 0), Dice(form)
    front_end = FrontEnd(layout, detect=detect)

    def body(ctx: Any) -> None:
        for _ in range(150):
            values, threshold, length = random_values(rng), rng.one_of([1, 1, 2, 9, 33]), rng.between(1, BRICK)
            values[length:] = [0] * (BRICK - length)
            live, effectual, rows = (1 << length) - 1, mask_of(values, threshold), rng.between(1, 3)
            ctx.set(front_end.row.as_value(), layout.pack(values, effectual, live, rows=rows))
            ctx.set(front_end.threshold, threshold)
            fits = effectual.bit_count() * (BITS + 3) <= BRICK * BITS
            everything = form == "dense" or (form == "roe" and not fits and not detect)
            seen = live if everything else effectual
            counted = [(i, values[i] if effectual >> i & 1 else 0) for i in range(BRICK) if seen >> i & 1]
            assert slots_of(layout, ctx, front_end.run) == counted
            if layout.rows_bits:
                assert ctx.get(front_end.run.rows) == rows

    simulate(front_end, body)


@pytest.mark.parametrize("form", FORMS)
def test_a_dense_layer_issues_all_that_is_there(form: Form) -> None:
    layout, rng = RowLayout(form, BRICK, BITS, 2), Dice(form)
    front_end = FrontEnd(layout, detect=True)

    def body(ctx: Any) -> None:
        ctx.set(front_end.dense, 1)
        ctx.set(front_end.threshold, 3)
        for length in range(1, BRICK + 1):
            values = random_values(rng)
            ctx.set(front_end.row.as_value(), layout.pack(values, 0, (1 << length) - 1, rows=3, stored_raw=True))
            assert slots_of(layout, ctx, front_end.run) == [(i, v if abs(v) >= 3 else 0) for i, v in enumerate(values[:length])]
            assert ctx.get(front_end.run.rows) == 3  # a machine that skips no activations waits for rows all the same

    simulate(front_end, body)


@pytest.mark.parametrize("form", ["zfnaf", "roe", "viai", "packed_viai"])
def test_a_record_has_the_bits_of_the_stream(form: Form) -> None:
    layout, rng = RowLayout(form, BRICK, BITS), Dice(form)
    for _ in range(40):
        values, threshold = random_values(rng), rng.one_of([1, 2, 9])
        stored = np.array(values, np.int16).reshape(BRICK, 1, 1)
        encoded = encode(stored, form, brick=BRICK, data_bits=BITS, threshold=threshold)
        row = layout.pack(values, mask_of(values, threshold), (1 << BRICK) - 1)
        record = row >> BRICK & (1 << layout.record_bits) - 1
        assert record == int.from_bytes(bytes(encoded.stream), "little")


@pytest.mark.parametrize("tiles", [1, 3])
def test_a_run_leaves_when_all_tiles_take_it(tiles: int) -> None:
    layout, rng, lanes = RowLayout("raw", 4, 4), Dice(str(tiles)), 2
    dispatcher = Dispatcher(layout, lanes, tiles)

    def body(ctx: Any) -> None:
        ctx.set(dispatcher.threshold, 1)
        for _ in range(100):
            offered, ready = rng.bits(lanes), rng.bits(lanes * tiles) | rng.bits(lanes * tiles)
            rows = [layout.pack([rng.between(-8, 7) for _ in range(4)], 0, 15) for _ in range(lanes)]
            last = rng.bits(lanes)
            ctx.set(dispatcher.row_valid, offered)
            ctx.set(dispatcher.ready, ready)
            ctx.set(dispatcher.row_last, last)
            for lane, row in enumerate(rows):
                ctx.set(dispatcher.row[lane].as_value(), row)
            assert ctx.get(dispatcher.last) == last
            full = (1 << tiles) - 1
            for lane in range(lanes):
                whole = ready >> lane * tiles & full == full
                assert ctx.get(dispatcher.row_ready) >> lane & 1 == whole
                assert ctx.get(dispatcher.valid) >> lane * tiles & full == (full if whole and offered >> lane & 1 else 0)
                assert ctx.get(dispatcher.run[lane].values.as_value()) == rows[lane] >> 4

    simulate(dispatcher, body)
