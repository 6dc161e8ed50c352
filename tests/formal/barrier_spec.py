"""What a barrier has to do: the lanes' windows begin and end together, without a lost cycle."""

from __future__ import annotations

from amaranth.hdl import Cat, Mux, Signal
from prover import Claims

from cnvlutin2.hardware.design.barrier import Barrier


def barrier_claims(lanes: int, window_overhead: int = 0, *, invariants: bool = True) -> Claims:
    """All that is claimed of a barrier alone; its lanes do what they like, but for what is proved of lanes.

    A lane that has ended its window stays so, and keeps the run that it holds, until the next window begins; it is at work in the
    first cycle of no window before that.
    """
    claims, barrier = Claims(invariants=invariants), Barrier(lanes, window_overhead)
    m = claims.m
    m.submodules.barrier = barrier
    enable = claims.constant(lanes, "enable")
    fin, p_valid = claims.free(lanes, "fin"), claims.free(lanes, "p_valid")
    m.d.comb += [barrier.enable.eq(enable), barrier.fin.eq(fin), barrier.p_valid.eq(p_valid)]
    claims.assume(enable != 0)

    was_fin, was_held, went = Signal(lanes, init=(1 << lanes) - 1), Signal(lanes), Signal()
    m.d.sync += [was_fin.eq(fin), was_held.eq(p_valid & fin), went.eq(barrier.go)]
    claims.assume(went | ((fin & was_fin) == was_fin))
    claims.assume(went | ((p_valid & was_held) == was_held))

    # The specification counts the cycles since the last lane ended.
    window_open, since = Signal(), Signal(range(window_overhead + 2))
    ended = Cat(*(fin[lane] | ~enable[lane] for lane in range(lanes))).all()
    held = Cat(*(p_valid[lane] | ~enable[lane] for lane in range(lanes))).all()
    m.d.sync += since.eq(Mux(window_open & ended & ~barrier.go, since + 1, 0))
    over = window_open & ended & (since == window_overhead)
    with m.If(over):
        m.d.sync += [window_open.eq(0), since.eq(0)]
    with m.If((over | ~window_open) & held):
        m.d.sync += window_open.eq(1)

    closed = ~window_open | over
    claims.claim("waits_for_every_lane", ended, when=barrier.go)
    claims.claim("opens_no_window_without_its_runs", held, when=barrier.go)
    claims.claim("opens_no_window_in_another", closed, when=barrier.go)
    claims.claim("loses_no_cycle_between_windows", barrier.go, when=closed & held)
    claims.claim("marks_the_first_cycle", barrier.first == went)
    claims.claim("marks_the_last_cycle", barrier.wend == over)
    claims.claim("knows_whether_a_window_is_open", barrier.open == window_open)
    ended_before = Cat(*(was_fin[lane] | ~enable[lane] for lane in range(lanes))).all()
    claims.claim("invariant_ended", ended_before, when=~window_open | (since != 0))
    claims.claim("invariant_since", (since <= window_overhead) & ((since == 0) | window_open))
    claims.claim("invariant_went", window_open & (since == 0), when=went)
    if barrier.held is not None:
        claims.claim("invariant_held", barrier.held == since)
    return claims
