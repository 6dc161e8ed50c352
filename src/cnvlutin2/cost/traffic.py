"""What a layer moves and computes on chip: exact counts of events from its values (docs/cost.md, "Events")."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost.events import Counts, Events, Tally, as_counts, as_events
from cnvlutin2.cost.fetches import Fetches, brick_bits, fetch_input, raw_bricks, stream_bits, values_in_windows
from cnvlutin2.cost.weights import WeightStorage, store_weights, tile_counts
from cnvlutin2.encodings import get_format
from cnvlutin2.encodings.base import pointer_widths
from cnvlutin2.encodings.storage import Storage
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing import SLOT_KINDS, PreparedLayer

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
    values, positions : int
        Activations of an image; places of its map.
    identity : tuple
        Equal for two layers that read the same tensor.
    """

    format: str
    bits: Counts
    rows: Counts
    row_bits: int
    values: int
    positions: int
    identity: tuple[object, ...]

    @property
    def encoded(self) -> bool:
        """Whether an encoder wrote it."""
        return get_format(self.format).marks


@dataclass(frozen=True)
class Account:
    """A layer under one organisation in one mode, without its neighbours.

    Parameters
    ----------
    counts : int64 ``[events, N]``
        What the layer alone determines; what it writes and what moves off chip are still 0.
    stored : Stored
    weights : WeightStorage
    windows, filters, passes : int
        Of an image; of all groups; of a group.
    busiest_tile_filters : int
        Filters of the busiest tile, over all passes and groups.
    """

    counts: Counts
    stored: Stored
    weights: WeightStorage
    windows: int
    filters: int
    passes: int
    busiest_tile_filters: int

    @cached_property
    def events(self) -> Events:
        """The counts by name."""
        return as_events(self.counts)


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
    full, rest = divmod(layer.group_filters, o.filters)
    busiest = full * o.filters_per_tile + min(rest, o.filters_per_tile)
    if mode == "dense":
        tally = _dense_events(prepared, o)
    else:
        assert slots is not None  # noqa: S101 - a caller's mistake, not an input's
        tally = _skip_events(prepared, o, slots[:, PRODUCTS].sum(axis=1))
    return Account(
        as_counts(tally, layer.images),
        store_input(prepared, o, o.format if mode == "skip" else "dense"),
        store_weights(prepared, o),
        prepared.steps(o).windows,
        layer.filters,
        full + (rest > 0),
        busiest * layer.groups,
    )


def store_input(prepared: PreparedLayer, organisation: Organisation, format_name: str) -> Stored:
    """Say what a layer's input takes in NM."""
    layer, o, fmt = prepared.layer, organisation, get_format(format_name)
    packing = prepared.packing(o)
    shape = layer.activations.shape
    identity = (_digest(prepared), shape, layer.threshold, layer.groups, packing, format_name)
    size = layer.activations[0].size, shape[2] * shape[3]
    storage = Storage(shape[1], *layer.input_size, o.brick, layer.groups, packing)
    if fmt.indirect:
        streams = stream_bits(prepared, fmt, o)
        bits = streams + fmt.pointer_count(storage.bricks, o.pointer_group) * pointer_widths(streams)
        return Stored(format_name, bits, -(-bits // o.row_bits), o.row_bits, *size, identity)
    row_bits = brick_bits(fmt, o.brick, o.data_bits)
    rows = np.full(layer.images, storage.bricks, np.int64)
    return Stored(format_name, rows * row_bits, rows, row_bits, *size, identity)


_digests: WeakKeyDictionary[PreparedLayer, int] = WeakKeyDictionary()
_FOLD = 509  # words; a prime, so that what moves by rows or maps of an even size moves in the fold


def _digest(prepared: PreparedLayer) -> int:
    """Return a checksum of the activations, by which layers that read the same tensor are found."""
    found = _digests.get(prepared)
    if found is None:
        found = _digests[prepared] = _checksum(np.ascontiguousarray(prepared.layer.activations).ravel())
    return found


def _checksum(values: NDArray[np.int16]) -> int:
    """Return a checksum at the speed of memory: words of four values, folded by wrapping sums before they are digested."""
    folds = values.size // (4 * _FOLD)
    folded = values[: folds * 4 * _FOLD].view(np.int64).reshape(folds, _FOLD).sum(axis=0)
    return zlib.crc32(values[folds * 4 * _FOLD :].data, zlib.crc32(folded.data))


def _fetched(found: Fetches, times: int) -> Tally:
    """Return the events of NM when the input is fetched `times` times."""
    return {
        "nm_rows_read": found.rows * times,
        "nm_bits_read": (found.bits + found.pointers * found.pointer_bits) * times,
        "pointer_lookups": found.pointers * times,
    }


def _dense_events(prepared: PreparedLayer, organisation: Organisation) -> Tally:
    """Every value of every window, padding too, goes to all lanes and meets every filter."""
    layer, o, windows = prepared.layer, organisation, prepared.steps(organisation).windows
    tally = _fetched(fetch_input(prepared, o, "dense"), -(-layer.group_filters // o.filters))
    values = windows * layer.weights[0].size * layer.groups * _tile_loads(prepared, o)
    return tally | _inputs(values, o.data_bits) | _products(windows * layer.weights.size, windows * layer.filters, o.data_bits)


def _skip_events(prepared: PreparedLayer, organisation: Organisation, products: Counts) -> Tally:
    """Bricks go to the brick buffer, their effectual values with offsets to the tiles."""
    layer, o, windows = prepared.layer, organisation, prepared.steps(organisation).windows
    tiles = _tile_loads(prepared, o)
    apart = o.skip_weights != "none" and o.tile_sync == "layer"
    times = tiles if apart else -(-layer.group_filters // o.filters)
    found = fetch_input(prepared, o, o.format)
    entry_bits = o.data_bits + o.offset_bits
    stored, sent = _dispatched(prepared, o, products)
    tally = _fetched(found, times) | _inputs(sent * tiles, entry_bits)
    tally |= _products(products, windows * layer.filters, o.data_bits)
    tally["brick_buffer_bits_written"] = found.bits * times
    tally["brick_buffer_bits_read"] = stored * times * entry_bits
    offsets: Counts | int = 0
    if o.skip_activations:
        if o.detect == "dispatch":
            tally["detector_values"] = found.raw_bricks * o.brick * times
        offsets = _without_offsets(prepared, o, stored) * times
    if o.skip_weights != "none":
        pairs = _tile_pairs(prepared, o)
        shared = o.skip_weights == "shared"
        tally["nbin_bits_read"] = pairs * entry_bits
        offsets = offsets + (pairs if shared else products)
        tally["activations_selected"] = 0 if shared else products
        vectors = tiles * layer.groups if shared else layer.filters
        tally["sb_vector_bits_read"] = windows * layer.weights[0].size * vectors
    tally["offsets_generated"] = offsets
    return tally


def _tile_loads(prepared: PreparedLayer, organisation: Organisation) -> int:
    """Return the tiles in use, added up over the passes of a group."""
    return -(-prepared.layer.group_filters // organisation.filters_per_tile)


def _inputs(values: Counts | int, bits: int) -> Tally:
    """Return the events of values that arrive at tiles, of so many bits each."""
    return dict.fromkeys(("broadcast_bits", "nbin_bits_written", "nbin_bits_read"), values * bits)


def _products(products: Counts | int, outputs: int, data_bits: int) -> Tally:
    return {
        "sb_weight_bits_read": products * data_bits,
        "multiplications": products,
        "additions": products,
        "nbout_bits_written": outputs * data_bits,
        "nbout_bits_read": outputs * data_bits,
    }


def _dispatched(prepared: PreparedLayer, organisation: Organisation, products: Counts) -> tuple[Counts | int, Counts | int]:
    """Return, over all windows and groups, the values that leave the brick buffer and those that go to the lanes.

    They differ only where nothing is skipped: then the zeros of the padding go to the lanes too.
    """
    layer = prepared.layer
    if not organisation.skip_activations:
        every = prepared.steps(organisation).windows * layer.weights[0].size * layer.groups
        return values_in_windows(prepared, organisation), every
    if organisation.skip_weights == "none":  # every value meets every filter of its group
        values = products // layer.group_filters
        return values, values
    counts = prepared.windows_seen_by(organisation)
    return counts, counts


def _seen_positions(prepared: PreparedLayer, organisation: Organisation) -> NDArray[np.int32]:
    """Count, for each place in the kernel, the windows in which the activation goes to the lanes, ``[N, C, Kh, Kw]``."""
    seen = prepared.seen(organisation)
    return prepared.position_counts if seen is prepared.bits else prepared.positions_of(seen)


def _without_offsets(prepared: PreparedLayer, organisation: Organisation, dispatched: Counts | int) -> Counts | int:
    """Return how many of the dispatched values have no offset in NM, and need one."""
    o, fmt = organisation, get_format(organisation.format)
    from_vectors = not fmt.lists_offsets
    from_raw = o.detect == "dispatch"  # else raw bricks are walked value by value
    if not fmt.mixed or from_vectors == from_raw:
        return dispatched if from_vectors else 0
    raw = prepared.spread(raw_bricks(prepared, fmt, o), o)
    without = prepared.bits & (raw if from_raw else 1 - raw)
    counts: Counts = prepared.positions_of(without).sum(axis=(1, 2, 3), dtype=np.int64)
    return counts


def _tile_pairs(prepared: PreparedLayer, organisation: Organisation) -> Counts | int:
    """Return how many pairs of a dispatched value and a tile with an effectual weight for it there are."""
    tiles = tile_counts(prepared, organisation)
    if not organisation.skip_activations:
        return prepared.steps(organisation).windows * int(tiles.sum(dtype=np.int64))
    return prepared.dot(_seen_positions(prepared, organisation), tiles)
