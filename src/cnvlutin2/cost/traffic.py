"""What a layer moves and computes on chip, measured on its values; `tally` makes events of it (docs/cost.md, "Events")."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost.events import Counts
from cnvlutin2.cost.fetches import brick_bits, fetch_input, raw_bricks, storage_key, stream_bits, values_in_windows
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


class Measures(NamedTuple):
    """What a layer's events follow from, over all windows and groups; an int is the same for all images, else int64 ``[N]``.

    Parameters
    ----------
    windows, filters, groups, passes : int
        Passes of a group; the others of all of them.
    places : int
        Weights of a filter.
    tile_loads : int
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
    places: int
    tile_loads: int
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


@dataclass(frozen=True, eq=False)
class Account:
    """A layer under one organisation in one mode, without its neighbours.

    Parameters
    ----------
    mode : {"skip", "dense"}
    measures : Measures
    stored : Stored
    weights : WeightStorage
    busiest_tile_filters : int
        Filters of the busiest tile, over all passes and groups.
    """

    mode: RunMode
    measures: Measures
    stored: Stored
    weights: WeightStorage
    busiest_tile_filters: int


def account(prepared: PreparedLayer, organisation: Organisation, mode: RunMode, slots: Counts | None = None) -> Account:
    """Measure what the events of a layer follow from.

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
    o = organisation
    if mode == "dense":  # the baseline's account is that of many organisations in their first layer
        size = (*storage_key(o), o.tiles, o.filters_per_tile, o.weight_format, o.sb_bytes_per_tile)
        return prepared.once(("dense account", *size), lambda: _account(prepared, o, mode, None))
    assert slots is not None  # noqa: S101 - a caller's mistake, not an input's
    return _account(prepared, o, mode, slots[:, PRODUCTS].sum(axis=1))


def _account(prepared: PreparedLayer, organisation: Organisation, mode: RunMode, products: Counts | None) -> Account:
    layer, o = prepared.layer, organisation
    full, rest = divmod(layer.group_filters, o.filters)
    busiest = full * o.filters_per_tile + min(rest, o.filters_per_tile)
    windows, places = prepared.steps(o).windows, layer.weights[0].size
    tile_loads = -(-layer.group_filters // o.filters_per_tile)
    format_name = "dense" if products is None else o.format
    size = windows, layer.filters, layer.groups, full + (rest > 0), places, tile_loads
    fetched = fetch_input(prepared, o, format_name)
    measures = Measures(*size, *fetched, *_multiplied(prepared, o, windows * places, products))
    stored, weights = store_input(prepared, o, format_name), store_weights(prepared, o)
    return Account(mode, measures, stored, weights, busiest * layer.groups)


def _multiplied(
    prepared: PreparedLayer, organisation: Organisation, in_windows: int, products: Counts | None
) -> tuple[Counts | int, Counts | int, Counts | int, Counts | int, Counts | int]:
    """Return the last five of `Measures`; `in_windows` values meet each filter where nothing is skipped."""
    layer, o = prepared.layer, organisation
    every = in_windows * layer.groups
    if products is None:  # dense: every value of every window, padding too, goes to all lanes and meets every filter
        return in_windows * layer.filters, 0, every, 0, 0
    pairs = 0 if o.skip_weights == "none" else _tile_pairs(prepared, o)
    if not o.skip_activations:
        return products, values_in_windows(prepared, o), every, 0, pairs
    # Without weights being skipped every value meets every filter of its group.
    taken = products // layer.group_filters if o.skip_weights == "none" else prepared.windows_seen_by(o)
    return products, taken, taken, _without_offsets(prepared, o, taken), pairs


def store_input(prepared: PreparedLayer, organisation: Organisation, format_name: str) -> Stored:
    """Say what a layer's input takes in NM."""
    key = ("stored", format_name, *storage_key(organisation))
    return prepared.once(key, lambda: _store_input(prepared, organisation, format_name))


def _store_input(prepared: PreparedLayer, organisation: Organisation, format_name: str) -> Stored:
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


def _seen_positions(prepared: PreparedLayer, organisation: Organisation) -> NDArray[np.int32]:
    """Count, for each place in the kernel, the windows in which the activation goes to the lanes, ``[N, C, Kh, Kw]``."""
    seen = prepared.seen(organisation)
    return prepared.position_counts if seen is prepared.bits else prepared.positions_of(seen)


def _without_offsets(prepared: PreparedLayer, organisation: Organisation, taken: Counts) -> Counts | int:
    """Return how many of the values taken out of the brick buffer have no offset in NM, and need one."""
    o, fmt = organisation, get_format(organisation.format)
    from_vectors = not fmt.lists_offsets
    from_raw = o.detect == "dispatch"  # else raw bricks are walked value by value
    if not fmt.mixed or from_vectors == from_raw:
        return taken if from_vectors else 0
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
