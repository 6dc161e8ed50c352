"""The FIFO in front of the lanes keeps what it took, in order, and sustains a word a cycle from a depth of 3 on."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("amaranth", reason="the hardware needs Amaranth: the extra [hardware]")

from amaranth.sim import Simulator
from dice import Dice

from cnvlutin2.hardware.design.fifo import Fifo


def moved(fifo: Fifo, offers: list[bool], takes: list[bool]) -> tuple[list[int], list[int]]:
    """Return the cycles in which words entered and left; words are numbered and have to leave in order."""
    entered: list[int] = []
    left: list[int] = []

    async def bench(ctx: Any) -> None:
        for cycle, (offered, taken) in enumerate(zip(offers, takes, strict=True)):
            ctx.set(fifo.in_valid, offered)
            ctx.set(fifo.in_data, len(entered))
            ctx.set(fifo.out_ready, taken)
            if offered and ctx.get(fifo.in_ready):
                entered.append(cycle)
            if taken and ctx.get(fifo.out_valid):
                assert ctx.get(fifo.out_data) == len(left)
                left.append(cycle)
            await ctx.tick()

    simulator = Simulator(fifo)
    simulator.add_clock(1e-9)
    simulator.add_testbench(bench)
    simulator.run()
    return entered, left


@pytest.mark.parametrize("depth", [3, 4, 5, 8])
def test_a_word_a_cycle_goes_through(depth: int) -> None:
    entered, left = moved(Fifo(8, depth), [True] * 40, [True] * 40)
    assert entered == list(range(40))
    assert left == list(range(2, 40))


@pytest.mark.parametrize("depth", [2, 3, 4, 7])
def test_it_holds_its_depth_and_the_word_that_leaves_next(depth: int) -> None:
    entered, left = moved(Fifo(8, depth), [True] * 20, [False] * 20)
    assert (len(entered), left) == (depth + 1, [])


@pytest.mark.parametrize("depth", [2, 3, 6])
def test_nothing_is_lost_or_doubled(depth: int) -> None:
    rng = Dice(str(depth))
    offers = [bool(rng.between(0, 1)) for _ in range(300)] + [False] * 20
    takes = [bool(rng.between(0, 2)) for _ in range(300)] + [True] * 20
    entered, left = moved(Fifo(16, depth), offers, takes)
    assert len(entered) == len(left) > 100
    assert all(out - come >= 2 for come, out in zip(entered, left, strict=True))
