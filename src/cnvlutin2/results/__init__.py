"""Results: the model, frames and files."""

from cnvlutin2.results.model import SCHEMA, LayerInfo, LayerResult, NetworkResult, Results
from cnvlutin2.results.write import check_writable, write_csv, write_json, write_parquet, write_whole

__all__ = [
    "SCHEMA",
    "LayerInfo",
    "LayerResult",
    "NetworkResult",
    "Results",
    "check_writable",
    "write_csv",
    "write_json",
    "write_parquet",
    "write_whole",
]
