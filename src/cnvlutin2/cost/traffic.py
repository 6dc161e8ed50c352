"""What a layer moves and computes on chip: exact counts of events from its values (docs/cost.md, "Events")."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost.events import Counts, Events, no_events
from cnvlutin2.cost.fetches import Fetches, fetch_input, raw_bricks, values_in_windows
from cnvlutin2.cost.weights import WeightStorage, store_weights, tile_counts
from cnvlutin2.encodings import get_format
from cnvlutin2.encodings.base import pointer_width
from cnvlutin2.encodings.storage import Storage
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing import SLOT_KINDS, PreparedLayer
from cnvlutin2.timing.prepared import dot

PRODUCTS = [SLOT_KINDS.index(kind) for kind in ("ineffectual_activation", "ineffectual_weight", "effectual")]
RunMode = Literal["skip", "dense"]


@dataclass(frozen=True)
class Stored:
    """A layer's input as it lies in NM, of each image.

    Parameters
    ----------
    format : str
        As the organisation says; ``dense`` for a layer that runs dense.
    bits : int64 ``[N]``
        Pointers included.
    rows : int64 ``[N]``
        NM rows.
    row_bits : int
        Bits of a row that are used: a brick's, or a whole row of packed records.
    values : int
        Activations of an image.
    identity : tuple
        Equal for two layers that read the same tensor.
    """

    format: str
    bits: Counts
    rows: Counts
    row_bits: int
    values: int
    identity: tuple[object, ...]

    def part_bits(self, rows: Counts) -> Counts:
        """Return the bits in so many of the rows."""
        return np.minimum(self.bits, rows * self.row_bits)


@dataclass(frozen=True)
class Account:
    """A layer under one organisation in one mode, without its neighbours.

    Parameters
    ----------
    events : mapping
        What the layer alone determines; what it writes and what moves off chip are still 0.
    stored : Stored
    weights : WeightStorage
    windows, filters, passes : int
        Of an image; of all groups; of a group.
    busiest_tile_filters : int
        Filters of the busiest tile, over all passes and groups.
    """

    events: Events
    stored: Stored
    weights: WeightStorage
    windows: int
    filters: int
    passes: int
    busiest_tile_filters: int

    @property
    def outputs(self) -> int:
        """Output values of an image."""
        return self.windows * self.filters


def account(prepared: PreparedLayer, organisation: Organisation, mode: RunMode, slots: Counts | None = None) -> Account:
    """Count the events of a layer.

    Parameters
    ----------
    prepared : PreparedLayer
    organisation : Organisation
    mode : {"skip", "dense"}
    slots : int64 ``[N, len(SLOT_KINDS)]``, optional
        The multiplier slots that the timing model found in this mode; needed for ``skip``.

    Returns
    -------
    Account
    """
    layer, o = prepared.layer, organisation
    passes = -(-layer.group_filters // o.filters)
    full, rest = divmod(layer.group_filters, o.filters)
    busiest = full * o.filters_per_tile + min(rest, o.filters_per_tile)
    format_name = o.format if mode == "skip" else "dense"
    if mode == "dense":
        events = _dense_events(prepared, o)
    else:
        assert slots is not None  # noqa: S101 - a caller's mistake, not an input's
        events = _skip_events(prepared, o, slots[:, PRODUCTS].sum(axis=1))
    return Account(
        events,
        store_input(prepared, o, format_name),
        store_weights(layer, o),
        layer.windows,
        layer.filters,
        passes,
        busiest * layer.groups,
    )


def store_input(prepared: PreparedLayer, organisation: Organisation, format_name: str) -> Stored:
    """Say what a layer's input takes in NM."""
    layer, o, fmt = prepared.layer, organisation, get_format(format_name)
    packing = prepared.packing(o)
    values = layer.activations
    identity = (_digest(prepared), values.shape, layer.threshold, layer.groups, packing, format_name)
    if fmt.indirect:
        counts = prepared.brick_counts(o.brick, packing)
        streams = [fmt.stream_bits(image, o.brick, o.data_bits) for image in counts]
        pointers = fmt.pointer_count(counts[0].size, o.pointer_group)
        bits = np.array([stream + pointers * pointer_width(stream) for stream in streams], np.int64)
        return Stored(format_name, bits, -(-bits // o.row_bits), o.row_bits, values[0].size, identity)
    storage = Storage(values.shape[1], *layer.input_size, o.brick, layer.groups, packing)
    row_bits = fmt.most_bits(o.brick, o.data_bits)
    rows = np.full(layer.images, storage.bricks, np.int64)
    return Stored(format_name, rows * row_bits, rows, row_bits, values[0].size, identity)


_digests: WeakKeyDictionary[PreparedLayer, int] = WeakKeyDictionary()


def _digest(prepared: PreparedLayer) -> int:
    """Return a checksum of the activations, by which layers that read the same tensor are found."""
    if prepared not in _digests:
        _digests[prepared] = zlib.crc32(np.ascontiguousarray(prepared.layer.activations).data)
    return _digests[prepared]


def _fetched(found: Fetches, times: int) -> Events:
    """Return the events of NM when the input is fetched `times` times."""
    events = no_events(len(found.bits))
    events["nm_rows_read"] = found.rows * times
    events["nm_bits_read"] = (found.bits + found.pointers * found.pointer_bits) * times
    events["pointer_lookups"] = found.pointers * times
    return events


def _dense_events(prepared: PreparedLayer, organisation: Organisation) -> Events:
    """Every value of every window, padding too, goes to all lanes and meets every filter."""
    layer, o = prepared.layer, organisation
    events = _fetched(fetch_input(prepared, o, "dense"), -(-layer.group_filters // o.filters))
    _add_inputs(events, layer.windows * layer.weights[0].size * layer.groups * _tile_loads(prepared, o), o.data_bits)
    _add_products(events, layer.macs, layer.windows * layer.filters, o.data_bits)
    return events


def _skip_events(prepared: PreparedLayer, organisation: Organisation, products: Counts) -> Events:
    """Bricks go to the brick buffer, their effectual values with offsets to the tiles."""
    layer, o = prepared.layer, organisation
    tiles = _tile_loads(prepared, o)
    apart = o.skip_weights != "none" and o.tile_sync == "layer"
    times = tiles if apart else -(-layer.group_filters // o.filters)
    found = fetch_input(prepared, o, o.format)
    events = _fetched(found, times)
    entry_bits = o.data_bits + o.offset_bits
    stored, sent = _dispatched(prepared, o, products)
    events["brick_buffer_bits_written"] = found.bits * times
    events["brick_buffer_bits_read"] = stored * times * entry_bits
    if o.skip_activations:
        if o.detect == "dispatch":
            events["detector_values"] = found.raw_bricks * o.brick * times
        events["offsets_generated"] = _without_offsets(prepared, o, stored) * times
    _add_inputs(events, sent * tiles, entry_bits)
    if o.skip_weights != "none":
        pairs = _tile_pairs(prepared, o)
        shared = o.skip_weights == "shared"
        events["nbin_bits_read"] = pairs * entry_bits
        events["offsets_generated"] = events["offsets_generated"] + (pairs if shared else products)
        events["activations_selected"] += 0 if shared else products
        vectors = tiles * layer.groups if shared else layer.filters
        events["sb_vector_bits_read"] += layer.windows * layer.weights[0].size * vectors
    _add_products(events, products, layer.windows * layer.filters, o.data_bits)
    return events


def _tile_loads(prepared: PreparedLayer, organisation: Organisation) -> int:
    """Return the tiles in use, added up over the passes of a group."""
    return -(-prepared.layer.group_filters // organisation.filters_per_tile)


def _add_inputs(events: Events, values: Counts | int, bits: int) -> None:
    """Count values that arrive at tiles, of so many bits each."""
    for name in ("broadcast_bits", "nbin_bits_written", "nbin_bits_read"):
        events[name] += values * bits


def _add_products(events: Events, products: Counts | int, outputs: int, data_bits: int) -> None:
    events["sb_weight_bits_read"] += products * data_bits
    events["multiplications"] += products
    events["additions"] += products
    events["nbout_bits_written"] += outputs * data_bits
    events["nbout_bits_read"] += outputs * data_bits


def _dispatched(prepared: PreparedLayer, organisation: Organisation, products: Counts) -> tuple[Counts, Counts]:
    """Return, over all windows and groups, the values that leave the brick buffer and those that go to the lanes, ``[N]``.

    They differ only where nothing is skipped: then the zeros of the padding go to the lanes too.
    """
    layer = prepared.layer
    if not organisation.skip_activations:
        stored = values_in_windows(prepared, organisation)
        every = layer.windows * layer.weights[0].size * layer.groups
        return np.full(layer.images, stored), np.full(layer.images, every)
    if organisation.skip_weights == "none":  # every value meets every filter of its group
        values = products // layer.group_filters
        return values, values
    counts: Counts = _seen_positions(prepared, organisation).sum(axis=(1, 2, 3), dtype=np.int64)
    return counts, counts


def _seen_positions(prepared: PreparedLayer, organisation: Organisation) -> NDArray[np.int32]:
    """Count, for each place in the kernel, the windows in which the activation goes to the lanes, ``[N, C, Kh, Kw]``."""
    seen = prepared.seen(organisation)
    return prepared.position_counts if seen is prepared.bits else prepared.positions_of(seen)


def _without_offsets(prepared: PreparedLayer, organisation: Organisation, dispatched: Counts) -> Counts:
    """Return how many of the dispatched values have no offset in NM, and need one."""
    o = organisation
    if o.format == "zfnaf":
        return np.zeros_like(dispatched)
    if o.format != "roe":
        return dispatched
    if o.detect == "output":  # raw bricks are walked value by value
        return np.zeros_like(dispatched)
    raw = prepared.bits & prepared.spread(raw_bricks(prepared, o), o)
    counts: Counts = prepared.positions_of(raw).sum(axis=(1, 2, 3), dtype=np.int64)
    return counts


def _tile_pairs(prepared: PreparedLayer, organisation: Organisation) -> Counts:
    """Return how many pairs of a dispatched value and a tile with an effectual weight for it there are, ``[N]``."""
    tiles = tile_counts(prepared, organisation)
    if not organisation.skip_activations:
        return np.full(prepared.layer.images, prepared.layer.windows * int(tiles.sum()))
    return dot(_seen_positions(prepared, organisation), tiles)
