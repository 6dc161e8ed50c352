"""Memory for captured tensors that one execution after another writes to, or that is given back."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.network.gathering import Captured, is_enough

LARGE_BYTES = 4 << 20
"""From this size on arrays lie in large pages, where the system has them: what an execution captures is worth one array."""
_ALIGNMENT = 64

Tensors = dict[str, NDArray[Any]]
"""Captured tensors as they are in the network, by name."""


def room_like(tensors: Tensors) -> Tensors | None:
    """Return room for the tensors of another execution like one, in one piece; None if too small for large pages.

    Fresh memory is mapped page by page, which for the usual small ones takes a quarter of the time of some networks' inference.
    """
    if sum(values.nbytes for values in tensors.values()) < LARGE_BYTES:
        return None
    ends = np.cumsum([0, *(-(-values.nbytes // _ALIGNMENT) * _ALIGNMENT for values in tensors.values())]).tolist()
    room = np.empty(ends[-1], np.uint8)
    pieces = zip(tensors.items(), ends, strict=False)
    return {name: room[at : at + like.nbytes].view(like.dtype).reshape(like.shape) for (name, like), at in pieces}


def next_room(room: Tensors | None, tensors: Tensors, captured: Captured) -> Tensors | None:
    """Return room for the next execution: that of the last, or new room; none if several are looked at together."""
    return room or (room_like(tensors) if is_enough([captured]) else None)


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
