"""The encodings: one file per format, sizes and rows from effectual counts, streams."""

from cnvlutin2.encodings.base import Counts, Format
from cnvlutin2.encodings.breakeven import break_even
from cnvlutin2.encodings.encoded import Encoded, encode, load
from cnvlutin2.encodings.fetching import fetched
from cnvlutin2.encodings.footprint import Footprint, footprint, footprints, image_footprints
from cnvlutin2.encodings.registry import format_names, get_format
from cnvlutin2.encodings.storage import Packing, Storage, brick_counts, brick_histograms, to_bricks
from cnvlutin2.encodings.weights import EncodedWeights, WeightVectors, encode_weights

__all__ = [
    "Counts",
    "Encoded",
    "EncodedWeights",
    "Footprint",
    "Format",
    "Packing",
    "Storage",
    "WeightVectors",
    "break_even",
    "brick_counts",
    "brick_histograms",
    "encode",
    "encode_weights",
    "fetched",
    "footprint",
    "footprints",
    "format_names",
    "get_format",
    "image_footprints",
    "load",
    "to_bricks",
]
