"""`time_layer`: one layer under several organisations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnvlutin2.network.layer import Layer
from cnvlutin2.organisation import Mode, Organisation
from cnvlutin2.timing.dense import dense_cycles, time_dense
from cnvlutin2.timing.prepared import PreparedLayer, seen_key
from cnvlutin2.timing.skip import time_skip
from cnvlutin2.timing.slots import Counts


@dataclass(frozen=True)
class Timing:
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


@dataclass(frozen=True)
class LayerTiming:
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
    known: dict[tuple[object, ...], Timing] = {}
    out = []
    for organisation in organisations:
        mode = organisation.mode_for(prepared.layer.name, first=prepared.layer.first)
        skip_key, dense_key = ("skip", *_skip_key(prepared, organisation)), ("dense", *_dense_key(organisation))
        if mode != "dense" and skip_key not in known:
            known[skip_key] = Timing(*time_skip(prepared, organisation))
        if mode != "skip" and dense_key not in known:
            known[dense_key] = Timing(*time_dense(prepared, organisation))
        out.append(
            LayerTiming(
                mode,
                dense_cycles(prepared, organisation),
                known[skip_key] if mode != "dense" else None,
                known[dense_key] if mode != "skip" else None,
            )
        )
    return out


def _dense_key(organisation: Organisation) -> tuple[object, ...]:
    o = organisation
    return (o.tiles, o.filters_per_tile, o.lanes, o.brick, o.packing, o.window_overhead)


def _skip_key(prepared: PreparedLayer, organisation: Organisation) -> tuple[object, ...]:
    """Everything on which the cycles depend: presets that differ only in what they store share them."""
    o = organisation
    rows = (o.format, o.data_bits) if o.format == "packed_viai" and prepared.packing(o) == "brick" else ()
    sync = (o.filter_sync, o.tile_sync) if o.skip_weights != "none" else ()
    return (*_dense_key(o), o.skip_weights, sync, o.lane_map, o.run_overhead, seen_key(o), rows)
