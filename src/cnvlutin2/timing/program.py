"""`Program`: several small layers under several organisations, timed by one call of a compiled kernel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings import get_format
from cnvlutin2.kernels.records import FREE, LANES, LAYER, PAIRS, TILE_SYNCS, WAITING
from cnvlutin2.timing.accounts import LANES as LANES_MEASURED
from cnvlutin2.timing.accounts import MEASURED, Account
from cnvlutin2.timing.slots import Counts
from cnvlutin2.timing.workers import split

if TYPE_CHECKING:
    from cnvlutin2.timing.prepared import PreparedLayer
    from cnvlutin2.timing.schedule import Schedule
    from cnvlutin2.timing.schedules import Works
    from cnvlutin2.timing.weights import PreparedWeights

_THREAD_GRAIN = 1 << 18  # activations of all layers below which threads bring less than they cost
_LOAD_TYPES = np.zeros(1, np.uint8), np.zeros(1, np.uint16)
_BEHIND = 64  # bytes that a word reaches over the last map
_MOST = 1 << 15  # no 16-bit magnitude is larger

_ADDRESS, _THRESHOLD = (LAYER.names.index(field) for field in ("activations", "threshold"))  # type: ignore[union-attr]

_PAIRS = 1 << 22  # of runs and filters from which a layer is worth threads of its own

QUANTITIES = (*LANES_MEASURED, "busy")
"""What is measured of a layer under an organisation: `accounts.LANES`, and products where only tiles skip weights."""
PAIR_QUANTITIES = ("cycles", "costs", "filter_cycles", "waits", "macs", "work")
"""What is measured in the same places where weights are skipped: some of `accounts.MEASURED`."""
_OF_PRODUCTS = [MEASURED.index(name) for name in ("products", "useful", "macs")]  # the same if only what is effectual is seen

Record = dict[str, Any]


class _Batch(NamedTuple):
    """Layers that are in the workspace together: they, their records, and what these ask for."""

    layers: tuple[int, int]
    lanes: tuple[int, int]
    load_types: list[NDArray[np.unsignedinteger[Any]]]
    pairs: tuple[int, int]
    kinds: list[int]


class Program:
    """What the compiled kernels take to time some layers, whatever their values.

    Parameters
    ----------
    parts : sequence of Part
        One a layer.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = tuple(parts)  # their arrays' addresses are in the tables
        layers = _table(LAYER, [part.layer for part in parts])
        lanes = _table(LANES, [{**plan, "layer": i} for i, part in enumerate(parts) for plan in part.lanes])
        self._pairs = _table(PAIRS, [{**plan, "layer": i} for i, part in enumerate(parts) for plan in part.pairs])
        self._results = _ends([part.results for part in parts])
        layers["results"] = np.diff(self._results)
        # Of an image: bytes of bits, and of runs' cycles.
        bits = layers["groups"] * layers["channels"] * layers["places"]
        runs = lanes["runs"] * layers["groups"][lanes["layer"]]
        cycles = lanes["ways"] * runs * lanes["height"] * lanes["width"]
        lane_ends = _ends([len(part.lanes) for part in parts])
        pair_ends = _ends([len(part.pairs) for part in parts])
        held = np.stack([bits, np.diff(_ends(cycles)[lane_ends])], axis=1)
        self._room = held.max(axis=0)
        self._batches: list[_Batch] = []
        for first, last in pairwise(_cut(held, self._room)):
            some, found = slice(*lane_ends[[first, last]]), slice(*pair_ends[[first, last]])
            layers["bits"][first:last] = _ends(bits[first:last])[:-1]
            lanes["cycles"][some] = _ends(cycles[some])[:-1]
            load_types = [unit for unit in _LOAD_TYPES if unit.itemsize in lanes["load_bytes"][some]]
            kinds = sorted(set(self._pairs["kind"][found].tolist()))
            self._batches.append(_Batch((first, last), (some.start, some.stop), load_types, (found.start, found.stop), kinds))
        self._layers, self._lanes = layers, lanes
        accounts = [account for part in parts for account in part.accounts]
        self._account = Account.stacked(accounts) if accounts else None
        self._tables: dict[int, tuple[NDArray[np.int64], NDArray[np.void]]] = {}

    def __call__(self, layers: Sequence[PreparedLayer]) -> Iterator[tuple[Part, Counts]]:
        """Time the layers of which it was made, all with the same number of images, and tell them what is found on the way.

        Yields
        ------
        Part, int64 ``[results, N, 1 + len(SLOT_KINDS)]``
            Of each layer, its part, and cycles and slots by result.
        """
        images, kernels = layers[0].layer.images, layers[0].kernels
        fixed, lanes = self._tables.get(images) or self._tables_for(images)
        numbers = fixed.copy()
        values = [np.ascontiguousarray(p.layer.activations) for p in layers]
        numbers[:, _ADDRESS] = [kernels.address_of(array) for array in values]
        numbers[:, _THRESHOLD] = [min(p.layer.threshold, _MOST + 1) for p in layers]
        table, pairs = numbers.view(LAYER)[:, 0], self._pairs
        sums = np.empty((len(layers), images, 3), np.int64)
        measured = np.empty((self._results[-1], images, len(QUANTITIES)), np.int64)
        products, rows = sums.reshape(-1, 3), measured.reshape(-1, measured.shape[2])
        walks = kernels.walk_waiting_pairs, kernels.walk_free_pairs

        def task(first: int, last: int) -> None:
            bits = np.empty(self._room[0] * images + _BEHIND, np.uint8)
            cycles = np.empty(self._room[1] * images, np.uint8)
            for batch in self._batches[first:last]:
                kernels.count_products(table, *batch.layers, bits, products, rows)
                if batch.load_types:
                    kernels.count_runs(table, lanes, *batch.lanes, bits, cycles, rows)
                    for unit in batch.load_types:
                        kernels.walk_lanes(table, lanes, *batch.lanes, unit, cycles, rows)
                for kind in batch.kinds:
                    walks[kind](table, pairs, *batch.pairs, bits, rows)

        batches, total = len(self._batches), sum(array.size for array in values)
        split(task, batches, layers[0].jobs, 1 + batches * _THREAD_GRAIN // total)
        results = measured if self._account is None else self._account.joined(measured)
        first = 0
        for prepared, part, found in zip(layers, self._parts, sums, strict=True):
            prepared.sums = found
            yield part, results[first : first + part.results]
            first += part.results

    def _tables_for(self, images: int) -> tuple[NDArray[np.int64], NDArray[np.void]]:
        """Return the tables for so many images, the first as numbers, as copying records takes its time."""
        layers, lanes = self._layers.copy(), self._lanes.copy()
        layers["images"] = images
        layers["sums"] = np.arange(len(layers)) * images
        layers["measured"] = self._results[:-1] * images
        layers["bits"] *= images
        lanes["cycles"] *= images
        self._tables[images] = layers.view(np.int64).reshape(len(layers), -1), lanes
        return self._tables[images]


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


def _table(kind: np.dtype[np.void], records: Sequence[Record]) -> NDArray[np.void]:
    table = np.zeros(len(records), kind)
    for row, record in zip(table, records, strict=True):
        for key, value in record.items():
            row[key] = value
    return table


def _padded(lanes: Account) -> Account:
    """Return an account for `accounts.LANES` as one for `QUANTITIES`."""
    return _arranged(lanes, {name: [i] for i, name in enumerate(LANES_MEASURED)})


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


def _ends(sizes: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where parts of some sizes begin, one after another, and the end."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])


def _cut(sizes: NDArray[np.int64], room: NDArray[np.int64]) -> list[int]:
    """Return where to cut consecutive layers of some sizes ``[layers, ..]``, as few times as there is room for, and both ends."""
    cuts, held = [0], np.zeros_like(room)
    for i, size in enumerate(sizes):
        if (held + size > room).any():
            cuts.append(i)
            held = np.zeros_like(room)
        held = held + size
    return [*cuts, len(sizes)]
