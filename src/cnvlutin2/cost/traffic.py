"""What a layer moves and computes on chip, measured on its values; `event_counts` makes events of it (docs/cost.md, "Events")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost.executed import ExecutedLayer
from cnvlutin2.cost.fetches import brick_bits, brick_uses, fetch_input, indirect_stream, raw_bricks, values_in_windows
from cnvlutin2.cost.weight_storage import WeightStorage, store_weights
from cnvlutin2.encodings import get_format
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
    factors = EventFactors(*size, *fetch_input(observed, schedule, executed.format), *values)
    stored = _store_input(observed, schedule, executed.format)
    return LayerTraffic(mode, executed, factors, stored, store_weights(observed.weights, schedule))


def _values_sent(observed: ObservedLayer, schedule: Schedule, products: Counts) -> _Values:
    """Follow the values of a layer in skip mode, of which the engine counted the products."""
    o, g = schedule.organisation, schedule.geometry
    pairs = 0 if o.skip_weights == "none" else _tile_pairs(observed, schedule)
    if not o.skip_activations:
        sent = g.windows * g.filter_weights * g.groups
        return _Values(products, values_in_windows(g, o.brick, o.packing), sent, 0, pairs)
    # Without weights being skipped every value meets every filter of its group.
    taken = products // g.group_filters if o.skip_weights == "none" else _seen_in_windows(observed, schedule)
    return _Values(products, taken, taken, _without_offsets(observed, schedule, taken), pairs)


def _store_input(observed: ObservedLayer, schedule: Schedule, format_name: str) -> StoredInput:
    """Say what a layer's input takes in NM."""
    o = schedule.organisation
    key = ("stored", schedule.storage, o.data_bits, o.pointer_group, format_name)
    return observed.kept(key, lambda: _stored_input(observed, schedule, format_name))


def _stored_input(observed: ObservedLayer, schedule: Schedule, format_name: str) -> StoredInput:
    o, fmt, bricks = schedule.organisation, get_format(format_name), schedule.storage.bricks
    if fmt.indirect:
        stream = indirect_stream(observed, schedule, fmt)
        bits = stream.bits + fmt.pointer_count(bricks, o.pointer_group) * stream.pointer_bits
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


def _seen_in_windows(observed: ObservedLayer, schedule: Schedule) -> Counts:
    """Return the activations that a lane takes for effectual, over all windows, ``[N]``."""
    if schedule.steps.row_packed:
        return observed.in_windows(_seen_bits(observed, schedule))
    counts = observed.brick_counts(schedule.storage)
    if schedule.view == "effectual":
        return _over_windows(counts, schedule)
    raw = raw_bricks(observed, schedule, get_format(schedule.organisation.format))
    return _over_windows(np.where(raw, _values_of_bricks(schedule), counts), schedule)


def _over_windows(of_bricks: NDArray[np.uint8], schedule: Schedule) -> Counts:
    """Add up something of the bricks of positions as often as windows fetch them, ``[N]``."""
    uses = np.broadcast_to(brick_uses(schedule), of_bricks.shape[1:]).reshape(-1)
    total: Counts = of_bricks.reshape(len(of_bricks), -1) @ uses
    return total


def _values_of_bricks(schedule: Schedule) -> NDArray[np.uint8]:
    """Return the values of the bricks of a position, fill left out, ``[bricks]``."""
    brick, channels = schedule.organisation.brick, schedule.geometry.group_channels
    return np.minimum(brick, channels - np.arange(0, channels, brick)).astype(np.uint8)


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
    return _over_windows(observed.brick_counts(schedule.storage) * without, schedule)


def _tile_pairs(observed: ObservedLayer, schedule: Schedule) -> Counts | int:
    """Return how many pairs of a dispatched value and a tile with an effectual weight for it there are."""
    tiles = observed.weights.tile_counts(schedule)
    if not schedule.organisation.skip_activations:
        return schedule.steps.windows * int(tiles.sum(dtype=np.int64))
    effectual = schedule.view == "effectual"
    positions = observed.position_counts if effectual else observed.windows_with(_seen_bits(observed, schedule))
    return observed.meeting(positions, tiles)
