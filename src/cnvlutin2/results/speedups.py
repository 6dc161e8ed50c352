"""The two speed-ups, and how they are said."""

from __future__ import annotations

WAITING = "with waiting: for encoders (encoder_values_per_cycle a tile) and DRAM; the dense baseline has no encoders"
"""What the second speed-up is, in a line."""


def both_speedups(datapath: float, with_waiting: float | None) -> str:
    """Return both speed-ups as they are shown side by side: the datapath's, and that in total cycles where it is known."""
    return f"{datapath:.2f}x" if with_waiting is None else f"{datapath:.2f}x, {with_waiting:.2f}x with waiting"
