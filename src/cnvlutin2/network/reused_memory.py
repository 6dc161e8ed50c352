"""Memory for captured tensors: that one execution after another writes to, that is held a while, or that is given back."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

from numpy.typing import NDArray

from cnvlutin2.network.gathering import Captured, is_enough
from cnvlutin2.network.large_memory import LargeMemory

LARGE_BYTES = 4 << 20
"""From this size on captured tensors are worth room of ours: to say where each is to be written takes time, too."""

Tensors = dict[str, NDArray[Any]]
"""Captured tensors as they are in the network, by name."""


def room_like(tensors: Tensors, memory: LargeMemory) -> Tensors | None:
    """Return room for the tensors of another execution like one; None if they are small."""
    if sum(values.nbytes for values in tensors.values()) < LARGE_BYTES:
        return None
    return {name: memory.empty(values.shape, values.dtype) for name, values in tensors.items()}


def next_room(room: Tensors | None, tensors: Tensors, captured: Captured, memory: LargeMemory) -> Tensors | None:
    """Return room for the next execution: that of the last, or new room; none if several are looked at together."""
    return room or (room_like(tensors, memory) if is_enough([captured]) else None)


def give_back() -> None:
    """Have the C library give memory that was freed back to the system, where it would keep it for what may come.

    What maps of megabytes leave behind, several threads' too, would be as much again as what is held.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    """Return glibc's function for it; other libraries have none, or need none."""
    found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    return found
