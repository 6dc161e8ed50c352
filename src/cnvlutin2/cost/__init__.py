"""Traffic, energy and area from event counts; what an event costs stands in tables with sources (docs/cost.md)."""

from cnvlutin2.cost.area import area_mm2, static_mw
from cnvlutin2.cost.costs import LayerCost, MachineCost, NetworkCost
from cnvlutin2.cost.encoders import TimedLayer, settle_modes
from cnvlutin2.cost.energy import COMPONENTS, STATIC, Prices
from cnvlutin2.cost.observer import CostObserver, baseline_of
from cnvlutin2.cost.tables import DEFAULT_TABLE, CostTable, load_table, table_names

__all__ = [
    "COMPONENTS",
    "DEFAULT_TABLE",
    "STATIC",
    "CostObserver",
    "CostTable",
    "LayerCost",
    "MachineCost",
    "NetworkCost",
    "Prices",
    "TimedLayer",
    "area_mm2",
    "baseline_of",
    "load_table",
    "settle_modes",
    "static_mw",
    "table_names",
]
