"""What lanes and their barrier have to do together: windows that are no longer than their slowest lane."""

from __future__ import annotations

from amaranth.hdl import Cat
from lane_spec import LaneSpec
from prover import Claims

from cnvlutin2.hardware.design.barrier import Barrier
from cnvlutin2.hardware.design.lane import Lane, LaneShape


def windows_claims(shape: LaneShape, lanes: int, *, invariants: bool = True) -> Claims:
    """All that is claimed of lanes behind a barrier; what is assumed of each of them when it is alone is claimed here."""
    claims, barrier = Claims(invariants=invariants), Barrier(lanes)
    m = claims.m
    m.submodules.barrier = barrier
    enable = claims.constant(lanes, "enable")
    claims.assume(enable != 0)
    m.d.comb += barrier.enable.eq(enable)
    specs = [LaneSpec(claims.about(f"lane_{number}"), Lane(shape), barrier.go) for number in range(lanes)]
    for number, spec in enumerate(specs):
        m.d.comb += [barrier.fin[number].eq(spec.lane.fin), barrier.p_valid[number].eq(spec.lane.p_valid)]
        claims.assume(enable[number] | ~spec.lane.valid)  # a lane without runs in the windows gets none
        own = claims.about(f"lane_{number}")
        spec.claim_all()
        own.claim("begins_a_window_with_a_run", spec.fin & spec.p_valid, when=barrier.go & enable[number])
        own.claim("issues_in_the_open_window", barrier.open, when=spec.lane.val.any())
        own.claim("invariant_unused", ~spec.p_valid & ~spec.open, when=~enable[number])
    at_work = Cat(*(spec.open for spec in specs)).any()
    claims.claim("keeps_no_window_open_without_work", at_work, when=barrier.open)
    claims.claim("works_in_open_windows_alone", barrier.open, when=at_work)
    return claims
