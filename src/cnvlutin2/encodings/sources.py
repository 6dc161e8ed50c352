"""Where the bits of an encoded array are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.encodings.codec import GUARD_WORDS, Words
from cnvlutin2.errors import FormatError


class Source(ABC):
    """Where a stream's bits and pointers come from: memory, or a file of which only the bytes asked for are read."""

    name: str
    """The file's, for messages; empty if there is none."""

    @abstractmethod
    def window(self, bit: int, end: int) -> tuple[Words, int]:
        """Return words that hold the stream from `bit` to before `end`, and the place of `bit` in them."""

    @abstractmethod
    def pointer(self, number: int) -> int:
        """Return one pointer, in 16-bit units."""

    @abstractmethod
    def pointers(self) -> NDArray[np.int64] | None:
        """Return all pointers; None if there is no indirection array."""


@dataclass(frozen=True, eq=False)
class MemorySource(Source):
    """A stream in memory: uint64 words with guard words after them."""

    words: Words
    indirection: NDArray[np.int64] | None
    name: str = ""

    def window(self, bit: int, end: int) -> tuple[Words, int]:
        """Return all words."""
        return self.words, bit

    def pointer(self, number: int) -> int:
        """Return one pointer."""
        if self.indirection is None:
            raise FormatError("pointers: the stream has none")
        return int(self.indirection[number])

    def pointers(self) -> NDArray[np.int64] | None:
        """Return all pointers."""
        return self.indirection


def words_of(data: bytes | memoryview) -> Words:
    """Return bytes as words, zero-filled, with guard words after them."""
    words = np.zeros(-(-len(data) // 8) + GUARD_WORDS, np.uint64)
    words.view(np.uint8)[: len(data)] = np.frombuffer(data, np.uint8)
    return words
