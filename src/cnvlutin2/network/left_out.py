"""`LeftOut`: what of a network is not simulated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LeftOut:
    """A node of the network that is not simulated, and why."""

    name: str
    op: str
    reason: str
