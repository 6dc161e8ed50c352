"""`Schedule`: how a layer's windows fall on an organisation's lanes, tiles and passes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings import Packing, Storage, get_format
from cnvlutin2.layer import Geometry
from cnvlutin2.mapping.groups import dense_cycles, groups_together
from cnvlutin2.mapping.runs import LaneOrder, RunTable
from cnvlutin2.mapping.seats import Seats
from cnvlutin2.mapping.steps import StepMap
from cnvlutin2.organisation import Organisation

View = Literal["effectual", "raw", "all"]
"""Which activations a lane takes for effectual: those that are, those in bricks that are stored raw too, or all."""


@dataclass(frozen=True)
class Schedule:
    """A layer's shape on an organisation: all that follows without looking at a value.

    Parameters
    ----------
    geometry : Geometry
        With the groups set side by side that the organisation computes together: `together` of the layer's to one of these.
    organisation : Organisation
    together : int
    """

    geometry: Geometry
    organisation: Organisation
    together: int = 1

    @classmethod
    @lru_cache(maxsize=4096)
    def of(cls, geometry: Geometry, organisation: Organisation) -> Schedule:
        """Return the one schedule of a layer's shape and an organisation: what it works out is kept."""
        together = groups_together(geometry, organisation)
        return cls(geometry.side_by_side(together), organisation, together)

    @cached_property
    def steps(self) -> StepMap:
        """The steps of a window, and the places that they read."""
        return StepMap.of(self.geometry, self.organisation.brick, self.organisation.packing)

    @cached_property
    def runs(self) -> RunTable:
        """The runs that a step is cut into."""
        o = self.organisation
        return RunTable.of(self.steps.values, o.lanes, o.brick, o.lane_map)

    @cached_property
    def seats(self) -> Seats:
        """Where the filters of a group sit."""
        o = self.organisation
        return Seats.of(self.geometry.group_filters, o.tiles, o.filters_per_tile, o.filter_map)

    @cached_property
    def storage(self) -> Storage:
        """How the input is cut into bricks."""
        g = self.geometry
        return Storage(g.channels, g.height, g.width, self.organisation.brick, g.groups, self.packing)

    @property
    def packing(self) -> Packing:
        """How the layer is stored."""
        return "row" if self.steps.row_packed else "brick"

    @property
    def lane_order(self) -> LaneOrder:
        """The runs of a window, lane by lane."""
        return self.runs.lane_order(self.steps.steps)

    @property
    def lanes_in_use(self) -> int:
        """Lanes that have a value in a window."""
        return self.runs.lanes_in_use(self.steps.steps)

    @property
    def groups(self) -> int:
        """Groups, those set side by side counted once."""
        return self.geometry.groups

    @property
    def filters(self) -> int:
        """Filters over all groups."""
        return self.geometry.filters

    @property
    def passes(self) -> int:
        """Passes of a group."""
        return self.seats.passes

    @property
    def window_passes(self) -> int:
        """Windows of an image, once for each pass of each group."""
        return self.steps.windows * self.groups * self.passes

    @property
    def window_runs(self) -> int:
        """Runs of a window."""
        return self.steps.steps * self.runs.runs

    @cached_property
    def view(self) -> View:
        """Which activations a lane takes for effectual."""
        o = self.organisation
        if not o.skip_activations:
            return "all"
        return "raw" if o.detect == "output" and get_format(o.format).mixed else "effectual"

    @cached_property
    def has_rows(self) -> bool:
        """Whether fetching a run may touch more than one NM row."""
        return get_format(self.organisation.format).indirect and not self.steps.row_packed

    @cached_property
    def run_bricks(self) -> NDArray[np.int32]:
        """The first and the last storage brick of each run, ``[runs, 2]``: no run is longer than a brick.

        Bricks are those of a position; in row-packed layers runs are none of a stored row, and nobody asks.
        """
        return np.stack([self.runs.starts, self.runs.stops - 1], axis=1) // np.int32(self.organisation.brick)

    def values_read(self) -> NDArray[np.int64]:
        """Return which of a group's activations ``[Cg, H, W]`` each value of each place is, ``[values, places]``; -1 is padding.

        Not kept: it is as large as a map.
        """
        g, steps = self.geometry, self.steps
        channel = np.arange(g.group_channels, dtype=np.int64)[:, None] * (g.height * g.width)
        if not steps.row_packed:
            return channel + np.arange(steps.places)
        column = StepMap.of(g, 1, "brick").lines_read[1].astype(np.int64)  # [Kw, windows across]
        position = np.arange(g.height)[:, None] * g.width + column[:, None]  # [Kw, height, windows across]
        read = np.where(column[:, None, None] < 0, -1, channel[:, :, None] + position[:, None])
        return read.reshape(steps.values, steps.places)

    def weights_met(self) -> NDArray[np.int64]:
        """Return which of a filter's weights ``[Cg, Kh, Kw]`` each value of each step meets, ``[steps, values]``."""
        g, (kh, kw) = self.geometry, self.geometry.kernel
        by_channel = np.arange(g.filter_weights, dtype=np.int64).reshape(g.group_channels, kh, kw)
        return np.ascontiguousarray(by_channel.transpose(1, 2, 0).reshape(self.steps.steps, self.steps.values))

    @cached_property
    def dense_values(self) -> NDArray[np.int32]:
        """The value of a step that each lane takes in each of its cycles in dense mode, ``[cycles, lanes]``; -1 is none."""
        values, lanes = self.steps.values, self.organisation.lanes
        taken = np.arange(-(-values // lanes) * lanes, dtype=np.int32).reshape(-1, lanes)
        return np.where(taken < values, taken, -1).astype(np.int32)

    @cached_property
    def dense_window_cycles(self) -> int:
        """Cycles in dense mode of one window of one pass, without overhead: ``ceil(n / L)`` a step."""
        return self.steps.steps * len(self.dense_values)

    @cached_property
    def dense_cycles(self) -> int:
        """Cycles of an image on the dense baseline of the same size, without overheads."""
        return dense_cycles(self.geometry, self.organisation)
