"""What goes through the node's ports in a pass: records of runs, weights, masks and settings, as words (docs/hardware.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.hardware.nm_image import fetch_settings, is_fetched, nm_transfers
from cnvlutin2.hardware.parameters import Parameters, saturated_threshold
from cnvlutin2.hardware.port_words import Transfers, as_bits, joined_fields, packed, words_from_bits
from cnvlutin2.hardware.workload import PassWorkload, Rows, Workload

Bits = NDArray[np.bool_]
_BLOCK_BITS = 1 << 25


class PassStimuli(NamedTuple):
    """A pass as the node's ports see it.

    Parameters
    ----------
    weights, masks : Transfers
        What is loaded before; no masks where no weights are skipped.
    nm : Transfers
        What is written to NM before a group's first pass; the same object for the others. Nothing if runs come from outside.
    rows : Transfers
        Every row of the group, the same for all its passes.
    order : sequence of int32 array
        By lane, the rows that it gets from outside, window after window.
    window_runs : sequence of int
        By lane, its runs in a window.
    windows : int
    settings : mapping of str to int
        By the names of their ports, those that a design may have; the others are 0.
    """

    weights: Transfers
    masks: Transfers
    nm: Transfers
    rows: Transfers
    order: list[NDArray[np.int32]]
    window_runs: list[int]
    windows: int
    settings: Mapping[str, int]


def stimuli(workload: Workload, parameters: Parameters) -> Iterator[tuple[PassWorkload, PassStimuli]]:
    """Yield the passes of a layer, group after group, and what each puts on the ports.

    Parameters
    ----------
    workload : Workload
    parameters : Parameters
        Of the organisation's hardware, with room for the layer.
    """
    p, plan, dense = parameters, workload.plan, workload.mode == "dense"
    fetched = p.nm_rows > 0 and is_fetched(workload)
    lengths = [*plan.lengths.tolist(), *[0] * (p.lanes - plan.lanes_in_use)]
    settings = _settings(workload, lengths, parameters, fetched=fetched)
    order: list[NDArray[np.int32]] = [np.zeros(0, np.int32)] * p.lanes if fetched else []
    rows = nm = no_transfers()
    group = -1
    for work in workload.passes():
        order = order or [lane_order(work, lane) for lane in range(p.lanes)]
        if work.group != group:  # its passes share what NM holds
            group, rows = work.group, rows_of_group(work.rows, plan.taken != -1, p, dense=dense)
            nm = nm_transfers(rows, workload, p) if fetched else nm
        weights, masks = weights_of(work, p), masks_of(work, p, dense=dense)
        yield work, PassStimuli(weights, masks, nm, rows, order, lengths, work.windows, settings)


def _settings(workload: Workload, lengths: Sequence[int], parameters: Parameters, *, fetched: bool) -> dict[str, int]:
    found = {
        "lane_enable": sum(1 << lane for lane, runs in enumerate(lengths) if runs),
        "windows": workload.layer.windows,
        "force_masks": int(workload.mode == "dense"),
        "threshold": saturated_threshold(workload.layer.threshold, parameters.data_bits),
        "feed": 1,
    }
    return found | fetch_settings(workload, parameters) if fetched else found


def lane_order(work: PassWorkload, lane: int) -> NDArray[np.int32]:
    """Return the rows that a lane gets, window after window: run times places, plus the place."""
    if lane >= work.plan.lanes_in_use:
        return np.zeros(0, np.int32)
    own = slice(work.plan.begins[lane], work.plan.begins[lane + 1])
    run, places = work.plan.run_of[own], work.places[work.plan.step_of[own]]
    numbers: NDArray[np.int32] = (run[:, None] * np.int32(work.rows.values.shape[1]) + places).T.astype(np.int32)
    return numbers.reshape(-1)


def rows_of_group(rows: Rows, live: Bits, parameters: Parameters, *, dense: bool) -> Transfers:
    """Return the rows of a group as NM holds them: records, where the runs have values, and how many NM rows each touches.

    Parameters
    ----------
    rows : Rows
    live : bool ``[R, brick]``
        At which offsets each kind of run has a value, or a cycle that passes without one.
    parameters : Parameters
    dense : bool
        Whether the layer runs dense: values are stored as they are.
    """
    brick, n = parameters.brick, rows.nm_rows.size
    values, marked, seen = rows.values.reshape(n, brick), rows.effectual.reshape(n, brick), rows.seen.reshape(n, brick)
    held = np.repeat(live, rows.values.shape[1], axis=0)
    raw = np.full(n, dense or parameters.always_forced)
    if parameters.form == "roe" and not dense:
        entries = np.count_nonzero(marked, axis=1) * (parameters.data_bits + parameters.offset_bits)
        # Some of the run's values lie in a storage brick that carries no offsets.
        stored_raw: Bits = np.logical_or.reduce(seen & ~marked, axis=1)
        raw = stored_raw | (entries > brick * parameters.data_bits)
        held = np.where(stored_raw[:, None], seen, held)
    data = np.empty((n, -(-parameters.record_bits // 32)), np.uint32)
    together = max(1, _BLOCK_BITS // (8 * parameters.record_bits))
    for first in range(0, n, together):
        some = slice(first, first + together)
        data[some] = words_from_bits(record_bits(values[some], marked[some], raw[some], parameters))
    user = as_bits(held, 1)
    if parameters.rows_bits:
        user = np.hstack([user, as_bits(rows.nm_rows.reshape(n, 1), parameters.rows_bits)])
    return Transfers(data, words_from_bits(user))


def record_bits(values: NDArray[np.int16], marked: Bits, raw: Bits, parameters: Parameters) -> NDArray[np.uint8]:
    """Return the bits of records, ``[n, record_bits]``: those of the format's streams, or the values as they are where `raw`."""
    b, brick, form = parameters.data_bits, parameters.brick, parameters.form
    found = np.zeros((len(values), parameters.record_bits), np.uint8)
    below = {"viai": brick, "packed_viai": brick, "roe": 1}.get(form, 0)
    found[:, below : below + brick * b] = as_bits(values, b)
    if form in ("dense", "raw"):
        return found
    own = ~raw
    if form in ("viai", "packed_viai"):
        found[own, :brick] = marked[own]
    if form == "viai":
        return found
    # The effectual ones first, by ascending offset, the rest all zero.
    first = np.argsort(~marked[own], axis=1, kind="stable")
    there = np.take_along_axis(marked[own], first, axis=1)
    front = np.where(there, np.take_along_axis(values[own], first, axis=1), np.int16(0))
    if form == "packed_viai":
        found[own, below:] = as_bits(front, b)
        return found
    entries = as_bits(np.where(there, first << b | (front.astype(np.int64) & ((1 << b) - 1)), 0), b + parameters.offset_bits)
    if form == "roe":
        found[own, 0] = 1
        entries = entries[:, : brick * b]
    found[own, below : below + entries.shape[1]] = entries
    return found


def weights_of(work: PassWorkload, parameters: Parameters) -> Transfers:
    """Return what goes to SB: where a tile has filters and a lane has a run."""
    p, (_, _, lanes, words) = parameters, work.weights.shape
    by_tile = work.weights.reshape(p.tiles, p.filters_per_tile, lanes, words)
    needed = work.wanted.reshape(by_tile.shape) | (by_tile != 0)
    tile, lane, word = np.nonzero(needed.any(axis=1))
    chosen = by_tile.transpose(0, 2, 3, 1)[tile, lane, word]
    q, offset = np.divmod(word, p.brick)
    user = joined_fields([(offset, p.offset_bits), (q, p.run_number_bits), (lane, p.lane_bits), (tile, p.tile_bits)])
    return Transfers(packed(chosen, p.data_bits), user)


def masks_of(work: PassWorkload, parameters: Parameters, *, dense: bool) -> Transfers:
    """Return the masks of all runs in all tiles: those without filters want nothing."""
    p, (_, _, lanes, words) = parameters, work.weights.shape
    if not p.mask_streams or dense:
        return no_transfers()
    wanted = work.wanted.reshape(p.tiles, p.filters_per_tile, lanes, words // p.brick, p.brick)
    if p.mask_streams < p.filters_per_tile:
        wanted = np.logical_or.reduce(wanted, axis=1, keepdims=True)
    tile, lane, q = (each.ravel() for each in np.indices((p.tiles, lanes, words // p.brick)))
    chosen = wanted.transpose(0, 2, 3, 1, 4).reshape(tile.size, -1)
    user = joined_fields([(q, p.run_number_bits), (lane, p.lane_bits), (tile, p.tile_bits)])
    return Transfers(packed(chosen, 1), user)


@lru_cache(maxsize=1)
def no_transfers() -> Transfers:
    """Return nothing to transfer."""
    return Transfers(np.zeros((0, 1), np.uint32), np.zeros((0, 1), np.uint32))
