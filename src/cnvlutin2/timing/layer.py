"""`time_layer`: one layer under several organisations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cnvlutin2.network.layer import Layer
from cnvlutin2.organisation import Mode, Organisation
from cnvlutin2.timing.dense import time_dense
from cnvlutin2.timing.prepared import PreparedLayer
from cnvlutin2.timing.skip import time_skips
from cnvlutin2.timing.slots import Counts


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


class LayerTiming(NamedTuple):
    """A layer under one organisation.

    Parameters
    ----------
    mode : {"skip", "dense", "auto"}
        What the organisation asks for; `auto` is settled once all images are known.
    dense_cycles : int
        Cycles of an image on the dense baseline of the same size, without overheads.
    skip, dense : Timing or None
        Those that `mode` needs.
    """

    mode: Mode
    dense_cycles: int
    skip: Timing | None
    dense: Timing | None


def time_layer(layer: Layer | PreparedLayer, organisations: Sequence[Organisation], jobs: int | None = None) -> list[LayerTiming]:
    """Count the cycles of a layer under several organisations.

    What they share (masks, counts, window sums) is computed once.

    Parameters
    ----------
    layer : Layer or PreparedLayer
    organisations : sequence of Organisation
    jobs : int, optional
        Threads; by default all processors. The counts do not depend on it.

    Returns
    -------
    list of LayerTiming
        One an organisation, in order.
    """
    prepared = layer if isinstance(layer, PreparedLayer) else PreparedLayer(layer, jobs)
    works = prepared.weights.schedules.works(organisations)
    skips = [Timing(*found) for found in time_skips(prepared, works)]
    denses = [Timing(*time_dense(prepared, schedule)) for schedule in works.denses]
    return [
        LayerTiming(
            schedule.mode, schedule.dense_cycles, None if skip is None else skips[skip], None if dense is None else denses[dense]
        )
        for schedule, skip, dense in works.each
    ]
