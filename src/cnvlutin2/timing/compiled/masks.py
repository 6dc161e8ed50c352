"""The masks of runs, of activations and of weights; for compiled code."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd.jit import helper, kernel
from cnvlutin2.simd.narrow import larger, plus
from cnvlutin2.simd.sizes import Integer
from cnvlutin2.timing.compiled.records import Bytes, Edges


@helper
def pack_runs(
    starts: Edges, stops: Edges, margin: Integer, places: Integer, steps_bits: Bytes, begin: Integer, masks: Bytes
) -> None:
    """Pack the bits of a map, which the lanes take for effectual, run by run, the first value lowest.

    Parameters
    ----------
    starts, stops : int32 ``[runs]``
        The values of each run of a step.
    margin, places : int
    steps_bits : uint8
        By step: value by value, place by place.
    begin : Integer
        Where the map's begin.
    masks : uint8 ``[runs, bytes, margin + places + margin]``
        Set, but for the margins, which stand for the padding.
    """
    for r in range(starts.size):
        pack_run(stops[r] - starts[r], margin, places, steps_bits, begin + starts[r] * places, masks[r])


@helper
def pack_run(length: Integer, margin: Integer, places: Integer, steps_bits: Bytes, begin: Integer, masks: Bytes) -> None:
    """Pack the bits of one run, whose values begin at `begin`, into ``[bytes, margin + places + margin]``; as `pack_runs`."""
    for b in range(masks.shape[0]):
        row = masks[b, margin : margin + places]
        for x in range(places):
            row[x] = 0
        for v in range(min(length, 8 * b + 8) - 1, 8 * b - 1, -1):
            values = steps_bits[begin + v * places : begin + (v + 1) * places]
            for x in range(places):
                row[x] = plus(plus(row[x], row[x]), values[x])


@helper
def fill_runs(starts: Edges, stops: Edges, masks: Bytes) -> None:
    """Set the masks of all runs to ones, in the padding too: nothing is skipped for being ineffectual."""
    for r in range(starts.size):
        for b in range(masks.shape[1]):
            row, ones = masks[r, b], np.uint8((1 << min(8, max(0, stops[r] - starts[r] - 8 * b))) - 1)
            for x in range(row.size):
                row[x] = ones


@helper
def rows_of_runs(run_bricks: Edges, margin: Integer, places: Integer, rows: Bytes, out: Bytes) -> None:
    """Find in how many NM rows more than one each run lies at every place.

    Parameters
    ----------
    run_bricks : int32 ``[runs, 2]``
        The first and the last brick of each run.
    margin, places : int
    rows : uint8 ``[bricks, room]``
        Of each brick.
    out : uint8 ``[runs, margin + places + margin]``
        Set, but for the margins.
    """
    for r in range(len(run_bricks)):
        front, back = rows[run_bricks[r, 0]], rows[run_bricks[r, 1]]
        row = out[r, margin : margin + places]
        for x in range(places):
            row[x] = larger(front[x], back[x])


@kernel
def weight_masks(
    weights: NDArray[np.int16],
    threshold: Integer,
    row_packed: bool,
    edges: tuple[Edges, Edges],
    seats: tuple[Edges, Edges, Edges],
    out: Bytes,
) -> None:
    """Pack the effectual bits of the weights that meet every run, the first value lowest.

    Parameters
    ----------
    weights : int16 ``[Co, Cg, Kh, Kw]``
    threshold : Integer
        At most ``1 << 15``, which only the most negative weight reaches, or one more, which none does.
    row_packed : bool
        Whether a step is a window row (values x first, channel inside) or a position.
    edges : (int32 ``[runs]``, int32 ``[runs]``)
        The first value of each run of a step, and the end.
    seats : three of int32 ``[filters of a group]``
        Pass, tile and slot of each filter.
    out : uint8 ``[groups, passes, tiles, runs of a window, slots, bytes]``, zeroed
        Set.
    """
    (starts, stops), (pass_of, tile_of, slot_of) = edges, seats
    filters, channels, height, width = weights.shape
    own = filters // out.shape[0]
    for f in range(filters):
        g, r = f // own, f % own
        for ky in range(height):
            for kx in range(1 if row_packed else width):
                step = ky if row_packed else ky * width + kx
                for run in range(starts.size):
                    masks = out[g, pass_of[r], tile_of[r], step * starts.size + run, slot_of[r]]
                    for v in range(stops[run] - starts[run]):
                        value = starts[run] + v
                        w = weights[f, value % channels, ky, value // channels] if row_packed else weights[f, value, ky, kx]
                        if w >= threshold or w <= -threshold:
                            masks[v >> 3] |= np.uint8(1 << (v & 7))


@kernel
def lead_filters(masks: Bytes, leaders: NDArray[np.uint16]) -> None:
    """Gather in front the filters of each tile that may have the most products in a run, whatever the activations.

    One whose weights' bits are all among another's never has more.

    Parameters
    ----------
    masks : uint8 ``[units, filters, bytes]``
        For every run of every tile; put in order, and those that do not lead are 0.
    leaders : uint16 ``[units]``
        Set to how many lead.
    """
    units, filters, planes = masks.shape
    for unit in range(units):
        kept = 0
        for f in range(filters):
            covered = False
            i = 0
            while i < kept and not covered:
                inside, around = True, True  # this one in the other, and the other in this one
                for b in range(planes):
                    mine, other = masks[unit, f, b], masks[unit, i, b]
                    inside &= mine | other == other
                    around &= mine | other == mine
                if inside:
                    covered = True
                elif around:
                    kept -= 1
                    for b in range(planes):
                        masks[unit, i, b] = masks[unit, kept, b]
                else:
                    i += 1
            if not covered:
                for b in range(planes):
                    masks[unit, kept, b] = masks[unit, f, b]
                kept += 1
        masks[unit, kept:] = 0
        leaders[unit] = kept
