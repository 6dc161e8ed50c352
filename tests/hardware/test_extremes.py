"""Hardware at the ends of what parameters may be: thresholds out of reach, records of many rows."""

from __future__ import annotations

import numpy as np
import pytest

import cnvlutin2
from cnvlutin2.network import Layer
from cnvlutin2.organisation import with_overrides

pytest.importorskip("amaranth", reason="the hardware is written in Amaranth: install cnvlutin2[hardware]")

from cnvlutin2.hardware import cosimulate
from cnvlutin2.hardware.cosimulation import Equipment

IN_PYTHON = Equipment(simulator="amaranth")
SMALL = {"tiles": 1, "filters_per_tile": 2, "lanes": 2, "brick": 2, "layer_mode": "skip"}


@pytest.mark.parametrize("arch", ["cnv2-dispatch", "cnv-roe"])
@pytest.mark.parametrize("threshold", [127, 128, 129, 5000])
def test_of_a_threshold_out_of_reach_nothing_is_left(arch: str, threshold: int) -> None:
    """-128 has a magnitude of 128 in its 8 bits, and is effectual up to that threshold."""
    organisation = with_overrides(cnvlutin2.preset(arch), {**SMALL, "data_bits": 8})
    rng = np.random.default_rng(1)
    activations = rng.choice([-128, -127, 127, 0, 5], (1, 8, 3, 3)).astype(np.int16)
    weights = rng.integers(-9, 9, (2, 8, 2, 2)).astype(np.int16)
    (run,) = cosimulate([Layer("a", activations, weights, threshold=threshold)], organisation, equipment=IN_PYTHON).runs
    assert not run.differs, run.first_difference


def test_a_record_of_four_rows_holds_its_run_for_four_cycles() -> None:
    """Two values of 2 bits: a row has 6 bits, and a record takes 16."""
    organisation = with_overrides(cnvlutin2.preset("cnv-packed"), {**SMALL, "data_bits": 2})
    rng = np.random.default_rng(2)
    activations = rng.choice([0, 0, 0, 1], (1, 8, 3, 3)).astype(np.int16)
    weights = rng.integers(-2, 2, (2, 8, 2, 2)).astype(np.int16)
    (run,) = cosimulate([Layer("a", activations, weights)], organisation, equipment=IN_PYTHON).runs
    assert not run.differs, run.first_difference
    assert run.cycles > 4 * 8 * 3  # windows, runs of a lane, rows: two of three records touch three rows, the others four
