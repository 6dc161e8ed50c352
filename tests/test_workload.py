"""What the hardware gets: its runs, replayed, take the engine's cycles, and their products add up to the convolution."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from reference_engine import ReferenceEngine

from cnvlutin2.hardware.workload import PassWorkload, Workload
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Organisation
from cnvlutin2.testing import layers, organisations
from cnvlutin2.timing.engine import RunMode

REFERENCE = ReferenceEngine()
MODES: tuple[RunMode, ...] = ("skip", "dense")


def rows_walked(work: PassWorkload, lane: int, window: int) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """The rows of a lane in a window, as subscripts."""
    own = slice(work.plan.begins[lane], work.plan.begins[lane + 1])
    return work.plan.run_of[own], work.places[work.plan.step_of[own], window]


def lane_end(costs: NDArray[np.integer], drift: int) -> int:
    """When a lane ends whose filters take ``costs[run, filter]`` and are at most `drift` runs apart."""
    ends = np.zeros((len(costs) + 1, costs.shape[1]), np.int64)  # before run 0 all have ended
    for q, cost in enumerate(costs):
        ends[q + 1] = np.maximum(ends[q], ends[max(q - drift, 0)].max()) + cost
    return int(ends[-1].max())


def replayed(work: PassWorkload, organisation: Organisation, mode: RunMode) -> list[int]:
    """The ends of windows, from what each lane gets alone."""
    o, brick = organisation, organisation.brick
    wanted = work.wanted.reshape(o.tiles * o.filters_per_tile, o.lanes, -1, brick)
    parts = np.arange(len(wanted)).reshape(o.tiles, o.filters_per_tile).tolist()
    if mode == "dense" or o.tile_sync == "brick" or o.skip_weights == "none":
        parts = [[r for tile in parts for r in tile]]
    drift = 0
    if o.filters_part and mode == "skip":
        drift = work.plan.longest if o.drift is None else o.drift
    totals = np.zeros(len(parts), np.int64)
    ends = []
    for window in range(work.windows):
        for number, part in enumerate(parts):
            slowest = 0
            for lane in range(work.plan.lanes_in_use):
                walked = rows_walked(work, lane, window)
                masks = work.rows.seen[walked][:, None] & wanted[part, lane, : len(walked[0])].swapaxes(0, 1)
                products = masks.sum(axis=2)
                costs = np.maximum(products, work.rows.nm_rows[walked][:, None])
                costs = costs + (o.run_overhead if mode == "skip" else 0)
                slowest = max(slowest, lane_end(costs, drift))
            totals[number] += slowest + o.window_overhead
        if o.tile_sync != "layer":
            totals[:] = totals.max()
        ends.append(int(totals.max()))
    return ends


@settings(max_examples=300)
@given(layers(max_images=1, max_channels=20, max_filters=8), organisations(), st.sampled_from(MODES))
def test_runs_replayed_take_the_engines_cycles(layer: Layer, organisation: Organisation, mode: RunMode) -> None:
    if mode == "skip" and not organisation.skips:
        mode = "dense"
    work = Workload(layer, organisation, mode, REFERENCE)
    found = [replayed(each, organisation, mode) for each in work.passes()]
    expected = REFERENCE.window_ends(layer, organisation, mode)[0]
    assert found == expected.reshape(len(found), -1).tolist()
    assert [each.window_ends.tolist() for each in work.passes()] == found
    assert work.cycles == sum(ends[-1] for ends in found)


@settings(max_examples=300)
@given(layers(max_images=1, max_channels=20, max_filters=8), organisations(), st.sampled_from(MODES))
def test_products_of_the_runs_add_up(layer: Layer, organisation: Organisation, mode: RunMode) -> None:
    """What SB holds times what the lanes see is what the accumulators must hold, and that is the convolution."""
    if not organisation.skips:
        mode = "dense"
    outputs = np.zeros((layer.filters, layer.windows), np.int64)
    work = Workload(layer, organisation, mode, REFERENCE)
    brick, seats = organisation.brick, work.schedule.seats
    for each in work.passes():
        multiplied = np.where(each.wanted, each.weights, 0).astype(np.int64)
        sums = np.zeros_like(each.outputs)
        for window in range(each.windows):
            for lane in range(each.plan.lanes_in_use):
                walked = rows_walked(each, lane, window)
                taken = np.where(each.rows.effectual & each.rows.seen, each.rows.values, 0)[walked].ravel().astype(np.int64)
                sums[window] += multiplied[:, :, lane, : taken.size] @ taken
        assert sums.tolist() == each.outputs.tolist()
        own = np.flatnonzero(seats.pass_of == each.number)
        outputs[each.group * seats.filters + own] = sums[:, seats.tile_of[own], seats.slot_of[own]].T
    assert outputs.tolist() == reference_convolution(layer).tolist()
    assert brick == each.rows.values.shape[2]


def reference_convolution(layer: Layer) -> NDArray[np.int64]:
    """Every output by its definition, ``[Co, windows]``."""
    (top, left, bottom, right), (sy, sx), (dy, dx) = layer.pads, layer.strides, layer.dilations
    kh, kw = layer.kernel_size
    activations = layer.activations[0].astype(np.int64) * (np.abs(layer.activations[0].astype(np.int64)) >= layer.threshold)
    weights = layer.weights.astype(np.int64) * (np.abs(layer.weights.astype(np.int64)) >= layer.weight_threshold)
    padded = np.pad(activations, ((0, 0), (top, bottom), (left, right)))
    outputs = np.zeros((layer.filters, *layer.output_size), np.int64)
    for f in range(layer.filters):
        first = f // layer.group_filters * layer.group_channels
        own = padded[first : first + layer.group_channels]
        for oy, ox in np.ndindex(*layer.output_size):
            seen = own[:, oy * sy : oy * sy + dy * (kh - 1) + 1 : dy, ox * sx : ox * sx + dx * (kw - 1) + 1 : dx]
            outputs[f, oy, ox] = (seen * weights[f]).sum()
    return outputs.reshape(layer.filters, -1)
