"""What the control of a pass has to do: count every clock cycle from the first window to the last, and tell when each ended.

The specification reads a clock that never stops, and takes differences.
"""

from __future__ import annotations

from amaranth.hdl import Signal
from prover import Claims

from cnvlutin2.hardware.design.window_control import COUNT_BITS, WindowControl


def control_claims(*, invariants: bool = True) -> Claims:
    """All that is claimed of the control of passes; the barrier and the tiles do what they like, in a pass."""
    claims, control = Claims(invariants=invariants), WindowControl(3)
    m = claims.m
    m.submodules.control = control
    inputs = {name: claims.free(1, name) for name in ("start", "open", "wend", "waits", "leaves")}
    windows = claims.constant(COUNT_BITS, "windows")
    m.d.comb += [getattr(control, name).eq(signal) for name, signal in inputs.items()]
    m.d.comb += control.windows.eq(windows)
    start, is_open, wend, leaves = (inputs[name] for name in ("start", "open", "wend", "leaves"))

    clock, first, end = Signal(COUNT_BITS), Signal(COUNT_BITS), Signal(COUNT_BITS)
    on, begun, over, told = Signal(), Signal(), Signal(), Signal()
    ended, left, idle = Signal(COUNT_BITS), Signal(COUNT_BITS), Signal(COUNT_BITS)
    claims.assume(windows != 0)
    claims.assume(~start | (~on & ~control.busy))
    claims.assume(~is_open | on)
    claims.assume(~wend | is_open)
    claims.assume(~leaves | (left != ended))
    m.d.sync += [clock.eq(clock + 1), told.eq(wend)]
    with m.If(on & is_open & ~begun):
        m.d.sync += [begun.eq(1), first.eq(clock)]
    with m.If(on & (is_open | begun) & (inputs["waits"] | ~is_open)):
        m.d.sync += idle.eq(idle + 1)
    with m.If(wend):
        m.d.sync += [ended.eq(ended + 1), end.eq(clock)]
        with m.If(ended == windows - 1):
            m.d.sync += [on.eq(0), over.eq(1)]
    with m.If(leaves):
        m.d.sync += left.eq(left + 1)
    with m.If(start):
        m.d.sync += [on.eq(1), *(signal.eq(0) for signal in (begun, over, ended, left, idle))]

    cycles, last = control.cycles, (end - first + 1)[:COUNT_BITS]
    claims.claim("counts_every_clock_cycle", cycles == (clock - first)[:COUNT_BITS], when=on & begun)
    claims.claim("keeps_the_count_when_it_is_over", cycles == last, when=over)
    claims.claim(
        "tells_when_a_window_ended",
        (control.window_cycle == last) & ((control.window_number + 1)[:COUNT_BITS] == ended),
        when=told,
    )
    claims.claim("tells_of_every_window", control.window_ended == told)
    claims.claim("counts_who_waits", control.starved == idle, when=on | over)
    claims.claim("runs_until_the_last_window", control.running == on)
    claims.claim("is_done_with_the_last_outputs", control.done == (control.busy & leaves & (left == windows - 1)))
    claims.claim("invariant_counts", (control.ended == ended) & (control.number == left), when=on | over)
    claims.claim("invariant_busy", on | over, when=control.busy)
    claims.claim("invariant_opened", control.opened == begun, when=on)
    claims.claim("invariant_before", cycles == 0, when=on & ~begun)
    claims.claim("invariant_told", on | over, when=told)
    claims.claim("invariant_one", ~(on & over))
    return claims
