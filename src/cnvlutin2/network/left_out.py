"""`LeftOut`: what of a network is not simulated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LeftOut:
    """A part of the network that multiplies, or may, and is not simulated.

    Parameters
    ----------
    name : str
        Of the node, the module's call or the layer.
    operator : str
        What it computes, as the network's format calls it: ``Einsum``, ``lstm``.
    reason : str
        Why it is not simulated.
    macs : int or None
        Multiply-accumulates of an image, padding included, as `Layer.macs` counts those of layers; None where they cannot be
        counted.
    """

    name: str
    operator: str
    reason: str
    macs: int | None = None
