"""Traces of the shared folder through the hardware, in Icarus Verilog: the cycles that the project was given to agree with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("amaranth", reason="the hardware needs Amaranth: the extra [hardware]")

from test_engines import EXPECTED, TRACES, load_trace

from cnvlutin2.hardware.cosimulation import Equipment, cosimulate
from cnvlutin2.organisation import Organisation

pytestmark = pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
MOST_MULTIPLIERS, MOST_CYCLES = 32, 2500
"""Of machines, and of layers on them, that are run here; others take minutes (`benchmarks/hardware.py` has a whole network)."""


def runs_here(organisation: Organisation, cycles: int) -> bool:
    """Whether it is small; tiles that run apart without limit have no hardware."""
    unbounded = organisation.tile_sync == "layer" and organisation.skip_weights != "none"
    return organisation.slots_per_cycle <= MOST_MULTIPLIERS and cycles <= MOST_CYCLES and not unbounded


@pytest.mark.parametrize(("folder", "trace"), TRACES)
def test_the_hardware_takes_the_expected_cycles(shared: Path, folder: str, trace: str) -> None:
    layer = load_trace(shared / folder / f"{trace}.npz")
    ran = 0
    for file in EXPECTED[folder][1]:
        cases = json.loads((shared / folder / f"{file}.json").read_text("utf-8"))[trace]["organisations"]
        for name, case in cases.items():
            organisation = Organisation.parse({**case["config"], "name": name})
            if runs_here(organisation, case["cycles"]):
                (found,) = cosimulate(layer, organisation, equipment=Equipment("iverilog")).runs
                assert (found.first_difference, found.rtl_cycles) == ("", case["cycles"]), name
                ran += 1
    if not ran:
        pytest.skip("its machines are too large for here")
