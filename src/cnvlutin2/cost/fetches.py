"""How often the dataflow fetches each storage brick of a layer's input (docs/cost.md, "Fetches")."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost.events import Counts
from cnvlutin2.encodings import fetched, get_format
from cnvlutin2.encodings.base import Counts as BrickCounts
from cnvlutin2.encodings.base import Format, brick_sizes, pointer_widths
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing import PreparedLayer


class Fetches(NamedTuple):
    """What fetching a layer's input once for every window that needs it takes, of one image and one pass over all groups.

    An int is the same for all images.

    Parameters
    ----------
    rows, bits : int64 ``[N]`` or int
        NM rows touched, bits of the fetched records and of the vectors stepped over.
    pointers : int
        Pointers looked up; their bits are `pointer_bits` each.
    pointer_bits : int64 ``[N]`` or int
    raw_bricks : int64 ``[N]`` or int
        Fetched bricks that carry neither offsets nor a vector.
    """

    rows: Counts | int
    bits: Counts | int
    pointers: int
    pointer_bits: Counts | int
    raw_bricks: Counts | int


def values_in_windows(prepared: PreparedLayer, organisation: Organisation) -> int:
    """Return the values that windows take from the map, padding left out, over all windows and groups."""
    layer, (down, across) = prepared.layer, prepared.steps(organisation).uses
    columns = int(across.sum()) * layer.group_channels
    if prepared.packing(organisation) == "row":
        begin, end = _row_spans(*_row_of(prepared))
        columns = int((end - begin).sum())
    return int(down.sum()) * columns * layer.groups


def storage_key(organisation: Organisation) -> tuple[object, ...]:
    """Return what organisations have in common that store and fetch a layer's input, in one format, alike."""
    o = organisation
    return o.brick, o.data_bits, o.packing, o.pointer_group


def fetch_input(prepared: PreparedLayer, organisation: Organisation, format_name: str) -> Fetches:
    """Count the fetches of a layer's input, stored in a format."""
    key = ("fetched", format_name, *storage_key(organisation))
    return prepared.once(key, lambda: _fetch_input(prepared, organisation, format_name))


def _fetch_input(prepared: PreparedLayer, organisation: Organisation, format_name: str) -> Fetches:
    o, fmt = organisation, get_format(format_name)
    bricks = prepared.once(("bricks fetched", o.brick, o.packing), lambda: _bricks_fetched(prepared, o))
    raw: Counts | int = 0 if fmt.marks else bricks
    if fmt.mixed:
        raw = _weighed(raw_bricks(prepared, fmt, o), _brick_uses(prepared, o))
    if not fmt.indirect:
        return Fetches(bricks, bricks * brick_bits(fmt, o.brick, o.data_bits), 0, 0, raw)
    uses = _brick_uses(prepared, o)
    counts = prepared.brick_counts(o.brick, prepared.packing(o))
    rows, bits = _indirect_sizes(fmt, counts, uses, o)
    return Fetches(rows, bits, bricks, pointer_widths(stream_bits(prepared, fmt, o)), raw)


@lru_cache(maxsize=64)
def brick_bits(fmt: Format, brick: int, data_bits: int) -> int:
    """Return the bits of a brick in a format that gives all of them the same room."""
    return fmt.most_bits(brick, data_bits)


def stream_bits(prepared: PreparedLayer, fmt: Format, organisation: Organisation) -> Counts:
    """Return the bits of a layer's input in a format, without pointers, ``[N]``."""
    o = organisation
    histograms = prepared.brick_histograms(o.brick, prepared.packing(o))
    bits: Counts = histograms @ brick_sizes(fmt, o.brick, o.data_bits)
    return bits


def raw_bricks(prepared: PreparedLayer, fmt: Format, organisation: Organisation) -> NDArray[np.bool_]:
    """Return which bricks of a layer's input a format stores raw, ``[N, groups, H, W, bricks]``, without `W` if row-packed."""
    counts = prepared.brick_counts(organisation.brick, prepared.packing(organisation))
    return fmt.raw_bricks(counts, organisation.brick, organisation.data_bits)


def _brick_uses(prepared: PreparedLayer, organisation: Organisation) -> NDArray[np.int64]:
    """Return how many windows fetch each storage brick of a group.

    Returns
    -------
    int64, ``[H, W, 1]`` or, row-packed, ``[H, row bricks]``
        The channel bricks of a place are fetched equally often.
    """
    down, across = (uses.astype(np.int64) for uses in prepared.steps(organisation).uses)
    if prepared.packing(organisation) == "row":
        return down[:, None] * _row_brick_uses(*_row_of(prepared), organisation.brick)
    return down[:, None, None] * across[:, None]


def _bricks_fetched(prepared: PreparedLayer, organisation: Organisation) -> int:
    """Return the fetches of all windows and groups."""
    layer, steps = prepared.layer, prepared.steps(organisation)
    if prepared.packing(organisation) == "row":
        down, _ = steps.uses
        return int(down.sum()) * int(_row_brick_uses(*_row_of(prepared), organisation.brick).sum()) * layer.groups
    in_map = steps.windows * steps.steps - steps.padded_steps
    return in_map * -(-layer.group_channels // organisation.brick) * layer.groups


Row = tuple[int, int, int, int, int, int]


def _row_of(prepared: PreparedLayer) -> Row:
    """Return width, channels, kernel, stride, left pad and windows of a packed row."""
    layer = prepared.layer
    across = layer.input_size[1], layer.group_channels, layer.kernel_size[1], layer.strides[1], layer.pads[1]
    return (*across, layer.output_size[1])


def _row_spans(width: int, channels: int, kernel: int, stride: int, left: int, windows: int) -> tuple[Counts, Counts]:
    """Return the first value of a packed row that each window along it takes, and the end, padding cut off."""
    begin = (np.arange(windows) * stride - left) * channels
    return np.clip(begin, 0, width * channels), np.clip(begin + kernel * channels, 0, width * channels)


@lru_cache(maxsize=1024)
def _row_brick_uses(width: int, channels: int, kernel: int, stride: int, left: int, windows: int, brick: int) -> Counts:
    """Return how many of the windows along a row take a value from each brick of a packed row, ``[row bricks]``."""
    first, last = _row_spans(width, channels, kernel, stride, left, windows)
    some = first < last  # windows may lie in the padding altogether
    edges = np.zeros(-(-width * channels // brick) + 1, np.int64)
    np.add.at(edges, first[some] // brick, 1)
    np.add.at(edges, (last[some] - 1) // brick + 1, -1)
    uses: Counts = np.cumsum(edges)[:-1]
    uses.setflags(write=False)
    return uses


def _indirect_sizes(
    fmt: Format, counts: BrickCounts, uses: NDArray[np.int64], organisation: Organisation
) -> tuple[Counts, Counts]:
    """Return rows touched and bits read over all windows, of each image; `counts` as of `PreparedLayer.brick_counts`."""
    o = organisation
    by_brick = np.broadcast_to(uses, counts.shape[1:]).reshape(-1)
    # To reach the k-th brick of a pointer's group, the vectors of the k before it tell where it begins.
    stepped_over = o.brick * int((np.arange(by_brick.size) % o.pointer_group) @ by_brick) if o.pointer_group > 1 else 0
    rows, bits = fetched(fmt, counts, by_brick, o.brick, o.data_bits)
    return rows, bits + stepped_over


def _weighed(of_bricks: NDArray[np.bool_], uses: NDArray[np.int64]) -> Counts:
    """Add up something of every brick, as often as it is fetched, ``[N]``."""
    total: Counts = (of_bricks * uses).reshape(len(of_bricks), -1).sum(axis=1)
    return total
