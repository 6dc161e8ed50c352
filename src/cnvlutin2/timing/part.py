"""`Part`: what the compiled kernels for many layers take of one layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
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

VECTOR = 64  # bytes that the kernels do at a time
MOST_UNITS = 127  # of a row whose positions the kernels add up in bytes
_PAIRS = 1 << 22  # of runs and filters from which a layer is worth threads of its own

QUANTITIES = (*LANES, "busy")
"""What is measured of a layer under an organisation: `accounts.LANES`, and products where only tiles skip weights."""
PAIR_QUANTITIES = ("cycles", "costs", "filter_cycles", "waits", "macs", "work")
"""What is measured in the same places where weights are skipped: some of `accounts.MEASURED`.

In the place of ``waits``, where filters wait for each other, stands what is multiplied where only tiles skip weights.
"""
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
    scratch : int
        Bytes that the kernels need beside the bits.
    """

    def __init__(self, works: Works, weights: PreparedWeights) -> None:
        self._held: list[NDArray[Any]] = []
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
            schedules = [works.skips[i] for i in chosen]
            if all(_fits(schedule) for schedule in schedules):
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
        steps, o, runs, counts = first.steps, first.organisation, first.runs, np.arange(first.organisation.brick + 1)
        forms = [(s, get_format(s.organisation.format), (s.organisation.brick, s.organisation.data_bits)) for s in schedules]
        raw = [f.raw_bricks(counts, *how) if s.sees == "raw" else np.zeros(counts.size, np.bool_) for s, f, how in forms]
        sizes = [f.brick_bits(counts, *how) for _, f, how in forms]
        row_bits = [s.organisation.row_bits if s.has_rows else 0 for s in schedules]
        load_bytes = max(np.dtype(s.load_type).itemsize for s in schedules)
        pieces, bricks = first.pieces, -(-steps.values // o.brick)
        has_bricks = np.any(raw) or any(row_bits)
        alone = runs.longest > 1 and load_bytes == 1 and steps.is_own_windows
        above, below = (rows * steps.width for rows in (steps.pads[0], steps.rows_below))
        room = _whole(steps.height * steps.width) + _whole(above) + _whole(below) + VECTOR
        record = {
            "row_packed": steps.row_packed,
            "values": steps.values,
            "height": steps.height,
            "width": steps.width,
            "geometry": steps.geometry,
            "alone": alone,
            "room": room,
            "uses": self._address(steps.place_uses(room), np.uint16),
            "above": above,
            "below": below,
            "window_room": steps.window_places.size,
            "windows": self._address(steps.window_places, np.uint8),
            "inside": self._address(steps.inside, np.uint8),
            "piece_count": pieces.starts.size,
            "pieces": self._address(np.append(pieces.starts, steps.values), np.int32),
            "piece_of": self._address(np.repeat(np.arange(pieces.starts.size), pieces.sizes), np.int32),
            "brick_of": self._address(pieces.brick_of, np.int32),
            "run_pieces": self._address(np.searchsorted(pieces.run_of, np.arange(runs.runs + 1)), np.int32),
            "brick_pieces": self._address(np.searchsorted(pieces.brick_of, np.arange(bricks + 1)), np.int32),
            "runs": runs.runs,
            "bricks": bricks,
            "brick": o.brick,
            "run_bricks": self._address(first.run_bricks, np.int32),
            "longest": runs.longest,
            "overhead": o.run_overhead,
            "parts": self._address(first.lane_parts, np.int32),
            "lanes": first.lane_parts.size - 1,
            "load_bytes": load_bytes,
            "unit_slowest": first.unit_window_cycles * steps.windows,
            "unit_every": (1 + o.run_overhead) * first.window_runs * steps.windows,
            "idle": all(s.unit_runs for s in schedules) and not np.any(raw),
            "has_bricks": has_bricks,
            "ways": len(schedules),
            "counts": counts.size,
            "mixed": self._address(np.any(raw, axis=1), np.int64),
            "raw": self._address(np.stack(raw), np.uint8),
            "sizes": self._address(np.stack(sizes), np.int64),
            "row_bits": self._address(np.array(row_bits), np.int64),
            "row_units": self._address(np.array([_units(*each) for each in zip(sizes, row_bits, strict=True)]), np.int64),
            "result": result,
        }
        column_room = steps.window_places.size + _whole(steps.pads[1] + steps.kernel[1] * steps.dilations[1]) + VECTOR
        lanes = first.lane_parts.size - 1
        walked = 0 if alone or record["idle"] else lanes if runs.longest > 1 else bricks
        in_place = len(schedules) == 1 and pieces.starts.size == lanes  # counts are looked at once, and the first pieces first
        spaces = {
            "counts_at": pieces.starts.size * room if runs.longest > 1 else 0,
            **dict.fromkeys(("bricks_at", "flags_at", "rows_at"), bricks * room if has_bricks else 0),
            "loads_at": walked * room if runs.longest > 1 and not in_place else 0,
            "columns_at": walked * column_room * load_bytes,
        }
        *begins, end = accumulate(spaces.values(), initial=_whole(above))  # first planes, too, are read from above
        self.scratch = max(self.scratch, end)
        places = dict(zip(spaces, begins, strict=True))
        if in_place:
            places["loads_at"] = places["counts_at"]
        return record | places | {"column_room": column_room}

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
        by_place = filters.reshape(len(filters), -1).T
        return self._address(np.pad(by_place, ((0, 0), (0, self._channels - len(filters)))), np.int32)

    def _address(self, array: NDArray[Any], kind: type[np.generic]) -> int:
        """Return where an array's values lie as another type, for as long as this object exists."""
        kept = np.ascontiguousarray(array, kind)
        self._held.append(kept)
        return int(kept.__array_interface__["data"][0])


def _whole(size: int) -> int:
    """Return a size up to whole vectors."""
    return -(-size // VECTOR) * VECTOR


def _fits(schedule: Schedule) -> bool:
    """Whether the kernels' narrow numbers hold what is added up: a lane's cycles at a place, all lanes' at 64 places."""
    most = schedule.most_load * schedule.lane_parts.size
    uses = schedule.steps.kernel[0] * schedule.steps.kernel[1]
    fits = max(most, schedule.steps.values) < 1 << 16 and uses * max(most, schedule.steps.values) * VECTOR < 1 << 32
    fits &= schedule.steps.outputs[1] * schedule.steps.strides[1] < schedule.steps.width + schedule.steps.strides[1]
    return schedule.load_type in (np.uint8, np.uint16) and schedule.most_load < 1 << 8 and fits and uses < 1 << 16


def _units(sizes: NDArray[np.int64], row_bits: int) -> int:
    """Return the units of an NM row if records are of whole units, grow evenly and are no longer than a row, else 0."""
    unit = math.gcd(row_bits, *sizes.tolist())
    steps = np.diff(sizes)
    even = row_bits > 0 and sizes[0] > 0 and sizes.max() <= row_bits and steps.min() == steps.max() >= 0
    return row_bits // unit if even and row_bits // unit <= MOST_UNITS else 0


def _padded(lanes: Account) -> Account:
    """Return an account for `accounts.LANES` as one for `QUANTITIES`."""
    return _arranged(lanes, {name: [i] for i, name in enumerate(LANES)})


def _of_lanes(dense: Account) -> Account:
    """Return an account of the dense mode as one for `QUANTITIES`."""
    return _arranged(dense, {"effectual": [0], "macs": [1]})


def _of_pairs(schedule: Schedule) -> Account:
    """Return the account of an organisation that skips weights, for `PAIR_QUANTITIES` in the place of `QUANTITIES`."""
    wanted = {QUANTITIES[i]: [MEASURED.index(name)] for i, name in enumerate(PAIR_QUANTITIES)}
    if schedule.organisation.skip_weights == "shared":
        wanted["effectual"] = _OF_PRODUCTS[:2]
    else:
        wanted["macs"] = _OF_PRODUCTS + ([MEASURED.index("work")] if schedule.free_filters else [])
        wanted["effectual"] = [MEASURED.index("waits")] if schedule.free_filters else []
    return _arranged(schedule.skip_account, wanted)


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
    return _arranged(Account(full.factors, full.constants + fixed @ full.factors), wanted)


def _arranged(account: Account, wanted: Mapping[str, Sequence[int]]) -> Account:
    """Return an account for `QUANTITIES`, each of which stands for some quantities of another account, or for none."""
    rows = [account.factors[list(wanted.get(name, ()))].sum(axis=0) for name in QUANTITIES]
    return Account(np.stack(rows), account.constants)
