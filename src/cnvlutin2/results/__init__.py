"""Results: of layers, networks and simulations; frames and files."""

from cnvlutin2.results.layer_result import LayerInfo, LayerResult
from cnvlutin2.results.network_result import DenseBaseline, NetworkResult
from cnvlutin2.results.simulation_results import SCHEMA, Results
from cnvlutin2.results.write import write_csv, write_json, write_parquet

__all__ = [
    "SCHEMA",
    "DenseBaseline",
    "LayerInfo",
    "LayerResult",
    "NetworkResult",
    "Results",
    "write_csv",
    "write_json",
    "write_parquet",
]
