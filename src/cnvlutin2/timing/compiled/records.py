"""What the kernels take: named tuples of numbers and arrays. They follow from shapes, organisations and weights alone.

A *map* is one group of one image; its *places* are those of a `cnvlutin2.mapping.StepMap`, row after row. *Room* is a number of
bytes up to whole vectors: the kernels do 64 places at a time, and what lies behind the last place counts for nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.simd import VECTOR

Bytes = NDArray[np.uint8]
Edges = NDArray[np.int32]
Ints = NDArray[np.int64]

WAITING, FREE, DRIFTING = range(3)
"""Whether the filters of a tile wait for each other at every run, walk their lane on their own, or drift some runs apart."""

SEEN, STORED, MACS = range(3)
"""Of a layer's sums: effectual activations over all windows, those stored, and their products with effectual weights.

The last is the sum over the first of the tables of weights; those over the others follow.
"""

LAYER = 0
"""Which of a layer's results is the layer itself: its columns are the sums above."""

LANE_QUANTITIES = ("cycles", "costs", "zeros")
"""What is measured where no weights are skipped: the slowest lane's cycles of all windows; all runs' cycles; what lanes take for
effectual but is not."""

PAIR_QUANTITIES = ("cycles", "filter_cycles", "costs", "work", "waits")
"""What is measured where they are; see `cnvlutin2.timing.accounting.Measured`."""
CYCLES, FILTER_CYCLES, COSTS, WORK, WAITS = range(5)


def room_for(size: int) -> int:
    """Return a size up to whole vectors."""
    return -(-size // VECTOR) * VECTOR


class ReadWords(NamedTuple):
    """Places of a map that are read at each place in the kernel, 64 in a word; last, those that count as stored.

    Parameters
    ----------
    spans : int32 ``[steps + 1, 2]``
        The first word of the map in which some are, and how many words follow each other.
    words : uint64
        These words, those of a step behind those of the step before.
    """

    spans: Edges
    words: NDArray[np.uint64]


class LayerRecord(NamedTuple):
    """A layer, or a band of one: what follows from its effectual values whatever the lanes.

    Parameters
    ----------
    channels, places : int
        Of an image of the band.
    map_places, first_place : int
        Places of the whole map, and the first of them that belongs to the band.
    reads : ReadWords
        The places that some window reads, and last those that the band counts as stored.
    tables : int32 ``[tables, steps, channels]``
        What an effectual activation counts for: first the filters whose weight there is effectual, then the filters of tiles with
        an effectual weight, for the organisations that ask.
    factors : int64 ``[sums, results, columns]``
        What each of the sums adds to cycles and slots of each result.
    """

    channels: int
    places: int
    map_places: int
    first_place: int
    reads: ReadWords
    tables: Edges
    factors: Ints


class StepsRecord(NamedTuple):
    """How the values of maps become those of steps.

    Parameters
    ----------
    groups, channels, width : int
        Groups, channels of a group, and width of the map as they are stored.
    values, rows, columns : int
        Values of a step; places down and across.
    kernel, pads, dilations : (int, int)
        Of the steps, vertical and horizontal; pads are top and left.
    row_packed : bool
        Whether a place is a row that a window reads, rather than a position.
    row_kernel, row_stride, row_pad : int
        Of the layer across, where rows are packed.
    """

    groups: int
    channels: int
    width: int
    values: int
    rows: int
    columns: int
    kernel: tuple[int, int]
    pads: tuple[int, int]
    dilations: tuple[int, int]
    row_packed: bool
    row_kernel: int
    row_stride: int
    row_pad: int


class StorageRecord(NamedTuple):
    """How storage bricks lie in NM; several ways at once, in which organisations with the same lanes store them.

    Parameters
    ----------
    brick : int
        Values of a brick.
    raw : uint8 ``[ways, ranges, 2]``
        Bricks of so many effectual values, and up to so many more, are stored raw, all their values then being taken for
        effectual; where a way has fewer ranges than another, its last one comes again.
    mixed : bool ``[ways]``
        Whether any is.
    sizes : int64 ``[ways, brick + 1]``
        Bits of a record by its effectual values.
    row_bits : int64 ``[ways]``
        Bits of an NM row where records follow each other without gaps; 0 where every brick has rows of its own.
    row_units : int64 ``[ways]``
        Units of a row if all records are of whole units, grow evenly and are no longer than a row of few units, else 0.
    """

    brick: int
    raw: Bytes
    mixed: NDArray[np.bool_]
    sizes: Ints
    row_bits: Ints
    row_units: Ints


class PieceRecord(NamedTuple):
    """Ranges of a step's values, none of which reaches over the end of a run or of a storage brick.

    Parameters
    ----------
    edges : int32 ``[pieces + 1]``
        The first value of each, and the end.
    brick_of : int32 ``[pieces]``
    runs : int32 ``[runs + 1]``
        The first piece of each run, and the end; where runs have one value, bricks are taken for runs.
    bricks : int32 ``[bricks + 1]``
        The first piece of each brick, and the end.
    run_bricks : int32 ``[runs, 2]``
        The first and the last brick of each run.
    """

    edges: Edges
    brick_of: Edges
    runs: Edges
    bricks: Edges
    run_bricks: Edges


class RowBricksRecord(NamedTuple):
    """The storage bricks of a row-packed layer, whose values windows read apart; of size 0 where none is stored raw.

    Parameters
    ----------
    reads : uint64 ``[kernel width, bricks of a row]``
        The values of each brick that some window reads at each column of the kernel, the first one in the lowest bit.
    uses : int64 ``[rows of as many maps as are done at a time]``
        Rows of windows that read each row.
    """

    reads: NDArray[np.uint64]
    uses: Ints


class WindowsRecord(NamedTuple):
    """Where windows lie: in rows as wide as `pitch`, one for every row of places down to the last window's.

    What windows read at some place in the kernel lies as far apart as they do.

    Parameters
    ----------
    pitch : int
        The width of the map, or more if windows begin behind it.
    room : int
        Places that are a window's first or lie between such.
    begins : uint8 ``[room]``
        255 where a window begins.
    inside : uint8 ``[kernel width, room]``
        255 where what a window reads is not beside the map.
    uses : uint16 ``[places of the map up to whole vectors]``
        Windows that read a place.
    above, below : int
        Rows before and behind the map that windows read.
    alone : bool
        Whether every place is a window, which reads nothing else.
    """

    pitch: int
    room: int
    begins: Bytes
    inside: Bytes
    uses: NDArray[np.uint16]
    above: int
    below: int
    alone: bool


class LaneWalk(NamedTuple):
    """What lanes do in a step where no weights are skipped.

    Parameters
    ----------
    parts : int32 ``[lanes in use + 1]``
        The first run of each lane, and the end.
    stands_for : int32 ``[lanes in use]``
        How many lanes each is: where runs have one value, the lanes of a brick do the same, and are one here.
    longest : int
        Values of the longest run.
    overhead : int
        Cycles of a run beside its work.
    """

    parts: Edges
    stands_for: Edges
    longest: int
    overhead: int


class LaneRecord(NamedTuple):
    """Organisations that skip no weights and have the same lanes.

    Parameters
    ----------
    steps : StepsRecord
    pieces : PieceRecord
    storage : StorageRecord
    row_bricks : RowBricksRecord
        If it is not of size 0, there is one way, which is mixed, of rows that are packed.
    windows : WindowsRecord
    walk : LaneWalk
    counted : bool
        Whether cycles depend on what is in the maps: else every run takes one.
    bricks_matter : bool
        Whether some way asks for the counts of bricks.
    wide : bool
        Whether a lane's cycles in a window may take more than a byte.
    least : (int, int)
        Cycles of a map in which every run takes one: the slowest lane's and all runs', both over all windows, with overhead.
    factors : int64 ``[ways, quantities, columns]``
        What each of `LANE_QUANTITIES` adds to cycles and slots.
    results : int64 ``[ways]``
        Which of the layer's results each way is.
    """

    steps: StepsRecord
    pieces: PieceRecord
    storage: StorageRecord
    row_bricks: RowBricksRecord
    windows: WindowsRecord
    walk: LaneWalk
    counted: bool
    bricks_matter: bool
    wide: bool
    least: tuple[int, int]
    factors: Ints
    results: Ints


class WalkRecord(NamedTuple):
    """How lanes walk the runs of a window, and the weights that they meet.

    Parameters
    ----------
    kind : int
        How the filters of a tile walk a lane: `WAITING`, `FREE` or `DRIFTING`; `WAITING` if they do the same anyway.
    begins : int32 ``[lanes in use + 1]``
        The first run of each lane, and the end.
    step_of, run_of : int32 ``[runs of a window]``
        As of `cnvlutin2.mapping.LaneOrder`.
    weights : uint8 ``[groups, passes, tiles in use, runs of a window, filters, digits]``
        Digits of the masks of the effectual weights that meet each run; filters before runs where filters are `FREE`.
    leaders : uint16 ``[groups * passes * tiles * runs of a window]``
        How many filters of the tile come into question as its busiest; they are the first ones. Of size 0 unless `WAITING`.
    alike : uint16 ``[groups * passes * tiles * lanes in use]``
        How many filters of the tile do the same in a lane; they are the first one and the last ones. Of size 0 unless `DRIFTING`.
    full : bool ``[groups * passes * tiles * lanes in use]``
        Whether a tile has in a lane all weights that any of the group has, in one filter at every run if filters are `WAITING`,
        in all of them if they are `DRIFTING`: all such tiles do the same. Of size 0 if they are `FREE`.
    tile_filters : int32 ``[passes, tiles in use]``
    """

    kind: int
    begins: Edges
    step_of: Edges
    run_of: Edges
    weights: Bytes
    leaders: NDArray[np.uint16]
    alike: NDArray[np.uint16]
    full: NDArray[np.bool_]
    tile_filters: Edges


class ReadsRecord(NamedTuple):
    """What windows read, in masks of a map with margins.

    Parameters
    ----------
    windows : int
        Of an image.
    margin : int
        Places before the map's first one; there are as many behind the last one, and at least a vector.
    flat : bool
        Whether consecutive windows read consecutive places at every step, in the next row too.
    offsets : int32 ``[steps]``
        If flat, how far behind its own number the place lies that a window reads.
    inside : uint8 ``[steps, windows up to whole vectors]``
        If flat, 255 where that is not beside the map.
    places : int32 ``[steps, windows]``
        If not flat, the place that each window reads; -1 is the padding.
    """

    windows: int
    margin: int
    flat: bool
    offsets: Edges
    inside: Bytes
    places: Edges


class PairRecord(NamedTuple):
    """Organisations that skip ineffectual weights and walk the same ones.

    Parameters
    ----------
    steps : StepsRecord
    storage : StorageRecord
        In one way.
    brick_edges : int32 ``[bricks + 1]``
        The first value of every brick of a position, and the end.
    run_bricks : int32 ``[runs, 2]``
        The first and the last brick of each run.
    reads : ReadsRecord
    walk : WalkRecord
    drift : int
        Runs that filters may be apart, if `DRIFTING`.
    barrier : bool
        Whether a run is replaced in all tiles at once.
    apart : bool
        Whether tiles run freely through the windows of a pass.
    sees_all : bool
        Whether all activations are taken for effectual, and those of the padding.
    starts, stops : int32 ``[runs]``
        The values of each run of a step.
    planes : int
        Bytes of the longest run's mask.
    most_runs : int
        Runs of the longest lane.
    worst : int
        Cycles that no run takes more than, without overhead.
    overhead : int
    wide : bool
        Whether a lane's cycles in a window may take more than a byte.
    factors : int64 ``[ways, quantities, columns]``
        What each of `PAIR_QUANTITIES` adds to cycles and slots.
    results : int64 ``[ways]``
        Which of the layer's results each way is.
    """

    steps: StepsRecord
    storage: StorageRecord
    brick_edges: Edges
    run_bricks: Edges
    reads: ReadsRecord
    walk: WalkRecord
    drift: int
    barrier: bool
    apart: bool
    sees_all: bool
    starts: Edges
    stops: Edges
    planes: int
    most_runs: int
    worst: int
    overhead: int
    wide: bool
    factors: Ints
    results: Ints
