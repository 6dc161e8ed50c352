"""`Part`: what the compiled kernels for many layers take of one layer."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.kernels.records import FREE, TILE_SYNCS, WAITING
from cnvlutin2.timing.accounts import MEASURED, Account
from cnvlutin2.timing.lane_plan import QUANTITIES, Arrays, LanePlan, Record, arranged, lane_plan

if TYPE_CHECKING:
    from cnvlutin2.timing.schedule import Schedule
    from cnvlutin2.timing.schedules import Works
    from cnvlutin2.timing.weights import PreparedWeights

_PAIRS = 1 << 22  # of runs and filters from which a layer is worth threads of its own

PAIR_QUANTITIES = ("cycles", "costs", "filter_cycles", "waits", "macs", "work")
"""What is measured in the same places where weights are skipped: some of `accounts.MEASURED`.

In the place of ``waits``, where filters wait for each other, stands what is multiplied where only tiles skip weights.
"""
_OF_PRODUCTS = [MEASURED.index(name) for name in ("products", "useful", "macs")]  # the same if only what is effectual is seen


class Part:
    """A layer's part of a program: its records, and the arrays whose addresses they hold.

    Parameters
    ----------
    works : Works
    weights : PreparedWeights

    Attributes
    ----------
    layer : dict
    lanes, pairs : list of dict
    accounts : list of Account
        From what is measured to what each result tells.
    places : dict of int to int
        Which result tells about each of `Works.skips` that the program times.
    first_dense : int
        The result that tells about the first of `Works.denses`.
    results : int
    others : list of int
        Those of `Works.skips` that it does not time.
    scratch : int
        Bytes that the kernels need beside the bits.
    """

    def __init__(self, works: Works, weights: PreparedWeights) -> None:
        self._arrays = Arrays()
        self._plans: list[LanePlan] = []  # whose arrays' addresses are in `lanes`
        steps, filters = works.positions, weights.filter_counts
        self._busy_tile = 0  # filters of the tiles that `busy_filters` is about
        self._channels = -(-len(filters) // 8) * 8
        self.scratch = steps.reads.shape[1] * self._channels * 8
        self.layer: Record = {
            "groups": works.groups,
            "channels": filters.shape[0] // works.groups,
            "places": steps.height * steps.width,
            "width": steps.width,
            "geometry": steps.geometry,
            "reads": self._address(steps.reads_and_places, np.uint64),
            "filters": self._by_place(filters),
        }
        self.lanes: list[Record] = []
        self.accounts: list[Account] = []
        self.places: dict[int, int] = {}
        for chosen in works.plans:
            plan = lane_plan(tuple(works.skips[i] for i in chosen))
            if plan is not None:
                self._plans.append(plan)
                self.scratch = max(self.scratch, plan.scratch)
                self.lanes.append({**plan.record, "result": len(self.accounts)})
                self.places |= {i: len(self.accounts) + way for way, i in enumerate(chosen)}
                self.accounts += plan.accounts
        self.pairs: list[Record] = []
        for i, schedule in enumerate(works.skips):
            self._add_pairs(i, schedule, weights)
        self.first_dense = len(self.accounts)
        self.accounts += [_of_dense(schedule) for schedule in works.denses]
        self.results = len(self.accounts)
        self.others = [i for i in range(len(works.skips)) if i not in self.places]

    def _add_pairs(self, i: int, schedule: Schedule, weights: PreparedWeights) -> None:
        """Take in an organisation that skips weights, if it is one that the kernels know and there are not too many pairs."""
        o, steps, runs = schedule.organisation, schedule.steps, schedule.runs
        if o.skip_weights == "none" or schedule.sees != "effectual" or schedule.has_rows or steps.row_packed:
            return
        shared = o.skip_weights == "shared"
        masks = schedule.filters if not shared else -(-schedule.filters // o.filters_per_tile)
        if not schedule.unit_runs and steps.windows * schedule.window_runs * masks > _PAIRS:
            return
        if shared or (schedule.unit_runs and not schedule.free_filters):
            if self._busy_tile not in (0, o.filters_per_tile):
                return  # what is counted for tiles of one size does not do for another
            if not self._busy_tile:
                self._busy_tile = o.filters_per_tile
                self.layer["busy_filters"] = self._by_place(weights.shared_filter_counts(o.filters_per_tile))
        if schedule.unit_runs:
            account = _of_unit_runs(schedule)
        else:
            found = (weights.walks(o),) if schedule.free_filters else weights.leads(o)
            passes, tiles = schedule.tile_filters.shape
            order = [self._address(array, np.int32) for array in runs.lane_order(steps.steps)]
            slots, digits = found[0].shape[3 if schedule.free_filters else 4], found[0].shape[5]
            self.pairs.append(
                {
                    "kind": FREE if schedule.free_filters else WAITING,
                    "tile_sync": TILE_SYNCS.index(o.tile_sync),
                    "values": steps.values,
                    "height": steps.height,
                    "width": steps.width,
                    "geometry": steps.geometry,
                    "runs": runs.runs,
                    "starts": self._address(runs.starts, np.int32),
                    "stops": self._address(runs.stops, np.int32),
                    "planes": runs.planes,
                    "longest": runs.longest,
                    "overhead": o.run_overhead,
                    "passes": passes,
                    "tiles": tiles,
                    "filters": slots,
                    "digits": digits,
                    "walk": schedule.window_runs,
                    "lanes": runs.lanes_in_use(steps.steps),
                    "weights": self._address(found[0], np.uint8),
                    "leaders": 0 if schedule.free_filters else self._address(found[-1], np.uint16),
                    "tile_filters": self._address(schedule.tile_filters, np.int32),
                    **dict(zip(("lane_order", "step_of", "run_of"), order, strict=True)),
                    "result": len(self.accounts),
                }
            )
            account = _of_pairs(schedule)
        self.places[i] = len(self.accounts)
        self.accounts.append(account)

    def _by_place(self, filters: NDArray[np.int32]) -> int:
        """Return the address of counts of filters ``[channels, ..]``, place in the kernel by place."""
        flat = filters.reshape(len(filters), -1)
        by_place = np.zeros((flat.shape[1], self._channels), np.int32)
        by_place[:, : len(flat)] = flat.T
        return self._address(by_place, np.int32)

    def _address(self, array: NDArray[Any], kind: type[np.generic]) -> int:
        """Return where an array's values lie as another type, for as long as this object exists."""
        return self._arrays.address(array, kind)


@lru_cache(maxsize=1024)
def _of_dense(schedule: Schedule) -> Account:
    """Return the account of the dense mode as one for `QUANTITIES`."""
    return arranged(schedule.dense_account, {"effectual": [0], "macs": [1]})


@lru_cache(maxsize=1024)
def _of_pairs(schedule: Schedule) -> Account:
    """Return the account of an organisation that skips weights, for `PAIR_QUANTITIES` in the place of `QUANTITIES`."""
    wanted = {QUANTITIES[i]: [MEASURED.index(name)] for i, name in enumerate(PAIR_QUANTITIES)}
    if schedule.organisation.skip_weights == "shared":
        wanted["effectual"] = _OF_PRODUCTS[:2]
    else:
        wanted["macs"] = _OF_PRODUCTS + ([MEASURED.index("work")] if schedule.free_filters else [])
        wanted["effectual"] = [MEASURED.index("waits")] if schedule.free_filters else []
    return arranged(schedule.skip_account, wanted)


@lru_cache(maxsize=1024)
def _of_unit_runs(schedule: Schedule) -> Account:
    """Return the same where every run takes one cycle whatever it is: cycles are constants."""
    windows, full = schedule.steps.windows, schedule.skip_account
    fixed = np.zeros(len(MEASURED), np.int64)
    fixed[MEASURED.index("cycles")] = schedule.unit_window_cycles * schedule.window_passes
    fixed[MEASURED.index("filter_cycles")] = schedule.unit_window_cycles * windows * schedule.filters
    fixed[MEASURED.index("costs")] = schedule.window_runs * windows * schedule.filters
    work = [MEASURED.index("work")]
    if schedule.organisation.skip_weights == "shared":
        wanted = {"macs": _OF_PRODUCTS[2:], "busy": _OF_PRODUCTS[:2] + work}
    else:
        wanted = {"macs": _OF_PRODUCTS + work} if schedule.free_filters else {"macs": _OF_PRODUCTS, "busy": work}
    return arranged(Account(full.factors, full.constants + fixed @ full.factors), wanted)
