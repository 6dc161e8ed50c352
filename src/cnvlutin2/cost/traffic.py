"""What a layer moves and computes on chip, measured on its values; `event_counts` makes events of it (docs/cost.md, "Events")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cnvlutin2.cost.executed import ExecutedLayer
from cnvlutin2.cost.fetches import Fetches, brick_bits, fetch_input, over_windows, raw_bricks, stream_bits, values_in_windows
from cnvlutin2.cost.weight_storage import WeightStorage, store_weights
from cnvlutin2.encodings import get_format
from cnvlutin2.encodings.base import Format, pointer_widths
from cnvlutin2.machine import Machine
from cnvlutin2.mapping import Schedule
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing import SLOT_KINDS
from cnvlutin2.timing.engine import Counts, RunMode
from cnvlutin2.timing.observed import Bits, ObservedLayer

PRODUCTS = [SLOT_KINDS.index(kind) for kind in ("ineffectual_activation", "ineffectual_weight", "effectual")]


class StoredInput(NamedTuple):
    """A layer's input as it lies in NM, of each image.

    Parameters
    ----------
    bits : int64 ``[N]``
        Pointers included.
    rows : int64 ``[N]``
        NM rows.
    row_bits : int
        Bits of a row that are used: a brick's, or a whole row of packed records.
    """

    bits: Counts
    rows: Counts
    row_bits: int


class EventFactors(NamedTuple):
    """What the equations of a layer's events are made of, over all windows and groups.

    Groups that are set side by side are one. An int is the same for all images, else int64 ``[N]``.

    Parameters
    ----------
    windows, filters, groups, passes : int
        Passes of a group; the others of all of them.
    filter_weights : int
        Weights of a filter.
    tiles_used : int
        Tiles in use, added up over the passes of a group.
    rows, bits, pointers, pointer_bits, raw_bricks
        As of `Fetches`.
    products
        Multiplications.
    taken, sent
        Values that leave the brick buffer, and those that go to the lanes: with the zeros of the padding if nothing is skipped.
    without_offsets
        Values taken that have no offset in NM, and need one.
    pairs
        Pairs of a value and a tile with an effectual weight for it, where weights are skipped.
    """

    windows: int
    filters: int
    groups: int
    passes: int
    filter_weights: int
    tiles_used: int
    rows: Counts | int
    bits: Counts | int
    pointers: Counts | int
    pointer_bits: Counts | int
    raw_bricks: Counts | int
    products: Counts | int
    taken: Counts | int
    sent: Counts | int
    without_offsets: Counts | int
    pairs: Counts | int


class _Values(NamedTuple):
    """The last five of `EventFactors`."""

    products: Counts | int
    taken: Counts | int
    sent: Counts | int
    without_offsets: Counts | int
    pairs: Counts | int


@dataclass(frozen=True, eq=False)
class LayerTraffic:
    """What a layer moves under one organisation in one mode, without its neighbours.

    Parameters
    ----------
    mode : {"skip", "dense"}
    executed : ExecutedLayer
    factors : EventFactors
    stored : StoredInput
    weights : WeightStorage
    """

    mode: RunMode
    executed: ExecutedLayer
    factors: EventFactors
    stored: StoredInput
    weights: WeightStorage


def skip_traffic(observed: ObservedLayer, organisation: Organisation, slots: Counts) -> LayerTraffic:
    """Measure what the events of a layer in skip mode follow from.

    Parameters
    ----------
    observed : ObservedLayer
    organisation : Organisation
    slots : int64 ``[N, len(SLOT_KINDS)]``
        The multiplier slots that an engine found in this mode.
    """
    schedule = observed.schedule(organisation)
    return _traffic(observed, schedule, "skip", _values_sent(observed, schedule, slots[:, PRODUCTS].sum(axis=1)))


def dense_traffic(observed: ObservedLayer, organisation: Organisation) -> LayerTraffic:
    """Measure what the events of a layer in dense mode follow from; organisations of the same size share it."""
    schedule, o = observed.schedule(organisation), organisation
    g, seats = schedule.geometry, schedule.seats
    # Every value of every window, padding too, goes to all lanes and meets every filter.
    every = g.windows * g.filter_weights
    values = _Values(every * g.filters, 0, every * g.groups, 0, 0)
    key = "dense traffic", schedule.storage, seats, o.data_bits, o.weight_format, Machine.of(o).tile_weight_bits
    return observed.kept(key, lambda: _traffic(observed, schedule, "dense", values))


def _traffic(observed: ObservedLayer, schedule: Schedule, mode: RunMode, values: _Values) -> LayerTraffic:
    g, seats = schedule.geometry, schedule.seats
    executed = ExecutedLayer.of(schedule, mode, observed.tensor)
    size = g.windows, g.filters, g.groups, seats.passes, g.filter_weights, seats.tiles_used
    fetches, stored = _move_input(observed, schedule, executed.format)
    factors = EventFactors(*size, *fetches, *values)
    return LayerTraffic(mode, executed, factors, stored, store_weights(observed.weights, schedule))


def _values_sent(observed: ObservedLayer, schedule: Schedule, products: Counts) -> _Values:
    """Follow the values of a layer in skip mode, of which the engine counted the products."""
    o, g = schedule.organisation, schedule.geometry
    if not o.skip_activations:
        every = 0 if o.skip_weights == "none" else _pairs_of_all(observed, schedule)
        sent = g.windows * g.filter_weights * g.groups
        return _Values(products, values_in_windows(g, o.brick, o.packing), sent, 0, every)
    if o.skip_weights == "none":  # every value meets every filter of its group
        taken = products // g.group_filters
        return _Values(products, taken, taken, _without_offsets(observed, schedule, taken), 0)
    taken, pairs = _meetings(observed, schedule)
    return _Values(products, taken, taken, _without_offsets(observed, schedule, taken), pairs)


def _move_input(observed: ObservedLayer, schedule: Schedule, format_name: str) -> tuple[Fetches, StoredInput]:
    """Say what a layer's input takes on its way to the tiles, and in NM."""
    fmt, o = get_format(format_name), schedule.organisation
    key = "input", schedule.storage, o.data_bits, o.pointer_group, format_name
    return observed.kept(key, lambda: (fetch_input(observed, schedule, fmt), _store_input(observed, schedule, fmt)))


def _store_input(observed: ObservedLayer, schedule: Schedule, fmt: Format) -> StoredInput:
    o, bricks = schedule.organisation, schedule.storage.bricks
    if fmt.indirect:
        stream = stream_bits(observed, schedule, fmt)
        bits = stream + fmt.pointer_count(bricks, o.pointer_group) * pointer_widths(stream)
        return StoredInput(bits, -(-bits // o.row_bits), o.row_bits)
    row_bits = brick_bits(fmt, o.brick, o.data_bits)
    rows = np.full(observed.images, bricks, np.int64)
    return StoredInput(rows * row_bits, rows, row_bits)


def _seen_bits(observed: ObservedLayer, schedule: Schedule) -> Bits:
    """Return the activations that a lane takes for effectual, ``[N, C, H, W]``: all of raw bricks, where these are walked."""
    if schedule.view == "effectual":
        return observed.bits
    raw = raw_bricks(observed, schedule, get_format(schedule.organisation.format))
    return observed.bits | observed.spread(raw, schedule.storage)


def _without_offsets(observed: ObservedLayer, schedule: Schedule, taken: Counts) -> Counts | int:
    """Return how many of the values taken out of the brick buffer have no offset in NM, and need one."""
    o, fmt = schedule.organisation, get_format(schedule.organisation.format)
    from_vectors = not fmt.lists_offsets
    from_raw = o.detect == "dispatch"  # else raw bricks are walked value by value
    if not fmt.mixed or from_vectors == from_raw:
        return taken if from_vectors else 0
    raw = raw_bricks(observed, schedule, fmt)
    without = raw if from_raw else ~raw
    if schedule.steps.row_packed:
        return observed.in_windows(observed.bits & observed.spread(without, schedule.storage))
    return over_windows(observed.brick_counts(schedule.storage) * without, schedule)


def _pairs_of_all(observed: ObservedLayer, schedule: Schedule) -> int:
    """Return how many pairs of a value and a tile with an effectual weight for it there are, no activation being skipped."""
    return schedule.steps.windows * int(observed.weights.tile_counts(schedule).sum(dtype=np.int64))


def _meetings(observed: ObservedLayer, schedule: Schedule) -> tuple[Counts, Counts]:
    """Return the activations that a lane takes for effectual, over all windows, and their pairs with tiles, ``[N]`` of both.

    A pair is one of a value and a tile that has an effectual weight for it.
    """

    def count() -> tuple[Counts, Counts]:
        effectual = schedule.view == "effectual"
        positions = observed.position_counts if effectual else observed.windows_with(_seen_bits(observed, schedule))
        taken: Counts = positions.reshape(len(positions), -1).sum(axis=1, dtype=np.int64)
        return taken, observed.meeting(positions, observed.weights.tile_counts(schedule))

    o = schedule.organisation
    # What is seen besides the effectual ones depends on how bricks are stored.
    stored = () if schedule.view == "effectual" else (schedule.storage, o.data_bits, o.format)
    return observed.kept(("meetings", schedule.seats, *stored), count)
