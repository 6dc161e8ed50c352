"""Where everything goes, without any value: from a layer's shape and an organisation to steps, runs, lanes, tiles and passes.

Engines, cost, the functional check, the report's lane viewer and the hardware ask here which place a window reads, which lane
owns a value, which tile computes a filter (docs/model.md).
"""

from cnvlutin2.mapping.runs import LaneOrder, RunTable
from cnvlutin2.mapping.schedule import Schedule
from cnvlutin2.mapping.seats import Seats
from cnvlutin2.mapping.steps import StepMap

__all__ = ["LaneOrder", "RunTable", "Schedule", "Seats", "StepMap"]
