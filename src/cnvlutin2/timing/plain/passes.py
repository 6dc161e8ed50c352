"""`Pass`: what every lane does when in a pass of a group, from which all counts are added up (docs/model.md, "Organisations")."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.mapping import LaneOrder
from cnvlutin2.timing.plain.operands import Bits, Operands

Ints = NDArray[np.int64]

BLOCK_BYTES = 1 << 26
"""What may be in memory of the walks of some windows."""
_RUN_BYTES = 24  # of a run and column in a window: products, begins and ends, and what comes and goes while they are added up
_VALUE_BYTES = 24  # of a value of a step in a window, two of whose bits are numbers while products are counted


class Columns(NamedTuple):
    """The filters of a pass, tile by tile; those that always do the same are one column.

    Where no weights are skipped all are one column; where a tile skips together, those of a tile.

    Parameters
    ----------
    wanted : bool ``[steps, values, columns]``
        Whether a value is multiplied if it is effectual: not skipped for its weights' sake.
    filters : int64 ``[columns]``
        How many filters each stands for.
    tile_begins : int64 ``[tiles]``
        The first column of each tile that may differ from others.
    weights : int64 ``[steps, values]``
        Filters whose weight is effectual.
    """

    wanted: Bits
    filters: Ints
    tile_begins: Ints
    weights: Ints

    def by_tile(self) -> Ints:
        """Return the filters of each tile."""
        return np.add.reduceat(self.filters, self.tile_begins)


class Walk(NamedTuple):
    """What the lanes do in `W` windows; `R` runs of a window, lane by lane in the order in which lanes walk them.

    Parameters
    ----------
    order : LaneOrder
    products : uint8 ``[R, columns, W]``
        What each filter multiplies in each run.
    rows : uint8 ``[R, W]``
        NM rows that fetching each run touches.
    begins, ends : int64 ``[R, columns, W]``
        The cycles of the window in which each filter begins and ends each run, its overhead included.
    released : int64 ``[R, barriers, W]``
        When the slowest filter has ended the run: of each tile, or of all tiles if these wait for each other at every run.
    """

    order: LaneOrder
    products: NDArray[np.uint8]
    rows: NDArray[np.uint8]
    begins: Ints
    ends: Ints
    released: Ints

    @property
    def lane_ends(self) -> Ints:
        """When each lane has ended the window, ``[lanes in use, barriers, W]``."""
        return self.released[self.order.begins[1:] - 1]


class Pass:
    """One pass of one group of a layer.

    Parameters
    ----------
    operands : Operands
    group, number : int
        Which group, and which of its passes.
    """

    def __init__(self, operands: Operands, group: int, number: int) -> None:
        self.operands, self.schedule, self.group = operands, operands.schedule, group
        seats = self.schedule.seats
        own = np.flatnonzero(seats.pass_of == number)
        own = own[np.lexsort((seats.slot_of[own], seats.tile_of[own]))]
        self.filters: Ints = group * seats.filters + own
        """Those of the pass, tile by tile, counted over all groups."""
        self.columns = self._columns(seats.tile_of[own])

    def _columns(self, tile_of: NDArray[np.int32]) -> Columns:
        own, skip_weights = self.filters, self.schedule.organisation.skip_weights
        tile_begins = np.flatnonzero(np.diff(tile_of, prepend=-1)).astype(np.int64)
        weights = self.operands.weights(own)
        effectual = np.count_nonzero(weights, axis=2).astype(np.int64)
        if skip_weights == "none":
            every = np.ones((*effectual.shape, 1), np.bool_)
            return Columns(every, np.array([own.size]), np.array([0]), effectual)
        if skip_weights == "shared":
            some = np.logical_or.reduceat(weights, tile_begins, axis=2)
            return Columns(some, np.diff(tile_begins, append=own.size), np.arange(tile_begins.size), effectual)
        return Columns(weights, np.ones(own.size, np.int64), tile_begins, effectual)

    def blocks(self, windows: Ints) -> list[Ints]:
        """Cut windows into blocks whose walks fit into memory (`BLOCK_BYTES`)."""
        runs = self.schedule.window_runs * self.columns.filters.size
        most = max(1, BLOCK_BYTES // (_RUN_BYTES * runs + _VALUE_BYTES * self.schedule.steps.values))
        return [windows[first : first + most] for first in range(0, windows.size, most)]

    def walk(self, windows: Ints) -> Walk:
        """Return what the lanes do in some windows.

        Parameters
        ----------
        windows : int64 ``[W]``
            Counted over the images (`Operands.places`).

        Notes
        -----
        A run costs a filter ``max(products, rows)`` cycles and the overhead. How far a filter may be ahead of the slowest one
        is one rule for all kinds of waiting: it begins run `q` when it has ended run ``q - 1`` and everybody has ended run
        ``q - 1 - drift``, where the drift is 0 if filters wait for each other at every run, and endless if they do not.
        """
        order, overhead, drift = self.schedule.lane_order, self.schedule.organisation.run_overhead, self._drift
        products, rows = self._work(windows)
        begins, ends = np.empty((2, *products.shape), np.int64)
        barriers, barrier_of = self._barriers
        released = np.empty((len(products), barriers.size, windows.size), np.int64)
        for first, last in pairwise(order.begins.tolist()):  # a lane's runs
            for q in range(first, last):
                begins[q] = ends[q - 1] if q > first else 0
                if q - 1 - drift >= first:
                    np.maximum(begins[q], released[q - 1 - drift, barrier_of], out=begins[q])
                ends[q] = begins[q] + np.maximum(products[q], rows[q]) + overhead
                released[q] = np.maximum.reduceat(ends[q], barriers, axis=0)
        return Walk(order, products, rows, begins, ends, released)

    def multiplied(self, windows: Ints) -> Ints:
        """Return what all filters multiply in some windows, ``[3, W]``.

        Of these products, those with an effectual activation; of these, those with an effectual weight.
        """
        operands, columns, group = self.operands, self.columns, self.group
        found = np.zeros((3, windows.size), np.int64)
        for step, places in enumerate(operands.places(windows)):
            wanted = columns.wanted[step] @ columns.filters.astype(np.float64)  # filters that multiply the value
            useful = operands.effectual[group][:, places].astype(np.float64)
            seen = operands.seen[group][:, places].astype(np.float64)
            found += np.stack([wanted @ seen, wanted @ useful, columns.weights[step] @ useful]).astype(np.int64)
        return found

    def _work(self, windows: Ints) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the products of every run and the rows that it touches, as `Walk` has them."""
        operands, runs, order = self.operands, self.schedule.runs, self.schedule.lane_order
        columns, places = self.columns, operands.places(windows)
        products = np.empty((order.step_of.size, columns.filters.size, windows.size), np.uint8)
        rows = np.empty((order.step_of.size, windows.size), np.uint8)
        for r, (step, run) in enumerate(zip(order.step_of, order.run_of, strict=True)):
            own = slice(runs.starts[run], runs.stops[run])
            seen = operands.seen[self.group, own, places[step]].astype(np.float32)  # at most 64 values: sums are exact
            products[r] = columns.wanted[step, own].T.astype(np.float32) @ seen.T
            rows[r] = operands.rows[self.group, run, places[step]]
        return products, rows

    @property
    def _drift(self) -> int:
        """How many runs a filter may be ahead of the slowest."""
        o = self.schedule.organisation
        if not o.filters_part:
            return 0
        return self.schedule.window_runs if o.drift is None else o.drift

    @property
    def _barriers(self) -> tuple[Ints, Ints]:
        """The first column of those that wait for each other, a tile's or all, and for each column which these are."""
        begins = self.columns.tile_begins
        if self.schedule.organisation.tile_sync == "brick":
            begins = begins[:1]
        return begins, np.searchsorted(begins, np.arange(self.columns.filters.size), side="right") - 1
