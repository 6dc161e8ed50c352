"""Where the cycles go: every multiplier slot of every cycle has one kind (docs/model.md, "Where the cycles go")."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

SLOT_KINDS = (
    "unused_filters",
    "overhead",
    "unused_lanes",
    "ineffectual_activation",
    "ineffectual_weight",
    "effectual",
    "filter_sync",
    "fetch",
    "lane_sync",
)
"""The kinds in the order in which they claim a slot, but for the last, which takes what waits."""

Counts = NDArray[np.int64]


def complete(total: Counts, kinds: Mapping[str, Counts | int]) -> Counts:
    """Return the slots by kind, ``[N, len(SLOT_KINDS)]``; ``lane_sync`` is what is left of `total`.

    Parameters
    ----------
    total : int64 ``[N]``
        Cycles times multipliers.
    kinds : mapping
        Slots of every kind but ``lane_sync`` (absent: none).
    """
    out = np.zeros((total.size, len(SLOT_KINDS)), np.int64)
    for index, kind in enumerate(SLOT_KINDS[:-1]):
        out[:, index] = kinds.get(kind, 0)
    out[:, -1] = total - out.sum(axis=1)
    return out
