"""How often the dataflow fetches each storage brick of a layer's input (docs/cost.md, "Fetches")."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings import fetched
from cnvlutin2.encodings.base import Format, brick_sizes, pointer_widths
from cnvlutin2.layer import Geometry
from cnvlutin2.mapping import Schedule, StepMap
from cnvlutin2.timing.engine import Counts
from cnvlutin2.timing.observed import ObservedLayer


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


@lru_cache(maxsize=1024)
def values_in_windows(geometry: Geometry, brick: int, packing: str) -> int:
    """Return the values that windows take from the map, padding left out, over all windows and groups."""
    steps = StepMap.of(geometry, brick, packing)
    down, across = steps.uses
    if steps.row_packed:
        begin, end = _row_spans(geometry)
        return int(down.sum()) * int((end - begin).sum()) * geometry.groups
    return int(down.sum()) * int(across.sum()) * geometry.channels


def fetch_input(observed: ObservedLayer, schedule: Schedule, fmt: Format) -> Fetches:
    """Count the fetches of a layer's input, stored in a format."""
    o = schedule.organisation
    bricks = _bricks_fetched(schedule.geometry, o.brick, o.packing)
    raw: Counts | int = 0 if fmt.marks else bricks
    if fmt.mixed:
        raw = over_windows(raw_bricks(observed, schedule, fmt), schedule)
    if not fmt.indirect:
        return Fetches(bricks, bricks * brick_bits(fmt, o.brick, o.data_bits), 0, 0, raw)
    rows, bits = _indirect_sizes(observed, schedule, fmt)
    return Fetches(rows, bits, bricks, pointer_widths(stream_bits(observed, schedule, fmt)), raw)


@lru_cache(maxsize=64)
def brick_bits(fmt: Format, brick: int, data_bits: int) -> int:
    """Return the bits of a brick in a format that gives all of them the same room."""
    return fmt.most_bits(brick, data_bits)


def stream_bits(observed: ObservedLayer, schedule: Schedule, fmt: Format) -> Counts:
    """Return how long the stream of a layer's input is in a format whose bricks are found through pointers, without these."""
    o = schedule.organisation
    bits: Counts = observed.brick_histograms(schedule.storage) @ brick_sizes(fmt, o.brick, o.data_bits)
    return bits


def raw_bricks(observed: ObservedLayer, schedule: Schedule, fmt: Format) -> NDArray[np.bool_]:
    """Return which bricks of a layer's input a format stores raw, ``[N, *storage.bricks_shape]``."""
    o = schedule.organisation
    return fmt.raw_bricks(observed.brick_counts(schedule.storage), o.brick, o.data_bits)


def over_windows(of_bricks: NDArray[np.uint8] | NDArray[np.bool_], schedule: Schedule) -> Counts:
    """Add up something of every storage brick, ``[N, *storage.bricks_shape]``, as often as windows fetch it, ``[N]``."""
    uses = np.broadcast_to(brick_uses(schedule), of_bricks.shape[1:]).reshape(-1)
    total: Counts = of_bricks.reshape(len(of_bricks), -1) @ uses
    return total


def brick_uses(schedule: Schedule) -> NDArray[np.int64]:
    """Return how many windows fetch each storage brick of a group.

    Returns
    -------
    int64, ``[H, W, 1]`` or, row-packed, ``[H, row bricks]``
        The channel bricks of a place are fetched equally often.
    """
    down, across = schedule.steps.uses
    if schedule.steps.row_packed:
        return down[:, None] * _row_brick_uses(schedule.geometry, schedule.organisation.brick)
    return down[:, None, None] * across[:, None]


@lru_cache(maxsize=1024)
def _bricks_fetched(geometry: Geometry, brick: int, packing: str) -> int:
    """Return the fetches of all windows and groups."""
    steps = StepMap.of(geometry, brick, packing)
    if steps.row_packed:
        return int(steps.uses[0].sum()) * int(_row_brick_uses(geometry, brick).sum()) * geometry.groups
    in_map = steps.windows * steps.steps - steps.padded_steps
    return in_map * -(-geometry.group_channels // brick) * geometry.groups


def _row_spans(geometry: Geometry) -> tuple[Counts, Counts]:
    """Return the first value of a packed row that each window along it takes, and the end, padding cut off."""
    g, channels = geometry, geometry.group_channels
    begin = (np.arange(g.outputs[1]) * g.strides[1] - g.pads[1]) * channels
    row = g.width * channels
    return np.clip(begin, 0, row), np.clip(begin + g.kernel[1] * channels, 0, row)


@lru_cache(maxsize=1024)
def _row_brick_uses(geometry: Geometry, brick: int) -> Counts:
    """Return how many of the windows along a row take a value from each brick of a packed row, ``[row bricks]``."""
    first, last = _row_spans(geometry)
    some = first < last  # windows may lie in the padding altogether
    edges = np.zeros(-(-geometry.width * geometry.group_channels // brick) + 1, np.int64)
    np.add.at(edges, first[some] // brick, 1)
    np.add.at(edges, (last[some] - 1) // brick + 1, -1)
    uses: Counts = np.cumsum(edges)[:-1]
    uses.setflags(write=False)
    return uses


def _indirect_sizes(observed: ObservedLayer, schedule: Schedule, fmt: Format) -> tuple[Counts, Counts]:
    """Return rows touched and bits read over all windows, of each image."""
    o, counts = schedule.organisation, observed.brick_counts(schedule.storage)
    by_brick = np.broadcast_to(brick_uses(schedule), counts.shape[1:]).reshape(-1)
    # To reach the k-th brick of a pointer's group, the vectors of the k before it tell where it begins.
    stepped_over = o.brick * int((np.arange(by_brick.size) % o.pointer_group) @ by_brick) if o.pointer_group > 1 else 0
    rows, bits = fetched(fmt, counts, by_brick, o.brick, o.data_bits)
    return rows, bits + stepped_over
