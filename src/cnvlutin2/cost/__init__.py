"""Traffic, energy and area from event counts; what an event costs stands in tables with sources (docs/cost.md)."""

from cnvlutin2.cost.area import area_mm2, static_mw
from cnvlutin2.cost.book import CostBook, baseline_of
from cnvlutin2.cost.energy import Prices
from cnvlutin2.cost.events import COMPONENTS, EVENTS, STATIC
from cnvlutin2.cost.model import LayerCost, MachineCost, NetworkCost
from cnvlutin2.cost.tables import DEFAULT_TABLE, CostTable, load_table, table_names
from cnvlutin2.cost.traffic import account

__all__ = [
    "COMPONENTS",
    "DEFAULT_TABLE",
    "EVENTS",
    "STATIC",
    "CostBook",
    "CostTable",
    "LayerCost",
    "MachineCost",
    "NetworkCost",
    "Prices",
    "account",
    "area_mm2",
    "baseline_of",
    "load_table",
    "static_mw",
    "table_names",
]
