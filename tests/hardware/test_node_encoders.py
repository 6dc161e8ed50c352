"""Encoders in the node: records of a layer's windows as they come out of the tiles, and how long they are waited for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import cnvlutin2
from cnvlutin2.network import Layer
from cnvlutin2.numeric import quantise
from cnvlutin2.organisation import Organisation, with_overrides
from cnvlutin2.timing.engines import make_engine

pytest.importorskip("amaranth", reason="the hardware is written in Amaranth: install cnvlutin2[hardware]")

from cnvlutin2.hardware.design.node import Node
from cnvlutin2.hardware.parameters import Parameters, saturated_threshold
from cnvlutin2.hardware.simulators.amaranth import Bench
from cnvlutin2.hardware.simulators.protocol import PassJob
from cnvlutin2.hardware.stimuli import PassStimuli, stimuli
from cnvlutin2.hardware.workload import PassWorkload, Workload

SHIFT, THRESHOLD = 2, 3
LATENCY = 7
"""Beside a brick's own: three through the tile, two in and out of what holds bricks, one each into the encoder and the record."""


class EncodedPass:
    """What comes out of a node's encoders in a pass.

    Attributes
    ----------
    streams : list of str
        By tile, its records, first bit first.
    wait : int
    lost : bool
    """

    def __init__(self, parameters: Parameters, work: PassWorkload, given: PassStimuli) -> None:
        self.streams = [""] * parameters.tiles
        self.wait, self.lost, self._ended = 0, False, False
        self._node, self._filters = Node(parameters), work.occupied.sum(axis=1).tolist()
        bench = Bench(self._node)
        bench.simulator.add_testbench(self._take, background=True)
        (self.result,) = bench.run([PassJob(work, given, 16 * work.cycles + 10_000)])
        while not self._ended:
            bench.simulator.advance()

    async def _take(self, ctx) -> None:  # type: ignore[no-untyped-def]
        node = self._node
        for port, value in (("shift", SHIFT), ("rectify", 1), ("threshold", saturated_threshold(THRESHOLD, 8))):
            ctx.set(getattr(node, f"output_{port}"), value)
        for tile, filters in enumerate(self._filters):
            ctx.set(getattr(node, f"output_filters_{tile}"), filters)
            ctx.set(getattr(node, f"encoded_{tile}_tready"), 1)
        done = False
        while not (done and not ctx.get(node.encoders_busy)):
            for tile in range(len(self.streams)):
                if ctx.get(getattr(node, f"encoded_{tile}_tvalid")):
                    bits = f"{ctx.get(getattr(node, f'encoded_{tile}_tdata')):0500b}"[::-1]
                    self.streams[tile] += bits[: ctx.get(getattr(node, f"encoded_{tile}_tuser"))]
            done = done or bool(ctx.get(node.done))
            await ctx.tick()
        for _ in range(8):
            await ctx.tick()
        self.wait, self.lost = ctx.get(node.encoder_wait), bool(ctx.get(node.encoder_lost))
        self._ended = True


def passes_of(organisation: Organisation, layer: Layer, depth: int) -> list[tuple[PassWorkload, EncodedPass]]:
    workload = Workload(layer, organisation, "skip", make_engine())
    longest = workload.plan.longest
    parameters = Parameters.of(organisation, window_runs=longest, fifo_depth=max(4, longest), nm_rows=0, encoder_depth=depth)
    return [(work, EncodedPass(parameters, work, given)) for work, given in stimuli(workload, parameters)]


def layer_of(filters: int, density: float) -> Layer:
    rng = np.random.default_rng(filters)
    activations = (rng.integers(-30, 30, (1, 6, 5, 4)) * (rng.random((1, 6, 5, 4)) < density)).astype(np.int16)
    return Layer("layer", activations, rng.integers(-9, 9, (filters, 6, 2, 1)).astype(np.int16))


def machine(arch: str, format_name: str, values_per_cycle: int) -> Organisation:
    sizes = {"tiles": 2, "filters_per_tile": 4, "lanes": 2, "brick": 4, "data_bits": 8}
    stored = {"format": format_name, "encoder_values_per_cycle": values_per_cycle}
    return with_overrides(cnvlutin2.preset(arch), {**sizes, **stored})


@pytest.mark.parametrize(
    ("arch", "format_name"),
    [*(("cnv2-dispatch", name) for name in ("dense", "zfnaf", "roe", "viai", "packed_viai")), ("cnv2-weights", "packed_viai")],
)
def test_tiles_write_what_the_layers_output_is_encoded_as(arch: str, format_name: str) -> None:
    """Eleven filters: four in each tile, then three in the first and none in the second."""
    layer = layer_of(11, 0.6)
    for work, encoded in passes_of(machine(arch, format_name, 3), layer, 32):
        assert (encoded.result.window_ends == work.window_ends).all()
        assert not encoded.lost
        for tile, stream in enumerate(encoded.streams):
            own = work.outputs[:, tile, work.occupied[tile]]
            assert stream == (stream_of(own, format_name) if own.size else "")


def stream_of(accumulators: NDArray[np.int64], format_name: str) -> str:
    """The stream of the output of some filters, ``[windows, filters]``; 4 x 4 windows."""
    stored = quantise(np.maximum(accumulators, 0).astype(np.float64), -SHIFT, 8)
    encoded = cnvlutin2.encode(stored.T.reshape(-1, 4, 4), format_name, 4, 8, THRESHOLD)
    return "".join(f"{byte:08b}"[::-1] for byte in encoded.stream)[: encoded.stream_bits]


@pytest.mark.parametrize(("values_per_cycle", "density"), [(1, 0.02), (1, 1.0), (2, 0.3), (0, 0.02)])
def test_a_layer_waits_for_what_its_encoders_have_left(values_per_cycle: int, density: float) -> None:
    """Bricks come when windows end, and each takes its cycles: the wait is no less than the model's, which knows sums alone."""
    ((work, encoded),) = passes_of(machine("cnv2-dispatch", "zfnaf", values_per_cycle), layer_of(8, density), 32)
    each = -(-4 // (values_per_cycle or 4))
    finished = 0
    for end in work.window_ends.tolist():
        finished = max(finished, end) + each
    assert encoded.wait == finished - work.cycles + LATENCY
    assert encoded.wait >= max(0, each * work.windows - work.cycles)


def test_too_few_places_lose_bricks_and_say_so() -> None:
    ((_, encoded),) = passes_of(machine("cnv2-dispatch", "zfnaf", 1), layer_of(8, 0.0), 2)
    assert encoded.lost
