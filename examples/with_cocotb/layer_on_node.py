"""A layer of the bundled network on the hardware, under cocotb and Icarus Verilog.

Run it as a program: it emits the design, builds it, and lets cocotb run the test at its end.

    python -m pip install cocotb 'cnvlutin2[hardware]'      # and the program iverilog
    python examples/with_cocotb/layer_on_node.py

Each neuron lane is fed by a coroutine of its own, over the ports ``run_<l>_t*``; another one watches windows end and outputs
come. Both are held against the model: cycles of every window, and the convolution in integers.
"""

from __future__ import annotations

import os
from pathlib import Path

import cocotb
import numpy as np
from amaranth.lib.wiring import In
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

import cnvlutin2
from cnvlutin2.hardware import emit
from cnvlutin2.hardware.chosen_layers import Choice, choose_layers
from cnvlutin2.hardware.design.node_ports import node_ports
from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.hardware.stimuli import PassStimuli, Transfers, stimuli
from cnvlutin2.hardware.workload import PassWorkload, Workload
from cnvlutin2.organisation import with_overrides
from cnvlutin2.timing.engines import make_engine

SIZES = {"tiles": 2, "filters_per_tile": 4, "lanes": 4, "brick": 4}
LAYER = "conv3_1"


def first_pass() -> tuple[Parameters, PassWorkload, PassStimuli]:
    """Return what is built, what its first pass must do, and what goes in."""
    organisation = with_overrides(cnvlutin2.preset("cnv2-weights"), SIZES)
    chosen = choose_layers("digits-pruned", None, [organisation], Choice(layers=(LAYER,)))
    ((one,),) = chosen.by_organisation
    workload = Workload(one.layer, organisation, one.mode, make_engine())
    longest = workload.plan.longest
    parameters = Parameters.of(organisation, window_runs=longest, fifo_depth=longest, nm_rows=0, encoder_depth=0)
    work, given = next(iter(stimuli(workload, parameters)))
    return parameters, work, given


def number(words: np.ndarray) -> int:
    """Return words of 32 bits, the lowest first, as one number."""
    return int.from_bytes(words.astype("<u4").tobytes(), "little")


async def load(dut, stream: str, transfers: Transfers) -> None:
    """Send transfers through a stream that is always ready."""
    valid, data, user = (getattr(dut, f"{stream}_t{part}") for part in ("valid", "data", "user"))
    for words, place in zip(transfers.data, transfers.user, strict=True):
        data.value, user.value, valid.value = number(words), number(place), 1
        await RisingEdge(dut.clk)
    valid.value = 0


async def feed(dut, lane: int, given: PassStimuli) -> None:
    """Offer a lane its runs, one after the other, each until it is taken."""
    names = ("valid", "ready", "data", "user", "last")
    valid, ready, data, user, last = (getattr(dut, f"run_{lane}_t{name}") for name in names)
    for place, row in enumerate(given.order[lane]):
        data.value, user.value = number(given.rows.data[row]), number(given.rows.user[row])
        last.value, valid.value = int((place + 1) % given.window_runs[lane] == 0), 1
        await RisingEdge(dut.clk)
        while not ready.value:
            await RisingEdge(dut.clk)
    valid.value = 0


async def watch(dut, parameters: Parameters, work: PassWorkload) -> None:
    """Compare windows' ends and outputs until the pass is done."""
    bits, seats = parameters.accumulator_bits, parameters.tiles * parameters.filters_per_tile
    ends: dict[int, int] = {}
    outputs: dict[int, list[int]] = {}
    done = False
    while not done:
        await RisingEdge(dut.clk)  # what is read now is what it was in the cycle that this edge ends
        if dut.wend.value:
            ends[int(dut.wend_window.value)] = int(dut.wend_cycle.value)
        if dut.outputs_tvalid.value:
            together = int(dut.outputs_tdata.value)
            fields = [together >> seat * bits & ((1 << bits) - 1) for seat in range(seats)]
            outputs[int(dut.outputs_tuser.value)] = [field - (field >> bits - 1 << bits) for field in fields]
        done = bool(dut.done.value)
    assert ends == dict(enumerate(work.window_ends.tolist()))
    assert outputs == dict(enumerate(work.outputs.reshape(work.windows, seats).tolist()))
    assert int(dut.cycles.value) == work.cycles
    assert int(dut.starved.value) == 0
    counts = f"{work.windows} windows, {work.cycles} cycles, {work.outputs.size} outputs"
    dut._log.info(f"{LAYER}: {counts}, all as the model has them")


@cocotb.test()
async def pass_takes_the_cycles_of_the_model(dut) -> None:
    """Run a pass."""
    parameters, work, given = first_pass()
    cocotb.start_soon(Clock(dut.clk, 1, "ns").start())
    for name, port in node_ports(parameters).items():
        if port.flow is In:
            getattr(dut, name).value = given.settings.get(name, 0)
    dut.rst.value = 1
    await RisingEdge(dut.clk)
    dut.rst.value = 0
    await load(dut, "weights", given.weights)
    await load(dut, "masks", given.masks)
    for lane in range(parameters.lanes):
        cocotb.start_soon(feed(dut, lane, given))
    done = cocotb.start_soon(watch(dut, parameters, work))
    dut.start.value = 1
    await RisingEdge(dut.clk)
    dut.start.value = 0
    await done


def main() -> None:
    """Emit and build the design, and run the test."""
    from cocotb_tools.runner import get_runner

    parameters, _, _ = first_pass()
    build = Path("cocotb_build")
    build.mkdir(exist_ok=True)
    sizes = {name: getattr(parameters, name) for name in ("window_runs", "fifo_depth", "nm_rows", "encoder_depth")}
    verilog = emit(parameters.organisation, **sizes)
    (build / "node.v").write_text(verilog, encoding="utf-8")
    runner = get_runner("icarus")
    runner.build(
        sources=[build / "node.v"], hdl_toplevel="node", build_args=["-g2005"], build_dir=build, timescale=("1ns", "1ps")
    )
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    runner.test(hdl_toplevel="node", test_module=Path(__file__).stem, build_dir=build)


if __name__ == "__main__":
    main()
