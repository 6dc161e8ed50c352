"""Lanes, barrier and dispatcher do what they have to, for all inputs: proofs by k-induction (docs/validation.md).

``CNVLUTIN2_LARGE_PROOFS=1`` adds those that take a solver long.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("amaranth", reason="the hardware needs Amaranth: the extra [hardware]")

from barrier_spec import barrier_claims
from control_spec import control_claims
from dispatcher_spec import dispatcher_claims
from drift_spec import drift_claims
from fifo_spec import fifo_claims
from lane_spec import lane_claims
from prover import Claims, missing_tools
from windows_spec import windows_claims

from cnvlutin2.hardware.design.lane import LaneShape
from cnvlutin2.hardware.design.run_layout import FORMS, Form, RowLayout, RunLayout

pytestmark = pytest.mark.skipif(bool(missing_tools()), reason=f"not installed: {', '.join(missing_tools())}")

large = pytest.mark.skipif(not os.environ.get("CNVLUTIN2_LARGE_PROOFS"), reason="takes long: set CNVLUTIN2_LARGE_PROOFS")


def proved(claims: Claims, folder: Path) -> None:
    verdict = claims.prove(folder)
    assert verdict.holds, verdict


LANES = {
    "none, 4": LaneShape(RunLayout(4, 4), q_bits=3),
    "none, 16": LaneShape(RunLayout(16, 4), q_bits=3),
    "none, offsets, 16": LaneShape(RunLayout(16, 4, slot_offsets=True), q_bits=3),
    "none, rows and overhead, 16": LaneShape(RunLayout(16, 2, rows_bits=2), q_bits=3, run_overhead=2),
    "shared, 16": LaneShape(RunLayout(16, 2), weight_masks=True, q_bits=3),
    "shared, offsets, 8": LaneShape(RunLayout(8, 2, slot_offsets=True), weight_masks=True, q_bits=3),
    "per filter, 8": LaneShape(RunLayout(8, 2), streams=3, weight_masks=True, q_bits=3),
    "per filter, 16": LaneShape(RunLayout(16, 2), streams=2, weight_masks=True, q_bits=3),
    "per filter, offsets, rows and overhead, 8": LaneShape(RunLayout(8, 2, True, 2), 2, True, q_bits=3, run_overhead=1),
}
for brick in (4, 16):
    LANES[f"gapless, {brick}"] = LaneShape(RunLayout(brick, 4, rows_bits=2), q_bits=3, run_overhead=1, gapless=True)
LARGE_LANES = {
    "none, 64": LaneShape(RunLayout(64, 2), q_bits=3),
    "per filter, offsets, rows and overhead, 16": LaneShape(RunLayout(16, 4, True, 2), 2, True, q_bits=3, run_overhead=1),
    "per filter, sixteen of 16": LaneShape(RunLayout(16, 2), streams=16, weight_masks=True, q_bits=3),
}
DRIFTS = {
    "1, 4": LaneShape(RunLayout(4, 2), 2, True, q_bits=3, drift=1),
    "1, offsets, rows and overhead, 4": LaneShape(RunLayout(4, 2, True, 2), 2, True, q_bits=3, run_overhead=1, drift=1),
    "2, 4": LaneShape(RunLayout(4, 2), 2, True, q_bits=4, drift=2),
    "1, 8": LaneShape(RunLayout(8, 2), 2, True, q_bits=3, drift=1),
}
LARGE_DRIFTS = {
    "1, 16": LaneShape(RunLayout(16, 2), 2, True, q_bits=3, drift=1),
    "3, 4": LaneShape(RunLayout(4, 2), 2, True, q_bits=4, drift=3),
    "2, three streams of 4": LaneShape(RunLayout(4, 2), 3, True, q_bits=4, drift=2),
    "4, 8": LaneShape(RunLayout(8, 2), 2, True, q_bits=5, drift=4),
}


@pytest.mark.parametrize("name", LANES)
def test_lane(name: str, tmp_path: Path) -> None:
    proved(lane_claims(LANES[name]), tmp_path)


@large
@pytest.mark.parametrize("name", LARGE_LANES)
def test_large_lane(name: str, tmp_path: Path) -> None:
    proved(lane_claims(LARGE_LANES[name]), tmp_path)


@pytest.mark.parametrize("name", DRIFTS)
def test_lane_with_drift(name: str, tmp_path: Path) -> None:
    proved(drift_claims(DRIFTS[name]), tmp_path)


@large
@pytest.mark.parametrize("name", LARGE_DRIFTS)
def test_large_lane_with_drift(name: str, tmp_path: Path) -> None:
    proved(drift_claims(LARGE_DRIFTS[name]), tmp_path)


@pytest.mark.parametrize(("lanes", "window_overhead"), [(1, 0), (16, 0), (16, 3), (256, 1)])
def test_barrier(lanes: int, window_overhead: int, tmp_path: Path) -> None:
    proved(barrier_claims(lanes, window_overhead), tmp_path)


@pytest.mark.parametrize(
    ("lanes", "shape"), [(2, LANES["none, 4"]), (3, LaneShape(RunLayout(4, 2), 2, True, q_bits=3, run_overhead=1))]
)
def test_lanes_behind_their_barrier(lanes: int, shape: LaneShape, tmp_path: Path) -> None:
    proved(windows_claims(shape, lanes), tmp_path)


@large
def test_many_lanes_behind_their_barrier(tmp_path: Path) -> None:
    proved(windows_claims(LANES["none, 16"], 16), tmp_path)


@pytest.mark.parametrize("depth", [2, 3, 4, 7])
def test_fifo(depth: int, tmp_path: Path) -> None:
    proved(fifo_claims(4, depth), tmp_path)


def test_window_control(tmp_path: Path) -> None:
    proved(control_claims(), tmp_path)


def dispatched(form: Form, brick: int, *, detect: bool = False) -> Claims:
    return dispatcher_claims(RowLayout(form, brick, 4, 2 if form == "packed_viai" else 0), tiles=2, detect=detect)


@pytest.mark.parametrize("brick", [4, 8])
@pytest.mark.parametrize("form", FORMS)
def test_dispatcher(form: Form, brick: int, tmp_path: Path) -> None:
    proved(dispatched(form, brick), tmp_path)


@pytest.mark.parametrize("form", ["dense", "raw", "viai"])
def test_dispatcher_of_whole_bricks(form: Form, tmp_path: Path) -> None:
    proved(dispatched(form, 16), tmp_path)


@large
@pytest.mark.parametrize("form", ["packed_viai", "zfnaf", "roe"])
def test_dispatcher_of_coded_bricks(form: Form, tmp_path: Path) -> None:
    proved(dispatched(form, 16), tmp_path)


@pytest.mark.parametrize("form", ["raw", "roe"])
def test_dispatcher_that_detects(form: Form, tmp_path: Path) -> None:
    proved(dispatched(form, 4, detect=True), tmp_path)
