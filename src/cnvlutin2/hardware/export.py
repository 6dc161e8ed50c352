"""The files of `cnvlutin2 rtl`: the design, and for a layer its memory images and test bench."""

from __future__ import annotations

from cnvlutin2.errors import NetworkError
from cnvlutin2.hardware.chosen_layers import LayerImage
from cnvlutin2.hardware.cosimulation import PATIENCE, PATIENCE_CYCLES, emitted, parameters_for, refusal
from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.hardware.simulators.protocol import Design, PassJob
from cnvlutin2.hardware.stimuli import stimuli
from cnvlutin2.hardware.testbench import BENCH, bench_files
from cnvlutin2.hardware.workload import Workload
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing.engines import make_engine

NODE = "node.v"
_IMAGES = ("passes", "weights", "masks", "nm", "rows", "order", "ends", "seats", "outputs")
WRITTEN = (NODE, BENCH, *(f"{name}.hex" for name in _IMAGES))
"""All files that may be written."""


def design_files(parameters: Parameters) -> dict[str, str]:
    """Return the design alone."""
    return {NODE: emitted(parameters)}


def layer_files(organisation: Organisation, each: LayerImage, fifo_depth: int | None = None) -> dict[str, str]:
    """Return the design with room for a layer, the layer's images and a test bench that checks itself.

    Raises
    ------
    NetworkError
        If hardware does not take the layer.
    """
    reason = refusal(each, organisation)
    if reason:
        raise NetworkError(f"layer {each.layer.name!r}: {reason}")
    workload = Workload(each.layer, organisation, each.mode, make_engine())
    parameters = parameters_for(organisation, [workload], fifo_depth)
    design = Design(parameters, emitted(parameters))
    passes = stimuli(workload, parameters)
    jobs = [PassJob(work, given, PATIENCE * work.cycles + PATIENCE_CYCLES) for work, given in passes]
    title = f"layer {each.layer.name}, {organisation.name}, image {each.image}"
    return {NODE: design.verilog, **bench_files(design, jobs, title)}
