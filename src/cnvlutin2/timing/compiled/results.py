"""Which results of a layer there are, and how each follows from sums and from what is measured, by linear formulas."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.mapping import Schedule
from cnvlutin2.timing.accounting import COLUMNS, Measured, as_columns, dense_timing, lanes_measured, skip_timing
from cnvlutin2.timing.compiled.records import LANE_QUANTITIES, MACS, PAIR_QUANTITIES, SEEN
from cnvlutin2.timing.compiled.sharing import dense_key
from cnvlutin2.timing.engine import Counts, Timing
from cnvlutin2.timing.observed import ObservedWeights

Formula = Callable[[Counts], Timing]
"""From numbers ``[sums and quantities, n]`` to cycles and slots of each of the `n`."""


@dataclass
class ResultTable:
    """The results of a layer, each once, whatever the organisations are called that share it.

    Parameters
    ----------
    weights : ObservedWeights
    """

    weights: ObservedWeights
    constants: list[NDArray[np.int64]] = field(default_factory=list)
    """Of each result, the cycles and slots that depend on no activation, ``[columns]``."""
    tables: list[NDArray[np.int32]] = field(default_factory=list)
    """What effectual activations count for, ``[C, Kh, Kw]`` each; see `records.LayerRecord.tables`."""
    _of_sums: list[NDArray[np.int64]] = field(default_factory=list)
    _known: dict[Hashable, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tables.append(self.weights.filter_counts)
        self.constants.append(np.zeros(COLUMNS, np.int64))
        self._of_sums.append(np.eye(MACS + 1, COLUMNS, dtype=np.int64))

    @property
    def factors(self) -> NDArray[np.int64]:
        """What each of the layer's sums adds to each result, ``[sums, results, columns]``."""
        sums = MACS + len(self.tables)
        padded = [np.pad(factors, ((0, sums - len(factors)), (0, 0))) for factors in self._of_sums]
        return np.ascontiguousarray(np.stack(padded, axis=1))

    def dense(self, schedule: Schedule) -> int:
        """Return the result of a schedule in dense mode."""
        key = dense_key(schedule)
        if key not in self._known:
            self._known[key] = self._add(lambda numbers: dense_timing(schedule, numbers[SEEN], numbers[MACS]), 0)[0]
        return self._known[key]

    def known(self, key: Hashable) -> int | None:
        """Return the result of this key, if there is one."""
        return self._known.get(key)

    def lanes(self, schedule: Schedule, key: Hashable) -> tuple[int, NDArray[np.int64]]:
        """Add the result of a schedule that skips no weights.

        Returns
        -------
        int
            Which result it is.
        int64 ``[quantities, columns]``
            What each of `LANE_QUANTITIES` adds to it.
        """

        def timing(numbers: Counts) -> Timing:
            (cycles, costs, zeros), seen = numbers[-len(LANE_QUANTITIES) :], numbers[SEEN]
            return skip_timing(schedule, lanes_measured(schedule, cycles, costs, seen + zeros, seen, numbers[MACS]))

        self._known[key], factors = self._add(timing, len(LANE_QUANTITIES))
        return self._known[key], factors

    def pairs(self, schedule: Schedule, key: Hashable) -> tuple[int, NDArray[np.int64]]:
        """Add the result of a schedule that skips weights; as `lanes`, for `PAIR_QUANTITIES`."""
        products, useful = self._products(schedule)

        def timing(numbers: Counts) -> Timing:
            cycles, filter_cycles, costs, work, waits = numbers[-len(PAIR_QUANTITIES) :]
            if schedule.organisation.filters_part:
                work = products(numbers)
            macs = numbers[MACS]
            measured = Measured(cycles, filter_cycles, products(numbers), useful(numbers), macs, costs, work, waits)
            return skip_timing(schedule, measured)

        self._known[key], factors = self._add(timing, len(PAIR_QUANTITIES))
        return self._known[key], factors

    def unit_runs(self, schedule: Schedule, key: Hashable) -> int:
        """Add the result of a schedule where every run takes one cycle: only what is multiplied varies."""
        o = schedule.organisation
        window = int(schedule.lane_order.lengths.max()) * (1 + o.run_overhead)
        timing = self._unit_lanes(schedule, window) if o.skip_weights == "none" else self._unit_pairs(schedule, window)
        self._known[key], _ = self._add(timing, 0)
        return self._known[key]

    @staticmethod
    def _unit_lanes(schedule: Schedule, window: int) -> Formula:
        """Return the formula where no weights are skipped."""
        maps_windows = schedule.steps.windows * schedule.groups

        def timing(numbers: Counts) -> Timing:
            seen, ones = numbers[SEEN], np.ones_like(numbers[SEEN])
            cycles, costs = ones * window * maps_windows, ones * schedule.window_runs * maps_windows
            return skip_timing(schedule, lanes_measured(schedule, cycles, costs, seen, seen, numbers[MACS]))

        return timing

    def _unit_pairs(self, schedule: Schedule, window: int) -> Formula:
        """Return the formula where weights are skipped."""
        products, useful = self._products(schedule)
        o, windows = schedule.organisation, schedule.steps.windows
        shares = o.skip_weights == "per_filter" and not o.filters_part  # a filter's cycle with the others of its tile
        busy = self._seen_by_tiles(schedule) if shares else products

        def timing(numbers: Counts) -> Timing:
            ones = np.ones_like(numbers[SEEN])
            measured = Measured(
                cycles=ones * window * schedule.window_passes,
                filter_cycles=ones * window * windows * schedule.filters,
                products=products(numbers),
                useful=useful(numbers),
                macs=numbers[MACS],
                costs=ones * schedule.window_runs * windows * schedule.filters,
                work=busy(numbers),
                waits=np.zeros_like(ones),
            )
            return skip_timing(schedule, measured)

        return timing

    def _products(self, schedule: Schedule) -> tuple[Callable[[Counts], Counts], Callable[[Counts], Counts]]:
        """Return what tells the products that are multiplied, and those of them whose activation is effectual."""
        if schedule.organisation.skip_weights == "shared":
            table = self._busy_table(schedule)
            return self._seen_by_tiles(schedule), lambda numbers: numbers[MACS + table]
        every = schedule.steps.windows * self.weights.effectual
        useful = lambda numbers: numbers[MACS]  # noqa: E731 - beside its twin
        return (useful if schedule.view == "effectual" else lambda numbers: np.full_like(numbers[MACS], every)), useful

    def _seen_by_tiles(self, schedule: Schedule) -> Callable[[Counts], Counts]:
        """Return what tells the filters of tiles with an effectual weight for each activation that a lane sees."""
        table = self._busy_table(schedule)
        if schedule.view == "effectual":
            return lambda numbers: numbers[MACS + table]
        every = schedule.steps.windows * int(self.tables[table].sum(dtype=np.int64))
        return lambda numbers: np.full_like(numbers[MACS], every)

    def _busy_table(self, schedule: Schedule) -> int:
        """Return which table counts the filters of tiles with an effectual weight."""
        key = ("busy", schedule.together, schedule.seats)
        if key not in self._known:
            self.tables.append(self.weights.busy_filter_counts(schedule))
            self._known[key] = len(self.tables) - 1
        return self._known[key]

    def _add(self, formula: Formula, quantities: int) -> tuple[int, NDArray[np.int64]]:
        """Add a result; return which it is, and what each measured quantity adds to cycles and slots."""
        sums = MACS + len(self.tables)
        numbers = sums + quantities
        units = np.concatenate([np.zeros((numbers, 1), np.int64), np.eye(numbers, dtype=np.int64)], axis=1)
        found = as_columns(formula(units))
        factors = found[1:] - found[0]
        self.constants.append(found[0])
        self._of_sums.append(factors[:sums])
        return len(self.constants) - 1, np.ascontiguousarray(factors[sums:])
