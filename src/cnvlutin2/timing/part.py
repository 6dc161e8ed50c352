"""`Part`: what the compiled kernels for many layers take of one layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings import get_format
from cnvlutin2.kernels.records import FREE, TILE_SYNCS, WAITING
from cnvlutin2.timing.accounts import LANES, MEASURED, Account

if TYPE_CHECKING:
    from cnvlutin2.timing.schedule import Schedule
    from cnvlutin2.timing.schedules import Works
    from cnvlutin2.timing.weights import PreparedWeights

_PAIRS = 1 << 22  # of runs and filters from which a layer is worth threads of its own

QUANTITIES = (*LANES, "busy")
"""What is measured of a layer under an organisation: `accounts.LANES`, and products where only tiles skip weights."""
PAIR_QUANTITIES = ("cycles", "costs", "filter_cycles", "waits", "macs", "work")
"""What is measured in the same places where weights are skipped: some of `accounts.MEASURED`."""
_OF_PRODUCTS = [MEASURED.index(name) for name in ("products", "useful", "macs")]  # the same if only what is effectual is seen

Record = dict[str, Any]


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
    """

    def __init__(self, works: Works, weights: PreparedWeights) -> None:
        self._held: list[NDArray[Any]] = []
        steps, filters = works.positions, weights.filter_counts
        self.layer: Record = {
            "groups": works.groups,
            "channels": filters.shape[0] // works.groups,
            "places": steps.height * steps.width,
            "width": steps.width,
            "geometry": steps.geometry,
            "reads": self._address(steps.reads, np.uint64),
            "filters": self._address(filters, np.int32),
        }
        self.lanes: list[Record] = []
        self.accounts: list[Account] = []
        self.places: dict[int, int] = {}
        for chosen in works.plans:
            schedules = [works.skips[i] for i in chosen]
            if all(s.load_type in (np.uint8, np.uint16) for s in schedules):
                self.lanes.append(self._lanes(schedules, len(self.accounts)))
                self.places |= {i: len(self.accounts) + way for way, i in enumerate(chosen)}
                self.accounts += [_padded(schedule.lane_account) for schedule in schedules]
        self.pairs: list[Record] = []
        for i, schedule in enumerate(works.skips):
            self._add_pairs(i, schedule, weights)
        self.first_dense = len(self.accounts)
        self.accounts += [_of_lanes(schedule.dense_account) for schedule in works.denses]
        self.results = len(self.accounts)
        self.others = [i for i in range(len(works.skips)) if i not in self.places]

    def _lanes(self, schedules: Sequence[Schedule], result: int) -> Record:
        """Return the record of organisations with the same `Schedule.lane_key`."""
        first = schedules[0]
        steps, o, counts = first.steps, first.organisation, np.arange(first.organisation.brick + 1)
        widest = max(schedules, key=lambda s: np.dtype(s.load_type).itemsize)
        forms = [(s, get_format(s.organisation.format), (s.organisation.brick, s.organisation.data_bits)) for s in schedules]
        raw = [f.raw_bricks(counts, *how) if s.sees == "raw" else np.zeros(counts.size, np.bool_) for s, f, how in forms]
        row_bits = [s.organisation.row_bits if s.has_rows else 0 for s in schedules]
        uses = [self._address(used, np.int32) for used in steps.uses]
        pieces = [self._address(part, np.int32) for part in first.pieces]
        return {
            "row_packed": steps.row_packed,
            "values": steps.values,
            "height": steps.height,
            "width": steps.width,
            "geometry": steps.geometry,
            **dict(zip(("uses_down", "uses_across"), uses, strict=True)),
            "pieces": len(first.pieces.starts),
            **dict(zip(("starts", "stops", "run_of", "brick_of"), pieces, strict=True)),
            "runs": first.runs.runs,
            "bricks": first.pieces.brick_of[-1] + 1,
            "run_bricks": self._address(first.run_bricks, np.int32),
            "longest": first.runs.longest,
            "overhead": o.run_overhead,
            "parts": self._address(first.lane_parts, np.int32),
            "lanes": first.lane_parts.size - 1,
            "pad_loads": self._address(widest.pad_loads, widest.load_type),
            "load_bytes": np.dtype(widest.load_type).itemsize,
            "flat_cycles": first.flat_cycles,
            "most_cycles": max(s.most_cycles for s in schedules),
            "unit_slowest": first.unit_window_cycles * steps.windows,
            "unit_every": (1 + o.run_overhead) * first.window_runs * steps.windows,
            "idle": all(s.unit_runs for s in schedules) and not np.any(raw),
            "ways": len(schedules),
            "counts": counts.size,
            "raw": self._address(np.stack(raw), np.uint8),
            "sizes": self._address(np.stack([f.brick_bits(counts, *how) for _, f, how in forms]), np.int64),
            "row_bits": self._address(np.array(row_bits), np.int64),
            "result": result,
        }

    def _add_pairs(self, i: int, schedule: Schedule, weights: PreparedWeights) -> None:
        """Take in an organisation that skips weights, if it is one that the kernels know and there are not too many pairs."""
        o, steps, runs = schedule.organisation, schedule.steps, schedule.runs
        if o.skip_weights != "per_filter" or schedule.sees != "effectual" or schedule.has_rows or steps.row_packed:
            return
        if schedule.unit_runs:
            if not schedule.free_filters:
                busy = self._address(weights.shared_filter_counts(o.filters_per_tile), np.int32)
                if self.layer.setdefault("busy_filters", busy) != busy:
                    return  # for another size of tiles
            account = _of_unit_runs(schedule)
        else:
            if steps.windows * schedule.window_runs * schedule.filters > _PAIRS:
                return
            found = (weights.walks(o),) if schedule.free_filters else weights.leads(o)
            passes, tiles = schedule.tile_filters.shape
            order = [self._address(array, np.int32) for array in runs.lane_order(steps.steps)]
            slots, nibbles = found[0].shape[3 if schedule.free_filters else 4], found[0].shape[5]
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
                    "nibbles": nibbles,
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

    def _address(self, array: NDArray[Any], kind: type[np.generic]) -> int:
        """Return where an array's values lie as another type, for as long as this object exists."""
        kept = np.ascontiguousarray(array, kind)
        self._held.append(kept)
        return int(kept.__array_interface__["data"][0])


def _padded(lanes: Account) -> Account:
    """Return an account for `accounts.LANES` as one for `QUANTITIES`."""
    return _arranged(lanes, {name: [i] for i, name in enumerate(LANES)})


def _of_lanes(dense: Account) -> Account:
    """Return an account of the dense mode as one for `QUANTITIES`."""
    return _arranged(dense, {"effectual": [0], "macs": [1]})


def _of_pairs(schedule: Schedule) -> Account:
    """Return the account of an organisation that skips weights, for `PAIR_QUANTITIES` in the place of `QUANTITIES`."""
    wanted = {QUANTITIES[i]: [MEASURED.index(name)] for i, name in enumerate(PAIR_QUANTITIES)}
    wanted["macs"] = _OF_PRODUCTS + ([MEASURED.index("work")] if schedule.free_filters else [])
    return _arranged(schedule.skip_account, wanted)


def _of_unit_runs(schedule: Schedule) -> Account:
    """Return the same where every run takes one cycle whatever it is: cycles are constants."""
    windows, full = schedule.steps.windows, schedule.skip_account
    fixed = np.zeros(len(MEASURED), np.int64)
    fixed[MEASURED.index("cycles")] = schedule.unit_window_cycles * schedule.window_passes
    fixed[MEASURED.index("filter_cycles")] = schedule.unit_window_cycles * windows * schedule.filters
    fixed[MEASURED.index("costs")] = schedule.window_runs * windows * schedule.filters
    work = [MEASURED.index("work")]
    wanted = {"macs": _OF_PRODUCTS + work} if schedule.free_filters else {"macs": _OF_PRODUCTS, "busy": work}
    return _arranged(Account(full.factors, full.constants + fixed @ full.factors), wanted)


def _arranged(account: Account, wanted: Mapping[str, Sequence[int]]) -> Account:
    """Return an account for `QUANTITIES`, each of which stands for some quantities of another account, or for none."""
    rows = [account.factors[list(wanted.get(name, ()))].sum(axis=0) for name in QUANTITIES]
    return Account(np.stack(rows), account.constants)
