"""The seam: an `Engine` takes layers and organisations, and says what each takes. Whoever counts cycles meets here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cnvlutin2.layer import Layer
from cnvlutin2.organisation import Mode, Organisation

Counts = NDArray[np.int64]
RunMode = Literal["skip", "dense"]
"""How a layer really runs, once ``auto`` is settled."""


class Timing(NamedTuple):
    """One way to run a layer.

    Parameters
    ----------
    cycles : int64 ``[N]``
        By image.
    slots : int64 ``[N, len(SLOT_KINDS)]``
        Multiplier slots by kind; they add up to ``cycles * tiles * filters_per_tile * lanes``.
    """

    cycles: Counts
    slots: Counts


class OrganisationTiming(NamedTuple):
    """A layer under one organisation.

    Parameters
    ----------
    mode : {"skip", "dense", "auto"}
        What the organisation asks for; ``auto`` is settled once all images and layers are known.
    dense_cycles : int
        Cycles of an image on the dense baseline of the same size, without overheads.
    skip, dense : Timing or None
        Those that `mode` needs.
    """

    mode: Mode
    dense_cycles: int
    skip: Timing | None
    dense: Timing | None

    def of(self, mode: RunMode) -> Timing:
        """Return what the layer takes in a mode that was asked for."""
        found = self.skip if mode == "skip" else self.dense
        if found is None:
            raise ValueError(f"a layer that is to run {self.mode} was not timed in mode {mode}")
        return found


class LayerTimings(NamedTuple):
    """A layer under several organisations.

    Parameters
    ----------
    effectual_activations : int64 ``[N]``
        Effectual activations stored.
    effectual_macs : int64 ``[N]``
        Products of an effectual activation and an effectual weight, padding left out.
    organisations : sequence of OrganisationTiming
        In the order in which they were given.
    """

    effectual_activations: Counts
    effectual_macs: Counts
    organisations: Sequence[OrganisationTiming]


@runtime_checkable
class Engine(Protocol):
    """Counts cycles and slots.

    An engine lives for a run: what it works out of shapes and of weights (layers of one name have the same weights) it keeps for
    the batches to come.
    """

    name: str

    def unknown(self, organisation: Organisation) -> tuple[str, ...]:
        """Return what of an organisation the engine does not know, as ``key=value``; such an organisation it does not time."""

    def time(self, layers: Sequence[Layer], organisations: Sequence[Organisation]) -> list[LayerTimings]:
        """Count the cycles and slots of layers under organisations.

        Parameters
        ----------
        layers : sequence of Layer
            In any order; a batch of each.
        organisations : sequence of Organisation

        Returns
        -------
        list of LayerTimings
            One a layer.

        Raises
        ------
        ConfigError
            For an organisation that it does not know (`unknown`).
        """

    def window_ends(self, layer: Layer, organisation: Organisation, mode: RunMode) -> Counts:
        """Return the cycle of its pass in which each window has ended in the slowest tile.

        Returns
        -------
        int64 ``[N, groups, passes, windows]``
            The last window's end is what the pass takes; over passes and groups they add up to the layer's cycles.
        """
