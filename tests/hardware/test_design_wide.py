"""Parts with more outputs than an instance may have are described in place, and do the same."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

pytest.importorskip("amaranth", reason="the hardware needs Amaranth: the extra [hardware]")

from cnvlutin2.hardware.chosen_layers import LayerImage
from cnvlutin2.hardware.cosimulation import run_layer
from cnvlutin2.hardware.design import hierarchy
from cnvlutin2.hardware.emission import emit_design
from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.hardware.simulators.protocol import Design
from cnvlutin2.hardware.simulators.simulator_choice import choose_simulator
from cnvlutin2.hardware.workload import Workload
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import preset, with_overrides
from cnvlutin2.timing.plain import PlainEngine


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_lanes_of_all_tiles_that_are_too_wide_for_an_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    values = rng.integers(-9, 9, (1, 9, 3, 3)).astype(np.int16)
    layer = Layer("wide", values, rng.integers(-3, 3, (4, 9, 2, 2)).astype(np.int16), threshold=3)
    sizes = {"tiles": 2, "filters_per_tile": 2, "lanes": 3, "brick": 4, "tile_sync": "brick"}
    organisation = with_overrides(preset("cnv2-weights"), sizes)
    workload = Workload(layer, organisation, "skip", PlainEngine())
    parameters = Parameters.of(organisation, window_runs=workload.plan.longest, nm_rows=0, encoder_depth=0)
    as_instance = emit_design(parameters)
    monkeypatch.setattr(hierarchy, "WIDEST", 150)
    monkeypatch.setattr(hierarchy, "refuse_too_wide", lambda _part: None)
    text = emit_design(parameters)
    assert "module neuron_lanes(" in as_instance
    assert "module lanes(" in text
    assert "module neuron_lanes(" not in text
    with choose_simulator("iverilog").open(Design(parameters, text)) as run:
        found = run_layer(LayerImage(layer, 0, "skip", workload.cycles), workload, parameters, run)
    assert (found.first_difference, found.rtl_cycles, found.starved) == ("", workload.cycles, 0)
