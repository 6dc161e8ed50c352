"""`cosimulate`: layers of a network through the hardware, output for output and cycle for cycle (docs/hardware.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnvlutin2.errors import ConfigError
from cnvlutin2.hardware.chosen_layers import Choice, LayerImage, Source, choose_layers
from cnvlutin2.hardware.equality import compare
from cnvlutin2.hardware.loading import load
from cnvlutin2.hardware.nm_image import bank_rows, is_fetched
from cnvlutin2.hardware.parameters import Parameters
from cnvlutin2.hardware.simulators.protocol import Design, HardwareSimulator, LayerRunner, PassJob
from cnvlutin2.hardware.simulators.simulator_choice import choose_simulator
from cnvlutin2.hardware.stimuli import stimuli
from cnvlutin2.hardware.workload import PassWorkload, Workload
from cnvlutin2.organisation import Organisation, load_organisations
from cnvlutin2.simulation.arguments import GivenInputs
from cnvlutin2.timing.engines import make_engine

SCHEMA = "cnvlutin2/cosim/1"
MOST_CYCLES = (1 << 32) - 1
"""Cycles that the counters of the hardware hold."""
PATIENCE = 16
"""So many times the cycles that a pass should take it may take before it is given up."""
PATIENCE_CYCLES = 10_000
"""And so many beside."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many layers are done, and how many there are."""


@dataclass(frozen=True)
class CosimulatedLayer:
    """One image of a layer on an organisation's hardware.

    Parameters
    ----------
    layer, arch : str
    image : int
        Which of the network's.
    cycles : int
        As the results have them.
    rtl_cycles : int
        As the hardware counts them, over passes and groups, without filling and draining.
    passes : int
        Over all groups.
    windows_differing : int
        Windows, once for each pass of each group, that ended in another cycle of their pass than the simulator says.
    outputs, differing_outputs : int
        Accumulators that were compared with the integer convolution, and those that differ.
    starved : int
        Cycles in which a lane waited for a run that was due.
    fill, drain : int
        Constants of the hardware: clock cycles from ``start`` to the first cycle of a pass, and from its last one to ``done``.
    windows : int
        Windows that were compared, once for each pass of each group.
    first_difference : str
        In words; empty if there is none.
    """

    layer: str
    arch: str
    image: int
    cycles: int
    rtl_cycles: int
    passes: int
    windows_differing: int
    outputs: int
    differing_outputs: int
    starved: int
    fill: int
    drain: int
    windows: int = 0
    first_difference: str = ""

    @property
    def differs(self) -> bool:
        """Whether anything is not as it must be."""
        return bool(self.first_difference)

    def to_dict(self) -> dict[str, Any]:
        """Return it as it stands in JSON."""
        return {name: value for name, value in vars(self).items() if name not in ("windows", "first_difference")}


@dataclass(frozen=True)
class Cosimulation:
    """What went through the hardware, and what did not.

    Parameters
    ----------
    runs : sequence of CosimulatedLayer
        One for every layer, organisation and image.
    left_out : sequence of (str, str)
        Layers, and why each was left out.
    """

    runs: Sequence[CosimulatedLayer]
    left_out: Sequence[tuple[str, str]] = ()

    @property
    def differing(self) -> list[CosimulatedLayer]:
        """The runs in which anything is not as it must be."""
        return [run for run in self.runs if run.differs]

    def to_dict(self) -> dict[str, Any]:
        """Return it as `cnvlutin2 cosim --json` writes it."""
        left_out = [{"layer": layer, "reason": reason} for layer, reason in self.left_out]
        return {"schema": SCHEMA, "runs": [run.to_dict() for run in self.runs], "left_out": left_out}


def emitted(parameters: Parameters) -> str:
    """Return the Verilog of a design.

    Raises
    ------
    ToolMissing
        If Amaranth or its Yosys are not installed.
    """
    verilog: str = load("emission").emit_design(parameters)
    return verilog


@dataclass(frozen=True)
class Equipment:
    """With what layers are co-simulated.

    Parameters
    ----------
    simulator : {"verilator", "iverilog", "amaranth"} or None
        By default the first of them that is installed.
    wave : Path or None
        Where to write the waves.
    fifo_depth : int or None
        Runs that the FIFO before each lane of a tile holds; by default a lane's most in a window, which never makes anybody wait.
        Where it is less, windows that end later are no difference.
    emit : callable
        Makes the Verilog of parameters; for tests that plant a defect.
    tell : callable or None
        Told, in a line, of what takes long.
    """

    simulator: str | None = None
    wave: Path | None = None
    fifo_depth: int | None = None
    emit: Callable[[Parameters], str] = emitted
    tell: Callable[[str], None] | None = None


def cosimulate(
    layers: Source,
    organisations: str | Path | Organisation | Iterable[str | Path | Organisation],
    inputs: GivenInputs = None,
    *,
    choice: Choice = Choice(),  # noqa: B008 - frozen
    equipment: Equipment = Equipment(),
    progress: Progress | None = None,
) -> Cosimulation:
    """Run layers through the hardware of organisations, and compare outputs and cycles.

    Parameters
    ----------
    layers : Network, Layer, sequence of Layer, str or Path
        As `cnvlutin2.simulate` takes them.
    organisations : str, Path, Organisation, or several of them
    inputs : Inputs, array, path or paths, optional
        What to run a network on; as of `cnvlutin2.simulate`.
    choice : Choice, optional
        Which layers and images; by default all layers, the first image.
    equipment : Equipment, optional
        Which simulator, and how it is used.
    progress : callable, optional

    Returns
    -------
    Cosimulation
        A run for every layer, organisation and image; whether it `differs` is for the caller to look at.

    Raises
    ------
    ConfigError
        If an organisation has no hardware; names the key.
    ToolMissing
        Names the package to install.
    SimulatorError
        If the hardware cannot be built or its simulator dies; names the log.
    """
    chosen_ones = load_organisations(organisations)
    for organisation in chosen_ones:
        check_buildable(organisation, fifo_depth=equipment.fifo_depth)
    if equipment.wave and len(chosen_ones) > 1:
        raise ConfigError(f"waves are of one organisation, not of {len(chosen_ones)}", source="wave")
    simulator = choose_simulator(equipment.simulator, equipment.tell)
    chosen = choose_layers(layers, inputs, chosen_ones, choice)
    total, runs = sum(map(len, chosen.by_organisation)), list[CosimulatedLayer]()
    left_out = dict(chosen.left_out)
    for organisation, some in zip(chosen_ones, chosen.by_organisation, strict=True):
        refused = {each.layer.name: reason for each in some if (reason := refusal(each, organisation))}
        left_out |= refused
        taken = [each for each in some if each.layer.name not in refused]
        for run in _cosimulated(organisation, taken, simulator, equipment):
            runs.append(run)
            if progress is not None:
                progress(f"{organisation.name}: {run.layer}", len(runs), total)
    return Cosimulation(runs, list(left_out.items()))


def check_buildable(organisation: Organisation, **sizes: int | None) -> None:
    """Refuse an organisation that has no hardware.

    Raises
    ------
    ConfigError
        Names the organisation, the key and what would do.
    """
    try:
        Parameters.of(organisation, **sizes)
    except ConfigError as error:
        raise ConfigError(str(error), source=organisation.name) from None


def refusal(each: LayerImage, organisation: Organisation) -> str:
    """Return why hardware does not take a layer; nothing if it does."""
    if each.cycles > MOST_CYCLES:
        return f"{organisation.name}: it takes {each.cycles} cycles, more than the hardware's counters hold"
    return ""


def _cosimulated(
    organisation: Organisation, some: Sequence[LayerImage], simulator: HardwareSimulator, equipment: Equipment
) -> Iterator[CosimulatedLayer]:
    """Yield what one organisation's hardware does with layers, as it is done."""
    if not some:
        return
    engine = make_engine()
    sizes = [Workload(each.layer, organisation, each.mode, engine) for each in some]
    parameters = parameters_for(organisation, sizes, equipment.fifo_depth)
    design = Design(parameters, equipment.emit(parameters))
    with simulator.open(design, equipment.wave) as run_jobs:
        for each in some:
            yield run_layer(each, Workload(each.layer, organisation, each.mode, engine), parameters, run_jobs)


def parameters_for(organisation: Organisation, workloads: Sequence[Workload], fifo_depth: int | None) -> Parameters:
    """Return the parameters of hardware with room for layers; sizes are rounded up, so that networks share what is built."""
    longest = 1 << max(2, (max(workload.plan.longest for workload in workloads) - 1).bit_length())
    rows = max((bank_rows(workload) for workload in workloads if is_fetched(workload)), default=0)
    nm_rows = rows and 1 << (rows - 1).bit_length()
    depth = max(4, longest) if fifo_depth is None else fifo_depth
    return Parameters.of(organisation, window_runs=longest, fifo_depth=depth, nm_rows=nm_rows, encoder_depth=0)


def run_layer(each: LayerImage, workload: Workload, parameters: Parameters, run_jobs: LayerRunner) -> CosimulatedLayer:
    """Run one image of a layer through hardware, all passes of all groups."""
    fill, drain = parameters.fill, parameters.drain
    may_wait = parameters.fifo_depth < workload.plan.longest
    running: list[PassWorkload] = []

    def jobs() -> Iterator[PassJob]:
        for work, given in stimuli(workload, parameters):
            running.append(work)
            yield PassJob(work, given, PATIENCE * work.cycles + PATIENCE_CYCLES)

    results = run_jobs(jobs())
    found = [compare(running.pop(0), result, fill + drain, may_wait=may_wait) for result in results]
    first = next((comparison.first for comparison in found if comparison.first), "")
    cycles = sum(comparison.cycles for comparison in found)
    if not first and cycles != each.cycles and not may_wait:
        first = f"the layer took {cycles} cycles, should be {each.cycles}"
    return CosimulatedLayer(
        layer=each.layer.name,
        arch=workload.organisation.name,
        image=each.image,
        cycles=each.cycles,
        rtl_cycles=cycles,
        passes=len(found),
        windows_differing=sum(comparison.windows_differing for comparison in found),
        outputs=sum(comparison.outputs for comparison in found),
        differing_outputs=sum(comparison.differing_outputs for comparison in found),
        starved=sum(comparison.starved for comparison in found),
        fill=fill,
        drain=drain,
        windows=workload.window_ends.size,
        first_difference=first,
    )
