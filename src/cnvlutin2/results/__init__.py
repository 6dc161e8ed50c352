"""Results: the model, frames and files."""

from cnvlutin2.results.model import SCHEMA, LayerInfo, LayerResult, NetworkResult, Results
from cnvlutin2.results.write import write_csv, write_json, write_parquet

__all__ = [
    "SCHEMA",
    "LayerInfo",
    "LayerResult",
    "NetworkResult",
    "Results",
    "write_csv",
    "write_json",
    "write_parquet",
]
