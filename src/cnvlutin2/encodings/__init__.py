"""The encodings: one file per format, sizes and rows from effectual counts, streams."""

from cnvlutin2.encodings.base import Counts, Format
from cnvlutin2.encodings.container import load
from cnvlutin2.encodings.encoded import Encoded, encode
from cnvlutin2.encodings.footprint import Footprint, footprint, footprints
from cnvlutin2.encodings.registry import format_names, get_format
from cnvlutin2.encodings.storage import Packing, Storage, brick_counts, to_bricks

__all__ = [
    "Counts",
    "Encoded",
    "Footprint",
    "Format",
    "Packing",
    "Storage",
    "brick_counts",
    "encode",
    "footprint",
    "footprints",
    "format_names",
    "get_format",
    "load",
    "to_bricks",
]
