"""Results: of layers, networks and simulations; frames and files."""

from cnvlutin2.results.comparison import Comparison, compare_results
from cnvlutin2.results.coverage import Coverage, left_out_warning
from cnvlutin2.results.layer_result import LayerInfo, LayerResult
from cnvlutin2.results.load import load_results
from cnvlutin2.results.network_result import DenseBaseline, NetworkResult
from cnvlutin2.results.schema import json_schema
from cnvlutin2.results.simulation_results import SCHEMA, Results
from cnvlutin2.results.speedups import WAITING, both_speedups
from cnvlutin2.results.write import write_csv, write_frame_csv, write_json, write_parquet, write_text

__all__ = [
    "SCHEMA",
    "WAITING",
    "Comparison",
    "Coverage",
    "DenseBaseline",
    "LayerInfo",
    "LayerResult",
    "NetworkResult",
    "Results",
    "both_speedups",
    "compare_results",
    "json_schema",
    "left_out_warning",
    "load_results",
    "write_csv",
    "write_frame_csv",
    "write_json",
    "write_parquet",
    "write_text",
]
