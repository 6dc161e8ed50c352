"""`Schedule`: how a layer's windows fall on an organisation's lanes, tiles and passes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings import Packing, get_format
from cnvlutin2.network.layer import Layer
from cnvlutin2.organisation import Mode, Organisation
from cnvlutin2.timing.slots import Counts, complete
from cnvlutin2.timing.steps import RunTable, StepMap, run_table

_KEPT = 64  # organisations whose schedules are kept for a layer

LANES = ("cycles", "costs", "seen", "effectual", "macs")
"""What the slots of a layer in skip mode follow from where no weights are skipped, each added up over an image.

``cycles``, ``costs``
    Of all windows of all groups, in one pass: the slowest lane's cycles, all lanes' cycles (without window overhead).
``seen``, ``effectual``
    Values that the lanes take for effectual, and those that are.
``macs``
    Products of an effectual activation and an effectual weight.
"""

MEASURED = ("cycles", "filter_cycles", "products", "useful", "macs", "costs", "work", "waits")
"""What they follow from where weights are skipped.

``cycles``
    Of all windows, passes and groups, without window overhead.
``filter_cycles``
    The same, each times the filters of its pass.
``products``, ``useful``, ``macs``
    What is multiplied; the part whose activation is effectual; the part whose weight is effectual too.
``costs``
    Cycles of all runs (without run overhead) as each filter sees them: of its tile, or its own where filters run free.
``work``
    The part of ``costs`` in which some filter that this one shares its cost with has products.
``waits``
    Cycles in which a free filter has ended its lane and its tile has not.
"""


@dataclass(frozen=True, eq=False)
class Account:
    """Cycles and slots as a linear function of what was measured: it follows from the shapes, so it is worked out once.

    Parameters
    ----------
    factors : int64 ``[quantities, 1 + len(SLOT_KINDS)]``
    constants : int64 ``[1 + len(SLOT_KINDS)]``
    """

    factors: NDArray[np.int64]
    constants: NDArray[np.int64]

    @classmethod
    def of(cls, formula: Callable[[NDArray[np.int64]], tuple[Counts, Counts]], quantities: int) -> Account:
        """Derive it from a function that returns cycles ``[n]`` and slots ``[n, kinds]`` for quantities ``[quantities, n]``."""
        units = np.concatenate([np.zeros((quantities, 1), np.int64), np.eye(quantities, dtype=np.int64)], axis=1)
        cycles, slots = formula(units)
        found = np.concatenate([cycles[:, None], slots], axis=1)
        return cls(found[1:] - found[0], found[0])

    def __call__(self, measured: Counts) -> tuple[Counts, Counts]:
        """Return cycles ``[.., N]`` and slots ``[.., N, kinds]`` for quantities ``[.., N, quantities]``."""
        found = measured @ self.factors + self.constants
        return found[..., 0], found[..., 1:]

    @classmethod
    def stacked(cls, accounts: Sequence[Account]) -> Account:
        """Join some, for quantities ``[accounts, N, quantities]``."""
        constants = np.stack([account.constants for account in accounts])
        return cls(np.stack([account.factors for account in accounts]), constants[:, None])


@dataclass(frozen=True, eq=False)
class Schedule:
    """How a layer's windows fall on an organisation's lanes, tiles and passes: all that follows from shapes alone.

    Parameters
    ----------
    organisation : Organisation
    mode : {"skip", "dense", "auto"}
        How the organisation runs this layer.
    steps : StepMap
    runs : RunTable
    groups, group_filters : int
    """

    organisation: Organisation
    mode: Mode
    steps: StepMap
    runs: RunTable
    groups: int
    group_filters: int

    @classmethod
    def of(cls, layer: Layer, organisation: Organisation) -> Schedule:
        """Return the schedule of a layer."""
        o = organisation
        steps = StepMap.of(layer, o.brick, o.packing)
        runs = run_table(steps.values, o.lanes, o.brick, o.lane_map)
        return cls(o, o.mode_for(layer.name, first=layer.first), steps, runs, layer.groups, layer.group_filters)

    @cached_property
    def packing(self) -> Packing:
        """How the layer is stored."""
        return "row" if self.steps.row_packed else "brick"

    @cached_property
    def sees(self) -> Literal["effectual", "raw", "all"]:
        """Which activations a lane takes for effectual: those that are, those in raw bricks too, or all."""
        o = self.organisation
        if not o.skip_activations:
            return "all"
        return "raw" if o.format == "roe" and o.detect == "output" else "effectual"

    @cached_property
    def has_rows(self) -> bool:
        """Whether fetching a run may touch more than one NM row."""
        return self.organisation.format == "packed_viai" and not self.steps.row_packed

    @cached_property
    def unit_runs(self) -> bool:
        """Whether every run takes one cycle, whatever its values: it has one, and is fetched with one row."""
        return self.runs.longest == 1 and not self.has_rows

    @cached_property
    def free_filters(self) -> bool:
        """Whether filters walk their lane's runs on their own; with a barrier at every run over all tiles none can go ahead."""
        o = self.organisation
        return o.skip_weights == "per_filter" and o.filter_sync == "window" and o.tile_sync != "brick"

    @cached_property
    def passes(self) -> int:
        """Passes of a group."""
        return -(-self.group_filters // self.organisation.filters)

    @cached_property
    def tile_filters(self) -> NDArray[np.int32]:
        """Filters that each tile has in each pass, ``[passes, tiles in use]``."""
        per_tile = self.organisation.filters_per_tile
        tiles = min(self.organisation.tiles, -(-self.group_filters // per_tile))
        begin = np.arange(self.passes)[:, None] * self.organisation.filters + np.arange(tiles) * per_tile
        filters: NDArray[np.int32] = np.clip(self.group_filters - begin, 0, per_tile).astype(np.int32)
        return filters

    @cached_property
    def pass_filters(self) -> Counts:
        """Filters of each pass, ``[passes]``."""
        filters: Counts = self.tile_filters.sum(axis=1, dtype=np.int64)
        return filters

    @property
    def filters(self) -> int:
        """Filters over all groups."""
        return self.groups * self.group_filters

    @cached_property
    def dense_window_cycles(self) -> int:
        """Cycles in dense mode of one window of one pass, without overhead: ``ceil(n / L)`` a step."""
        return self.steps.steps * -(-self.steps.values // self.organisation.lanes)

    @cached_property
    def dense_cycles(self) -> int:
        """Cycles of an image on the dense baseline of the same size, without overheads."""
        return self.dense_window_cycles * self.window_passes

    @property
    def window_passes(self) -> int:
        """Windows of an image, once for each pass of each group."""
        return self.steps.windows * self.groups * self.passes

    @property
    def window_runs(self) -> int:
        """Runs of a window."""
        return self.steps.steps * self.runs.runs

    @cached_property
    def run_bricks(self) -> NDArray[np.int32]:
        """The first and the last storage brick of each run, ``[runs, 2]``: no run is longer than a brick."""
        return np.stack([self.runs.starts, self.runs.stops - 1], axis=1) // np.int32(self.organisation.brick)

    @cached_property
    def pieces(self) -> Pieces:
        """What runs and storage bricks have in common."""
        runs, brick = self.runs, self.organisation.brick
        starts = np.union1d(runs.starts, np.arange(0, self.steps.values, brick)).astype(np.int32)
        stops = np.append(starts[1:], np.int32(self.steps.values))
        run_of = (np.searchsorted(runs.starts, starts, side="right") - 1).astype(np.int32)
        return Pieces(starts, stops, run_of, starts // np.int32(brick))

    @cached_property
    def lane_parts(self) -> NDArray[np.int32]:
        """The first run of each part of a step that goes to one lane: the lane's slice, or every run on its own, and the end."""
        return np.arange(self.runs.runs + 1, dtype=np.int32) if self.runs.run_lanes is None else self.runs.lane_runs

    @cached_property
    def pad_loads(self) -> NDArray[Any]:
        """Cycles of each part of a step in the padding: one a run, or as many as the run has values if zeros are multiplied."""
        cost = self.runs.lengths if self.sees == "all" else np.ones_like(self.runs.lengths)
        return self._by_part(cost).astype(self.load_type)

    @cached_property
    def load_type(self) -> type[np.integer[Any]]:
        """The smallest type that holds a lane's cycles in any window."""
        worst = np.maximum(self.runs.lengths, self._most_rows)
        turns = self.steps.steps
        if self.runs.run_lanes is None:
            turns = -(-self.window_runs // self.organisation.lanes)
        most = turns * int(self._by_part(worst).max())
        return np.uint16 if most < 1 << 16 else np.int32 if most < 1 << 31 else np.int64

    @cached_property
    def wide(self) -> NDArray[np.integer[Any]]:
        """An empty array of a type that holds all lanes' cycles in any window."""
        return np.empty(0, np.uint32 if self.load_type is np.uint16 else np.int64)

    @property
    def _most_rows(self) -> int:
        """The most NM rows that a record can lie in."""
        o = self.organisation
        bits = get_format(o.format).most_bits(o.brick, o.data_bits)
        return (o.row_bits - 1 + bits - 1) // o.row_bits + 1 if self.has_rows else 1

    def _by_part(self, cost: NDArray[np.int32]) -> Counts:
        """Add up the cycles of runs, their overhead included, by part of a step."""
        with_overhead = cost.astype(np.int64) + self.organisation.run_overhead
        sums: Counts = np.add.reduceat(with_overhead, self.lane_parts[:-1])
        return sums

    @cached_property
    def unit_window_cycles(self) -> int:
        """Cycles of a window whose runs take one cycle each, overheads apart from the window's own: those of its longest lane."""
        begins, _, _ = self.runs.lane_order(self.steps.steps)
        return int(np.diff(begins).max()) * (1 + self.organisation.run_overhead)

    @cached_property
    def dense_key(self) -> tuple[object, ...]:
        """Everything on which the cycles in dense mode depend."""
        o = self.organisation
        return (o.tiles, o.filters_per_tile, o.lanes, self.steps, o.window_overhead)

    @cached_property
    def bits_key(self) -> tuple[object, ...]:
        """Everything on which the bits depend that a lane takes for effectual."""
        o = self.organisation
        raw = (o.brick, o.data_bits) if self.sees == "raw" else ()
        return (self.sees, *raw, *([self.steps] if self.steps.row_packed else ()))

    @cached_property
    def run_key(self) -> tuple[object, ...]:
        """Everything on which the bits of the runs depend."""
        return (*self.bits_key, self.runs)

    @cached_property
    def skip_key(self) -> tuple[object, ...]:
        """Everything on which the cycles in skip mode depend: presets that differ only in what they store share them."""
        sync = () if self.organisation.skip_weights == "none" else (self.organisation.tile_sync,)
        return (*self.dense_key, *self.sums_key, *sync)

    @cached_property
    def lane_key(self) -> tuple[object, ...] | None:
        """What schedules share whose lanes can be counted together, or None if that needs more than bits and bricks."""
        o = self.organisation
        if o.skip_weights != "none" or self.steps.row_packed or self.sees == "all":
            return None
        return (self.steps, self.runs, o.brick, o.run_overhead)

    @cached_property
    def sums_key(self) -> tuple[object, ...]:
        """Everything on which the sums over windows depend, for all ways in which tiles wait for each other."""
        o = self.organisation
        rows = (o.format, o.brick, o.data_bits) if self.has_rows else ()
        shape = (o.tiles, o.filters_per_tile) if o.skip_weights != "none" else ()
        return (*self.run_key, self.steps, rows, shape, o.run_overhead, o.skip_weights, self.free_filters)

    @cached_property
    def skip_account(self) -> Account:
        """From what is measured (`MEASURED`) to cycles and slots, in skip mode."""
        return Account.of(self._skip_slots, len(MEASURED))

    @cached_property
    def lane_account(self) -> Account:
        """From what is found without looking at weights (`LANES`) to cycles and slots, in skip mode."""
        return Account.of(self._lane_slots, len(LANES))

    @cached_property
    def dense_account(self) -> Account:
        """From windows that see an effectual activation, added up over these, and effectual products to cycles and slots."""
        return Account.of(self._dense_slots, 2)

    def _skip_slots(self, measured: NDArray[np.int64]) -> tuple[Counts, Counts]:
        cycles, filter_cycles, products, useful, macs, costs, work, waits = measured
        o, in_use = self.organisation, self.runs.lanes_in_use(self.steps.steps)
        window_overhead = o.window_overhead * self.steps.windows * self.filters  # over all filters
        run_overhead = o.run_overhead * self.window_runs * self.steps.windows * self.filters
        all_cycles = cycles + o.window_overhead * self.window_passes
        total = all_cycles * o.slots_per_cycle
        return all_cycles, complete(
            total,
            {
                "unused_filters": total - o.lanes * (filter_cycles + window_overhead),
                "overhead": o.lanes * window_overhead + run_overhead,
                "unused_lanes": (o.lanes - in_use) * filter_cycles,
                "ineffectual_activation": products - useful,
                "ineffectual_weight": useful - macs,
                "effectual": macs,
                "filter_sync": waits + work - products,
                "fetch": costs - work,
            },
        )

    def _lane_slots(self, found: NDArray[np.int64]) -> tuple[Counts, Counts]:
        cycles, costs, seen, useful, macs = found
        run_overhead = self.organisation.run_overhead * self.window_runs * self.steps.windows * self.groups
        products, busy = seen * self.group_filters, (costs - run_overhead) * self.group_filters
        by_filter = cycles * self.group_filters
        waits = np.zeros_like(cycles)
        return self._skip_slots(
            np.stack([cycles * self.passes, by_filter, products, useful * self.group_filters, macs, busy, products, waits])
        )

    def _dense_slots(self, measured: NDArray[np.int64]) -> tuple[Counts, Counts]:
        seen, macs = measured
        o, busy = self.organisation, self.dense_window_cycles
        cycles = np.full_like(seen, (busy + o.window_overhead) * self.window_passes)
        total = cycles * o.slots_per_cycle
        every_filter = self.steps.windows * self.filters  # windows times filters
        products = self.steps.steps * self.steps.values * every_filter
        active = seen * self.group_filters
        return cycles, complete(
            total,
            {
                "unused_filters": total - (busy + o.window_overhead) * o.lanes * every_filter,
                "overhead": o.window_overhead * o.lanes * every_filter,
                "unused_lanes": busy * o.lanes * every_filter - products,
                "ineffectual_activation": products - active,
                "ineffectual_weight": active - macs,
                "effectual": macs,
            },
        )


class Pieces(NamedTuple):
    """Ranges of a step's values, none of which reaches over the end of a run or of a storage brick.

    Parameters
    ----------
    starts, stops : int32 ``[pieces]``
    run_of, brick_of : int32 ``[pieces]``
        The run and the brick that each is part of.
    """

    starts: NDArray[np.int32]
    stops: NDArray[np.int32]
    run_of: NDArray[np.int32]
    brick_of: NDArray[np.int32]


class LanePlan(NamedTuple):
    """Schedules that skip no weights and share their lanes, and what a kernel that does a whole layer takes of them.

    Parameters
    ----------
    places : list of int
        Which of `Works.skips` they are.
    pieces : tuple
        What runs and bricks have in common, and how each schedule stores bricks.
    lanes : tuple
        How runs go to lanes and windows.
    account : Account
        From what the kernel finds to cycles and slots, for all of them.
    """

    places: list[int]
    pieces: tuple[Any, ...]
    lanes: tuple[Any, ...]
    account: Account

    @classmethod
    def of(cls, schedules: Sequence[Schedule], places: list[int]) -> LanePlan:
        """Return the plan of some schedules with the same `Schedule.lane_key`."""
        chosen = [schedules[i] for i in places]
        first, o = chosen[0], chosen[0].organisation
        load_type = max((s.load_type for s in chosen), key=lambda t: np.dtype(t).itemsize)
        widest = next(s for s in chosen if s.load_type is load_type)
        counts = np.arange(o.brick + 1)
        forms = [(get_format(s.organisation.format), s.organisation.brick, s.organisation.data_bits) for s in chosen]
        raw = [
            f.raw_bricks(counts, *how) if s.sees == "raw" else np.zeros(counts.size, np.bool_)
            for s, (f, *how) in zip(chosen, forms, strict=True)
        ]
        sizes = np.stack([f.brick_bits(counts, *how) for f, *how in forms])
        row_bits = np.array([s.organisation.row_bits if s.has_rows else 0 for s in chosen])
        pieces = (*first.pieces, first.run_bricks, np.stack(raw).view(np.uint8), sizes, row_bits)
        steps = first.steps
        lanes = (o.run_overhead, first.lane_parts, widest.pad_loads, widest.wide, o.lanes, o.lane_map == "interleaved")
        where = (steps.geometry, steps.height, steps.width, *steps.uses)
        return cls(places, pieces, (*lanes, *where), Account.stacked([s.lane_account for s in chosen]))


class Schedules:
    """A layer's schedules, worked out once for all its batches.

    Parameters
    ----------
    layer : Layer
        Any batch of it: its activations are not looked at.
    """

    def __init__(self, layer: Layer) -> None:
        self.positions = StepMap.of(layer, 1, "brick")
        """The places in the kernel, whatever the packing."""
        self._layer = replace(layer, activations=layer.activations[:1])
        self._known: dict[int, Schedule] = {}
        self._works: dict[tuple[int, ...], Works] = {}

    def of(self, organisation: Organisation) -> Schedule:
        """Return the schedule of an organisation."""
        # By identity, which is quick; the schedule keeps its organisation alive, so that no other one gets the same.
        found = self._known.get(id(organisation))
        if found is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
                self._works.clear()
            found = self._known[id(organisation)] = Schedule.of(self._layer, organisation)
        return found

    def works(self, organisations: Sequence[Organisation]) -> Works:
        """Return what is to be timed; organisations that take the same cycles share it."""
        key = tuple(map(id, organisations))
        found = self._works.get(key)
        if found is None:
            schedules = [self.of(o) for o in organisations]
            skips = {s.skip_key: s for s in schedules if s.mode != "dense"}
            denses = {s.dense_key: s for s in schedules if s.mode != "skip"}
            places = [{key: i for i, key in enumerate(kinds)} for kinds in (skips, denses)]
            each = [
                (
                    s,
                    None if s.mode == "dense" else places[0][s.skip_key],
                    None if s.mode == "skip" else places[1][s.dense_key],
                )
                for s in schedules
            ]
            distinct = list(skips.values())
            together: dict[tuple[object, ...], list[int]] = defaultdict(list)
            for i, s in enumerate(distinct):
                if s.lane_key is not None:
                    together[s.lane_key].append(i)
            plans = [LanePlan.of(distinct, chosen) for chosen in together.values()]
            found = Works(distinct, list(denses.values()), each, plans)
            if all(id(o) in self._known for o in organisations):
                self._works[key] = found
        return found


class Works(NamedTuple):
    """What is to be timed of a layer.

    Parameters
    ----------
    skips, denses : list of Schedule
        In skip mode and in dense mode.
    each : list of (Schedule, int or None, int or None)
        Of each organisation: its own schedule, and which of `skips` and `denses` tell its cycles in the modes that it may run in.
    plans : list of LanePlan
        Those of `skips` that a kernel can do together.
    """

    skips: list[Schedule]
    denses: list[Schedule]
    each: list[tuple[Schedule, int | None, int | None]]
    plans: list[LanePlan]
