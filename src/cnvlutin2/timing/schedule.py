"""`Schedule`: how a layer's windows fall on an organisation's lanes, tiles and passes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings import Packing, get_format
from cnvlutin2.errors import ConfigError
from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Mode, Organisation
from cnvlutin2.timing import accounts
from cnvlutin2.timing.slots import Counts
from cnvlutin2.timing.steps import RunTable, StepMap, run_table


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
        """Return the schedule of a layer; layers of the same shape share it, as what it works out is kept."""
        o = organisation
        if isinstance(o.filter_sync, int) or o.filter_map != "blocked" or o.group_map != "serial":
            raise ConfigError(f"{o.name}: filter_sync={o.filter_sync}, filter_map and group_map are not timed yet")
        steps = StepMap.of(layer, o.brick, o.packing)
        runs = run_table(steps.values, o.lanes, o.brick, o.lane_map)
        mode = o.mode_for(layer.name, first=layer.first)
        return _schedule(_Same(o), mode, steps, runs, layer.groups, layer.group_filters)

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
        return "raw" if o.detect == "output" and get_format(o.format).mixed else "effectual"

    @cached_property
    def has_rows(self) -> bool:
        """Whether fetching a run may touch more than one NM row."""
        return get_format(self.organisation.format).indirect and not self.steps.row_packed

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
        """Cycles of each part of a step in the padding, without overhead: one a run, or its values if zeros are multiplied."""
        cost = self.runs.lengths if self.sees == "all" else np.ones_like(self.runs.lengths)
        return self._by_part(cost).astype(self.load_type)

    @cached_property
    def flat_cycles(self) -> int:
        """Cycles of all runs of a map, over all windows, that do not depend on the values: in the padding, and the overhead."""
        padding = self.steps.padded_steps * int(self.pad_loads.sum(dtype=np.int64))
        return padding + self.organisation.run_overhead * self.window_runs * self.steps.windows

    @cached_property
    def most_cycles(self) -> int:
        """The most cycles of a run, without overhead."""
        return min(255, max(self.runs.longest, self._most_rows))  # they are kept in bytes

    @cached_property
    def load_type(self) -> type[np.integer[Any]]:
        """The smallest type that holds a lane's cycles in any window."""
        worst = np.maximum(self.runs.lengths, self._most_rows).astype(np.int64) + self.organisation.run_overhead
        turns = self.steps.steps
        if self.runs.run_lanes is None:
            turns = -(-self.window_runs // self.organisation.lanes)
        most = turns * int(self._by_part(worst).max())
        if most < 1 << 8 and self.organisation.lanes < 1 << 8:
            return np.uint8
        return np.uint16 if most < 1 << 16 else np.int32 if most < 1 << 31 else np.int64

    @cached_property
    def most_load(self) -> int:
        """The most cycles of a lane in a step, without overhead."""
        return int(self._by_part(np.maximum(self.runs.lengths, self._most_rows)).max())

    @property
    def _most_rows(self) -> int:
        """The most NM rows that a record can lie in."""
        o = self.organisation
        form = get_format(o.format)
        if not self.has_rows:
            return 1
        if form.own_rows:
            return 255  # as much as a byte holds
        return (o.row_bits - 1 + form.most_bits(o.brick, o.data_bits) - 1) // o.row_bits + 1

    def _by_part(self, cost: NDArray[np.integer[Any]]) -> Counts:
        """Add up the cycles of runs by part of a step."""
        sums: Counts = np.add.reduceat(cost.astype(np.int64), self.lane_parts[:-1])
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
        if o.skip_weights != "none" or o.lane_map == "interleaved" or self.sees == "all":
            return None
        if self.steps.row_packed and self.sees == "raw":  # raw bricks are not those of a step
            return None
        if self.has_rows and get_format(o.format).own_rows:
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
    def skip_account(self) -> accounts.Account:
        """See `accounts.skip_account`."""
        return accounts.skip_account(self)

    @cached_property
    def lane_account(self) -> accounts.Account:
        """See `accounts.lane_account`."""
        return accounts.lane_account(self)

    @cached_property
    def dense_account(self) -> accounts.Account:
        """See `accounts.dense_account`."""
        return accounts.dense_account(self)


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

    @property
    def sizes(self) -> NDArray[np.int32]:
        """Values of each."""
        return self.stops - self.starts


class _Same:
    """An organisation that equals itself only: it may hold what cannot be hashed."""

    def __init__(self, organisation: Organisation) -> None:
        self.organisation = organisation

    def __hash__(self) -> int:
        return id(self.organisation)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.organisation is other.organisation


@lru_cache(maxsize=1024)
def _schedule(same: _Same, mode: Mode, steps: StepMap, runs: RunTable, groups: int, group_filters: int) -> Schedule:
    """Return the one schedule of an organisation and these shapes."""
    return Schedule(same.organisation, mode, steps, runs, groups, group_filters)
