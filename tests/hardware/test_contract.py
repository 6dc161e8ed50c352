"""The contract of engines, held against the hardware: every window's end, every pass, every layer, and every output.

Layers and images are drawn for fixed machines, whose hardware is built once: in Verilator, and some in Amaranth's own simulator,
which needs no tool. The cycles are those of the slow reference, which shares no code with the package.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import MACHINES, SIZES
from reference_engine import ReferenceEngine

pytest.importorskip("amaranth", reason="the hardware needs cnvlutin2[hardware]")

from cnvlutin2.hardware.chosen_layers import LayerImage
from cnvlutin2.hardware.cosimulation import CosimulatedLayer, emitted, run_layer
from cnvlutin2.hardware.nm_image import bank_rows, is_fetched
from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.hardware.simulators.protocol import Design, LayerRunner
from cnvlutin2.hardware.simulators.simulator_choice import choose_simulator
from cnvlutin2.hardware.workload import Workload
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation
from cnvlutin2.testing import layers
from cnvlutin2.timing.engine import RunMode

REFERENCE = ReferenceEngine()
EXAMPLES = 40
"""Layers a machine in Verilator; of each up to two images, skipping and dense."""
SMALL = ("zfnaf", "raw-8", "shared", "drift-1", "one-multiplier")
"""Machines for Amaranth's own simulator, which is some thousand times slower."""


class Machine:
    """Hardware that was built, and runs layers."""

    def __init__(self, organisation: Organisation, simulator: str, stack: ExitStack) -> None:
        self.organisation = organisation
        self.parameters = Parameters.of(organisation, **SIZES)
        verilog = emitted(self.parameters) if simulator != "amaranth" else ""
        self._run: LayerRunner = stack.enter_context(choose_simulator(simulator).open(Design(self.parameters, verilog)))

    def run(self, layer: Layer, mode: RunMode) -> Iterator[CosimulatedLayer]:
        """Run all images of a layer."""
        for image in range(layer.images):
            workload = Workload(layer.image(image), self.organisation, mode, REFERENCE)
            fits = workload.plan.longest <= SIZES["window_runs"]
            if fits and (not is_fetched(workload) or bank_rows(workload) <= SIZES["nm_rows"]):
                yield run_layer(LayerImage(workload.layer, image, mode, workload.cycles), workload, self.parameters, self._run)


def machine(request: pytest.FixtureRequest, simulator: str) -> Iterator[Machine]:
    with ExitStack() as stack:
        yield Machine(MACHINES[request.param], simulator, stack)


@pytest.fixture(scope="module", params=MACHINES)
def in_verilator(request: pytest.FixtureRequest) -> Iterator[Machine]:
    yield from machine(request, "verilator")


@pytest.fixture(scope="module", params=SMALL)
def in_amaranth(request: pytest.FixtureRequest) -> Iterator[Machine]:
    yield from machine(request, "amaranth")


needs_verilator = pytest.mark.skipif(shutil.which("verilator") is None, reason="Verilator is not installed")


def same(found: CosimulatedLayer) -> None:
    assert found.first_difference == ""
    assert (found.rtl_cycles, found.windows_differing, found.differing_outputs, found.starved) == (found.cycles, 0, 0, 0)
    assert found.outputs > 0


def modes(organisation: Organisation) -> tuple[RunMode, ...]:
    return ("skip", "dense") if organisation.skips else ("dense",)


@needs_verilator
def test_layers_take_the_models_cycles_and_give_the_convolution(in_verilator: Machine) -> None:
    """More than a thousand (layer, image, mode) over all machines: see `test_there_are_a_thousand`."""
    organisation = in_verilator.organisation

    drawn = layers(data_bits=organisation.data_bits, max_images=2, max_channels=24, max_filters=7)

    @settings(max_examples=EXAMPLES)
    @given(drawn, st.sampled_from(modes(organisation)))
    def check(layer: Layer, mode: RunMode) -> None:
        for found in in_verilator.run(layer, mode):
            same(found)
            ran.append(organisation.name)

    ran: list[str] = []
    check()
    RAN.extend(ran)
    assert len(ran) >= EXAMPLES


RAN: list[str] = []


@needs_verilator
def test_there_are_a_thousand(request: pytest.FixtureRequest) -> None:
    if len(set(RAN)) < len(MACHINES):
        pytest.skip("not all machines ran")
    assert len(RAN) >= 1000


@pytest.mark.parametrize("mode", ["skip", "dense"])
def test_small_layers_in_amaranths_own_simulator(in_amaranth: Machine, mode: RunMode) -> None:
    organisation = in_amaranth.organisation

    @settings(max_examples=6)
    @given(layers(data_bits=organisation.data_bits, max_images=1, max_channels=6, max_filters=3))
    def check(layer: Layer) -> None:
        for found in in_amaranth.run(layer, mode):
            same(found)

    check()
