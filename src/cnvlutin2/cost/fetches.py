"""How often the dataflow fetches each storage brick of a layer's input (docs/cost.md, "Fetches")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.cost.events import Counts
from cnvlutin2.encodings import get_format
from cnvlutin2.encodings.base import Counts as BrickCounts
from cnvlutin2.encodings.base import Format, pointer_width
from cnvlutin2.organisation import Organisation
from cnvlutin2.timing import PreparedLayer


@dataclass(frozen=True)
class Fetches:
    """What fetching a layer's input once for every window that needs it takes, of one image and one pass over all groups.

    Parameters
    ----------
    bricks, rows, bits : int64 ``[N]``
        Bricks fetched, NM rows touched, bits of their records and of the vectors stepped over.
    pointers : int64 ``[N]``
        Pointers looked up; their bits are `pointer_bits` each.
    pointer_bits : int64 ``[N]``
    raw_bricks : int64 ``[N]``
        Those of `bricks` that carry neither offsets nor a vector.
    """

    bricks: Counts
    rows: Counts
    bits: Counts
    pointers: Counts
    pointer_bits: Counts
    raw_bricks: Counts


def brick_uses(prepared: PreparedLayer, organisation: Organisation) -> NDArray[np.int64]:
    """Return how many windows fetch each storage brick of a group.

    Returns
    -------
    int64, ``[H, W, 1]`` or, row-packed, ``[H, row bricks]``
        The channel bricks of a place are fetched equally often.
    """
    steps = prepared.steps(organisation)
    down, across = (uses.astype(np.int64) for uses in steps.uses)
    if not steps.row_packed:
        return down[:, None, None] * across[None, :, None]
    return down[:, None] * row_brick_uses(prepared, organisation)[None, :]


def values_in_windows(prepared: PreparedLayer, organisation: Organisation) -> int:
    """Return the values that windows take from the map, padding left out, over all windows and groups."""
    layer, (down, across) = prepared.layer, prepared.steps(organisation).uses
    columns = int(across.sum())
    if prepared.packing(organisation) == "row":
        begin, end = _row_spans(prepared)
        columns = int((end - begin).sum()) // layer.group_channels
    return int(down.sum()) * columns * layer.group_channels * layer.groups


def _row_spans(prepared: PreparedLayer) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first value of a packed row that each window along it takes, and the end, padding cut off."""
    layer = prepared.layer
    begin = (np.arange(layer.output_size[1]) * layer.strides[1] - layer.pads[1]) * layer.group_channels
    size = layer.input_size[1] * layer.group_channels
    return np.clip(begin, 0, size), np.clip(begin + layer.kernel_size[1] * layer.group_channels, 0, size)


def row_brick_uses(prepared: PreparedLayer, organisation: Organisation) -> NDArray[np.int64]:
    """Return how many of the windows along a row take a value from each brick of a packed row, ``[row bricks]``."""
    layer = prepared.layer
    size, brick = layer.input_size[1] * layer.group_channels, organisation.brick
    first, last = _row_spans(prepared)
    some = first < last  # windows may lie in the padding altogether
    edges = np.zeros(-(-size // brick) + 1, np.int64)
    np.add.at(edges, first[some] // brick, 1)
    np.add.at(edges, (last[some] - 1) // brick + 1, -1)
    return np.cumsum(edges)[:-1]


def fetch_input(prepared: PreparedLayer, organisation: Organisation, format_name: str) -> Fetches:
    """Count the fetches of a layer's input, stored in a format."""
    layer, fmt = prepared.layer, get_format(format_name)
    uses = brick_uses(prepared, organisation)
    images = layer.images
    per_place = 1 if prepared.packing(organisation) == "row" else -(-layer.group_channels // organisation.brick)
    bricks = int(uses.sum()) * per_place * layer.groups
    every = np.full(images, bricks, np.int64)
    zero = np.zeros(images, np.int64)
    if not fmt.indirect:
        raw = every if format_name == "dense" else zero
        if format_name == "roe":
            raw = _weighed(raw_bricks(prepared, organisation), uses)
        return Fetches(every, every, every * fmt.most_bits(organisation.brick, organisation.data_bits), zero, zero, raw)
    counts = prepared.brick_counts(organisation.brick, prepared.packing(organisation))
    sizes = [_indirect_sizes(fmt, image, uses, organisation) for image in counts]
    rows, bits, pointer_bits = np.array(sizes, np.int64).T
    return Fetches(every, rows, bits, every, np.ascontiguousarray(pointer_bits), zero)


def raw_bricks(prepared: PreparedLayer, organisation: Organisation) -> NDArray[np.bool_]:
    """Return which bricks of a layer's input RoE stores raw, ``[N, groups, H, W, bricks]``, without `W` if row-packed."""
    counts = prepared.brick_counts(organisation.brick, prepared.packing(organisation))
    return get_format("roe").raw_bricks(counts, organisation.brick, organisation.data_bits)


def _indirect_sizes(
    fmt: Format, counts: BrickCounts, uses: NDArray[np.int64], organisation: Organisation
) -> tuple[int, int, int]:
    """Return rows touched and bits read over all windows, and the bits of a pointer, of one image."""
    brick, data_bits, group = organisation.brick, organisation.data_bits, organisation.pointer_group
    rows = fmt.rows_touched(counts, brick, data_bits)
    bits = fmt.brick_bits(counts, brick, data_bits)
    # To reach the k-th brick of a pointer's group, the vectors of the k before it tell where it begins.
    stepped_over = (np.arange(counts.size) % group).reshape(counts.shape)
    read = bits + brick * stepped_over
    return int((rows * uses).sum()), int((read * uses).sum()), pointer_width(int(bits.sum()))


def _weighed(of_bricks: NDArray[np.bool_], uses: NDArray[np.int64]) -> Counts:
    """Add up something of every brick, as often as it is fetched, ``[N]``."""
    total: Counts = (of_bricks * uses).reshape(len(of_bricks), -1).sum(axis=1)
    return total
