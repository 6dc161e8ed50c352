"""How an array was encoded: everything but the bits."""

from __future__ import annotations

from dataclasses import dataclass

from cnvlutin2.encodings.registry import get_format
from cnvlutin2.encodings.storage import Storage, set_whole
from cnvlutin2.errors import ConfigError
from cnvlutin2.numeric import MAX_BITS, MIN_BITS

MAX_POINTER_GROUP = (1 << 31) - 1
"""A group may be larger than the stream: then there is one pointer."""
MAX_THRESHOLD = (1 << 31) - 1
"""As of a layer; from 32769 on nothing is effectual."""
DTYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


@dataclass(frozen=True)
class Parameters:
    """How an array was encoded.

    Parameters
    ----------
    format : str
    storage : Storage
        Shape, groups, brick and packing.
    data_bits, threshold, pointer_group : int
    dtype : str
        Of the array, and of what is decoded.

    Raises
    ------
    ConfigError
        Names the parameter, and what is allowed.
    """

    format: str
    storage: Storage
    data_bits: int = 16
    threshold: int = 1
    pointer_group: int = 1
    dtype: str = "int16"

    def __post_init__(self) -> None:
        get_format(self.format)
        for key, least, most in (
            ("data_bits", MIN_BITS, MAX_BITS),
            ("threshold", 1, MAX_THRESHOLD),
            ("pointer_group", 1, MAX_POINTER_GROUP),
        ):
            set_whole(self, key, least, most)
        if self.dtype not in DTYPES:
            raise ConfigError(f"must be one of {', '.join(DTYPES)}, got {self.dtype}", where="dtype")
